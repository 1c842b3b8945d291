// Loading something for a page. The newest answer counts; until it comes, the old one stays on the screen.

import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiError, UnreachableError } from '../api/http';
import { Newest, Throttle } from '../base/limiter';
import { revival } from './session';
import { useStore } from './store';

export interface Loaded<T> {
  data: T | null;
  error: ApiError | null; // why the lab refused; the line about the connection says that it cannot be reached
  loading: boolean;
  refresh: () => void; // throttled
}

export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[], interval_ms = 1000): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [loading, setLoading] = useState(true);
  const life = useStore(revival);
  const latest = useRef(load);
  latest.current = load;
  const throttle = useRef<Throttle | null>(null);

  // A layout effect asks a frame earlier, and draws at once what is there already.
  useLayoutEffect(() => {
    const newest = new Newest();
    setLoading(true);
    const mine = new Throttle(async () => {
      const ticket = newest.begin();
      try {
        const answer = await latest.current(ticket.signal);
        if (!ticket.isNewest()) return;
        setData(() => answer);
        setError(null);
        setLoading(false);
      } catch (e) {
        if (!ticket.isNewest() || e instanceof UnreachableError) return;
        if (!(e instanceof ApiError)) throw e;
        setError(e);
        setLoading(false);
      }
    }, interval_ms);
    throttle.current = mine;
    mine.runNow();
    return () => {
      mine.stop();
      newest.cancel();
    };
  }, [...deps, life, interval_ms]);

  return { data, error, loading, refresh: useCallback(() => throttle.current?.ask(), []) };
}
