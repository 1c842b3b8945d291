import { expect, test } from 'vitest';
import { type BoardSettings, leftOut, matching, movedKey, movedOwn, NO_SETTINGS, ordered, readSettings, toggled, withoutOwn, withOwn, withPanel } from './boardsettings';

const LOSSES = { id: 'a1', title: 'Losses', pattern: 'loss$' };
const SOME: BoardSettings = { own: [LOSSES], panels: { 'train/loss': { scale: 'symlog', y: [0, null], size: 'L' }, lr: { y: 'most' } }, folded: ['system'], shared: ['train'], order: { train: ['b', 'a'] } };

test('settings survive JSON', () => {
  expect(readSettings(JSON.parse(JSON.stringify(SOME)))).toEqual(SOME);
});

test.each([null, 7, 'text', [], { own: {}, panels: [], folded: 'x', shared: {} }, { panels: { a: 3 }, folded: [1, null] }])('%j holds no settings', (value) =>
  expect(readSettings(value)).toEqual(NO_SETTINGS));

test('what cannot be understood of a panel is left out, the rest is kept', () => {
  const panels = { a: { scale: 'cubic', size: 'M', y: [3, 1] }, b: { y: [null, null] }, c: { y: [1, 'x'], scale: 'log' }, d: { y: [1, Infinity] }, e: { y: 'most:7.5', size: '3x12' }, f: { y: 'most:50', size: '99x1' }, g: { y: 'most:x' } };
  expect(readSettings({ panels }).panels).toEqual({ a: { size: 'M' }, b: {}, c: { scale: 'log' }, d: {}, e: { y: 'most:7.5', size: '3x12' }, f: {}, g: {} });
  expect([leftOut('most', 2), leftOut('most:7.5', 2), leftOut('all', 2), leftOut([0, 1], 2)]).toEqual([2, 7.5, null, null]);
});

test('a change of one panel leaves the others, and what is undefined is forgotten', () => {
  const changed = withPanel(SOME, 'lr', { size: 'S', y: undefined });
  expect(changed.panels).toEqual({ 'train/loss': SOME.panels['train/loss'], lr: { size: 'S' } });
  expect(withPanel(changed, 'lr', { size: undefined }).panels).not.toHaveProperty('lr');
  expect(toggled(toggled(['a'], 'b', true), 'a', false)).toEqual(['b']);
});

test('keys of a section keep the order that somebody gave them, and new ones follow', () => {
  const keys = ['a', 'b', 'c', 'd'];
  expect(ordered(keys)).toEqual(keys);
  const moved = movedKey(NO_SETTINGS, 'train', keys, 'd', 'a');
  expect(ordered(keys, moved.order!['train'])).toEqual(['d', 'a', 'b', 'c']);
  expect(ordered(['a', 'aa', 'b', 'd'], moved.order!['train'])).toEqual(['d', 'a', 'b', 'aa']);
  expect(movedKey(NO_SETTINGS, 'train', keys, 'a', 'c').order).toEqual({ train: ['b', 'c', 'a', 'd'] });
  expect(movedKey(NO_SETTINGS, 'train', keys, 'x', 'c').order).toEqual({ train: keys });
});

test('a pattern matches anywhere in a key; what is no pattern matches nothing', () => {
  const keys = ['train/loss', 'valid/loss', 'valid/loss_best', 'lr'];
  expect(matching(keys, 'loss$|lr')).toEqual(['train/loss', 'valid/loss', 'lr']);
  expect(['', '  ', '(', 'x'.repeat(300)].flatMap((pattern) => matching(keys, pattern))).toEqual([]);
});

test('charts of one\'s own are added, changed, moved and removed; broken ones and repeats are not read', () => {
  const more = withOwn(withOwn(SOME, { id: 'b2', title: '', pattern: 'lr' }), { ...LOSSES, title: 'Loss' });
  expect(more.own.map(({ id, title }) => [id, title])).toEqual([['a1', 'Loss'], ['b2', '']]);
  expect(movedOwn(more, 'b2', 'a1').own.map(({ id }) => id)).toEqual(['b2', 'a1']);
  expect(withoutOwn({ ...more, panels: { 'own:a1': { size: 'M' }, lr: {} } }, 'a1')).toMatchObject({ own: [{ id: 'b2' }], panels: { lr: {} } });
  const histogram = { id: 'h', title: '', pattern: '', histogram: 'layer 1/weights' };
  expect(readSettings({ own: [histogram, { ...histogram, id: 'i', histogram: 3 }] }).own).toEqual([histogram]);
  expect(readSettings({ own: [LOSSES, LOSSES, { ...LOSSES, id: '../x' }, { id: 'c', title: '', pattern: '[' }, 3] }).own).toEqual([LOSSES]);
});
