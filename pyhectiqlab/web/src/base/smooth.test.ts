import { expect, test } from 'vitest';
import { smooth, typicalSpacing } from './smooth';

const range = (n: number) => Float64Array.from({ length: n }, (_, i) => i);

test('no smoothing gives the curve back', () => {
  const y = Float64Array.of(3, 1, 4, 1, 5);
  expect([...smooth(range(5), y, 0, 1)]).toEqual([...y]);
});

test('a constant stays that constant from the first point on', () => {
  for (const v of smooth(range(50), new Float64Array(50).fill(7), 0.95, 1)) expect(v).toBeCloseTo(7, 12);
});

test('evenly spaced points give the debiased moving average', () => {
  const y = [1, 2, 4];
  const w = 0.6;
  const wanted = [1, (1 * w + 2) / (w + 1), (1 * w * w + 2 * w + 4) / (w * w + w + 1)];
  [...smooth(range(3), Float64Array.from(y), w, 1)].forEach((v, i) => expect(v).toBeCloseTo(wanted[i]!, 12));
});

test('a long gap forgets the past more than a short one', () => {
  const y = Float64Array.of(0, 0, 0, 10);
  const near = smooth(Float64Array.of(0, 1, 2, 3), y, 0.9, 1)[3]!;
  const far = smooth(Float64Array.of(0, 1, 2, 100), y, 0.9, 1)[3]!;
  expect(near).toBeLessThan(4);
  expect(far).toBeGreaterThan(9);
});

test('NaN and infinities stay gaps and do not poison what follows', () => {
  const out = smooth(range(5), Float64Array.of(1, NaN, Infinity, 1, 1), 0.9, 1);
  expect([...out].map(Number.isNaN)).toEqual([false, true, true, false, false]);
  expect(out[4]).toBeCloseTo(1, 12);
});

test('repeated x is allowed', () => {
  expect([...smooth(Float64Array.of(1, 1, 1), Float64Array.of(1, 2, 3), 0.5, 1)].every(Number.isFinite)).toBe(true);
});

test('typical spacing is the median step', () => {
  expect(typicalSpacing(Float64Array.of(0, 100, 200, 300, 5000))).toBe(100);
  expect(typicalSpacing(Float64Array.of(4))).toBe(0);
});
