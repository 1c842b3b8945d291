import { describe, expect, it } from 'vitest';
import { placeOf } from './steps';

describe('placeOf', () => {
  it('is the last step that is not behind', () => {
    const steps = [null, 0, 10, 20];
    expect([null, -5, 0, 15, 99].map((s) => placeOf(steps, s))).toEqual([0, 0, 1, 2, 3]);
    expect(placeOf([5], 1)).toBe(0);
  });
});
