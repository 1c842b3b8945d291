// Throttling, and "only the newest answer counts".

/**
 * Runs `task` at most once per `interval_ms`, however often it is asked for, and never twice at a time. No request is forgotten:
 * if it is asked for while it runs, it runs once more. The task handles its own errors.
 */
export class Throttle {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private running = false;
  private wanted: 'no' | 'soon' | 'now' = 'no';
  private stopped = false;
  private last = -Infinity;

  constructor(
    private readonly task: () => Promise<void>,
    public interval_ms: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  ask(): void {
    if (this.wanted === 'no') this.wanted = 'soon';
    this.plan(Math.max(0, this.last + this.interval_ms - this.now()));
  }

  /** Run it as soon as the present run ends, whatever the interval. */
  askNow(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.wanted = 'now';
    this.plan(0);
  }

  /** Run it before this call returns. If it runs already, do as `askNow`. */
  runNow(): void {
    if (this.running || this.stopped) return this.askNow();
    if (this.timer !== null) clearTimeout(this.timer);
    void this.turn();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private again(): void {
    if (this.wanted === 'now') this.plan(0);
    else if (this.wanted === 'soon') this.ask();
  }

  private plan(wait_ms: number): void {
    if (this.stopped || this.running || this.timer !== null) return;
    this.timer = setTimeout(() => void this.turn(), wait_ms);
  }

  private async turn(): Promise<void> {
    this.timer = null;
    this.wanted = 'no';
    this.running = true;
    this.last = this.now();
    try {
      await this.task();
    } finally {
      this.running = false;
      this.again();
    }
  }
}

/** Hands out tickets. Only the holder of the newest one may show its answer; the signal of an older one is aborted. */
export class Newest {
  private controller: AbortController | null = null;

  begin(): { signal: AbortSignal; isNewest: () => boolean } {
    this.controller?.abort();
    const mine = new AbortController();
    this.controller = mine;
    return { signal: mine.signal, isNewest: () => this.controller === mine && !mine.signal.aborted };
  }

  cancel(): void {
    this.controller?.abort();
    this.controller = null;
  }
}
