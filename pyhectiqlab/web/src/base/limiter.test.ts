import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Newest, Throttle } from './limiter';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

test('many requests become one turn an interval, and the last is not forgotten', async () => {
  const turns: number[] = [];
  const t = new Throttle(async () => void turns.push(performance.now()), 1000);
  const start = performance.now();
  for (let i = 0; i < 30; i++) {
    t.ask();
    await vi.advanceTimersByTimeAsync(100);
  }
  await vi.advanceTimersByTimeAsync(2000);
  expect(turns.map((x) => Math.round(x - start))).toEqual([0, 1000, 2000, 3000]);
});

test('never two at a time; asked for meanwhile, it runs once more', async () => {
  let running = 0;
  let most = 0;
  let count = 0;
  const t = new Throttle(async () => {
    most = Math.max(most, ++running);
    count++;
    await new Promise((done) => setTimeout(done, 500));
    running--;
  }, 100);
  t.ask();
  await vi.advanceTimersByTimeAsync(10);
  t.ask();
  t.askNow();
  t.ask();
  await vi.advanceTimersByTimeAsync(5000);
  expect([most, count]).toEqual([1, 2]);
});

test('stopped means stopped', async () => {
  let count = 0;
  const t = new Throttle(async () => void count++, 100);
  t.ask();
  t.stop();
  t.ask();
  await vi.advanceTimersByTimeAsync(1000);
  expect(count).toBe(0);
});

test('only the newest ticket counts', () => {
  const newest = new Newest();
  const a = newest.begin();
  const b = newest.begin();
  expect([a.isNewest(), a.signal.aborted, b.isNewest()]).toEqual([false, true, true]);
  newest.cancel();
  expect([b.isNewest(), b.signal.aborted]).toEqual([false, true]);
});

test('what is to run now has begun when the call returns', async () => {
  const turns: number[] = [];
  const t = new Throttle(async () => void turns.push(performance.now()), 1000);
  t.runNow();
  expect(turns.length).toBe(1);
  t.runNow(); // the first run has not ended
  expect(turns.length).toBe(1);
  await vi.advanceTimersByTimeAsync(10);
  expect(turns.length).toBe(2);
  t.stop();
  t.runNow();
  await vi.advanceTimersByTimeAsync(5000);
  expect(turns.length).toBe(2);
});
