import { expect, test } from 'vitest';
import { sideOf } from './ticks';

test('a linear axis has round ticks within its range, in order and apart', () => {
  const { at, back, ticks } = sideOf([0.13, 7, NaN, Infinity, 3], 'linear', [0, 600], 6);
  expect(ticks.map(([v]) => v)).toEqual([0, 2, 4, 6]);
  expect(ticks.map(([v]) => v).every((v) => at(v) > 0 && at(v) < 600)).toBe(true);
  expect(back(at(4.5))).toBeCloseTo(4.5, 10);
  expect(at(NaN)).toBeNaN();
});

test('a log axis has powers of ten, and no place for 0', () => {
  const { at, ticks } = sideOf([0.001, 0, -3, 100], 'log', [300, 0], 8);
  expect(ticks.map(([v]) => v)).toEqual([0.001, 0.01, 0.1, 1, 10, 100]);
  expect([at(0), at(-1)]).toEqual([NaN, NaN]);
  expect(at(0.001)).toBeGreaterThan(at(100));
});

test('a symmetric log axis has both signs', () => {
  const { at, back, ticks } = sideOf([-100, 1, 0, 1000], 'symlog', [0, 100], 9);
  expect(ticks.map(([v]) => v)).toContain(0);
  expect(back(at(-40))).toBeCloseTo(-40, 8);
});

test.each(['linear', 'log', 'symlog'] as const)('one value, or none, has an axis, too: %s', (scale) => {
  for (const values of [[], [5], [5, 5], [NaN]]) {
    const { at, ticks } = sideOf(values, scale, [0, 100], 5);
    expect(ticks.length).toBeGreaterThan(1);
    if (values[0] === 5) expect(at(5)).toBeCloseTo(50, 8);
  }
});
