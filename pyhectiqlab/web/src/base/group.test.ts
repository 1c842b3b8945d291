import { expect, test } from 'vitest';
import { groupByName, groupKeys, groupName, mergeKeyPages, naturally } from './group';

test('keys are grouped by what stands before the first slash', () => {
  const groups = groupKeys(['a/x', 'lr', 'a/y/z', 'b/x'], (k) => k);
  expect(groups).toEqual([
    { name: '', items: ['lr'] },
    { name: 'a', items: ['a/x', 'a/y/z'] },
    { name: 'b', items: ['b/x'] },
  ]);
  expect(groupName('/odd')).toBe('');
});

test('what was measured of the machine stands below what the script reported', () => {
  const groups = groupKeys(['lr', 'system/cpu', 'train/loss', 'valid/loss'], (k) => k);
  expect(groups.map((g) => g.name)).toEqual(['', 'train', 'valid', 'system']);
});

test('keys of several runs merge into one sorted list', () => {
  const merged = mergeKeyPages([
    { keys: ['a', 'c'], next: null },
    { keys: ['b', 'c'], next: null },
  ]);
  expect(merged).toEqual({ keys: ['a', 'b', 'c'], complete: true });
});

test('a page that was cut short ends the list, so that nothing appears in between later', () => {
  const merged = mergeKeyPages([
    { keys: ['a', 'b'], next: 'cursor' },
    { keys: ['a', 'z'], next: null },
  ]);
  expect(merged).toEqual({ keys: ['a', 'b'], complete: false });
});

test('things of one name are one group, in the order of the list', () => {
  const list = [{ name: 'a', step: 0 }, { name: 'b', step: 1 }, { name: 'constructor', step: 2 }, { name: 'b', step: 20 }];
  expect(groupByName(list).map((g) => [g.name, g.items.map((item) => item.step)])).toEqual([['a', [0]], ['b', [1, 20]], ['constructor', [2]]]);
  expect(groupByName([])).toEqual([]);
});

test('numbers in names are ordered by what they count', () => {
  expect(['head10/norm', 'head2/norm', 'a', 'head2/loss', 'head02/loss'].sort(naturally)).toEqual(['a', 'head02/loss', 'head2/loss', 'head2/norm', 'head10/norm']);
});
