import { expect, test } from 'vitest';
import cases from '../../../../tests/cases/visible.json';
import { visible } from './visible';

test.each(cases)('$text', ({ text, seen }) => {
  expect(visible(text)).toBe(seen);
});
