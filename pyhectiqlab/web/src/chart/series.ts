// From buckets to what is drawn. Columns in, columns out; no DOM.
//
// Nothing may be hidden: a bucket keeps its extremes (the band), NaN and ±Inf are counted apart (the marks), a line is
// broken where all of a bucket is not finite, and where nothing was reported for much longer than usual (the gap).

import { RANKS_MAX, type Buckets } from '../base/buckets';
import { formatInteger, plural } from '../base/format';
import type { Axis } from '../base/axis';
import type { Dash, Look } from '../base/looks';

export interface Curve {
  run: string;
  name: string;
  color: string;
  dash: Dash;
  buckets: Buckets;
  x: Float64Array; // [m] the x of each bucket, in drawing units (steps, or seconds)
  line: Float64Array; // [m] the y of the line: the mean, or the smoothed value; NaN breaks the line
  lineX: Float64Array; // [m] the x of the line: as `x`, or at the last point of each bucket if the line is smoothed
  raw: Float64Array | null; // [m] the mean, which is drawn faintly if the line is smoothed
  gap: Uint8Array; // [m] 1: the distance before this bucket is much more than usual
}

export interface Oddities {
  nan: number;
  pinf: number;
  ninf: number;
  notPositive: number; // finite points ≤ 0, which a log scale cannot draw
  notPositiveAtLeast: boolean; // true: a bucket has both kinds, so the number is a lower bound
}

const RELATIVE_MIN = 2 ** -40; // of a range: it then has some 4,000 float64
const GAP_FACTOR = 8; // times the usual distance
const LOG_DECADES_MIN = 0.45; // so that one of 1, 2, 5 · 10^k is in sight and can have a label
const GAP_POINTS_MIN = 8; // with fewer points, no distance is usual

/** Return drawing units per unit of the axis: a chart draws time in seconds. */
export function axisScale(axis: Axis): number {
  return axis === 'step' ? 1 : 1e-6;
}

export function makeCurve(buckets: Buckets, axis: Axis, name: string, { color, dash }: Look): Curve {
  const scale = axisScale(axis);
  const x = drawnX(buckets, scale);
  const { smoothed, mean } = buckets;
  return {
    run: buckets.run,
    name,
    color,
    dash,
    buckets,
    x,
    // If all points of a bucket are NaN, the smoothed line there is that of its neighbours, which would hide that there is
    // nothing.
    line: smoothed ? smoothed.map((v, i) => (Number.isNaN(mean[i]!) ? NaN : v)) : mean,
    lineX: smoothed ? buckets.lastX.map((v) => v * scale) : x,
    raw: smoothed ? mean : null,
    gap: findGaps(x, typicalSpacing(x)),
  };
}

/** Return the x of each bucket. A lone point is drawn exactly where it is; several points are in the middle of their bucket. */
export function drawnX(b: Buckets, scale: number): Float64Array {
  const x = new Float64Array(b.start.length);
  const middle = (b.width - 1) / 2;
  for (let i = 0; i < x.length; i++) x[i] = (b.count[i] === 1 && !b.group ? b.lastX[i]! : b.start[i]! + middle) * scale;
  return x;
}

/** Return the usual distance between neighbours: the median of the steps of x; 0: fewer than two points. x never decreases. */
export function typicalSpacing(x: Float64Array): number {
  if (x.length < 2) return 0;
  const steps = new Float64Array(x.length - 1);
  for (let i = 1; i < x.length; i++) steps[i - 1] = x[i]! - x[i - 1]!;
  steps.sort();
  return steps[steps.length >> 1]!;
}

export function findGaps(x: Float64Array, spacing: number): Uint8Array {
  const gap = new Uint8Array(x.length);
  if (x.length < GAP_POINTS_MIN || !(spacing > 0)) return gap;
  for (let i = 1; i < x.length; i++) if (x[i]! - x[i - 1]! > GAP_FACTOR * spacing) gap[i] = 1;
  return gap;
}

/** Return the range from the edge of the first bucket to the last point of any curve, in drawing units; null: there is no point. */
export function rangeX(curves: readonly Curve[], axis: Axis): [number, number] | null {
  const scale = axisScale(axis);
  let lo = Infinity;
  let hi = -Infinity;
  for (const { x, buckets: b } of curves) {
    const end = x.length - 1;
    if (end < 0) continue;
    lo = Math.min(lo, b.count[0] === 1 && !b.group ? x[0]! : b.start[0]! * scale);
    hi = Math.max(hi, x[end]!, b.lastX[end]! * scale);
  }
  return lo <= hi ? [lo, hi] : null;
}

/**
 * Return a range that is at least `least` wide, and wide enough for float64 to tell the ticks of an axis apart: near 10^18, where
 * the steps of time.time_ns() are, neighbours are 128 apart.
 */
export function widened([lo, hi]: [number, number], least: number): [number, number] {
  const most = Math.max(Math.abs(lo), Math.abs(hi));
  const wide = Math.max(least, most * RELATIVE_MIN);
  if (hi - lo >= wide) return [lo, hi];
  const middle = lo + (hi - lo) / 2;
  return [middle - wide / 2, middle + wide / 2];
}

/**
 * Return the extremes within lo … hi of the points and of the line, which may lie beyond them if it is smoothed. null: nothing is
 * finite.
 */
export function rangeY(curves: readonly Curve[], lo: number, hi: number, log: boolean): [number, number] | null {
  let least = Infinity;
  let most = -Infinity;
  for (const c of curves) {
    const { min, max, mean } = c.buckets;
    const smoothed = c.raw && c.line;
    for (let i = 0; i < c.x.length; i++) {
      const value = smoothed?.[i] ?? NaN;
      if (c.lineX[i]! >= lo && c.lineX[i]! <= hi && (!log || value > 0)) {
        least = Math.min(least, Number.isNaN(value) ? Infinity : value);
        most = Math.max(most, Number.isNaN(value) ? -Infinity : value);
      }
      if (c.x[i]! < lo || c.x[i]! > hi) continue;
      const top = max[i]!;
      let bottom = min[i]!;
      if (log) {
        if (!(top > 0)) continue;
        // If a bucket has both signs, its smallest positive value is not known: take its mean, or its top.
        if (!(bottom > 0)) bottom = mean[i]! > 0 ? mean[i]! : top;
      }
      if (bottom < least) least = bottom;
      if (top > most) most = top;
    }
  }
  return least <= most ? [least, most] : null;
}

/** Return a range with some room around the extremes, also if they are the same. */
export function padY([lo, hi]: [number, number], log: boolean): [number, number] {
  if (log) {
    const size = Math.log10(hi) - Math.log10(lo);
    const air = Math.max(size * 0.05, (LOG_DECADES_MIN - size) / 2);
    return [10 ** (Math.log10(lo) - air), 10 ** (Math.log10(hi) + air)];
  }
  const size = hi - lo;
  if (size > 0 && Number.isFinite(size)) return [lo - 0.06 * size, hi + 0.06 * size];
  if (!Number.isFinite(size)) return [-Number.MAX_VALUE / 4, Number.MAX_VALUE / 4];
  const around = lo === 0 ? 1 : Math.abs(lo) * 0.1;
  return [lo - around, hi + around];
}

/** Return how many points are at x or before it. */
export function countAtMost(curves: readonly Curve[], x: number): number {
  return curves.reduce((n, c) => n + c.x.reduce((some, at, i) => (at <= x ? some + c.buckets.count[i]! : some), 0), 0);
}

export function countOddities(curves: readonly Curve[], lo: number, hi: number): Oddities {
  const out: Oddities = { nan: 0, pinf: 0, ninf: 0, notPositive: 0, notPositiveAtLeast: false };
  for (const { x, buckets: b } of curves) {
    for (let i = 0; i < x.length; i++) {
      if (x[i]! < lo || x[i]! > hi) continue;
      out.nan += b.nan[i]!;
      out.pinf += b.pinf[i]!;
      out.ninf += b.ninf[i]!;
      if (!(b.min[i]! <= 0)) continue;
      const finite = b.count[i]! - b.nan[i]! - b.pinf[i]! - b.ninf[i]!;
      const all = b.max[i]! <= 0;
      out.notPositive += all ? finite : 1;
      if (!all && finite > 2) out.notPositiveAtLeast = true;
    }
  }
  return out;
}

/** Return "3 NaN · 1 +Inf · 12 points ≤ 0 not drawable on a log scale"; "": nothing is odd. */
export function describeOddities(o: Oddities, log: boolean): string {
  const parts: string[] = [];
  if (o.nan) parts.push(`${formatInteger(o.nan)} NaN`);
  if (o.pinf) parts.push(`${formatInteger(o.pinf)} +Inf`);
  if (o.ninf) parts.push(`${formatInteger(o.ninf)} −Inf`);
  if (log && o.notPositive) {
    parts.push(`${o.notPositiveAtLeast ? 'at least ' : ''}${plural(o.notPositive, 'point')} ≤ 0 not drawable on a log scale`);
  }
  return parts.join(' · ');
}

/** Return "the first 32 of 512 ranks are shown"; "": all are shown, or all as one. */
export function describeLines(curves: readonly Curve[]): string {
  const apart = curves.filter((c) => c.buckets.rank !== null);
  const most = Math.max(0, ...apart.map((c) => c.buckets.ranks));
  return most > RANKS_MAX && apart.length > 1 ? `the first ${RANKS_MAX} of ${formatInteger(most)} ranks are shown` : '';
}

/** Return the index of the bucket nearest to x (drawing units); -1: the curve is empty. xs never decreases. */
export function nearest(xs: Float64Array, x: number): number {
  let lo = 0;
  let hi = xs.length - 1;
  if (hi < 0) return -1;
  while (hi - lo > 1) {
    const mid = (lo + hi) >> 1;
    if (xs[mid]! < x) lo = mid;
    else hi = mid;
  }
  return Math.abs(xs[lo]! - x) <= Math.abs(xs[hi]! - x) ? lo : hi;
}
