// The values that a y axis covers, and what lies beyond it.

import { leftOut, type Scale, type YRange } from '../base/boardsettings';
import { plural } from '../base/format';
import { nth } from '../base/nth';
import { padY, rangeY, type Curve } from './series';

export const OUTLIERS = 2; // % of the buckets, at either end
const FLATTENED = 8; // times as much as most points need: then the rest is flat

export interface Beyond {
  above: number;
  below: number;
  atLeast: boolean; // a bucket has points on both sides, so the numbers are lower bounds
}

/** Return from … to of an axis, with some room; null: nothing finite is in sight. `shared`: the extremes of other panels. */
export function yAxis(curves: readonly Curve[], x: readonly [number, number], y: YRange, scale: Scale, shared: readonly [number, number] | null): [number, number] | null {
  const log = scale === 'log';
  let all = rangeY(curves, x[0], x[1], log);
  if (!all) return null;
  if (shared && !(log && shared[0] <= 0)) all = [Math.min(all[0], shared[0]), Math.max(all[1], shared[1])];
  const left = leftOut(y, OUTLIERS);
  const air = padRange(left === null ? all : (mostOf(curves, x, log, left) ?? all), scale, curves);
  if (typeof y === 'string') return air;
  const [lo, hi] = [log && (y[0] ?? 1) <= 0 ? null : y[0], log && (y[1] ?? 1) <= 0 ? null : y[1]];
  const ends: [number, number] = [lo ?? Math.min(air[0], hi === null ? air[0] : less(hi)), hi ?? Math.max(air[1], lo === null ? air[1] : more(lo))];
  return ends[0] < ends[1] ? ends : air;
}

const more = (v: number) => (v === 0 ? 1 : v + Math.abs(v));
const less = (v: number) => (v > 0 ? v / 2 : v === 0 ? -1 : 2 * v);

function padRange(range: [number, number], scale: Scale, curves: readonly Curve[]): [number, number] {
  if (scale !== 'symlog') return padY(range, scale === 'log');
  const t = thresholdOf(curves);
  const [lo, hi] = range.map((v) => Math.asinh(v / t)) as [number, number];
  return padY([lo, hi], false).map((v) => Math.sinh(v) * t) as [number, number];
}

/**
 * Return where a symmetric log scale turns linear: at the power of ten below the least value that is not 0, but at most six
 * decades below the greatest.
 */
export function thresholdOf(curves: readonly Curve[]): number {
  let least = Infinity;
  let most = 0;
  for (const { buckets: { min, max } } of curves)
    for (const column of [min, max])
      for (const v of column) {
        const size = Math.abs(v);
        if (!(size > 0)) continue;
        if (size < least) least = size;
        if (size > most) most = size;
      }
  return most ? 10 ** Math.floor(Math.log10(Math.max(least, most * 1e-6)) + 1e-9) : 1;
}

/**
 * Return the extremes without so many per cent of the buckets at either end, but without one at least; null: there are too few
 * buckets to tell.
 */
function mostOf(curves: readonly Curve[], [lo, hi]: readonly [number, number], log: boolean, left: number): [number, number] | null {
  const room = curves.reduce((n, { x }) => n + x.length, 0);
  const [lows, highs] = [new Float64Array(room), new Float64Array(room)];
  let [nLow, nHigh] = [0, 0];
  for (const { x, buckets: { min, max } } of curves)
    for (let i = 0; i < x.length; i++) {
      if (x[i]! < lo || x[i]! > hi || Number.isNaN(max[i]!)) continue;
      if (!log || min[i]! > 0) lows[nLow++] = min[i]!;
      if (!log || max[i]! > 0) highs[nHigh++] = max[i]!;
    }
  if (nLow < 5) return null;
  const cut = (n: number) => Math.max(1, Math.floor((left / 100) * n));
  const ends: [number, number] = [nth(lows.subarray(0, nLow), cut(nLow)), nth(highs.subarray(0, nHigh), nHigh - 1 - cut(nHigh))];
  return ends[0] <= ends[1] ? ends : null;
}

/** Return whether a few outliers leave no room for most points. */
export function flattened(curves: readonly Curve[], x: readonly [number, number], scale: Scale): boolean {
  const log = scale === 'log';
  const all = rangeY(curves, x[0], x[1], log);
  const most = mostOf(curves, x, log, OUTLIERS);
  if (!all || !most || scale === 'symlog') return false;
  const size = ([lo, hi]: [number, number]) => (log ? Math.log(hi) - Math.log(lo) : hi - lo);
  return size(most) > 0 && size(all) > FLATTENED * size(most);
}

export function countBeyond(curves: readonly Curve[], x: readonly [number, number], y: readonly [number, number]): Beyond {
  const out: Beyond = { above: 0, below: 0, atLeast: false };
  for (const { x: xs, buckets: b } of curves)
    for (let i = 0; i < xs.length; i++) {
      if (xs[i]! < x[0] || xs[i]! > x[1]) continue;
      const finite = b.count[i]! - b.nan[i]! - b.pinf[i]! - b.ninf[i]!;
      const [above, below] = [b.max[i]! > y[1], b.min[i]! < y[0]];
      if (above) out.above += b.min[i]! > y[1] ? finite : 1;
      if (below) out.below += b.max[i]! < y[0] ? finite : 1;
      if (finite > 1 && ((above && !(b.min[i]! > y[1])) || (below && !(b.max[i]! < y[0])))) out.atLeast ||= finite > 2;
    }
  return out;
}

/** Return "2 points above · at least 3 points below"; "": everything is in sight. */
export function describeBeyond({ above, below, atLeast }: Beyond): string {
  const text = (n: number, where: string) => (n ? `${atLeast ? 'at least ' : ''}${plural(n, 'point')} ${where}` : '');
  return [text(above, 'above'), text(below, 'below')].filter(Boolean).join(' · ');
}
