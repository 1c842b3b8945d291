// The streams of all tabs of one browser, joined: one connection asks for everything that tabs want to hear, and each tab gets
// what it asked for. This runs in a worker that the tabs share (streamworker.ts), or in the tab itself.

/** The parts of an EventSource that are used. */
export interface Source {
  onopen: ((e: Event) => void) | null;
  onerror: ((e: Event) => void) | null;
  addEventListener(kind: string, hear: (e: MessageEvent<string>) => void): void;
  close(): void;
}

/**
 * A message to a tab: what its own stream would have brought. `opened`: connected, perhaps again, so that something may have been
 * missed.
 */
export type Brought = { query: string; kind: string; data: string } | { query: string; kind: 'opened' | 'broken' };

export const KINDS = ['points', 'logs', 'state', 'run', 'project', 'resync'] as const;
const JOINED_AFTER_MS = 30; // wait so long for what other parts of a page want at the same time
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 8000;
const MISSING_AGAIN_MS = 8000;
const NAMES_MAX = 200; // of one connection: the lab takes 256 runs and 64 projects
const PROJECTS_MAX = 60;

/** Return the names in a query: "run=…&run=…" or "project=…". */
function namesOf(query: string): string[] {
  return query.split('&');
}

export class StreamHub<Tab> {
  private readonly wanted = new Map<Tab, ReadonlySet<string>>();
  private heard = new Map<Tab, Set<string>>(); // the queries of which a tab knows that they are connected
  private sources: Source[] = [];
  private opening: Source[] = [];
  private names = ''; // the names that are connected, or about to be
  private timer: ReturnType<typeof setTimeout> | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private delay_ms = RETRY_MS_MIN;
  private absent: ReadonlySet<string> = new Set(); // names that the lab did not know

  /** `connect` opens the stream of a query string; `send` passes a message to a tab. */
  constructor(
    private readonly connect: (query: string) => Source,
    private readonly send: (tab: Tab, brought: Brought) => void,
  ) {}

  /** Note all queries that a tab wants to hear from now on. None: the tab is gone or hidden. */
  want(tab: Tab, queries: readonly string[]): void {
    if (queries.length) this.wanted.set(tab, new Set(queries));
    else this.wanted.delete(tab);
    const known = this.heard.get(tab);
    if (known) this.heard.set(tab, new Set([...known].filter((query) => queries.includes(query))));
    if (!queries.length) this.heard.delete(tab);
    this.timer ??= setTimeout(() => this.join(), JOINED_AFTER_MS);
  }

  private join(): void {
    this.timer = null;
    const all = [...new Set([...this.wanted.values()].flatMap((queries) => [...queries].flatMap(namesOf)))].sort();
    if (all.join('&') === this.names && (this.sources.length || this.opening.length || !all.length)) {
      if (!this.opening.length) this.tellOpened();
      return;
    }
    this.open(all);
  }

  private open(names: readonly string[]): void {
    close(this.opening);
    this.opening = [];
    this.names = names.join('&');
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    if (!names.length) {
      close(this.sources);
      this.sources = [];
      return;
    }
    // Open the new streams before the old ones end, so that nothing is missed.
    const mine = parts(names).map((part) => this.connect(`${part.join('&')}&known=true`));
    let waiting = mine.length;
    this.opening = mine;
    for (const source of mine) {
      source.onopen = () => {
        waiting--;
        if (waiting || this.opening !== mine) return;
        close(this.sources);
        this.sources = mine;
        this.opening = [];
        this.delay_ms = RETRY_MS_MIN;
        for (const known of this.heard.values()) for (const query of known) if (namesOf(query).some((name) => this.absent.has(name))) known.delete(query);
        this.absent = new Set();
        this.tellOpened();
      };
      source.onerror = () => (this.opening === mine || this.sources === mine) && this.broken();
      for (const kind of KINDS) source.addEventListener(kind, (e) => this.bring(kind, e.data));
      source.addEventListener('missing', ({ data }) => this.missing(data));
    }
  }

  /** Connect again. The browser's own retry ends for good at an HTTP error, so every kind of break is handled here. */
  private broken(): void {
    close(this.opening);
    close(this.sources);
    this.opening = [];
    this.sources = [];
    this.heard = new Map();
    for (const [tab, queries] of this.wanted) for (const query of queries) this.send(tab, { query, kind: 'broken' });
    this.again(this.delay_ms);
    this.delay_ms = Math.min(this.delay_ms * 2, RETRY_MS_MAX);
  }

  /** Note the names that do not exist, or no longer. They may come back; whoever waits for them asks again then. */
  private missing(data: string): void {
    const { runs = [], projects = [] } = JSON.parse(data) as { runs?: string[]; projects?: string[] };
    const names = [...runs.map((run) => `run=${encodeURIComponent(run)}`), ...projects.map((project) => `project=${encodeURIComponent(project)}`)];
    this.absent = new Set([...this.absent, ...names]);
    this.again(MISSING_AGAIN_MS);
  }

  private again(after_ms: number): void {
    this.retry ??= setTimeout(() => {
      this.retry = null;
      this.names = '';
      this.join();
    }, after_ms);
  }

  private tellOpened(): void {
    for (const [tab, queries] of this.wanted) {
      const known = this.heard.get(tab) ?? new Set();
      for (const query of queries) if (!known.has(query)) this.send(tab, { query, kind: 'opened' });
      this.heard.set(tab, new Set(queries));
    }
  }

  private bring(kind: string, data: string): void {
    const { run, project } = parse(data);
    for (const [tab, queries] of this.wanted) {
      for (const query of queries) {
        const names = namesOf(query);
        if (kind === 'resync' || names.includes(`run=${encodeURIComponent(run)}`) || names.includes(`project=${encodeURIComponent(project)}`)) this.send(tab, { query, kind, data });
      }
    }
  }
}

function parts(names: readonly string[]): string[][] {
  const all: string[][] = [[]];
  let projects = 0;
  for (const name of names) {
    if (name.startsWith('project=')) projects++;
    if (all.at(-1)!.length >= NAMES_MAX || projects > PROJECTS_MAX) {
      all.push([]);
      projects = 0;
    }
    all.at(-1)!.push(name);
  }
  return all;
}

function close(sources: readonly Source[]): void {
  for (const source of sources) source.close();
}

function parse(data: string): { run: string; project: string } {
  try {
    const its = JSON.parse(data) as { run?: unknown; project?: unknown };
    return { run: String(its.run), project: String(its.project) };
  } catch {
    return { run: '', project: '' }; // news of a newer lab, in another form: the next request for data brings the same
  }
}
