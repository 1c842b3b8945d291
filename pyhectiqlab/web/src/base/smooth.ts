// How the lab smooths a line: a kind, and a width in units of x. The lab computes the values, so they are the same at any size of
// a panel and at any zoom.

import { unitOf, type Axis } from './axis';

export const KINDS = ['exponential', 'gaussian', 'mean', 'median'] as const;

export interface Smoothing {
  kind: (typeof KINDS)[number];
  width: number; // a whole number, in units of the axis: steps, or µs
}

export const WIDTH_MAX = 2 ** 53 - 1;

/** Widths of the slider, in steps or seconds: 1, 2, 5, 10, … 1,000,000. Its first place means no smoothing. */
export const WIDTHS = Array.from({ length: 19 }, (_, i) => [1, 2, 5][i % 3]! * 10 ** Math.floor(i / 3));

/**
 * Read "gaussian,100" of a link; null: no smoothing, or a text that cannot be understood. Old links have a number: the share of a
 * line that was kept from one step (or second) to the next.
 */
export function parseSmoothing(text: string | null, axis: Axis): Smoothing | null {
  const old = text !== null && /^0?\.\d{1,16}$/.test(text) ? Math.min(0.99, Number(text)) : 0;
  if (old > 0) return { kind: 'exponential', width: Math.max(1, Math.round(-1 / Math.log(old))) * unitOf(axis) };
  const [, kind, width] = /^([a-z]+),(\d{1,16})$/.exec(text ?? '') ?? [];
  if (!KINDS.some((k) => k === kind)) return null;
  return { kind: kind as Smoothing['kind'], width: Math.min(WIDTH_MAX, Math.max(1, Number(width))) };
}

export function formatSmoothing({ kind, width }: Smoothing): string {
  return `${kind},${width}`;
}

/** Return the smoothing at a place of the slider; 0: none. */
export function atPlace(place: number, kind: Smoothing['kind'], axis: Axis): Smoothing | null {
  const width = WIDTHS[place - 1];
  return width === undefined ? null : { kind, width: width * unitOf(axis) };
}

/** Return the place of the slider that is nearest to a smoothing. */
export function placeOfWidth(smoothing: Smoothing | null, axis: Axis): number {
  if (!smoothing) return 0;
  const off = (width: number) => Math.abs(Math.log((smoothing.width / unitOf(axis)) / width));
  return 1 + WIDTHS.reduce((best, width, i) => (off(width) < off(WIDTHS[best]!) ? i : best), 0);
}
