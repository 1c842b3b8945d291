import { expect, test } from 'vitest';
import type { Buckets } from './buckets';
import { onSteps, paceOf, stepAt, timeAt, type StepClock } from './stepclock';

const CLOCK: StepClock = { step: Float64Array.of(10, 20, 120), time: Float64Array.of(1000, 2000, 3000) };

test('between two moments the step is linear, beyond them it stays', () => {
  expect([0, 1000, 1500, 2000, 2500, 3000, 9999].map((t) => stepAt(CLOCK, t))).toEqual([10, 10, 15, 20, 70, 120, 120]);
  for (const step of [10, 13, 20, 99, 120]) expect(stepAt(CLOCK, timeAt(CLOCK, step))).toBeCloseTo(step, 9);
  expect([timeAt(CLOCK, -5), timeAt(CLOCK, 999)]).toEqual([1000, 3000]);
  expect(stepAt({ step: Float64Array.of(7), time: Float64Array.of(5) }, 6)).toBe(7);
});

test('the pace is that of the whole training', () => {
  expect(paceOf(CLOCK)).toBeCloseTo(2000 / 110, 9);
  expect(paceOf({ step: Float64Array.of(7), time: Float64Array.of(5) })).toBeNull();
});

test('buckets of time come to lie at steps; what was before the first step and after the last is one bucket each', () => {
  const of = (...values: number[]) => Float64Array.from(values);
  const zeros = new Float64Array(6);
  const b: Buckets = {
    run: 'r', key: 'system/cpu', rank: null, attempt: null, ranks: 1, width: 512, total: 9, start: of(0, 512, 1024, 2048, 3072, 3584),
    count: of(1, 3, 1, 1, 2, 1), min: of(5, 1, 3, NaN, 7, 8), max: of(5, 9, 3, NaN, 9, 8), mean: of(5, 3, 3, NaN, 8, 8),
    last: of(5, 9, 3, NaN, 9, 8), lastX: of(100, 900, 1500, 2500, 3100, 3600), exactX: null, nan: of(0, 0, 0, 1, 0, 0), pinf: zeros, ninf: zeros, smoothed: null,
  };
  expect(onSteps(b, CLOCK)).toMatchObject({
    width: 1, lastX: of(10, 15, 70, 120), start: of(10, 15, 70, 120), count: of(4, 1, 1, 3), min: of(1, 3, NaN, 7), max: of(9, 3, NaN, 9),
    mean: of(3.5, 3, NaN, 8), last: of(9, 3, NaN, 8), nan: of(0, 0, 1, 0),
  });
});
