import { expect, test } from 'vitest';
import { groupName, groupTerms, hasStatistics, sortGroups } from './groupcolumns';

const BY = ['state', 'config."lr"'];

test('a group is called by its values, and a search finds its runs', () => {
  expect(groupName(BY, ['failed', 0.1])).toBe('state failed · lr 0.1');
  expect(groupTerms(BY, ['failed', 0.1])).toEqual(['state="failed"', 'config."lr"=0.1']);
  expect(groupName(['tag'], [null])).toBe('tag –');
  expect(groupTerms(['tag'], [null])).toEqual(['tag!=*']);
  expect(groupTerms(['config."name"'], ['a "b" \\'])).toEqual(['config."name"="a \\"b\\" \\\\"']);
});

test('statistics are of numbers', () => {
  expect(['duration', 'points', 'config."lr"', 'metric."loss".last'].every(hasStatistics)).toBe(true);
  expect(['state', 'author', 'started', 'note', 'nonsense'].some(hasStatistics)).toBe(false);
});

test('groups are sorted by what they have in common or by a mean, and those without a value come last', () => {
  const group = (lr: number | string | null, mean: number | string) => ({ values: [lr], size: 1, columns: [{ mean }] });
  const groups = [group(0.1, 3), group(null, 'NaN'), group(0.01, 5), group('auto', 4)];
  const order = (...sorts: string[]) => sortGroups(groups, ['config."lr"'], ['metric."loss".last'], sorts).map((g) => g.values[0]);
  expect(order('name')).toEqual([0.1, null, 0.01, 'auto']);
  expect(order('name', 'config."lr"')).toEqual([0.01, 0.1, 'auto', null]);
  expect(order('-config."lr"')).toEqual(['auto', 0.1, 0.01, null]);
  expect(order('metric."loss".last')).toEqual([0.1, 'auto', 0.01, null]);
  expect(order('-metric."loss".last')).toEqual([0.01, 'auto', 0.1, null]);
});
