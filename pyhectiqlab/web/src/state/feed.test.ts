import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BucketQuery } from '../api/columns';
import type { Buckets } from '../base/buckets';
import { BucketFeed, type FetchBuckets } from './feed';

const QUERY: BucketQuery = { axis: 'step', rank: null, attempts: [null], smooth: null, lo: null, hi: null, n: 500 };

interface Asked {
  selectors: readonly { run: string; key: string }[];
  query: BucketQuery;
  signal: AbortSignal;
  answer: () => void;
  fail: () => void;
}

function lab(auto = true) {
  const asked: Asked[] = [];
  const fetch: FetchBuckets = (selectors, query, signal) =>
    new Promise((resolve, reject) => {
      const answer = () => resolve(selectors.map((s) => ({ ...s }) as unknown as Buckets));
      asked.push({ selectors, query, signal, answer, fail: () => reject(new Error('down')) });
      if (auto) answer();
    });
  return { asked, fetch };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('visible panels share one request, hidden ones cost nothing', async () => {
  const { asked, fetch } = lab();
  const feed = new BucketFeed(fetch, () => {});
  const shown: string[] = [];
  feed.configure(['r1', 'r2'], QUERY);
  const panels = ['a', 'b', 'c'].map((key) => feed.add([key], (s) => shown.push(...s.map((b) => b.run + b.key))));
  panels[0]!.setVisible(true);
  panels[1]!.setVisible(true);
  await pass(10);
  expect(asked.length).toBe(1);
  expect(shown).toEqual(['r1a', 'r2a', 'r1b', 'r2b']);
});

test('live news refetch only the named keys that are in sight, at most once an interval', async () => {
  const { asked, fetch } = lab();
  const feed = new BucketFeed(fetch, () => {});
  feed.configure(['r'], QUERY);
  for (const key of ['a', 'b']) feed.add([key], () => {}).setVisible(true);
  feed.add(['unseen'], () => {});
  await pass(2000);
  for (let i = 0; i < 20; i++) {
    feed.markStale(['a', 'unseen']);
    await pass(100);
  }
  await pass(2000);
  expect(asked.length).toBeLessThanOrEqual(4);
  for (const { selectors } of asked.slice(1)) expect(selectors.map((s) => s.key)).toEqual(['a']);
});

test('an answer to an old query is aborted and never shown', async () => {
  const { asked, fetch } = lab(false);
  const feed = new BucketFeed(fetch, () => {});
  const shown: BucketQuery[] = [];
  feed.configure(['r'], QUERY);
  feed.add(['a'], (_, query) => shown.push(query)).setVisible(true);
  await pass(10);
  feed.configure(['r'], { ...QUERY, lo: 5, hi: 9 });
  expect(asked[0]!.signal.aborted).toBe(true);
  asked[0]!.answer();
  await pass(10);
  await pass(10);
  asked[1]!.answer();
  await pass(10);
  expect(shown).toEqual([{ ...QUERY, lo: 5, hi: 9 }]);
});

test('after a failure the panel is asked for again', async () => {
  const { asked, fetch } = lab(false);
  const errors: unknown[] = [];
  const feed = new BucketFeed(fetch, (e) => errors.push(e));
  let shown = 0;
  feed.configure(['r'], QUERY);
  feed.add(['a'], () => void shown++).setVisible(true);
  await pass(10);
  asked[0]!.fail();
  await pass(10);
  feed.markStale(null);
  await pass(2000);
  asked[1]!.answer();
  await pass(10);
  expect([errors.length, shown]).toEqual([1, 1]);
});

test('news that come while the answer is on its way are not lost', async () => {
  const { asked, fetch } = lab(false);
  const feed = new BucketFeed(fetch, () => {});
  feed.configure(['r'], QUERY);
  feed.add(['a'], () => {}).setVisible(true);
  await pass(10);
  feed.markStale(['a']);
  asked[0]!.answer();
  await pass(2000);
  expect(asked.length).toBe(2);
});

test('more series than one request may hold are asked for in several', async () => {
  const { asked, fetch } = lab();
  const feed = new BucketFeed(fetch, () => {});
  feed.configure(Array.from({ length: 20 }, (_, i) => `r${i}`), QUERY);
  for (let i = 0; i < 30; i++) feed.add([`k${i}`], () => {}).setVisible(true);
  await pass(10);
  expect(asked.map((a) => a.selectors.length)).toEqual([240, 240, 120]);
});

test('a panel of several keys shares them with others, and is shown once all are there', async () => {
  const { asked, fetch } = lab();
  const feed = new BucketFeed(fetch, () => {});
  const shown: string[][] = [];
  feed.configure(Array.from({ length: 128 }, (_, i) => `r${i}`), QUERY); // two keys in a request
  feed.add(['a'], () => {}).setVisible(true);
  feed.add(['c', 'a', 'b'], (series) => shown.push([...new Set(series.map((b) => b.key))])).setVisible(true);
  await pass(10);
  expect(asked.map(({ selectors }) => [...new Set(selectors.map((s) => s.key))])).toEqual([['a', 'c'], ['b']]);
  expect(shown).toEqual([['c', 'a', 'b']]);
  feed.markStale(['b']);
  await pass(2900);
  expect(shown.length).toBe(1); // so many lines are drawn every three seconds
  await pass(100);
  expect(shown.length).toBe(2);
});
