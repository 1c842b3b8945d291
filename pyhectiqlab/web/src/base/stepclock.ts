// When a training was at which step. It places what is measured in time beside what is reported by step.

import type { Buckets } from './buckets';

/** Moments of a training: float64[n] each, n ≥ 1, both ascending. */
export interface StepClock {
  step: Float64Array;
  time: Float64Array; // µs
}

/** Return the step at a time, linear between two moments. Before the first and after the last moment it does not change. */
export function stepAt({ step, time }: StepClock, at: number): number {
  return between(time, step, at);
}

/** Return when the training was at a step; for steps outside, the first or the last moment. */
export function timeAt({ step, time }: StepClock, at: number): number {
  return between(step, time, at);
}

function between(from: Float64Array, to: Float64Array, at: number): number {
  let lo = 0;
  let hi = from.length - 1;
  if (at <= from[lo]!) return to[lo]!;
  if (at >= from[hi]!) return to[hi]!;
  while (hi - lo > 1) {
    const mid = (lo + hi) >> 1;
    if (from[mid]! <= at) lo = mid;
    else hi = mid;
  }
  return to[lo]! + ((at - from[lo]!) / (from[hi]! - from[lo]!)) * (to[hi]! - to[lo]!);
}

/** Return the average time of a step in µs; null: there is only one moment. */
export function paceOf({ step, time }: StepClock): number | null {
  const end = step.length - 1;
  return end > 0 ? (time[end]! - time[0]!) / (step[end]! - step[0]!) : null;
}

/**
 * Place buckets of the wall time at the step of their last point. All buckets before the first step become one, and so do those
 * after the last.
 */
export function onSteps(b: Buckets, clock: StepClock): Buckets {
  const n = b.start.length;
  const firstInside = b.lastX.findIndex((x) => x > clock.time[0]!);
  const before = firstInside < 0 ? n : firstInside;
  const firstAfter = b.lastX.findIndex((x) => x >= clock.time[clock.time.length - 1]!);
  const after = firstAfter < 0 ? n : Math.max(firstAfter, before);
  const groups: [number, number][] = []; // from, and to (exclusive)
  if (before > 0) groups.push([0, before]);
  for (let i = before; i < after; i++) groups.push([i, i + 1]);
  if (after < n) groups.push([after, n]);
  const each = (value: (from: number, to: number) => number) => Float64Array.from(groups, ([from, to]) => value(from, to));
  const sum = (c: Float64Array) => each((from, to) => c.subarray(from, to).reduce((a, v) => a + v, 0));
  const last = (c: Float64Array) => each((_, to) => c[to - 1]!);
  const extreme = (c: Float64Array, pick: (...v: number[]) => number) => each((from, to) => c.subarray(from, to).reduce((a, v) => (Number.isNaN(a) ? v : Number.isNaN(v) ? a : pick(a, v)), NaN));
  const finite = b.count.map((count, i) => count - b.nan[i]! - b.pinf[i]! - b.ninf[i]!);
  const mean = (from: number, to: number) => {
    let total = 0;
    let points = 0;
    for (let i = from; i < to; i++) if (finite[i]! > 0) [total, points] = [total + b.mean[i]! * finite[i]!, points + finite[i]!];
    return points ? total / points : NaN;
  };
  const place = last(b.lastX).map((x) => stepAt(clock, x));
  return {
    ...b,
    width: 1,
    start: place,
    lastX: place,
    exactX: null,
    count: sum(b.count),
    min: extreme(b.min, Math.min),
    max: extreme(b.max, Math.max),
    mean: each((from, to) => (to - from === 1 ? b.mean[from]! : mean(from, to))),
    last: last(b.last),
    nan: sum(b.nan),
    pinf: sum(b.pinf),
    ninf: sum(b.ninf),
    smoothed: b.smoothed && last(b.smoothed),
  };
}
