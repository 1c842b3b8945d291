// The saved views of a project that the reader may see, and what can be done with them.

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import type { Bodies, ViewAnswer } from '../schema/lab';
import { useLoad } from './load';

type ViewBody = Bodies['POST /projects/{ref}/views'];

export interface SavedViews {
  /** By name; null: not known yet. */
  all: readonly ViewAnswer[] | null;
  /** Why the last change failed; '': it did not. */
  problem: string;
  busy: boolean;
  refresh: () => void;
  /** Each of these answers null if it failed. */
  make: (view: ViewBody) => Promise<ViewAnswer | null>;
  change: (view: ViewAnswer, to: Partial<ViewBody>) => Promise<ViewAnswer | null>;
  remove: (view: ViewAnswer) => Promise<ViewAnswer | null>;
}

export function useSavedViews(project: string): SavedViews {
  const loaded = useLoad((signal) => allViews(project, signal), [project]);
  const [all, setAll] = useState<readonly ViewAnswer[] | null>(null);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => setAll(loaded.data ?? (loaded.error ? [] : null)), [loaded.data, loaded.error]);

  const attempt = async (work: () => Promise<ViewAnswer>, after: (done: ViewAnswer, held: readonly ViewAnswer[]) => readonly ViewAnswer[]) => {
    setBusy(true);
    setProblem('');
    try {
      const done = await work();
      setAll((held) => after(done, held ?? []));
      return done;
    } catch (e) {
      const conflict = e instanceof ApiError && e.code === 'version_conflict';
      if (conflict) loaded.refresh();
      setProblem(conflict ? 'Somebody changed this view meanwhile. Look at it again, or save yours under another name.' : e instanceof ApiError ? e.message : 'The lab does not answer. Try again in a moment.');
      return null;
    } finally {
      setBusy(false);
    }
  };
  return {
    all,
    problem,
    busy,
    refresh: loaded.refresh,
    make: (view) => attempt(() => api.makeView(project, view), (done, held) => byName([...held, done])),
    change: (view, to) =>
      attempt(
        () => api.changeView(project, view.id, { name: view.name, shared: view.shared, document: view.document ?? {}, version: view.version, ...to }),
        (done, held) => byName(held.map((other) => (other.id === done.id ? done : other))),
      ),
    remove: (view) => attempt(() => api.deleteView(project, view.id, view.version).then(() => view), (done, held) => held.filter((other) => other.id !== done.id)),
  };
}

async function allViews(project: string, signal: AbortSignal): Promise<ViewAnswer[]> {
  const views: ViewAnswer[] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof api.views>> = await api.views(project, after, signal);
    views.push(...page.items);
    after = page.next;
  } while (after !== null);
  return views;
}

const byName = (views: readonly ViewAnswer[]) => [...views].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
