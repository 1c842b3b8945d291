import { expect, test } from 'vitest';
import { nth } from './nth';

test('the n-th smallest is that of the sorted numbers, also where many are alike', () => {
  for (let n = 1; n < 60; n++) {
    for (const kinds of [2, 7, 1e9]) {
      const values = Float64Array.from({ length: n }, () => Math.floor(Math.random() * kinds) - kinds / 2);
      const sorted = [...values].sort((a, b) => a - b);
      for (let k = 0; k < n; k++) expect(nth(values.slice(), k), `${k} of ${values.join()}`).toBe(sorted[k]);
    }
  }
  expect(nth(Float64Array.of(Infinity, -Infinity, 3), 0)).toBe(-Infinity);
});
