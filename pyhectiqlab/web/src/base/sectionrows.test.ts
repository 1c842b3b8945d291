import { expect, test } from 'vitest';
import { packed, spanOf } from './sectionrows';

test('sections of few charts share a row, and a row is filled', () => {
  const shares = (spans: number[], columns: number) => packed(spans, columns).map(({ span, share }) => [span, share]);
  expect(shares([1, 1, 5], 2)).toEqual([[1, 1], [1, 1], [2, 2]]);
  expect(shares([1, 3, 1], 3)).toEqual([[1, 3], [3, 3], [1, 3]]);
  expect(shares([1, 1], 4)).toEqual([[1, 2], [1, 2]]);
  expect(shares([2, 1, Infinity, 1], 3)).toEqual([[2, 2], [1, 1], [3, 3], [1, 3]]);
  expect(shares([], 3)).toEqual([]);
});

test('a larger chart takes more columns', () => expect([spanOf(undefined), spanOf('M'), spanOf('L')]).toEqual([1, 2, Infinity]));
