// Live news from the lab: server-sent events. The stream reconnects for ever, and is closed while the tab is hidden. The tabs of
// a browser share one connection, because browsers allow six to one host: otherwise six open tabs would block the seventh.

import { at } from '../base/root';
import { StreamHub, type Brought, type Source } from './streamhub';
import type { Wish } from './streamworker';

export interface News {
  points?: (run: string, keys: string[] | null) => void; // null: more keys than the lab named
  logs?: (run: string) => void;
  state?: (run: string) => void;
  run?: (run: string) => void;
  /** The project was renamed, moved, archived, deleted or restored. */
  project?: (project: string) => void;
  /**
   * The stream is connected: at first, again after a break, or after it was too slow to hear everything. Anything may have
   * happened since the page loaded.
   */
  missed?: (first: boolean) => void;
  /** The stream ended or could not be opened. The hearer finds out whether the lab is down or the session over. */
  broken?: () => void;
}

const KEYS_NAMED_MAX = 64;
const SAID_EVERY_MS = 60_000;

interface Hearer {
  news: News;
  everOpen: boolean;
}

const hearers = new Map<string, Set<Hearer>>();
let tell: ((queries: string[]) => void) | null = null;

/** Open the stream of `query` ("run=…&run=…" or "project=…"). Return the function that ends it. */
export function openStream(query: string, news: News): () => void {
  tell ??= start();
  const hearer = { news, everOpen: false };
  hearers.set(query, (hearers.get(query) ?? new Set()).add(hearer));
  say();
  return () => {
    hearers.get(query)?.delete(hearer);
    if (!hearers.get(query)?.size) hearers.delete(query);
    say();
  };
}

/** Tell the worker what this tab wants to hear. A hidden tab wants nothing. */
function say(): void {
  tell?.(document.hidden ? [] : [...hearers.keys()]);
}

function start(): (queries: string[]) => void {
  document.addEventListener('visibilitychange', say);
  window.addEventListener('pagehide', () => tell?.([]));
  window.addEventListener('pageshow', say);
  setInterval(say, SAID_EVERY_MS); // otherwise the worker takes this tab for dead
  const url = at('/api/v1/stream');
  const port = sharedPort();
  if (port) {
    port.onmessage = ({ data }: MessageEvent<Brought>) => bring(data);
    return (queries) => port.postMessage({ url, queries } satisfies Wish);
  }
  const own = new StreamHub<null>((query) => new EventSource(`${url}?${query}`) as Source, (_, brought) => bring(brought));
  return (queries) => own.want(null, queries);
}

/** Return a port to the shared worker; null: this browser has no such workers. */
function sharedPort(): MessagePort | null {
  try {
    return new SharedWorker(new URL('./streamworker.ts', import.meta.url), { type: 'module', name: 'hectiqlab stream' }).port;
  } catch {
    return null;
  }
}

function bring(brought: Brought): void {
  for (const hearer of [...(hearers.get(brought.query) ?? [])]) {
    const { news } = hearer;
    if (brought.kind === 'opened') {
      news.missed?.(!hearer.everOpen);
      hearer.everOpen = true;
    } else if (brought.kind === 'broken') news.broken?.();
    else if (brought.kind === 'resync') news.missed?.(false);
    else if ('data' in brought) hand(news, brought.kind, parse(brought.data));
  }
}

function hand(news: News, kind: string, data: Record<string, unknown> | null): void {
  if (kind === 'points') {
    if (!data) return;
    const keys = Array.isArray(data['keys']) ? data['keys'].map(String) : null;
    news.points?.(String(data['run']), keys && keys.length < KEYS_NAMED_MAX ? keys : null);
  } else if (kind === 'logs' || kind === 'state' || kind === 'run') news[kind]?.(String(data?.['run']));
  else if (kind === 'project') news.project?.(String(data?.['project']));
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : null;
  } catch {
    return null; // news of a newer lab, in another form: the next request for data brings the same
  }
}
