import { expect, test } from 'vitest';
import { assignedLooks, colorAt, dashAt, facetsOf, FACETS_MAX, inOrder, NO_ASSIGN, takenAssign, type RunValues } from './assign';
import { lookOf, PALETTE } from './looks';

const runs = (n: number) => Array.from({ length: n }, (_, i) => ({ id: `r${i}`, name: `run ${i}`, ...lookOf(i) }));
const valued = (name: string, values: readonly (number | string | null)[]): RunValues => new Map(values.map((value, i) => [`r${i}`, new Map([[name, value]])]));

test('values are in order: numbers, texts, none', () => {
  expect(inOrder(['b10', null, 3, 'b2', 0, '', 0.5, 3])).toEqual([0, 0.5, 3, 'b2', 'b10', null]);
});

test('nothing assigned leaves everything as it is', () => {
  const some = runs(12);
  expect(assignedLooks(some, NO_ASSIGN, new Map(), 1)).toEqual({ runs: some, keys: [] });
  expect(facetsOf(some, ['a', 'b'], NO_ASSIGN, new Map(), 1)).toBeNull();
});

test('runs with one value have one colour; their own dashes go, as they told runs apart', () => {
  const { runs: looked, keys } = assignedLooks(runs(12), { ...NO_ASSIGN, color: 'config.lr' }, valued('config.lr', [0.1, 0, 0.1, null]), 1);
  expect(looked.map((run) => run.color).slice(0, 4)).toEqual([PALETTE[1], PALETTE[0], PALETTE[1], PALETTE[9]]);
  expect(looked.every((run) => !run.dash.length)).toBe(true);
  expect(keys).toMatchObject([{ what: 'Colour: lr', items: [{ text: '0' }, { text: '0.1' }, { text: 'none' }], note: '' }]);
});

test('what colours and dashes do not tell apart is said', () => {
  const names = Array.from({ length: 14 }, (_, i) => `group ${i}`);
  const { runs: looked, keys } = assignedLooks(runs(14), { ...NO_ASSIGN, color: 'group', dash: 'group' }, valued('group', names), 1);
  expect(new Set(looked.map((run) => run.color)).size).toBe(10);
  expect(looked.slice(9).every((run) => run.color === PALETTE[9])).toBe(true);
  expect(keys.map((key) => key.note)).toEqual(['9 of 14 values of group have colours of their own: the others look the same.', '5 of 14 values of group have dashes of their own: the others look the same.']);
  expect(keys[0]!.items.at(-1)!.text).toBe('5 others');
  const scale = assignedLooks(runs(14), { ...NO_ASSIGN, color: 'config.lr' }, valued('config.lr', names.map((_, i) => i)), 1);
  expect(new Set(scale.runs.map((run) => run.color)).size).toBe(14);
  expect(scale.keys[0]!.note).toContain('neighbours look alike');
});

test('a dash for each run or rank, colours of runs stay', () => {
  const { runs: looked, keys } = assignedLooks(runs(3), { ...NO_ASSIGN, dash: 'run' }, new Map(), 1);
  expect(looked.map((run) => [run.color, run.dash])).toEqual([0, 1, 2].map((i) => [PALETTE[i], dashAt(i)]));
  expect(keys[0]!.items.map((item) => item.text)).toEqual(['run 0', 'run 1', 'run 2']);
  expect(assignedLooks(runs(1), { ...NO_ASSIGN, color: 'rank' }, new Map(), 12).keys[0]!.note).toContain('9 of 12 values of rank');
  expect([colorAt(9, 10), colorAt(8, 11), colorAt(9, 11), colorAt(10, 11)]).toEqual([PALETTE[9], PALETTE[8], PALETTE[9], PALETTE[9]]);
});

test('a chart for each value, with its runs, keys or rank; beyond twelve they are counted', () => {
  const values = valued('group', ['b', 'a', null, 'b']);
  const by = (facet: string, keys = ['loss']) => facetsOf(runs(4), keys, { ...NO_ASSIGN, facet }, values, 3);
  expect(by('group')!.facets.map(({ label, runs }) => [label, runs])).toEqual([['group a', ['r1']], ['group b', ['r0', 'r3']], ['group none', ['r2']]]);
  expect(by('rank')!.facets.map(({ label, rank }) => [label, rank])).toEqual([['rank 0', 0], ['rank 1', 1], ['rank 2', 2]]);
  expect(by('metric')).toBeNull();
  expect(by('metric', ['a', 'b'])!.facets.map(({ keys }) => keys)).toEqual([['a'], ['b']]);
  const many = facetsOf(runs(40), ['loss'], { ...NO_ASSIGN, facet: 'run' }, new Map(), 1)!;
  expect([many.facets.length, many.total]).toEqual([FACETS_MAX, 40]);
});

test('what cannot be told apart is left out', () => {
  const all = { color: 'rank', dash: 'config.lr', facet: 'metric' };
  expect(takenAssign(all, 2, 'any')).toEqual(all);
  expect(takenAssign(all, 1, ['group'])).toEqual({ color: null, dash: null, facet: 'metric' });
});
