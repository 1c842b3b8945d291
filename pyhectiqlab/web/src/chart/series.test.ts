import { expect, test } from 'vitest';
import { countOddities, describeOddities, drawnX, findGaps, makeCurve, nearest, padY, rangeX, rangeY, type Curve, typicalSpacing, widened } from './series';
import type { Buckets } from '../base/buckets';

const LOOK = { color: '#000', dash: [] };

/** Make buckets of width 1 that have one point each. */
function single(values: number[], steps = values.map((_, i) => i)): Buckets {
  const finite = values.map((v) => (Number.isFinite(v) ? v : NaN));
  const ones = (test: (v: number) => boolean) => Float64Array.from(values, (v) => (test(v) ? 1 : 0));
  return {
    run: 'r', key: 'k', rank: null, attempt: null, ranks: 1, width: 1, total: values.length,
    start: Float64Array.from(steps), count: new Float64Array(values.length).fill(1),
    min: Float64Array.from(finite), max: Float64Array.from(finite), mean: Float64Array.from(finite),
    last: Float64Array.from(values), lastX: Float64Array.from(steps), exactX: null,
    nan: ones(Number.isNaN), pinf: ones((v) => v === Infinity), ninf: ones((v) => v === -Infinity), smoothed: null,
  };
}

const curve = (b: Buckets): Curve => makeCurve(b, 'step', 'run', LOOK);
/** Return buckets with the smoothed values that the lab would send. */
const smoothed = (b: Buckets, values: number[]): Buckets => ({ ...b, smoothed: Float64Array.from(values) });

test('a spike inside a bucket decides the range, smoothed or not', () => {
  const b = single([1, 1, 1, 1, 1]);
  b.count[2] = 1000;
  b.max[2] = 500;
  for (const some of [b, smoothed(b, [1, 1, 200, 150, 100])]) expect(rangeY([curve(some)], 0, 4, false)).toEqual([1, 500]);
});

test('smoothing keeps the raw curve beside the line', () => {
  const b = single([0, 10, 0, 10]);
  expect(curve(b).raw).toBeNull();
  const line = curve(smoothed(b, [0, 5, 3, 5]));
  expect([line.raw, [...line.line]]).toEqual([b.mean, [0, 5, 3, 5]]);
});

test('NaN breaks the line and is counted', () => {
  const c = curve(smoothed(single([1, NaN, Infinity, -Infinity, 2]), [1, 1, 1, 1, 1.5]));
  expect([...c.line].map(Number.isNaN)).toEqual([false, true, true, true, false]);
  expect(countOddities([c], 0, 4)).toMatchObject({ nan: 1, pinf: 1, ninf: 1 });
  expect(countOddities([c], 2, 4)).toMatchObject({ nan: 0, pinf: 1, ninf: 1 });
});

test('only NaN: a range of x, none of y', () => {
  const c = curve(single([NaN, NaN]));
  expect(rangeX([c], 'step')).toEqual([0, 1]);
  expect(rangeY([c], 0, 1, false)).toBeNull();
});

test('a log scale says how many points it cannot draw', () => {
  const c = curve(single([1, 0, -3, 10]));
  expect(rangeY([c], 0, 3, true)).toEqual([1, 10]);
  const odd = countOddities([c], 0, 3);
  expect(describeOddities(odd, true)).toBe('2 points ≤ 0 not drawable on a log scale');
  expect(describeOddities(odd, false)).toBe('');
});

test('a bucket of both signs gives a lower bound', () => {
  const b = single([5, 5]);
  b.count[1] = 10;
  b.min[1] = -1;
  expect(describeOddities(countOddities([curve(b)], 0, 1), true)).toMatch(/^at least 1 point /);
});

test('a smoothed line lies at the last point of each bucket, and in the range where it leaves the points', () => {
  const b = smoothed(single([10, 12]), [3, 4]);
  b.width = 8;
  b.start = Float64Array.of(0, 8);
  b.count = Float64Array.of(5, 5);
  b.lastX = Float64Array.of(6, 15);
  expect([...curve(b).lineX]).toEqual([6, 15]);
  expect(rangeY([curve(b)], 0, 15, false)).toEqual([3, 12]);
  expect(rangeY([curve(b)], 7, 15, false)).toEqual([4, 12]);
});

test('typical spacing is the median step', () => {
  expect(typicalSpacing(Float64Array.of(0, 100, 200, 300, 5000))).toBe(100);
  expect(typicalSpacing(Float64Array.of(4))).toBe(0);
});

test('a gap is much longer than usual; sparse but regular points have none', () => {
  const regular = Float64Array.from({ length: 20 }, (_, i) => 100 * i);
  expect([...findGaps(regular, 100)].includes(1)).toBe(false);
  const broken = Float64Array.from({ length: 20 }, (_, i) => (i < 10 ? i : i + 500));
  expect(findGaps(broken, 1).indexOf(1)).toBe(10);
});

test('a lone point is drawn where it is, several in the middle of their bucket', () => {
  const b = single([1, 2]);
  b.width = 8;
  b.start = Float64Array.of(0, 8);
  b.count[1] = 5;
  b.lastX = Float64Array.of(3, 15);
  expect([...drawnX(b, 1)]).toEqual([3, 11.5]);
});

test('the range reaches from the edge of the first bucket to the last point', () => {
  const b = single([1, 2]);
  b.width = 8;
  b.start = Float64Array.of(16, 24);
  b.count = Float64Array.of(3, 6);
  b.lastX = Float64Array.of(20, 31);
  expect(rangeX([curve(b)], 'step')).toEqual([16, 31]);
});

test('time is drawn in seconds', () => {
  const c = makeCurve(single([1, 2], [0, 2_000_000]), 'relative', 'run', LOOK);
  expect(rangeX([c], 'relative')).toEqual([0, 2]);
});

test('constants and giants get a range too', () => {
  expect(padY([0, 0], false)).toEqual([-1, 1]);
  expect(padY([5, 5], false)).toEqual([4.5, 5.5]);
  expect(padY([-1.7e308, 1.7e308], false).every(Number.isFinite)).toBe(true);
  const [lo, hi] = padY([1, 1], true);
  expect(lo).toBeLessThan(1);
  expect(hi).toBeGreaterThan(1);
});

test('nearest finds the closer neighbour', () => {
  const xs = Float64Array.of(0, 10, 20);
  expect([-5, 4, 6, 100].map((x) => nearest(xs, x))).toEqual([0, 0, 1, 2]);
  expect(nearest(new Float64Array(), 1)).toBe(-1);
});

test('a range is wide enough for ticks that float64 can tell apart', () => {
  expect(widened([5, 5], 2)).toEqual([4, 6]);
  expect(widened([0, 10], 2)).toEqual([0, 10]);
  const at = 1764000000_123456789;
  const [lo, hi] = widened([at, at], 2);
  expect(lo).toBeLessThan(at);
  expect(hi - lo).toBeGreaterThan(1000 * 2 ** 8); // neighbours are 256 apart there
});
