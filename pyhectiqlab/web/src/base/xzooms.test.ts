import { expect, test } from 'vitest';
import { readZooms, withZoom, zoomOf, zoomText } from './xzooms';

test.each([
  { panel: 'valid/loss', x: 'epoch', range: [3, 7] as const },
  { panel: 'a,b, c', x: 'f(a, b) % 2,', range: [-1e-9, 0.1 + 0.2] as const },
  { panel: 'own:1', x: '50%2C', range: [1e300, 1.5e308] as const },
])('a range survives being written and read again: %j', (zoom) => expect(readZooms([zoomText(zoom)])).toEqual([zoom]));

test.each(['', '1,2', '1,2,x', '2,1,x,y', '1,1,x,y', 'a,b,x,y', ',1,x,y', ' ,1,x,y', '0,Infinity,x,y'])('%j is none', (text) => expect(readZooms([text])).toEqual([]));

test('each chart has one range for what it is drawn over, and of very many the newest are kept', () => {
  const one = withZoom([], 'loss', 'epoch', [0, 1]);
  expect(zoomOf(one, 'loss', 'epoch')).toEqual([0, 1]);
  expect(zoomOf(one, 'loss', 'time')).toBeNull();
  expect(withZoom(one, 'loss', 'epoch', [2, 3])).toEqual([{ panel: 'loss', x: 'epoch', range: [2, 3] }]);
  expect(withZoom(one, 'loss', 'epoch', null)).toEqual([]);
  let many = one;
  for (let i = 0; i < 60; i++) many = withZoom(many, `p${i}`, 'x', [i, i + 1]);
  expect([many.length, many[0]!.panel]).toEqual([50, 'p10']);
  expect(readZooms(['1,2,x,y', '3,4,x,y'])).toHaveLength(1);
});
