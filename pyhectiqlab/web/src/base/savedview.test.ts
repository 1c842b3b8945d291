import { expect, test } from 'vitest';
import { NO_SETTINGS, withOwn } from './boardsettings';
import { changesOf, firstOf, isBare, linkOf, readDocument, routeOf, writeDocument, type SavedState } from './savedview';

const LINK = 'q=lr<1&sort=name&sort=-points&col=state&col=config."lr"&heat=config."lr"&curve=metric."loss".min&by=tag&pane=charts&runs=a,b&metrics=loss&x=relative&y=log&color=config."lr"&facet=group';
const STATE: SavedState = {
  link: linkOf(routeOf('p', LINK, null)),
  board: withOwn({ ...NO_SETTINGS, panels: { loss: { size: 'L' }, acc: { scale: 'log' } }, folded: ['system', 'grad'] }, { id: 'x1', title: '', pattern: 'loss|acc' }),
  looks: { a: [3, ''], b: [70, '#ff0000'] },
  split: 30,
};

test('a view survives being written and read again', () => {
  const document: unknown = JSON.parse(JSON.stringify(writeDocument(STATE, true)));
  expect(document).toMatchObject({ search: 'lr<1', columns: ['state', 'config."lr"'], sort: ['name', '-points'], groups: ['tag'], runs: 'a,b', charts: { metrics: 'loss', x: 'relative', y: 'log', color: 'config."lr"', facet: 'group' }, split: 30, first: true });
  expect(readDocument(document)).toEqual({ ...STATE, looks: { a: [3, ''], b: [10, '#ff0000'] } });
  expect(writeDocument({ link: '', board: NO_SETTINGS, looks: {}, split: null }, false)).toEqual({});
});

test('a document that a script wrote: what is unknown or wrong is left out', () => {
  const state = readDocument({ columns: ['config.lr', 'nothing'], sort: 'name', runs: ['a', 'b'], charts: { x: 'sideways', q: 'no', panel: 'loss' }, looks: { a: ['x'], b: [1, 'red'] }, split: '3', board: 7, more: 1 });
  expect(state).toEqual({ link: 'sort=name&col=config.lr&runs=a,b', board: NO_SETTINGS, looks: { b: [1, ''] }, split: null });
  for (const odd of [null, [], 'text', 3]) expect(readDocument(odd).link).toBe('');
  expect(readDocument({ runs: [] }).link).toBe('runs=none');
});

test('what is of the moment is not kept', () => {
  expect(linkOf(routeOf('p', `${LINK}&solo=a&panel=loss`, 'v1'))).toBe(STATE.link);
  expect(isBare(routeOf('p', '', 'v1'))).toBe(true);
  expect(isBare(routeOf('p', 'q=a', 'v1'))).toBe(false);
});

test('what was changed is named', () => {
  const changed = (link: string, more: Partial<SavedState> = {}) => changesOf(STATE, { ...STATE, link: linkOf(routeOf('p', link, null)), ...more });
  expect(changed(LINK)).toEqual([]);
  expect(changed(LINK, { board: { ...STATE.board, folded: ['grad', 'system'], panels: { acc: { scale: 'log' }, loss: { size: 'L' } } } })).toEqual([]);
  expect(changed(LINK, { looks: { ...STATE.looks, c: [5, ''] } })).toEqual([]);
  expect(changed(LINK.replace('sort=name', 'sort=state').replace('lr<1', ''))).toEqual(['search', 'order']);
  expect(changed(LINK.replace('by=tag&', '').replace('a,b', 'a').replace('y=log', ''))).toEqual(['groups', 'drawn runs', 'charts']);
  expect(changed(LINK, { board: NO_SETTINGS, looks: { a: [4, ''] }, split: 31 })).toEqual(['charts', 'colours', 'panes']);
});

test('what is shown first: a private view before shared ones, one’s own before others’', () => {
  const view = (own: boolean, shared: boolean, first: boolean) => ({ own, shared, document: { first } });
  const [others, mine, secret, plain] = [view(false, true, true), view(true, true, true), view(true, false, true), view(true, false, false)];
  expect(firstOf([others, mine, secret, plain])).toBe(secret);
  expect(firstOf([plain, others, mine])).toBe(mine);
  expect(firstOf([others, plain])).toBe(others);
  expect(firstOf([plain])).toBe(null);
});
