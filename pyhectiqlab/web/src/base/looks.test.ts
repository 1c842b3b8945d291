import { expect, test } from 'vitest';
import { freeLook, lookOf } from './looks';

test('the first ten lines are solid, and sixty lines look different', () => {
  const looks = Array.from({ length: 60 }, (_, i) => lookOf(i));
  expect(looks.slice(0, 10).every(({ dash }) => dash.length === 0)).toBe(true);
  expect(looks.slice(10).every(({ dash }) => dash.length > 0 && dash.length % 2 === 0)).toBe(true);
  expect(new Set(looks.map((look) => JSON.stringify(look))).size).toBe(60);
  expect(lookOf(60)).toEqual(lookOf(0));
});

test('a new line looks like none beside it, and like none that was there before while there is another look', () => {
  expect(freeLook([], [])).toBe(0);
  expect(freeLook([0, 1], [0, 1, 2, 3])).toBe(4);
  const all = Array.from({ length: 60 }, (_, i) => i);
  expect(freeLook([0, 1], [...all, 2])).toBe(3);
  expect(freeLook(all.filter((i) => i !== 7), [7, 7, 7])).toBe(7);
});
