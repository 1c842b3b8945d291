import { expect, test } from 'vitest';
import { PALETTE } from './looks';
import { tintsOf } from './tints';

test('numbers lie along a scale whose ends the legend names; what is none is grey', () => {
  const { of, legend } = tintsOf([3, 1, NaN, null, 2]);
  expect(legend.map(({ text }) => text)).toEqual(['1', '3']);
  expect(legend.map(({ color }) => color)).toEqual([of(1), of(3)]);
  expect(new Set([of(1), of(2), of(3), of(null)]).size).toBe(4);
  expect([of(NaN), of('x')]).toEqual([of(null), of(null)]);
  expect(of(2)).toMatch(/^#[0-9a-f]{6}$/);
});

test('each text has a colour of the palette', () => {
  const { of, legend } = tintsOf(['sgd', 'adam', 'sgd', 5]);
  expect(legend.map(({ text }) => text)).toEqual(['adam', 'sgd']);
  expect([of('adam'), of('sgd')]).toEqual([PALETTE[0], PALETTE[1]]);
});

test('one number, or nothing, has a colour, too', () => {
  expect(tintsOf([7]).legend.length).toBe(1);
  expect(tintsOf([null]).legend).toEqual([]);
});
