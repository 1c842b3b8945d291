import { expect, test } from 'vitest';
import { lineChanges } from './linechanges';

const changed = (before: string[], after: string[]) => lineChanges(before.join('\n'), after.join('\n')).map(({ mark, text }) => mark + text);

test('lines that only one text has are marked, with what is around them', () => {
  expect(changed(['a', 'b', 'c'], ['a', 'x', 'c'])).toEqual([' a', '-b', '+x', ' c']);
  expect(changed(['a', 'b'], ['a', 'b'])).toEqual([]);
  expect(lineChanges('a\n', 'a')).toEqual([]);
  expect(changed([], ['a'])).toEqual(['+a']);
  expect(changed(['a', 'b'], [])).toEqual(['-a', '-b']);
  expect(changed(['a', 'b', 'c', 'd'], ['b', 'd', 'e'])).toEqual(['-a', ' b', '-c', ' d', '+e']);
});

test('lines far from a change are left out', () => {
  const long = Array.from({ length: 20 }, (_, i) => `line ${i}`);
  const other = long.map((line, i) => (i === 10 ? 'other' : line));
  expect(changed(long, other)).toEqual(['…', ...long.slice(7, 10).map((l) => ` ${l}`), '-line 10', '+other', ...long.slice(11, 14).map((l) => ` ${l}`), '…']);
});

test('what both texts are made of again: random lines, and more than are compared one by one', () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n;
  for (const n of [...Array.from({ length: 30 }, () => 1 + random(6)), 2500]) {
    const text = () => Array.from({ length: n }, () => `l${random(n < 10 ? 3 : 1e6)}`);
    const [before, after] = [text(), text()];
    const changes = lineChanges(before.join('\n'), after.join('\n'));
    if (before.join() === after.join() || changes.some(({ mark }) => mark === '…')) continue;
    expect(changes.filter(({ mark }) => mark !== '+').map(({ text: line }) => line)).toEqual(before);
    expect(changes.filter(({ mark }) => mark !== '-').map(({ text: line }) => line)).toEqual(after);
  }
});
