import { expect, test } from 'vitest';
import { describeHead, describeX, lowIsGood, readAt, readNewest, rowsOf } from './readout';
import { makeCurve } from './series';
import type { Buckets } from '../base/buckets';

const LOOK = { color: '#000', dash: [] };
const ALL: [number, number] = [-Infinity, Infinity];

function buckets(run: string, mean: number[], count = mean.map(() => 1)): Buckets {
  const zeros = new Float64Array(mean.length);
  const x = Float64Array.from(mean, (_, i) => 8 * i);
  return {
    run, key: 'k', rank: null, attempt: null, ranks: 1, width: 8, total: 0, start: x, count: Float64Array.from(count),
    min: Float64Array.from(mean, (v) => v - 1), max: Float64Array.from(mean, (v) => v + 1), mean: Float64Array.from(mean),
    last: Float64Array.from(mean), lastX: x, exactX: null, nan: zeros, pinf: zeros, ninf: zeros, smoothed: null,
  };
}

test('the highest curve is read first, those out of reach are not', () => {
  const curves = [buckets('low', [1, 1, 1]), buckets('high', [5, 5, 5]), buckets('short', [9])].map((b) =>
    makeCurve(b, 'step', b.run, LOOK),
  );
  expect(readAt(curves, 16, 'step', 3, ALL, false).map((r) => r.name)).toEqual(['high', 'low']);
});

test('of a loss the lowest curve is read first, and what is NaN there is read last', () => {
  const curves = [buckets('nan', [NaN]), buckets('high', [5]), buckets('low', [1]), buckets('middle', [3])].map((b) => makeCurve(b, 'step', b.run, LOOK));
  expect(readAt(curves, 0, 'step', 1, ALL, true).map((r) => r.name)).toEqual(['low', 'middle', 'high', 'nan']);
  expect(readAt(curves, 0, 'step', 1, ALL, false).map((r) => r.name)).toEqual(['high', 'middle', 'low', 'nan']);
  expect(['train/Loss', 'valid/error_rate', 'perplexity', 'accuracy', 'lr'].map((key) => lowIsGood(key))).toEqual([true, true, true, false, false]);
});

test('a curve whose nearest point is off the window is not read', () => {
  const curves = [buckets('off', [1]), buckets('in', [1, 1])].map((b) => makeCurve(b, 'step', b.run, LOOK));
  expect(readAt(curves, 4.1, 'step', 9, [4, 20], false).map((r) => r.name)).toEqual(['in']);
});

test('of many rows the best are there, those around the pointer, and how many are between and after', () => {
  const curves = Array.from({ length: 40 }, (_, i) => makeCurve(buckets(`r${i}`, [i]), 'step', `r${i}`, LOOK));
  const rows = (y: number, n = 40, log = false) =>
    rowsOf(readAt(curves.slice(0, n), 0, 'step', 1, ALL, true), y, log).map((r) => (typeof r === 'number' ? r : r.name)).join(' ');
  expect(rows(20)).toBe('r0 r1 r2 r3 12 r16 r17 r18 r19 r20 r21 r22 r23 16');
  expect(rows(-5)).toBe('r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 r11 28');
  expect(rows(99)).toBe('r0 r1 r2 r3 28 r32 r33 r34 r35 r36 r37 r38 r39');
  expect(rows(5.6, 40, true)).toBe('r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 r11 28');
  expect(rows(0, 12)).toBe('r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 r11');
});

test('a bucket of many tells its extremes, its count and its steps', () => {
  const c = makeCurve(buckets('r', [2, 4], [1, 5]), 'step', 'r', LOOK);
  expect(readAt([c], 11, 'step', 99, ALL, false)[0]).toMatchObject({ value: '4', range: '3 … 5', count: '5 points', where: 'steps 8 – 15' });
  expect(readAt([c], 0, 'step', 99, ALL, false)[0]).toMatchObject({ value: '2', range: '', count: '', raw: '', where: 'step 0' });
});

test('with nothing pointed at it is the newest value, not the mean of the last bucket', () => {
  const b = buckets('r', [2, 4], [1, 5]);
  b.last = Float64Array.of(2, 4.5);
  b.lastX = Float64Array.of(0, 13);
  expect(readNewest(makeCurve(b, 'step', 'r', LOOK), 'step')).toMatchObject({ value: '4.5', where: 'step 13' });
});

test('a head says what is smoothed and what is the mean of several ranks', () => {
  const b = buckets('r', [2, 4], [4, 4]);
  b.last = Float64Array.of(2.5, 4.5);
  const head = (more: Partial<Buckets>) => describeHead(readNewest(makeCurve({ ...b, ...more }, 'step', 'r', LOOK), 'step'));
  const smoothed = Float64Array.of(2, 3);
  expect(head({})).toBe('4.5');
  expect(head({ smoothed })).toBe('raw 4.5 · smoothed 3');
  expect(head({ ranks: 4 })).toBe('4 · mean of 4 ranks');
  expect(head({ ranks: 4, smoothed })).toBe('raw 4 · smoothed 3 · mean of 4 ranks');
  expect(head({ ranks: 4, rank: 2 })).toBe('4.5');
});

test('a smoothed value is that of the last point of its bucket, and says its place', () => {
  const b = { ...buckets('r', [2, 4], [5, 5]), lastX: Float64Array.of(6, 13), smoothed: Float64Array.of(2.5, 3.5) };
  expect(readAt([makeCurve(b, 'step', 'r', LOOK)], 12, 'step', 9, ALL, false)[0]).toMatchObject({ x: 13, y: 3.5, value: '3.5', raw: '4', where: 'step 13' });
});

test('NaN is read as NaN', () => {
  const b = buckets('r', [NaN]);
  b.nan = Float64Array.of(1);
  b.min = b.max = Float64Array.of(NaN);
  expect(readAt([makeCurve(b, 'step', 'r', LOOK)], 0, 'step', 1, ALL, false)[0]).toMatchObject({ value: 'NaN', y: NaN });
});

test('places on each axis', () => {
  expect(describeX(1024, 8, null, 'step')).toBe('steps 1,024 – 1,031');
  expect(describeX(5_400_000_000, 1, 5_400_000_000, 'relative')).toBe('1h 30m');
  expect(describeX(0, 1, 1.7e15, 'time')).toMatch(/^2023-11-1\d \d\d:\d\d:20$/);
});
