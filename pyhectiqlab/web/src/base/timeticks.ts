// Round moments and durations along an axis of seconds, for charts that are drawn without uPlot.

import { formatDurationTick } from './format';

const INCREMENTS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
const DAY = 86_400;
const two = (n: number) => String(n).padStart(2, '0');

/** Return about `count` ticks between two times in seconds: of moments (since 1970, in the reader's time zone), or of durations. */
export function timeTicks([lo, hi]: readonly [number, number], count: number, moments: boolean): [value: number, label: string][] {
  const least = (hi - lo) / count;
  const increment = incrementOf(least);
  const behind = moments ? -60 * new Date(1000 * lo).getTimezoneOffset() : 0; // so that midnight in the reader's time zone is a tick
  const first = Math.ceil((lo + behind) / increment) * increment - behind;
  const values: number[] = [];
  for (let i = 0; first + i * increment <= hi && values.length < 100; i++) values.push(first + i * increment);
  return values.map((v, i) => [v, moments ? momentLabel(v, increment, i === 0) : formatDurationTick(Number(v.toPrecision(12)))]);
}

function incrementOf(least: number): number {
  if (least > DAY) return DAY * roundUp(least / DAY);
  return least < 1 ? roundUp(least) : INCREMENTS.find((step) => step >= least)!;
}

/** Return the least of 1, 2, 5 times a power of ten that is not below `value`. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((m) => m * power >= value * (1 - 1e-9))!;
}

/** Label a moment. The first label names the day, and so does each at midnight. */
function momentLabel(seconds: number, increment: number, first: boolean): string {
  const d = new Date(1000 * seconds);
  const day = `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  if (increment >= DAY) return first ? `${d.getFullYear()}-${day}` : day;
  const rest = increment < 1 ? `:${(seconds % 60).toFixed(3)}` : increment < 60 ? `:${two(d.getSeconds())}` : '';
  const clock = `${two(d.getHours())}:${two(d.getMinutes())}${rest}`;
  return first || clock === '00:00' ? `${day} ${clock}` : clock;
}
