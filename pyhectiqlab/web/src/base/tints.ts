// Colours for values: numbers have colours along a scale, each text has one of the palette.

import { formatValue } from './format';
import { PALETTE } from './looks';

const STOPS = ['#4b2991', '#a3319f', '#ea4f88', '#fa7876', '#edd9a3'] as const; // dark to light; colour-blind readers see the order, too
const NONE = '#868e96';

export interface Tints {
  of: (value: unknown) => string;
  /** What the colours mean: the ends of the scale, or each text. */
  legend: readonly { color: string; text: string }[];
}

/** Return the colours of values. If one of them is a text, numbers have no scale. */
export function tintsOf(values: readonly unknown[]): Tints {
  const numbers = values.filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
  const texts = [...new Set(values.filter((v): v is string => typeof v === 'string'))].sort();
  if (texts.length) {
    const color = (v: unknown) => (texts.includes(String(v)) ? PALETTE[texts.indexOf(String(v)) % PALETTE.length]! : NONE);
    return { of: color, legend: texts.slice(0, PALETTE.length).map((text) => ({ color: color(text), text })) };
  }
  if (!numbers.length) return { of: () => NONE, legend: [] };
  const [lo, hi] = [Math.min(...numbers), Math.max(...numbers)];
  const of = (v: unknown) => (typeof v === 'number' && Number.isFinite(v) ? along(hi > lo ? (v - lo) / (hi - lo) : 0) : NONE);
  const ends = hi > lo ? [lo, hi] : [lo];
  return { of, legend: ends.map((v) => ({ color: of(v), text: formatValue(v) })) };
}

function along(share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const [from, to] = [STOPS[Math.floor(at)]!, STOPS[Math.ceil(at)]!];
  const part = (i: number) => {
    const [a, b] = [from, to].map((color) => parseInt(color.slice(1 + 2 * i, 3 + 2 * i), 16)) as [number, number];
    return Math.round(a + (b - a) * (at % 1)).toString(16).padStart(2, '0');
  };
  return `#${part(0)}${part(1)}${part(2)}`;
}
