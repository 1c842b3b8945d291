// Live news of runs or of a project, while a component shows them.

import { useEffect, useRef } from 'preact/hooks';
import { openStream, type News } from '../api/stream';
import { probe } from './session';

/** What to hear of, by id. */
export type Heard = { runs: readonly string[] } | { project: string };
type Handlers = Omit<News, 'broken'>;

/** What several parts of a page hear together. */
interface Shared {
  hearers: Set<Handlers>;
  open: boolean;
  end: () => void;
}

const streams = new Map<string, Shared>();

function hear(query: string, handlers: Handlers): () => void {
  const shared = streams.get(query) ?? share(query);
  shared.hearers.add(handlers);
  if (shared.open) queueMicrotask(() => shared.hearers.has(handlers) && handlers.missed?.(true));
  return () => {
    shared.hearers.delete(handlers);
    if (shared.hearers.size) return;
    shared.end();
    streams.delete(query);
  };
}

function share(query: string): Shared {
  const shared: Shared = { hearers: new Set(), open: false, end: () => {} };
  const each = (what: (handlers: Handlers) => void) => [...shared.hearers].forEach(what);
  streams.set(query, shared);
  shared.end = openStream(query, {
    points: (run, keys) => each((h) => h.points?.(run, keys)),
    logs: (run) => each((h) => h.logs?.(run)),
    state: (run) => each((h) => h.state?.(run)),
    run: (run) => each((h) => h.run?.(run)),
    project: (project) => each((h) => h.project?.(project)),
    missed: (first) => {
      shared.open = true;
      each((h) => h.missed?.(first));
    },
    broken: probe,
  });
  return shared;
}

/**
 * Call the handlers `news` while the component is there. If `of` is null or names no run, call nothing. The handlers of the
 * newest rendering are called, so they need no memo, and a rendering does not open the stream again. When the stream breaks, this
 * finds out whether the lab is down or the session over.
 */
export function useLive(of: Heard | null, news: Handlers): void {
  const latest = useRef(news);
  latest.current = news;
  const query = of === null ? '' : queryOf(of);
  useEffect(() => {
    if (!query) return;
    return hear(query, {
      points: (run, keys) => latest.current.points?.(run, keys),
      logs: (run) => latest.current.logs?.(run),
      state: (run) => latest.current.state?.(run),
      run: (run) => latest.current.run?.(run),
      project: (project) => latest.current.project?.(project),
      missed: (first) => latest.current.missed?.(first),
    });
  }, [query]);
}

function queryOf(of: Heard): string {
  if ('project' in of) return `project=${encodeURIComponent(of.project)}`;
  return of.runs.map((run) => `run=${encodeURIComponent(run)}`).join('&');
}
