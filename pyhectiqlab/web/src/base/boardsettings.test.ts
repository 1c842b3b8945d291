import { expect, test } from 'vitest';
import { NO_SETTINGS, readSettings, toggled, withPanel, type BoardSettings } from './boardsettings';

const SOME: BoardSettings = { panels: { 'train/loss': { scale: 'symlog', y: [0, null], size: 'L' }, lr: { y: 'most' } }, folded: ['system'], shared: ['train'] };

test('settings survive JSON', () => {
  expect(readSettings(JSON.parse(JSON.stringify(SOME)))).toEqual(SOME);
});

test.each([null, 7, 'text', [], { panels: [], folded: 'x', shared: {} }, { panels: { a: 3 }, folded: [1, null] }])('%j is no settings', (value) =>
  expect(readSettings(value)).toEqual(NO_SETTINGS));

test('what cannot be understood of a panel is left out, the rest is kept', () => {
  const panels = { a: { scale: 'cubic', size: 'M', y: [3, 1] }, b: { y: [null, null] }, c: { y: [1, 'x'], scale: 'log' }, d: { y: [1, Infinity] } };
  expect(readSettings({ panels }).panels).toEqual({ a: { size: 'M' }, b: {}, c: { scale: 'log' }, d: {} });
});

test('a change of one panel leaves the others, and what is undefined is forgotten', () => {
  const changed = withPanel(SOME, 'lr', { size: 'S', y: undefined });
  expect(changed.panels).toEqual({ 'train/loss': SOME.panels['train/loss'], lr: { size: 'S' } });
  expect(withPanel(changed, 'lr', { size: undefined }).panels).not.toHaveProperty('lr');
  expect(toggled(toggled(['a'], 'b', true), 'a', false)).toEqual(['b']);
});
