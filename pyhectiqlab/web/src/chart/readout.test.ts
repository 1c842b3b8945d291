import { expect, test } from 'vitest';
import { describeX, readAt, readNewest } from './readout';
import { makeCurve } from './series';
import type { Buckets } from '../base/buckets';

function buckets(run: string, mean: number[], count = mean.map(() => 1)): Buckets {
  const zeros = new Float64Array(mean.length);
  const x = Float64Array.from(mean, (_, i) => 8 * i);
  return {
    run, key: 'k', rank: null, ranks: 1, width: 8, total: 0, start: x, count: Float64Array.from(count),
    min: Float64Array.from(mean, (v) => v - 1), max: Float64Array.from(mean, (v) => v + 1), mean: Float64Array.from(mean),
    last: Float64Array.from(mean), lastX: x, exactX: null, nan: zeros, pinf: zeros, ninf: zeros,
  };
}

test('the highest curve is read first, those out of reach are not', () => {
  const curves = [buckets('low', [1, 1, 1]), buckets('high', [5, 5, 5]), buckets('short', [9])].map((b) =>
    makeCurve(b, 'step', 0, b.run, '#000'),
  );
  expect(readAt(curves, 16, 'step', 3).map((r) => r.name)).toEqual(['high', 'low']);
});

test('a bucket of many tells its extremes, its count and its steps', () => {
  const c = makeCurve(buckets('r', [2, 4], [1, 5]), 'step', 0, 'r', '#000');
  expect(readAt([c], 11, 'step', 99)[0]).toMatchObject({ value: '4', range: '3 … 5', count: '5 points', where: 'steps 8 – 15' });
  expect(readAt([c], 0, 'step', 99)[0]).toMatchObject({ value: '2', range: '', count: '', raw: '', where: 'step 0' });
});

test('with nothing pointed at it is the newest value, not the mean of the last bucket', () => {
  const b = buckets('r', [2, 4], [1, 5]);
  b.last = Float64Array.of(2, 4.5);
  b.lastX = Float64Array.of(0, 13);
  expect(readNewest(makeCurve(b, 'step', 0, 'r', '#000'), 'step')).toMatchObject({ value: '4.5', where: 'step 13' });
  const smoothed = makeCurve(b, 'step', 0.5, 'r', '#000');
  expect(readNewest(smoothed, 'step').value).toBe(readAt([smoothed], 99, 'step', 99)[0]!.value);
});

test('NaN is read as NaN', () => {
  const b = buckets('r', [NaN]);
  b.nan = Float64Array.of(1);
  b.min = b.max = Float64Array.of(NaN);
  expect(readAt([makeCurve(b, 'step', 0, 'r', '#000')], 0, 'step', 1)[0]).toMatchObject({ value: 'NaN', y: NaN });
});

test('places on each axis', () => {
  expect(describeX(1024, 8, null, 'step')).toBe('steps 1,024 – 1,031');
  expect(describeX(5_400_000_000, 1, 5_400_000_000, 'relative')).toBe('1h 30m');
  expect(describeX(0, 1, 1.7e15, 'time')).toMatch(/^2023-11-1\d \d\d:\d\d:20$/);
});
