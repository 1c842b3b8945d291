// Round numbers along an axis, for charts that are drawn without uPlot.

import type { Scale } from './boardsettings';
import { formatTicks, formatValue } from './format';

export interface Side {
  at: (value: number) => number; // px; NaN: it cannot be drawn
  back: (px: number) => number;
  ticks: readonly (readonly [value: number, label: string])[];
}

const AIR = 0.05; // of the range, at either end

/** Return the size below which a symmetric log scale is linear: that of the least value that is not 0. */
export function thresholdOf(values: readonly number[]): number {
  let size = Infinity;
  for (const v of values) if (Number.isFinite(v) && v !== 0) size = Math.min(size, Math.abs(v));
  return Number.isFinite(size) ? size : 1;
}

/** Return an axis over all values that can be drawn, from … to in px, with about `count` ticks. */
export function sideOf(values: readonly number[], scale: Scale, [from, to]: readonly [number, number], count: number): Side {
  const log = scale === 'log';
  const fits = (v: number) => Number.isFinite(v) && (!log || v > 0);
  const threshold = thresholdOf(values);
  const by = (v: number) => (log ? Math.log10(v) : scale === 'symlog' ? Math.asinh(v / threshold) : v);
  const unby = (v: number) => (log ? 10 ** v : scale === 'symlog' ? Math.sinh(v) * threshold : v);
  let [lo, hi] = [Infinity, -Infinity];
  for (const v of values)
    if (fits(v)) {
      lo = Math.min(lo, by(v));
      hi = Math.max(hi, by(v));
    }
  if (lo > hi) [lo, hi] = [0, 1];
  if (lo === hi) [lo, hi] = [lo - (Math.abs(lo) * 0.1 || 1), hi + (Math.abs(hi) * 0.1 || 1)];
  return sideBetween([unby(lo - AIR * (hi - lo)), unby(hi + AIR * (hi - lo))], scale, threshold, [from, to], count);
}

/** Return an axis between these two values, which the scale can draw. `threshold`: below it, a symmetric log scale is linear. */
export function sideBetween(ends: readonly [number, number], scale: Scale, threshold: number, [from, to]: readonly [number, number], count: number): Side {
  const log = scale === 'log';
  const fits = (v: number) => Number.isFinite(v) && (!log || v > 0);
  const by = (v: number) => (log ? Math.log10(v) : scale === 'symlog' ? Math.asinh(v / threshold) : v);
  const unby = (v: number) => (log ? 10 ** v : scale === 'symlog' ? Math.sinh(v) * threshold : v);
  const [lo, hi] = [by(ends[0]), by(ends[1])];
  const at = (v: number) => (fits(v) ? from + ((by(v) - lo) / (hi - lo)) * (to - from) : NaN);
  const back = (px: number) => unby(lo + ((px - from) / (to - from)) * (hi - lo));
  if (scale === 'linear') {
    const raw = (hi - lo) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const increment = power * ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10);
    const first = Math.ceil(lo / increment);
    const round = Array.from({ length: Math.max(0, Math.floor(hi / increment) - first + 1) }, (_, i) => Number(((first + i) * increment).toPrecision(12)));
    const labels = formatTicks(round, increment);
    return { at, back, ticks: round.map((v, i) => [v, labels[i]!] as const) };
  }
  // If a range contains no power of ten, its ticks are between powers.
  const powers = Array.from({ length: 617 }, (_, i) => 10 ** (i - 308)).filter((v) => log || v >= threshold);
  const round = (log ? powers : [...powers.map((v) => -v).reverse(), 0, ...powers]).filter((v) => by(v) >= lo && by(v) <= hi);
  const chosen = round.length > 1 ? round.filter((_, i) => i % Math.ceil(round.length / count) === 0) : [0.1, 0.5, 0.9].map((share) => Number(unby(lo + share * (hi - lo)).toPrecision(3)));
  return { at, back, ticks: chosen.map((v) => [v, formatValue(v, 3)] as const) };
}
