// What stands at the cursor: one line for each curve, in words.

import { formatDurationTick, formatInteger, formatMoment, formatValue } from '../base/format';
import type { Buckets } from '../base/buckets';
import type { Axis } from '../base/route';
import { axisScale, nearest, type Curve } from './series';

export interface Reading {
  id: string; // of the curve
  name: string;
  color: string;
  x: number; // where the dot goes, drawing units
  y: number; // on the line; NaN: no dot
  value: string; // of the line
  raw: string; // "mean 0.52": what the line was smoothed from; "" when it was not
  range: string; // "0.31 … 0.47": the extremes of several points
  count: string; // "16 points"
  where: string; // step or time, exactly
  odd: string; // "2 NaN"
}

/** The reading of each curve that has a bucket within `reach` (drawing units) of x; the highest line first. */
export function readAt(curves: readonly Curve[], x: number, axis: Axis, reach: number): Reading[] {
  const readings: Reading[] = [];
  for (const c of curves) {
    const i = nearest(c.x, x);
    if (i < 0 || Math.abs(c.x[i]! - x) > reach) continue;
    readings.push(readBucket(c, i, axis));
  }
  return readings.sort((a, b) => (Number.isNaN(a.y) ? -Infinity : a.y) < (Number.isNaN(b.y) ? -Infinity : b.y) ? 1 : -1);
}

export function readBucket(c: Curve, i: number, axis: Axis): Reading {
  const b = c.buckets;
  const count = b.count[i]!;
  const finite = count - b.nan[i]! - b.pinf[i]! - b.ninf[i]!;
  const y = c.line[i]!;
  const odd = [
    [b.nan[i]!, 'NaN'],
    [b.pinf[i]!, '+Inf'],
    [b.ninf[i]!, '−Inf'],
  ] as const;
  return {
    id: `${c.run}/${b.rank ?? ''}`,
    name: c.name,
    color: c.color,
    x: c.x[i]!,
    y,
    value: finite > 0 ? formatValue(y) : formatValue(b.last[i]!),
    raw: c.raw && finite > 0 ? `${count > 1 ? 'mean' : 'value'} ${formatValue(c.raw[i]!)}` : '',
    range: count > 1 && b.min[i]! < b.max[i]! ? `${formatValue(b.min[i]!)} … ${formatValue(b.max[i]!)}` : '',
    count: count > 1 ? `${formatInteger(count)} points` : '',
    where: describeX(b.start[i]!, b.width, count === 1 ? lastOf(b, i) : null, axis),
    odd: count > 1 ? odd.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`).join(' · ') : '',
  };
}

/** What stands in a panel's head while nothing is pointed at: the newest value itself, as every table of runs tells it; of a
 * smoothed line its end. */
export function readNewest(c: Curve, axis: Axis): Reading {
  const b = c.buckets;
  const i = c.x.length - 1;
  const reading = readBucket(c, i, axis);
  if (c.raw) return reading;
  return { ...reading, value: formatValue(b.last[i]!), where: describeX(b.start[i]!, b.width, lastOf(b, i), axis) };
}

function lastOf(b: Buckets, i: number): number | bigint {
  return b.exactX ? b.exactX[i]! : b.lastX[i]!;
}

/** "step 12,345", "steps 1,024 – 1,031", "2026-03-01 14:05:07", "1h 30m". */
export function describeX(start: number, width: number, exact: number | bigint | null, axis: Axis): string {
  if (axis === 'step') {
    if (exact !== null || width === 1) return `step ${formatInteger(exact ?? start)}`;
    return `steps ${formatInteger(start)} – ${formatInteger(start + width - 1)}`;
  }
  const seconds = Number(exact ?? start + (width - 1) / 2) * axisScale(axis);
  return axis === 'time' ? formatMoment(seconds, true) : formatDurationTick(Math.round(seconds * 1000) / 1000);
}
