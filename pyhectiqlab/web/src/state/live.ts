// Live news of runs or of a project, for as long as a component shows them.

import { useEffect, useRef } from 'preact/hooks';
import { openStream, type News } from '../api/stream';
import { probe } from './session';

/** What to hear of, by id. */
export type Heard = { runs: readonly string[] } | { project: string };

/**
 * Calls `news` as long as the component is there; nothing where `of` is null or names no run. The handlers of the
 * newest rendering are called, so they need no memo, and a new rendering does not open the stream anew. Whether a
 * stream that broke means that the lab is down or the session over, is found out here.
 */
export function useLive(of: Heard | null, news: Omit<News, 'broken'>): void {
  const latest = useRef(news);
  latest.current = news;
  const query = of === null ? '' : queryOf(of);
  useEffect(() => {
    if (!query) return;
    return openStream(query, {
      points: (run, keys) => latest.current.points?.(run, keys),
      logs: (run) => latest.current.logs?.(run),
      state: (run) => latest.current.state?.(run),
      run: (run) => latest.current.run?.(run),
      project: (project) => latest.current.project?.(project),
      missed: (first) => latest.current.missed?.(first),
      broken: probe,
    });
  }, [query]);
}

function queryOf(of: Heard): string {
  if ('project' in of) return `project=${encodeURIComponent(of.project)}`;
  return of.runs.map((run) => `run=${encodeURIComponent(run)}`).join('&');
}
