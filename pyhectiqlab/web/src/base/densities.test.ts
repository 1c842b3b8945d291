import { expect, test } from 'vitest';
import { along, binAt, binText, columnsOf, sharesOf, shareBeyond, stepHistograms, stepsWithin, valueRange, type StepHistogram } from './densities';
import { sideBetween } from './ticks';

const of = (step: number | null, edges: number[], counts: number[]) => ({ step, time: 0, rank: 0, attempt: 1, histogram: { edges, counts, nan: 0, pinf: 0, ninf: 0 } });
const only = (edges: number[], counts: number[]): StepHistogram => stepHistograms([of(0, edges, counts)]).histograms[0]!;

test('what has no step is counted, and has no column', () => {
  const { histograms, without } = stepHistograms([of(null, [0, 1], [1]), of(3, [0, 1], [4]), { ...of(4, [], []), histogram: null }]);
  expect([histograms.map((h) => [h.step, h.total]), without]).toEqual([[[3, 4]], 1]);
});

test('they lie along steps, moments, or the time since their attempt began', () => {
  const at = (step: number, time: number, attempt: number) => ({ ...of(step, [0, 1], [1]), time, attempt });
  const { histograms } = stepHistograms([at(0, 300, 2), at(5, 305, 2), at(6, 106, 1), at(9, 109, 1)]);
  const read = (axis: 'step' | 'time' | 'relative', zeros = new Map<number, number>()) => along(histograms, axis, zeros).map((h) => [h.step, h.x]);
  expect(read('step')).toEqual([[0, 0], [5, 5], [6, 6], [9, 9]]);
  expect(read('time')).toEqual([[6, 106], [9, 109], [0, 300], [5, 305]]);
  expect(read('relative', new Map([[1, 100], [2, 299]]))).toEqual([[0, 1], [5, 6], [6, 6], [9, 9]]);
  expect(read('relative', new Map([[1, 100]]))).toEqual([[0, 0], [5, 5], [6, 6], [9, 9]]); // attempt 2 logged no metric
});

test('of a range of times, the steps in it and their neighbours', () => {
  const items = Array.from({ length: 10 }, (_, i) => ({ ...of(10 * i, [0, 1], [1]), time: 100 + i }));
  const histograms = along(stepHistograms(items).histograms, 'time', new Map());
  expect(stepsWithin(histograms, [103, 105])).toEqual({ lo: 20, hi: 60 });
  expect(stepsWithin(histograms, [103.2, 103.4])).toEqual({ lo: 30, hi: 40 });
  expect(stepsWithin(histograms, [0, 1000])).toEqual({ lo: 0, hi: 90 });
  expect(stepsWithin(histograms, [0, 50])).toEqual({ lo: 0, hi: 0 });
  expect(stepsWithin(histograms, [500, 600])).toEqual({ lo: 90, hi: 90 });
  expect(stepsWithin([], [0, 1])).toBeNull();
});

test('columns meet in the middle, and leave a gap that is much longer than usual', () => {
  expect(columnsOf([0, 10, 20, 100])).toEqual([[-5, 5], [5, 15], [15, 30], [90, 105]]);
  expect(columnsOf([7])).toEqual([[6.5, 7.5]]);
});

test.each(['linear', 'symlog'] as const)('every value is in one row, on a %s axis', (scale) => {
  const one = only([-1, 0, 1, 4], [2, 0, 6]);
  const side = sideBetween([-1, 4], scale, 0.1, [100, 0], 4);
  const rows = sharesOf([one], side, 100, 10);
  expect(rows.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  if (scale === 'linear') expect([...rows].map((v) => Math.round(1e6 * v))).toEqual([125000, 125000, 0, 0, 125000, 125000, 125000, 125000, 125000, 125000]);
});

test('a bin without width, and one that is as wide as all numbers', () => {
  const side = sideBetween([-1, 1], 'linear', 1, [10, 0], 4);
  expect([...sharesOf([only([0.5, 0.5], [3])], side, 10, 4)]).toEqual([0, 0, 0, 1]);
  const wide = sharesOf([only([-1.7e308, 1.7e308], [1])], sideBetween([-1.7e308 / 2, 1.7e308 / 2], 'linear', 1, [10, 0], 4), 10, 2);
  expect([...wide].map((v) => v.toFixed(3))).toEqual(['0.250', '0.250']);
});

test('the range is that of the edges; without outliers; by hand; on a log scale what is positive', () => {
  const some = [only([0, 1, 1000], [1000, 1]), only([-1, 0, 2], [5, 5])];
  expect(valueRange(some, 'all', false)).toEqual([-1, 1000]);
  expect(valueRange(some, 'most', false)![1]).toBeLessThan(2);
  expect(valueRange(some, [0, null], false)).toEqual([0, 1000]);
  expect(valueRange(some, 'all', true)).toEqual([1, 1000]);
  expect(valueRange([only([], [])], 'all', false)).toBeNull();
  expect(shareBeyond([only([0, 1, 3], [4, 4])], [0.5, 2])).toEqual({ above: 25, below: 25 });
});

test('a bin is found by a value and told', () => {
  const one = only([0, 1, 2], [3, 4]);
  expect([-1, 0, 1, 2, 2.1].map((value) => binAt(one, value))).toEqual([-1, 0, 1, 1, -1]);
  expect(binText(one, 1)).toBe('4 of 7 values from 1 to 2');
  expect(binText(only([0, 1], [1]), 0)).toBe('1 of 1 value from 0 to 1');
});
