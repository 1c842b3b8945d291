// Histograms as a page shows them: as bars, and as a heat map over steps. No DOM.

import type { HistogramAnswer } from '../schema/lab';
import { formatValue } from './format';

export interface Bar {
  x: number; // 0 to 1, like the others
  width: number;
  height: number;
  label: string;
}

/** Return bars whose area is the count. If all bins have the same width, so is their height. */
export function barsOf(histogram: HistogramAnswer): Bar[] {
  const { counts } = histogram;
  if (!counts.length) return [];
  const edges = histogram.edges.map((e) => e / 2); // halves: so no range is infinite
  const low = edges[0]!;
  const span = edges[edges.length - 1]! - low || 1;
  const even = edges.every((e, i) => Math.abs(e - (low + (span * i) / counts.length)) <= span * 1e-6);
  const heights = counts.map((n, i) => (even ? n : n / ((edges[i + 1]! - edges[i]!) / span || 1 / counts.length)));
  const top = Math.max(...heights) || 1;
  return counts.map((n, i) => ({
    x: (edges[i]! - low) / span,
    width: (edges[i + 1]! - edges[i]!) / span,
    height: heights[i]! / top,
    label: `${formatValue(histogram.edges[i]!)} to ${formatValue(histogram.edges[i + 1]!)}: ${formatValue(n)}`,
  }));
}

export interface HeatMap {
  low: number;
  high: number;
  rows: number;
  /** Columns one after the other, each from `low` up: densities of that histogram, in parts of its densest cell. */
  cells: Float64Array;
}

/** Return histograms side by side on one scale; null: none of them has a value. A histogram without values is an empty column. */
export function heatMap(histograms: readonly HistogramAnswer[], rows: number): HeatMap | null {
  const some = histograms.filter((h) => h.counts.length > 0);
  if (!some.length) return null;
  let low = Math.min(...some.map((h) => h.edges[0]!));
  let high = Math.max(...some.map((h) => h.edges[h.edges.length - 1]!));
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const cells = new Float64Array(histograms.length * rows);
  const scale = rows / (high / 2 - low / 2); // halves: so no range is infinite
  const placed = (value: number) => (value / 2 - low / 2) * scale;
  histograms.forEach(({ edges, counts }, column) => {
    const start = column * rows;
    counts.forEach((n, i) => {
      const from = Math.min(placed(edges[i]!), rows - 1e-9);
      const to = Math.max(placed(edges[i + 1]!), from + 1e-9); // a bin without width still has its values
      const last = Math.min(rows - 1, Math.ceil(to) - 1);
      for (let row = Math.floor(from); row <= last; row++) {
        const part = Math.max(0, Math.min(to, row + 1) - Math.max(from, row)) / (to - from);
        cells[start + row]! += n * part;
      }
    });
    const top = Math.max(...cells.subarray(start, start + rows));
    if (top > 0) for (let row = start; row < start + rows; row++) cells[row]! /= top;
  });
  return { low, high, rows, cells };
}

/** Return what is in no bin, such as "3 NaN, 1 +∞"; "": every value is in one. */
export function outsideOf(histogram: HistogramAnswer): string {
  const parts: [number, string][] = [[histogram.nan, 'NaN'], [histogram.pinf, '+∞'], [histogram.ninf, '−∞']];
  return parts.filter(([n]) => n > 0).map(([n, what]) => `${formatValue(n)} ${what}`).join(', ');
}
