import { expect, test } from 'vitest';
import { at, below } from './root';

test('a lab at the root of its host has the addresses that its paths are', () => {
  expect(at('/runs/7')).toBe('/runs/7');
  expect(below('/runs/7?tab=logs')).toBe('/runs/7?tab=logs');
});

test('the root path is taken off whole parts of an address alone', () => {
  expect(below('/lab/runs/7', '/lab')).toBe('/runs/7');
  expect(below('/lab', '/lab')).toBe('/');
  expect(below('/lab/', '/lab')).toBe('/');
  expect(below('/labs/7', '/lab')).toBe('/labs/7');
});
