import { expect, test } from 'vitest';
import { atPlace, formatSmoothing, parseSmoothing, placeOfWidth, WIDTHS } from './smooth';

test('a smoothing is written into the link and read again', () => {
  for (const kind of ['exponential', 'gaussian', 'mean', 'median'] as const)
    for (const width of [1, 100, 2 ** 53 - 1]) expect(parseSmoothing(formatSmoothing({ kind, width }), 'time')).toEqual({ kind, width });
});

test('the number of an old link is the share kept from step to step, or from second to second', () => {
  expect(parseSmoothing('0.9', 'step')).toEqual({ kind: 'exponential', width: 9 });
  expect(parseSmoothing('.99', 'relative')).toEqual({ kind: 'exponential', width: 99_000_000 });
  expect(parseSmoothing('0.01', 'step')).toEqual({ kind: 'exponential', width: 1 });
});

test.each([null, '', '0', '0.0', '1e999', '7', 'cubic,5', 'mean,', 'mean,-3', 'mean,1.5', 'toString,5'])('%s smooths nothing', (text) =>
  expect(parseSmoothing(text, 'step')).toBeNull());

test('a width is at least 1', () => expect(parseSmoothing('mean,0', 'step')).toEqual({ kind: 'mean', width: 1 }));

test('the slider: nothing first, then each width at a place of its own, in steps or µs', () => {
  expect(atPlace(0, 'mean', 'step')).toBeNull();
  expect(atPlace(3, 'mean', 'time')).toEqual({ kind: 'mean', width: 5_000_000 });
  WIDTHS.forEach((_, i) => expect(placeOfWidth(atPlace(i + 1, 'gaussian', 'step'), 'step')).toBe(i + 1));
  expect(placeOfWidth({ kind: 'mean', width: 90 }, 'step')).toBe(7);
  expect(placeOfWidth(null, 'step')).toBe(0);
});
