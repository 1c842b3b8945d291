// The keys of the runs on a page: the lab searches them page by page, and they are merged into one sorted list.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError, UnreachableError } from '../api/http';
import { mergeKeyPages, type KeyPage } from '../base/group';
import { Newest, Throttle } from '../base/limiter';
import { noPoints, revival } from './session';
import { useStore } from './store';

const PAGE = 100;
const PAGE_MAX = 1000; // of one answer of the lab
const INTERVAL_MS = 2000; // new keys are rare
const APART_MAX = 3; // runs whose keys are asked for one by one: a browser sends six requests at a time, and the table needs some
const LISTED_MAX = 500; // metrics that the lab lists for several runs at once

export interface Keys {
  keys: readonly string[] | null; // null: not known yet
  complete: boolean;
  error: ApiError | null;
  more: () => void;
  refresh: () => void; // throttled
}

const TOGETHER = ''; // stands in the place of a run, and means all of them
const EMPTY: KeyPage = { keys: [], next: null };

export function useKeys(runs: readonly string[], query: string): Keys {
  const [pages, setPages] = useState<ReadonlyMap<string, KeyPage> | null>(null);
  const [shown, setShown] = useState(PAGE); // of the keys that came in one request
  const [error, setError] = useState<ApiError | null>(null);
  const held = useRef(pages);
  held.current = pages;
  const throttle = useRef<Throttle | null>(null);
  const busy = useRef(false);
  const life = useStore(revival);
  const name = runs.join();

  useEffect(() => {
    const newest = new Newest();
    let first = true;
    setShown(PAGE);
    const mine = new Throttle(async () => {
      const ticket = newest.begin();
      const old = first ? null : held.current;
      try {
        const together = runs.length > APART_MAX ? await keysTogether(runs, query, ticket.signal) : null;
        const answers = together ? [[TOGETHER, together] as const] : await Promise.all(
          runs.map(async (run): Promise<readonly [string, KeyPage]> => {
            const before = old?.get(run) ?? EMPTY;
            const limit = Math.min(PAGE_MAX, Math.max(PAGE, before.keys.length));
            const page = await api.keys(run, { q: query, after: null, limit }, ticket.signal).catch(onMissing);
            const keys = page.items.map((k) => k.key);
            // There are more keys than one page holds. Those behind it stay as they are.
            if (before.keys.length > limit) return [run, { keys: [...new Set([...keys, ...before.keys])], next: before.next }];
            return [run, { keys, next: page.next }];
          }),
        );
        if (!ticket.isNewest()) return;
        first = false;
        setPages(new Map(answers));
        setError(null);
        noPoints.set(false);
      } catch (e) {
        if (!ticket.isNewest()) return;
        if (e instanceof UnreachableError) return noPoints.set(true);
        if (!(e instanceof ApiError)) throw e;
        setError(e);
      }
    }, INTERVAL_MS);
    throttle.current = mine;
    mine.askNow();
    return () => {
      mine.stop();
      newest.cancel();
    };
  }, [name, query, life]);

  const more = useCallback(() => {
    const old = held.current;
    if (busy.current || !old) return;
    if (old.has(TOGETHER)) return setShown((n) => n + PAGE);
    busy.current = true;
    void Promise.all(
      runs.map(async (run): Promise<readonly [string, KeyPage]> => {
        const before = old.get(run) ?? EMPTY;
        if (before.next === null) return [run, before];
        const page = await api.keys(run, { q: query, after: before.next, limit: PAGE });
        return [run, { keys: [...before.keys, ...page.items.map((k) => k.key)], next: page.next }];
      }),
    )
      .then((answers) => {
        if (held.current === old) setPages(new Map(answers)); // otherwise the query changed meanwhile
      })
      .catch((e: unknown) => {
        if (e instanceof ApiError) setError(e);
        else if (!(e instanceof UnreachableError)) throw e;
      })
      .finally(() => (busy.current = false));
  }, [name, query]);

  const merged = useMemo(() => {
    const its = pages && mergeKeyPages([...pages.values()]);
    return its && pages.has(TOGETHER) ? { keys: its.keys.slice(0, shown), complete: its.keys.length <= shown } : its;
  }, [pages, shown]);
  return {
    keys: merged?.keys ?? null,
    complete: merged?.complete ?? true,
    error,
    more,
    refresh: useCallback(() => throttle.current?.ask(), []),
  };
}

/** Load the keys of all runs in one request; null: there are more than the lab lists. */
async function keysTogether(runs: readonly string[], query: string, signal: AbortSignal): Promise<KeyPage | null> {
  const { metrics } = await api.tableColumns({ filter: [`id=${runs.join()}`], words: query }, signal);
  return metrics.length < LISTED_MAX ? { keys: metrics.map((m) => m.key).sort(), next: null } : null;
}

/** Return no keys for a run that is gone. The page says elsewhere that it is gone. */
function onMissing(e: unknown): { items: { key: string }[]; next: null } {
  if (e instanceof ApiError && (e.status === 404 || e.status === 410)) return { items: [], next: null };
  throw e;
}
