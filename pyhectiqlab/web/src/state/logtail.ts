// The loaded lines of a run's logs: the newest page, what came since, and earlier pages on request. No DOM.

import { Newest, Throttle } from '../base/limiter';
import { Terminal, type Line } from '../base/terminal';
import type { LogAnswer, Logs } from '../schema/lab';

export type LogLine = Line<LogAnswer>;
export type FetchLogs = (
  params: { newest?: boolean; before?: string; after?: string; limit: number },
  signal: AbortSignal,
) => Promise<Logs>;

export interface LogsShown {
  /** Lines in the order in which they ended, in blocks. All blocks but the last stay the same objects. */
  blocks: readonly (readonly LogLine[])[];
  unfinished: readonly LogLine[];
  channels: readonly string[];
  earlier: boolean; // there are earlier lines to load
  loaded: boolean;
}

const PAGE = 5000;
const KEPT_MAX = 50_000; // texts; with more, the oldest page is dropped, and can be loaded again
const BLOCK = 200;
const INTERVAL_MS = 1000;

/** Calls `show` with the lines whenever they change. `failed` hears why a request was refused; it is sent again. */
export class LogTail {
  private pages: Logs[] = [];
  private end: string | null = null;
  private previous: string | null = null;
  private loaded = false;
  private terminals = new Map<string, Terminal<LogAnswer>>();
  private blocks: LogLine[][] = [];
  private readonly channels = new Set<string>();
  private readonly throttle: Throttle;
  private readonly newest = new Newest();
  private wantEarlier = false;

  constructor(
    private readonly fetch: FetchLogs,
    private readonly show: (shown: LogsShown) => void,
    private readonly failed: (error: unknown) => void,
    interval_ms = INTERVAL_MS,
  ) {
    this.throttle = new Throttle(() => this.turn(), interval_ms);
    this.throttle.askNow();
  }

  /** Look for new lines: there may be some. */
  news(): void {
    this.throttle.ask();
  }

  earlier(): void {
    this.wantEarlier = true;
    this.throttle.askNow();
  }

  stop(): void {
    this.throttle.stop();
    this.newest.cancel();
  }

  private async turn(): Promise<void> {
    const ticket = this.newest.begin();
    try {
      if (!this.loaded) {
        const page = await this.fetch({ newest: true, limit: PAGE }, ticket.signal);
        if (!ticket.isNewest()) return;
        this.loaded = true;
        this.previous = page.previous;
        this.append(page);
      } else if (this.wantEarlier && this.previous !== null) {
        const page = await this.fetch({ before: this.previous, limit: PAGE }, ticket.signal);
        if (!ticket.isNewest()) return;
        this.pages.unshift(page);
        this.previous = page.previous;
        this.render();
      } else {
        for (let more = true; more; ) {
          const page = await this.fetch(this.end === null ? { limit: PAGE } : { after: this.end, limit: PAGE }, ticket.signal);
          if (!ticket.isNewest()) return;
          this.append(page);
          more = page.next !== null;
        }
        this.letGo();
      }
      this.wantEarlier = false;
      this.tell();
    } catch (e) {
      if (ticket.isNewest()) this.failed(e);
    }
  }

  private append(page: Logs): void {
    this.end = page.end ?? this.end;
    if (!page.items.length) return;
    this.pages.push(page);
    this.blocks = [...this.blocks];
    this.feed(page.items);
  }

  private letGo(): void {
    let kept = this.pages.reduce((n, page) => n + page.items.length, 0);
    const before = this.pages.length;
    while (this.pages.length > 1 && kept > KEPT_MAX) {
      kept -= this.pages.shift()!.items.length;
      this.previous = this.pages[0]!.previous;
    }
    if (this.pages.length < before) this.render();
  }

  private render(): void {
    this.terminals = new Map();
    this.blocks = [];
    for (const page of this.pages) this.feed(page.items);
  }

  private feed(items: readonly LogAnswer[]): void {
    const ended = items.flatMap((log) => {
      this.channels.add(log.channel);
      const source = `${log.rank}/${log.attempt}/${log.writer}`;
      let terminal = this.terminals.get(source);
      if (!terminal) this.terminals.set(source, (terminal = new Terminal()));
      return terminal.feed(log.text, log);
    });
    for (let i = 0; i < ended.length; ) {
      const last = this.blocks.at(-1);
      const block = last && last.length < BLOCK ? [...this.blocks.pop()!] : [];
      const some = ended.slice(i, i + BLOCK - block.length);
      this.blocks.push([...block, ...some]);
      i += some.length;
    }
  }

  private tell(): void {
    const unfinished = [...this.terminals.values()].map((t) => t.rest()).filter((line): line is LogLine => line !== null);
    this.show({
      blocks: [...this.blocks],
      unfinished,
      channels: [...this.channels].sort(),
      earlier: this.previous !== null,
      loaded: this.loaded,
    });
  }
}
