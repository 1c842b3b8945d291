import { expect, test } from 'vitest';
import { alignedFormat, shadeOf } from './columnstyle';

const written = (values: number[]) => values.map(alignedFormat(values));

test('numbers of a column have as many decimals as its longest needs', () => {
  expect(written([0.1, 0.03, 0.003])).toEqual(['0.100', '0.030', '0.003']);
  expect(written([64, 128])).toEqual(['64', '128']);
  expect(written([1, -1.875, NaN, 12345.5])).toEqual(['1.000', '−1.875', 'NaN', '12,345.500']);
  expect(written([0, 0.25])).toEqual(['0.00', '0.25']);
});

test('numbers that are too far apart are written each by itself', () => {
  expect(written([1e-12, 0.5])).toEqual(['1e−12', '0.5']);
  expect(written([2e9, 0.5])).toEqual(['2G', '0.5']);
});

test('a value is shaded by its place between the extremes, by orders of magnitude where there are several', () => {
  expect([0, 5, 10].map((v) => shadeOf(v, [0, 10]))).toEqual([0, 0.5, 1]);
  expect(shadeOf(0.01, [0.0001, 1])).toBeCloseTo(0.5);
  expect(shadeOf(3, [3, 3])).toBe(0);
  expect(shadeOf(NaN, [0, 1])).toBe(null);
  expect(shadeOf(1, [NaN, NaN])).toBe(null);
});
