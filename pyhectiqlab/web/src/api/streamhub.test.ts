import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StreamHub, type Brought, type Source } from './streamhub';

/** A connection to a lab that the test plays. */
class FakeSource implements Source {
  onopen: ((e: Event) => void) | null = null;
  onerror: ((e: Event) => void) | null = null;
  closed = false;
  private readonly hears = new Map<string, (e: MessageEvent<string>) => void>();
  constructor(readonly query: string) {}
  addEventListener(kind: string, hear: (e: MessageEvent<string>) => void): void {
    this.hears.set(kind, hear);
  }
  close(): void {
    this.closed = true;
  }
  bring(kind: string, data: object): void {
    if (!this.closed) this.hears.get(kind)!({ data: JSON.stringify(data) } as MessageEvent<string>);
  }
}

let sources: FakeSource[] = [];
let sent: [string, Brought][] = [];
const hubOf = () => new StreamHub<string>((query) => (sources.push(new FakeSource(query)), sources.at(-1)!), (tab, brought) => sent.push([tab, brought]));
const open = () => sources.filter((s) => !s.closed);
const soon = () => vi.advanceTimersByTime(50);
const received = () => sent.splice(0).map(([tab, brought]) => `${tab}: ${brought.kind} ${brought.query}`);

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  sent = [];
});
afterEach(() => void vi.useRealTimers());

test('many tabs have one connection, and each hears what it wanted', () => {
  const hub = hubOf();
  for (let i = 0; i < 8; i++) hub.want(`tab${i}`, [i % 2 ? 'project=p' : `run=r${i}`]);
  soon();
  expect(open().map((s) => s.query)).toEqual(['project=p&run=r0&run=r2&run=r4&run=r6&known=true']);
  sources[0]!.onopen!({} as Event);
  expect(received()).toHaveLength(8);
  sources[0]!.bring('points', { run: 'r2', project: 'q', keys: ['loss'] });
  expect(received()).toEqual(['tab2: points run=r2']);
  sources[0]!.bring('state', { run: 'r4', project: 'p' });
  expect(received()).toEqual(['tab1: state project=p', 'tab3: state project=p', 'tab4: state run=r4', 'tab5: state project=p', 'tab7: state project=p']);
  sources[0]!.bring('resync', {});
  expect(received()).toHaveLength(8);
});

test('the old connection ends when the new one is open, and only who is new has missed something', () => {
  const hub = hubOf();
  hub.want('a', ['run=1']);
  soon();
  sources[0]!.onopen!({} as Event);
  received();
  hub.want('b', ['run=2']);
  soon();
  expect(open()).toHaveLength(2);
  sources[0]!.bring('run', { run: '1', project: 'p' });
  expect(received()).toEqual(['a: run run=1']);
  sources[1]!.onopen!({} as Event);
  expect(open()).toEqual([sources[1]]);
  expect(received()).toEqual(['b: opened run=2']);
  hub.want('a', []);
  hub.want('b', []);
  soon();
  expect(open()).toEqual([]);
});

test('a break is told to all, tried again later and later, and then all have missed something', () => {
  const hub = hubOf();
  hub.want('a', ['run=1']);
  hub.want('b', ['run=1', 'project=p']);
  soon();
  sources[0]!.onopen!({} as Event);
  received();
  for (const wait of [1000, 2000, 4000]) {
    sources.at(-1)!.onerror!({} as Event);
    expect(received()).toEqual(['a: broken run=1', 'b: broken run=1', 'b: broken project=p']);
    const before = sources.length;
    vi.advanceTimersByTime(wait - 50);
    expect(sources).toHaveLength(before);
    vi.advanceTimersByTime(100);
    expect(sources).toHaveLength(before + 1);
  }
  sources.at(-1)!.onopen!({} as Event);
  expect(received()).toEqual(['a: opened run=1', 'b: opened run=1', 'b: opened project=p']);
});

test('what is missing is asked for again, and keeps nobody else waiting', () => {
  const hub = hubOf();
  hub.want('a', ['run=gone']);
  soon();
  sources[0]!.onopen!({} as Event);
  sources[0]!.bring('missing', { runs: ['gone'], projects: [] });
  hub.want('b', ['run=2']);
  soon();
  expect(sources).toHaveLength(2);
  sources[1]!.onopen!({} as Event);
  sources[1]!.bring('missing', { runs: ['gone'], projects: [] });
  received();
  vi.advanceTimersByTime(9000);
  expect(sources).toHaveLength(3);
  sources[2]!.onopen!({} as Event); // restored: whoever waits for it asks again
  expect(received()).toEqual(['a: opened run=gone']);
});

test('more names than the lab takes at once are several connections', () => {
  const hub = hubOf();
  hub.want('a', [Array.from({ length: 450 }, (_, i) => `run=${i}`).join('&')]);
  soon();
  expect(open().map((s) => s.query.split('&').length - 1)).toEqual([200, 200, 50]);
  for (const source of sources.slice(0, 2)) source.onopen!({} as Event);
  expect(received()).toEqual([]);
  sources[2]!.onopen!({} as Event);
  expect(received()).toHaveLength(1);
});
