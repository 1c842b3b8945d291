// How the numbers of a table's column are written and shaded, so that the eye can compare them.

import { formatValue } from './format';

const DIGITS = 5; // of a number that is written alone
const DECIMALS_MAX = 8;
const ALIGNED_MAX = 1e7;
const LOG_FROM = 100; // shades are of the logarithm if the greatest value is so many times the least

/**
 * Return a format that gives all of these numbers the same number of decimals, so that they line up. If they are too far apart
 * for that, each is written as by `formatValue`.
 */
export function alignedFormat(values: Iterable<number>): (value: number) => string {
  let decimals = 0;
  for (const value of values) {
    if (!Number.isFinite(value) || value === 0) continue;
    const size = Math.abs(value);
    const text = String(Number(size.toPrecision(DIGITS)));
    if (size >= ALIGNED_MAX || text.includes('e')) return formatValue;
    decimals = Math.max(decimals, text.split('.')[1]?.length ?? 0);
    if (decimals > DECIMALS_MAX) return formatValue;
  }
  return (value) => (Number.isFinite(value) && Math.abs(value) < ALIGNED_MAX ? fixed(value, decimals) : formatValue(value));
}

function fixed(value: number, decimals: number): string {
  const [whole = '', part = ''] = Math.abs(value).toFixed(decimals).split('.');
  const grouped = whole.length > 3 ? whole.replace(/\B(?=(\d{3})+$)/g, ',') : whole;
  return `${value < 0 ? '−' : ''}${grouped}${part && `.${part}`}`;
}

/** Return where a value lies between the extremes of its column, 0 … 1; null: it is not finite. */
export function shadeOf(value: number, [least, most]: readonly [number, number]): number | null {
  if (!Number.isFinite(value) || !(least <= most)) return null;
  if (least === most) return 0;
  const scale = least > 0 && most / least >= LOG_FROM ? Math.log : (v: number) => v;
  return Math.min(1, Math.max(0, (scale(value) - scale(least)) / (scale(most) - scale(least))));
}
