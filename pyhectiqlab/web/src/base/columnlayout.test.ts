import { expect, test } from 'vitest';
import { laidOut, layoutCss, NO_LAYOUT, readLayout, widthTexts, withPin, withWidth } from './columnlayout';

test('a layout survives being written and read, and nonsense is left out', () => {
  const layout = withWidth(withWidth(withPin(NO_LAYOUT, 'config."lr"', true), 'name', 300), 'config."a b"', 80);
  expect(readLayout(layout.pinned, widthTexts(layout.widths))).toEqual(layout);
  expect(readLayout(['nonsense', 7, 'state', 'state'], ['x', '99999 state', '5 state', '70 nonsense', '70'])).toEqual({ pinned: ['state'], widths: { state: 50 } });
  expect(withPin(layout, 'config."lr"', false).pinned).toEqual([]);
  expect(withWidth(layout, 'name', null).widths).toEqual({ 'config."a b"': 80 });
});

test('pinned columns come first, each where the one before it ends', () => {
  const layout = { pinned: ['points', 'state'], widths: { state: 90 } };
  const columns = laidOut(['author', 'state', 'points'], layout);
  expect(columns).toEqual(['state', 'points', 'author']);
  const lefts = [...layoutCss(columns, layout).matchAll(/nth-child\((\d)\) \{ position: sticky; left: (\d+)px/g)].map(([, at, left]) => [at, left]);
  expect(lefts).toEqual([['4', '322'], ['5', '412']]); // after a name of 220 px
  expect(layoutCss(columns, NO_LAYOUT)).toBe('');
});
