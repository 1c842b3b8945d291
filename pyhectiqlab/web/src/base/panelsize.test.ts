import { expect, test } from 'vitest';
import { describeSize, FIRST_SIZE, gridRows, heightOf, needPacking, readSize, resized, writeSize } from './panelsize';

test.each(['2x10', '1x4', '12x40', '3x7'])('%s is a size, and is written as it was', (text) => expect(writeSize(readSize(text)!)).toBe(text));

test.each(['', '0x7', '13x7', '1x3', '1x41', '2x', 'XL', '2x10 ', null, 7])('%s is none', (text) => expect(readSize(text)).toBeNull());

test('views that were saved with S, M and L keep their sizes, in px nearly', () => {
  expect(['S', 'M', 'L'].map((size) => readSize(size)!.columns)).toEqual([1, 2, 12]);
  expect(['S', 'M', 'L', undefined].map(heightOf)).toEqual([196, 280, 392, 196]);
  expect(writeSize(FIRST_SIZE)).toBeUndefined();
});

test('charts are packed where their heights differ, and so are two beside a higher one', () => {
  expect(needPacking([undefined, '2x7', '12x7', 'S'])).toBe(false);
  expect(needPacking([undefined, '1x16'])).toBe(true);
  expect(gridRows(heightOf('1x16'))).toBe(2 * gridRows(heightOf(undefined)));
});

test('a size grows as far as it goes', () => {
  expect(resized({ columns: 11, rows: 39 }, 5, 5)).toEqual({ columns: 12, rows: 40 });
  expect(resized({ columns: 2, rows: 5 }, -5, -5)).toEqual({ columns: 1, rows: 4 });
  expect(describeSize({ columns: 12, rows: 9 })).toBe('all columns, 9 rows');
  expect(describeSize({ columns: 1, rows: 1 })).toBe('1 column, 1 row');
});
