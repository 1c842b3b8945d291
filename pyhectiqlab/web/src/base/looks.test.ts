import { expect, test } from 'vitest';
import { freeLook, lookOf, looksTogether } from './looks';

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

test('lines that are drawn together are dashed only where another one has their colour', () => {
  const together = looksTogether([15, 10, 12]);
  expect(together.map(({ dash }) => dash)).toEqual([[], [], []]);
  expect(together.map(({ color }) => color)).toEqual([5, 0, 2].map((i) => lookOf(i).color));
  const [second, first, third] = looksTogether([10, 0, 20]);
  expect(first!.dash).toEqual([]);
  expect(new Set([first, second, third].map((look) => look!.dash.join())).size).toBe(3);
  expect(new Set(looksTogether(Array.from({ length: 60 }, (_, i) => i)).map((look) => JSON.stringify(look))).size).toBe(60);
});

test('a new line has a colour of its own while one of the ten is free beside it', () => {
  const known = Array.from({ length: 10 }, (_, i) => i);
  expect(freeLook([0], known)).not.toBe(10); // unused, but it has the colour of 0
  expect(freeLook([0], known) % 10).not.toBe(0);
});
