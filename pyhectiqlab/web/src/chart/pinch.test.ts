import { expect, test } from 'vitest';
import { pinched } from './pinch';

test('fingers that part zoom in on what is between them, those that meet zoom out, those that move together move it', () => {
  expect(pinched([100, 200], [50, 250], 300)).toEqual([75, 225]);
  expect(pinched([50, 250], [100, 200], 300)).toEqual([-150, 450]);
  expect(pinched([100, 200], [130, 230], 300)).toEqual([-30, 270]);
});

test('fingers on one place zoom no further', () => {
  const [left, right] = pinched([100, 200], [150, 150], 300);
  expect(right - left).toBe(2500);
});
