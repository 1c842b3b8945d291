// Live news from the lab: server-sent events, reconnecting for ever, closed while nobody looks.

import { at } from '../base/root';

export interface News {
  points?: (run: string, keys: string[] | null) => void; // null: more keys than were named
  logs?: (run: string) => void;
  state?: (run: string) => void;
  run?: (run: string) => void;
  /** Renamed, moved, archived, deleted or restored. */
  project?: (project: string) => void;
  /** Connected, again (after a break), or too slow to hear everything: anything may have happened since the page loaded. */
  missed?: (first: boolean) => void;
  /** The stream ended or could not be opened; whether the lab is down, or the session over, is for the hearer to find out. */
  broken?: () => void;
}

const KEYS_NAMED_MAX = 64;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 8000;

/**
 * Opens the stream of `query` ("run=…&run=…" or "project=…") and returns the function that ends it. A hidden tab holds
 * no connection: browsers allow six to one host, and six open tabs would stall the seventh.
 */
export function openStream(query: string, news: News): () => void {
  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | null = null;
  let delay_ms = RETRY_MS_MIN;
  let everOpen = false;
  let ended = false;

  function connect(): void {
    retry = null;
    if (ended || source || document.hidden) return;
    const mine = new EventSource(at(`/api/v1/stream?${query}`));
    source = mine;
    mine.onopen = () => {
      delay_ms = RETRY_MS_MIN;
      news.missed?.(!everOpen);
      everOpen = true;
    };
    mine.onerror = () => {
      // The browser's own retry stops for good at an HTTP error, so it is done here for every kind.
      disconnect();
      news.broken?.();
      retry = setTimeout(connect, delay_ms);
      delay_ms = Math.min(delay_ms * 2, RETRY_MS_MAX);
    };
    mine.addEventListener('points', (e) => {
      const data = parse(e);
      if (!data) return;
      const keys = Array.isArray(data['keys']) ? data['keys'].map(String) : null;
      news.points?.(String(data['run']), keys && keys.length < KEYS_NAMED_MAX ? keys : null);
    });
    mine.addEventListener('resync', () => void news.missed?.(false));
    mine.addEventListener('logs', (e) => void news.logs?.(String(parse(e)?.['run'])));
    mine.addEventListener('state', (e) => void news.state?.(String(parse(e)?.['run'])));
    mine.addEventListener('run', (e) => void news.run?.(String(parse(e)?.['run'])));
    mine.addEventListener('project', (e) => void news.project?.(String(parse(e)?.['project'])));
  }

  function disconnect(): void {
    source?.close();
    source = null;
  }

  function onVisibility(): void {
    if (document.hidden) disconnect();
    else if (!source && retry === null) connect();
  }

  document.addEventListener('visibilitychange', onVisibility);
  connect();
  return () => {
    ended = true;
    document.removeEventListener('visibilitychange', onVisibility);
    if (retry !== null) clearTimeout(retry);
    disconnect();
  };
}

function parse(event: Event): Record<string, unknown> | null {
  try {
    const data: unknown = JSON.parse((event as MessageEvent<string>).data);
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : null;
  } catch {
    return null; // a newer lab's news in another shape: the next refetch tells the same
  }
}
