import { expect, test } from 'vitest';
import { bandOf, groupId, ranksApart, ranksOf, requestsOf, sampleOf, type RunGroup } from './grouplines';

const group = (id: string, n: number): RunGroup => ({ id, name: id, runs: Array.from({ length: n }, (_, i) => `${id}${i}`), rank: null, ranks: [] });

test('every group is asked for every key, within what the lab takes at once', () => {
  const groups = [group('a', 300), group('b', 200), group('c', 1), group('d', 500), ...Array.from({ length: 120 }, (_, i) => group(`x${i}`, 2))];
  const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
  const requests = requestsOf(groups, keys);
  const asked = requests.flatMap((r) => r.groups.flatMap((g) => r.keys.map((key) => `${g.id} ${key}`)));
  expect(new Set(asked).size).toBe(asked.length);
  expect(asked.length).toBe(groups.length * keys.length);
  for (const r of requests) {
    const runs = r.groups.reduce((n, g) => n + g.runs.length, 0);
    expect(runs).toBeLessThanOrEqual(500);
    expect(r.groups.length).toBeLessThanOrEqual(100);
    expect(r.keys.length).toBeLessThanOrEqual(16);
    expect(runs * r.keys.length).toBeLessThanOrEqual(4000);
  }
  expect(requestsOf([], keys)).toEqual([]);
});

test('a group has a name of its own in links', () => {
  const ids = [groupId(['config.lr'], [0.1]), groupId(['config.lr'], ['0.1']), groupId(['config.lr'], [null]), groupId(['tag'], [0.1]), groupId(['config.lr', 'tag'], [0.1, null])];
  expect(new Set(ids).size).toBe(5);
  expect(ids.every((id) => /^g[0-9a-z]{1,12}$/.test(id))).toBe(true);
  expect(groupId(['config.lr'], [0.1])).toBe(ids[0]);
});

test('a median has no standard deviation', () => {
  expect([bandOf('median', 'std'), bandOf('mean', 'std'), bandOf('median', 'quantiles')]).toEqual(['minmax', 'std', 'quantiles']);
});

test('a sample has runs of each group', () => {
  expect(sampleOf([group('a', 3), group('b', 1)], 3)).toEqual(['a0', 'b0', 'a1']);
  expect(sampleOf([group('a', 2)], 9)).toEqual(['a0', 'a1']);
});

test('told apart by rank, each rank of a group is asked for, and a group of one rank stays one', () => {
  const groups = [{ ...group('a', 2), ranks: [0, 3] }, { ...group('b', 1), rank: 5 }, group('c', 1)];
  expect(ranksApart(groups).map(({ id, rank }) => [id, rank])).toEqual([['a', 0], ['a', 3], ['b', 5]]);
  expect(ranksOf(groups)).toBe(6);
  expect(ranksOf([])).toBe(1);
});
