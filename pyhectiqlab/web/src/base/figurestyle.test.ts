import { expect, test } from 'vitest';
import { FIRST_STYLE, readStyle, sizeOf } from './figurestyle';

test('what was kept is read with care', () => {
  const style = { width: 320, font: 9, serif: true, legend: false };
  expect(readStyle(JSON.stringify(style))).toEqual(style);
  for (const text of [null, '', '{', '3', 'null', '[]', '{"width":7,"font":"9","serif":1}']) expect(readStyle(text)).toEqual(FIRST_STYLE);
});

test('larger letters leave less room', () => {
  expect(sizeOf(FIRST_STYLE)).toMatchObject({ width: 640, height: 400, unit: 1 });
  const { width, unit } = sizeOf({ ...FIRST_STYLE, width: 320, font: 6.5 });
  expect([width, unit, width / unit]).toEqual([640, 2, 320]);
});
