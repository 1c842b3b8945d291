import { expect, test } from 'vitest';
import type { Buckets } from '../base/buckets';
import { makeCurve, type Curve } from './series';
import { countBeyond, describeBeyond, flattened, thresholdOf, yAxis } from './yrange';

const ALL: [number, number] = [-Infinity, Infinity];

function curve(values: number[], more: Partial<Buckets> = {}): Curve {
  const v = Float64Array.from(values);
  const x = Float64Array.from(values, (_, i) => i);
  const zeros = new Float64Array(values.length);
  const b: Buckets = {
    run: 'r', key: 'k', rank: null, attempt: null, ranks: 1, width: 1, total: v.length, start: x, count: new Float64Array(v.length).fill(1), min: v, max: v, mean: v,
    last: v, lastX: x, exactX: null, nan: zeros, pinf: zeros, ninf: zeros, smoothed: null, ...more,
  };
  return makeCurve(b, 'step', 'r', { color: '#000', dash: [] });
}

const wave = Array.from({ length: 100 }, (_, i) => 1 + Math.sin(i));

test('an outlier flattens, most leave it out, and it is counted', () => {
  const c = [curve([...wave.slice(0, 50), 5000, ...wave.slice(50)])];
  expect(flattened(c, ALL, 'linear')).toBe(true);
  expect(flattened([curve(wave)], ALL, 'linear')).toBe(false);
  expect(yAxis(c, ALL, 'all', 'linear', null)![1]).toBeGreaterThan(5000);
  const most = yAxis(c, ALL, 'most', 'linear', null)!;
  expect(most[1]).toBeLessThan(2.5);
  expect(describeBeyond(countBeyond(c, ALL, most))).toBe('1 point above');
});

test('a range by hand holds, either end may be open', () => {
  const c = [curve([0, 10])];
  expect(yAxis(c, ALL, [2, 5], 'linear', null)).toEqual([2, 5]);
  expect(yAxis(c, ALL, [2, null], 'linear', null)).toEqual([2, 10.6]);
  expect(yAxis(c, ALL, [50, null], 'linear', null)).toEqual([50, 100]);
  expect(yAxis(c, ALL, [0, 5], 'log', null)![0]).toBeGreaterThan(0);
});

test('a shared range covers what the others have', () => {
  const [lo, hi] = yAxis([curve([1, 2])], ALL, 'all', 'linear', [-3, 7])!;
  expect([lo <= -3, hi >= 7, lo > -5, hi < 9]).toEqual([true, true, true, true]);
});

test('of a slice on both sides of an end the number is a lower bound', () => {
  const wide = curve([1, 1], { count: Float64Array.of(9, 1), max: Float64Array.of(50, 1) });
  expect(describeBeyond(countBeyond([wide], ALL, [0, 10]))).toBe('at least 1 point above');
  const all = curve([20, 1, 1], { count: Float64Array.of(9, 1, 1), min: Float64Array.of(20, -5, 1) });
  expect(describeBeyond(countBeyond([all], ALL, [0, 10]))).toBe('9 points above · 1 point below');
});

test('a symmetric log scale is linear below its least value', () => {
  expect(thresholdOf([curve([-300, 0, 0.02])])).toBe(0.01);
  expect(thresholdOf([curve([0])])).toBe(1);
  const [lo, hi] = yAxis([curve([-300, 0, 0.02])], ALL, 'all', 'symlog', null)!;
  expect(lo).toBeLessThan(-300);
  expect(hi).toBeGreaterThan(0.02);
});
