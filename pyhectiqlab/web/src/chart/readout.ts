// What stands at the cursor: a line of text for each curve.

import { formatDurationTick, formatInteger, formatMoment, formatValue, plural } from '../base/format';
import type { Buckets } from '../base/buckets';
import type { Axis } from '../base/axis';
import type { Objective } from '../base/objective';
import type { Dash } from '../base/looks';
import { axisScale, nearest, type Curve } from './series';

export interface Reading {
  id: string; // the id of the curve
  name: string;
  color: string;
  dash: Dash;
  x: number; // x of the dot, in drawing units
  y: number; // y of the dot, on the line; NaN: no dot
  value: string; // the value of the line
  raw: string; // "0.52": the mean of the points, if the line is smoothed; else ""
  of: string; // "mean of 4 ranks"; "": it is one rank
  range: string; // "0.31 … 0.47": the extremes, if there are several points
  count: string; // "16 points"
  where: string; // the exact step or time
  odd: string; // "2 NaN"
}

const ROWS_MAX = 12;
const BEST_ROWS = 4; // the best ones are shown wherever the pointer is

/**
 * Return whether the lowest value of a metric is the best. The project's objective decides, if it is of this metric; else the
 * name.
 */
export function lowIsGood(metric: string, objective: Objective | null = null): boolean {
  return objective?.key === metric ? objective.goal === 'min' : /loss|error|perplexity/i.test(metric);
}

/**
 * Return the reading of each curve that has a bucket within `reach` (drawing units) of x and in sight (`seen`, from … to): the
 * best first, those that are NaN there last.
 */
export function readAt(curves: readonly Curve[], x: number, axis: Axis, reach: number, seen: readonly [number, number], lowFirst: boolean): Reading[] {
  const readings: Reading[] = [];
  for (const c of curves) {
    const i = nearest(c.lineX, x);
    if (i < 0 || Math.abs(c.lineX[i]! - x) > reach || c.lineX[i]! < seen[0] || c.lineX[i]! > seen[1]) continue;
    readings.push(readBucket(c, i, axis));
  }
  const sign = lowFirst ? 1 : -1;
  return readings.sort((a, b) => (Number.isNaN(a.y) || Number.isNaN(b.y) ? Number(Number.isNaN(a.y)) - Number(Number.isNaN(b.y)) : sign * (a.y - b.y)));
}

/**
 * Return the rows that a readout has room for: the best, those around the pointer's value `y`, and between and after them the
 * number of those left out.
 */
export function rowsOf(readings: readonly Reading[], y: number, log: boolean): (Reading | number)[] {
  const n = readings.length;
  if (n <= ROWS_MAX) return [...readings];
  const around = ROWS_MAX - BEST_ROWS;
  const place = (value: number) => (log ? Math.log(value) : value);
  let at = 0;
  readings.forEach((r, i) => {
    const better = Math.abs(place(r.y) - place(y)) < Math.abs(place(readings[at]!.y) - place(y));
    if (better || Number.isNaN(readings[at]!.y)) at = i;
  });
  const from = Math.min(n - around, Math.max(BEST_ROWS, at - Math.floor(around / 2)));
  const end = from + around;
  return [...readings.slice(0, BEST_ROWS), ...(from > BEST_ROWS ? [from - BEST_ROWS] : []), ...readings.slice(from, end), ...(end < n ? [n - end] : [])];
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
    id: `${c.run}/${b.rank ?? ''}/${b.attempt ?? ''}/${b.key}`,
    name: c.name,
    color: c.color,
    dash: c.dash,
    x: c.lineX[i]!,
    y,
    value: finite > 0 ? formatValue(y) : formatValue(b.last[i]!),
    raw: c.raw && finite > 0 ? formatValue(c.raw[i]!) : '',
    of: b.group ? `${b.group} of ${plural(count, 'run')}` : b.rank === null && b.ranks > 1 ? `mean of ${formatInteger(b.ranks)} ranks` : '',
    range: count > 1 && b.min[i]! < b.max[i]! ? `${formatValue(b.min[i]!)} … ${formatValue(b.max[i]!)}` : '',
    count: count > 1 && !b.group ? plural(count, 'point') : '',
    where: describeX(b.start[i]!, b.width, !b.group && (count === 1 || c.raw) ? lastOf(b, i) : null, axis),
    odd: count > 1 ? odd.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`).join(' · ') : '',
  };
}

/**
 * Return what the head of a panel shows while nothing is pointed at: the newest value itself, as tables of runs have it; if the
 * line is the mean of several ranks, the mean of the newest points.
 */
export function readNewest(c: Curve, axis: Axis): Reading {
  const b = c.buckets;
  const i = c.x.length - 1;
  const reading = readBucket(c, i, axis);
  if (reading.of) return reading;
  const newest = formatValue(b.last[i]!);
  return { ...reading, ...(c.raw ? { raw: newest } : { value: newest }), where: describeX(b.start[i]!, b.width, lastOf(b, i), axis) };
}

/** Return "raw 0.095 · smoothed 0.13", "0.13 · mean of 4 ranks". */
export function describeHead({ raw, value, of }: Reading): string {
  return [raw ? `raw ${raw} · smoothed ${value}` : value, of].filter(Boolean).join(' · ');
}

function lastOf(b: Buckets, i: number): number | bigint {
  return b.exactX ? b.exactX[i]! : b.lastX[i]!;
}

/** Return "step 12,345", "steps 1,024 – 1,031", "2026-03-01 14:05:07", "1h 30m". */
export function describeX(start: number, width: number, exact: number | bigint | null, axis: Axis): string {
  if (axis === 'step') {
    if (exact !== null || width === 1) return `step ${formatInteger(exact ?? start)}`;
    return `steps ${formatInteger(start)} – ${formatInteger(start + width - 1)}`;
  }
  const seconds = Number(exact ?? start + (width - 1) / 2) * axisScale(axis);
  return axis === 'time' ? formatMoment(seconds, true) : formatDurationTick(Math.round(seconds * 1000) / 1000);
}
