import { expect, test } from 'vitest';
import { sparkPath } from './sparkpath';

test('a line from the least to the greatest value, broken where there is none', () => {
  expect(sparkPath([0, 10], [1, 3], 14, 14)).toBe('M2.0 12.0L12.0 2.0');
  expect(sparkPath([0, 5, 10], [1, NaN, 3], 14, 14)).toBe('M2.0 12.0h0.1M12.0 2.0h0.1');
  expect(sparkPath([7], [2], 14, 14)).toBe('M7.0 7.0h0.1');
  expect(sparkPath([0, 1], [NaN, Infinity], 14, 14)).toBe('');
  expect(sparkPath([], [], 14, 14)).toBe('');
});
