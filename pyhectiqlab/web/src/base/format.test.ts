import { expect, test } from 'vitest';
import { formatAgo, formatBytes, formatCompact, formatDuration, formatDurationTick, formatInteger, formatMoment, formatTicks, formatValue, plural } from './format';

test.each([
  [0, '0'],
  [0.982314, '0.98231'],
  [-0.5, '−0.5'],
  [12345.678, '12,346'],
  [1234.5678, '1,234.6'],
  [1000000, '1,000,000'],
  [0.00001234, '1.234e−5'],
  [57_771_234_567, '57.77G'],
  [-139_487_232, '−139.5M'],
  [1.5e12, '1.5T'],
  [1.5e16, '1.5e16'],
  [NaN, 'NaN'],
  [Infinity, '+Inf'],
  [-Infinity, '−Inf'],
])('value %d reads %s', (value, text) => expect(formatValue(value)).toBe(text));

test.each([
  [950, '950'],
  [12_340, '12.3k'],
  [4_560_000, '4.56M'],
  [-2000, '−2k'],
])('count %d reads %s', (value, text) => expect(formatCompact(value)).toBe(text));

test.each([
  [0.42, '0.4s'],
  [12.9, '12s'],
  [185, '3m 05s'],
  [7440, '2h 04m'],
  [86_400 * 5 + 3 * 3600, '5d 03h'],
  [NaN, '–'],
  [-3, '0s'],
])('%d seconds read %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

test('integers are grouped', () => expect(formatInteger(-1234567)).toBe('−1,234,567'));

test('moments are in the local zone and never throw', () => {
  expect(formatMoment(1_700_000_000, true)).toMatch(/^2023-11-1\d \d\d:\d\d:20$/);
  expect(formatMoment(NaN)).toBe('–');
  expect(formatMoment(1e300)).toBe('–');
});

test('ago grows coarser with age', () => {
  const now = 1_700_000_000;
  expect(formatAgo(now + 5, now)).toBe('just now');
  expect(formatAgo(now - 30, now)).toBe('30 s ago');
  expect(formatAgo(now - 240, now)).toBe('4 min ago');
  expect(formatAgo(now - 86_400, now)).toBe('yesterday');
  expect(formatAgo(now - 400 * 86_400, now)).toMatch(/^\d{4}-\d\d-\d\d$/);
});

test('plurals', () => {
  expect(plural(1, 'run')).toBe('1 run');
  expect(plural(1200, 'run')).toBe('1,200 runs');
});

test.each([
  [[0, 0.02, 0.04], 0.02, ['0', '0.02', '0.04']],
  [[0, 0.25, 0.5], 0.25, ['0', '0.25', '0.5']],
  [[12_000, 12_500], 500, ['12k', '12.5k']],
  [[1_234_000, 1_235_000], 1000, ['1.234M', '1.235M']],
  [[-1, null, 1], 1, ['−1', '', '1']],
  [[1e-7, 2.5e-7], 5e-8, ['1e−7', '2.5e−7']],
  [[5000, 10_000], 5000, ['5k', '10k']],
  [[1000, 2000], 1000, ['1,000', '2,000']],
])('ticks %j read %j', (values, increment, texts) => expect(formatTicks(values, increment)).toEqual(texts));

test.each([
  [0, '0s'],
  [0.5, '0.5s'],
  [600, '10m'],
  [5400, '1h 30m'],
  [172_800, '2d'],
  [-90, '−1m 30s'],
])('%d seconds on an axis read %s', (seconds, text) => expect(formatDurationTick(seconds)).toBe(text));

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [1234567, '1.23 MB'],
  [999_700, '1 MB'],
  [2 ** 31, '2.15 GB'],
  [5e13, '50 TB'],
])('%d bytes are %s', (bytes, expected) => expect(formatBytes(bytes)).toBe(expected));
