// What the visible panels show: which buckets to ask the lab for, and when. No DOM; the caller passes the function that fetches.

import type { BucketQuery } from '../api/columns';
import { SELECTORS_MAX } from '../api/columns';
import { Newest, Throttle } from '../base/limiter';
import { RANKS_MAX, type Buckets } from '../base/buckets';

export type FetchBuckets = (
  selectors: readonly { run: string; key: string }[],
  query: BucketQuery,
  signal: AbortSignal,
) => Promise<Buckets[]>;

/** What a panel gets: the query, and for each run, in the order of the runs, its Buckets (one for each of its ranks and attempts). */
export type ShowBuckets = (series: Buckets[], query: BucketQuery) => void;

interface Panel {
  keys: readonly string[];
  show: ShowBuckets;
  visible: boolean;
  stale: boolean;
}

const INTERVAL_MS = 1000;
const LINES_MANY = 24; // in sight; with more of them, live news are drawn a third as often, because a page may be open for hours
const REQUESTS_AT_ONCE = 3; // the lab makes the next answers while one is read and drawn

/**
 * Joins what the visible panels need into one request: at most once a second for live news, and at once when the reader changes
 * something. After a change of query or runs, answers to the old one are ignored.
 */
export class BucketFeed {
  private readonly panels = new Set<Panel>();
  private readonly newest = new Newest();
  private readonly throttle: Throttle;
  private runs: readonly string[] = [];
  private query: BucketQuery | null = null;

  /** If `fetch` rejects, the panels stay stale, and `failed` hears why. `later` decides when each panel is told. */
  constructor(
    private readonly fetch: FetchBuckets,
    private readonly failed: (error: unknown) => void,
    private readonly interval_ms = INTERVAL_MS,
    private readonly later: (panel: object, tell: () => void) => void = (_, tell) => tell(),
  ) {
    this.throttle = new Throttle(() => this.refresh(), interval_ms);
  }

  configure(runs: readonly string[], query: BucketQuery): void {
    const changed = JSON.stringify([runs, query]) !== JSON.stringify([this.runs, this.query]);
    if (!changed) return;
    this.runs = runs;
    this.query = query;
    this.restart();
  }

  /** Ask anew, because answers come from elsewhere now. Answers to earlier requests are ignored. */
  restart(): void {
    this.newest.cancel();
    for (const panel of this.panels) panel.stale = true;
    this.throttle.askNow();
  }

  /** Add a panel, which is not visible yet. Return the functions that set whether it is visible, and that remove it. */
  add(keys: readonly string[], show: ShowBuckets): { setVisible: (visible: boolean) => void; remove: () => void } {
    const panel: Panel = { keys, show, visible: false, stale: true };
    this.panels.add(panel);
    return {
      setVisible: (visible) => {
        panel.visible = visible;
        if (visible && panel.stale) this.throttle.askNow();
      },
      remove: () => void this.panels.delete(panel),
    };
  }

  /** Note that there are new points. `keys` null: of any key. Panels out of sight only remember it. */
  markStale(keys: readonly string[] | null): void {
    const named = keys && new Set(keys);
    let any = false;
    for (const panel of this.panels) {
      if (named && !panel.keys.some((key) => named.has(key) || key.startsWith('='))) continue; // a formula may contain any metric
      panel.stale = true;
      any ||= panel.visible;
    }
    if (any) this.throttle.ask();
  }

  stop(): void {
    this.throttle.stop();
    this.newest.cancel();
    this.panels.clear();
  }

  private async refresh(): Promise<void> {
    const { runs, query } = this;
    if (!query || !runs.length) return;
    const wanted = [...this.panels].filter((p) => p.visible && p.stale);
    if (!wanted.length) return;
    const ticket = this.newest.begin();
    const perRequest = Math.max(1, Math.floor(SELECTORS_MAX / (runs.length * query.attempts.length * (query.rank === 'each' ? RANKS_MAX : 1))));
    const keys = [...new Set(wanted.flatMap((panel) => panel.keys))];
    this.throttle.interval_ms = this.interval_ms * (keys.length * runs.length > LINES_MANY ? 3 : 1);
    const byKey = new Map<string, Buckets[]>();
    const waiting = new Set(wanted);
    for (const panel of wanted) panel.stale = false; // before the request: news that come meanwhile make it stale again
    const pieces = Array.from({ length: Math.ceil(keys.length / perRequest) }, (_, i) => keys.slice(i * perRequest, (i + 1) * perRequest));
    const askOn = async () => {
      for (let some = pieces.shift(); some; some = pieces.shift()) {
        const selectors = some.flatMap((key) => runs.map((run) => ({ run, key })));
        const series = await this.fetch(selectors, query, ticket.signal);
        if (!ticket.isNewest()) return;
        for (const key of some) byKey.set(key, []);
        for (const b of series) byKey.get(b.key)?.push(b);
        for (const panel of waiting) {
          if (!panel.keys.every((key) => byKey.has(key))) continue;
          waiting.delete(panel);
          const its = panel.keys.flatMap((key) => byKey.get(key)!);
          this.later(panel, () => query === this.query && runs === this.runs && this.panels.has(panel) && panel.show(its, query));
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, askOn));
    } catch (e) {
      pieces.length = 0;
      for (const panel of waiting) panel.stale = true;
      if (ticket.isNewest()) this.failed(e);
    }
  }
}
