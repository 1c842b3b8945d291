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
  [999_999_999, '1G'],
  [9_999_999.7, '10M'],
  [999_999_999_999_999, '1e15'],
  [3200.00000004, '3,200'],
  [3.20000000004e12, '3.2T'],
  [NaN, 'NaN'],
  [Infinity, '+Inf'],
  [-Infinity, '−Inf'],
])('value %d reads %s', (value, text) => expect(formatValue(value)).toBe(text));

test.each([
  [950, '950'],
  [12_340, '12.3k'],
  [4_560_000, '4.56M'],
  [-2000, '−2k'],
  [999_999, '1M'],
  [999.7, '1k'],
  [99.5, '99.5'],
  [1_240, '1.24k'],
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
  expect(plural(0, 'run')).toBe('0 runs');
  expect(plural(1200, 'run')).toBe('1,200 runs');
  expect(plural(1, 'batch', 'batches')).toBe('1 batch');
  expect(plural(2, 'batch', 'batches')).toBe('2 batches');
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
  [[2e12, 2.5e12], 5e11, ['2T', '2.5T']],
  [[3_200_000_000_000, 3_200_000_000_020, null, 3_200_000_000_040], 20, ['3,200,000,000,000', '+20', '', '+40']],
  [[0.6931471806, 0.6931471808], 2e-10, ['0.6931471806', '+2e−10']],
  [[-0.02, 1e-18, 0.02], 0.02, ['−0.02', '0', '0.02']],
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

/** Return the number that a label says. */
function read(text: string): number {
  const { 0: number = '', 1: unit = '' } = /^([+\d.,e−-]+)([kMGT]?)$/.exec(text)!.slice(1);
  return Number(number.replace(/,/g, '').replace(/−/g, '-')) * { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit]!;
}

const digitsOf = (text: string) => text.replace(/e.*|[^\d]/g, '').replace(/^0+/, '').length;

/** Yield numbers from 0 to 1, the same ones in each run. */
function* randoms(seed: number): Generator<number, never> {
  for (let a = seed; ; ) {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    yield ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}

test('ticks of any magnitude differ, say their value, and have no digit that does not tell them apart', () => {
  const random = randoms(1);
  const next = () => random.next().value;
  for (let round = 0; round < 4000; round++) {
    const place = Math.floor(next() * 30) - 15;
    const increment = Number(`${[1, 2, 2.5, 5][Math.floor(next() * 4)]}e${place}`);
    const start = Math.round((next() - 0.5) * 2 ** (next() * 38)); // in increments
    const values = Array.from({ length: 2 + Math.floor(next() * 8) }, (_, i) => (start + i) * increment);
    const labels = formatTicks(values, increment);
    const what = `${JSON.stringify(values)} by ${increment} read ${JSON.stringify(labels)}`;
    expect(new Set(labels).size, what).toBe(values.length);
    const relative = labels[1]!.startsWith('+');
    labels.forEach((label, i) => {
      const value = read(label) + (relative && i > 0 ? read(labels[0]!) : 0);
      expect(Math.abs(value - values[i]!), what).toBeLessThan(increment * 0.02);
      if (i > 0 || !relative) expect(digitsOf(label), what).toBeLessThanOrEqual(8);
      expect(i > 0 || !relative ? label.length : 0, what).toBeLessThanOrEqual(13);
    });
  }
});

test('values of any magnitude are short, and within their last digit', () => {
  const random = randoms(2);
  const next = () => random.next().value;
  for (let round = 0; round < 4000; round++) {
    let value = (next() < 0.5 ? -1 : 1) * next() * 10 ** (next() * 40 - 20);
    if (next() < 0.3) value = Number(value.toPrecision(1 + Math.floor(next() * 4))) * (1 + (next() - 0.5) * 1e-9); // nearly round
    const text = formatValue(value);
    expect(text.length, `${value} reads ${text}`).toBeLessThanOrEqual(11);
    expect(Math.abs(read(text) - value), `${value} reads ${text}`).toBeLessThanOrEqual(Math.abs(value) * 6e-4);
    if (Math.abs(value) < 1e15) {
      const compact = formatCompact(value);
      expect(compact.length, `${value} reads ${compact}`).toBeLessThanOrEqual(6);
      expect(Math.abs(read(compact) - value), `${value} reads ${compact}`).toBeLessThanOrEqual(Math.max(0.005, Math.abs(value) * 5.1e-3));
    }
  }
});
