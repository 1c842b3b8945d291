import { expect, test } from 'vitest';
import { isMedium, shownName } from './mediafiles';

test.each([
  ['image', 'v%2Fa.png', 'v/a.png'],
  ['table', '100%25 %5C %2525.table.json', '100% \\ %25.table.json'],
  ['text', '%2E%zz', '%2E%zz'], // the client escapes none of this
  ['file', 'v%2Fa.png', 'v%2Fa.png'], // the author of a file chose its name
])('a %s named %s is shown as %s', (kind, name, shown) => {
  expect(shownName({ kind, name })).toBe(shown);
});

test('media are figures, images, tables and texts', () => {
  expect(['figure', 'image', 'table', 'text', 'file', 'model', ''].map((kind) => isMedium({ kind }))).toEqual([true, true, true, true, false, false, false]);
});
