import { expect, test } from 'vitest';
import { lookOf } from './colors';

test('the first ten lines are solid, and sixty lines look different', () => {
  const looks = Array.from({ length: 60 }, (_, i) => lookOf(i));
  expect(looks.slice(0, 10).every(({ dash }) => dash.length === 0)).toBe(true);
  expect(looks.slice(10).every(({ dash }) => dash.length > 0 && dash.length % 2 === 0)).toBe(true);
  expect(new Set(looks.map((look) => JSON.stringify(look))).size).toBe(60);
  expect(lookOf(60)).toEqual(lookOf(0));
});
