// Histograms of one name over their steps, as a chart draws them: columns along the steps, rows along the values. No DOM.

import type { HistogramAnswer } from '../schema/lab';
import type { Axis } from './axis';
import { leftOut, type YRange } from './boardsettings';
import { formatValue, nounFor } from './format';
import type { Side } from './ticks';

/** The histogram of one step, as it was logged. */
export interface StepHistogram extends HistogramAnswer {
  x: number; // where it lies on the axis: at its step, or at seconds
  step: number;
  time: number;
  rank: number;
  attempt: number;
  total: number; // how many values its bins have
}

interface Item {
  step: number | null;
  time: number;
  rank: number;
  attempt: number;
  histogram: HistogramAnswer | null;
}

/** Return the histograms that have a step, by ascending step, and how many have none. */
export function stepHistograms(items: readonly Item[]): { histograms: StepHistogram[]; without: number } {
  const some = items.filter((item) => item.histogram);
  const histograms = some.flatMap(({ step, time, rank, attempt, histogram }): StepHistogram[] =>
    step === null ? [] : [{ ...histogram!, x: step, step, time, rank, attempt, total: histogram!.counts.reduce((a, b) => a + b, 0) }],
  );
  return { histograms, without: some.length - histograms.length };
}

/**
 * Return histograms placed along an axis. `zeros`: by attempt, the time that counts as 0; without one, that of its first
 * histogram.
 */
export function along(histograms: readonly StepHistogram[], axis: Axis, zeros: ReadonlyMap<number, number>): StepHistogram[] {
  const begins = new Map(zeros);
  for (const { attempt, time } of histograms) if (!zeros.has(attempt)) begins.set(attempt, Math.min(begins.get(attempt) ?? Infinity, time));
  const at = ({ step, time, attempt }: StepHistogram) => (axis === 'step' ? step : axis === 'time' ? time : time - begins.get(attempt)!);
  return histograms.map((h) => ({ ...h, x: at(h) })).sort((a, b) => a.x - b.x);
}

/** Return the steps of the histograms in a range of the axis, and of the next one on either side; null: there are none. */
export function stepsWithin(histograms: readonly StepHistogram[], [lo, hi]: readonly [number, number]): { lo: number; hi: number } | null {
  const behind = histograms.findIndex((h) => h.x > hi);
  const last = behind < 0 ? histograms.length - 1 : behind;
  const first = histograms.reduce((at, h, i) => (h.x < lo ? i : at), 0);
  const steps = histograms.slice(first, last + 1).map((h) => h.step);
  return steps.length ? { lo: Math.min(...steps), hi: Math.max(...steps) } : null;
}

/** Return from … to of each step's column: it reaches to the middle between neighbours, and is at most twice as wide as usual. */
export function columnsOf(steps: readonly number[]): [number, number][] {
  const apart = steps.slice(1).map((step, i) => step - steps[i]!).sort((a, b) => a - b);
  const usual = apart[apart.length >> 1] ?? 1;
  return steps.map((step, i) => [
    i ? Math.max((steps[i - 1]! + step) / 2, step - usual) : step - usual / 2,
    i < steps.length - 1 ? Math.min((steps[i + 1]! + step) / 2, step + usual) : step + usual / 2,
  ]);
}

export const OUTLIERS = 1; // % of all values, at either end

/** Return from … to of the axis of values; null: no histogram has a value that the axis could show. */
export function valueRange(histograms: readonly StepHistogram[], y: YRange, log: boolean): [number, number] | null {
  const some = histograms.filter((h) => h.counts.length > 0);
  if (!some.length) return null;
  let [lo, hi] = [Infinity, -Infinity];
  for (const { edges } of some) {
    const low = log ? edges.find((edge) => edge > 0) : edges[0];
    const high = edges.at(-1)!;
    if (low === undefined || (log && high <= 0)) continue;
    [lo, hi] = [Math.min(lo, low), Math.max(hi, high)];
  }
  if (lo > hi) return null;
  const left = leftOut(y, OUTLIERS);
  if (left !== null) {
    const ends = some.flatMap((h) => (h.total > 0 ? [[quantile(h, left / 100), quantile(h, 1 - left / 100)] as const] : []));
    const [least, most] = [Math.min(...ends.map((e) => e[0])), Math.max(...ends.map((e) => e[1]))];
    if (least < most && (!log || least > 0)) [lo, hi] = [least, most];
  } else if (typeof y !== 'string') {
    const [low, high] = y.map((end) => (log && end !== null && end <= 0 ? null : end)) as [number | null, number | null];
    if ((low ?? lo) < (high ?? hi)) [lo, hi] = [low ?? lo, high ?? hi];
  }
  if (lo === hi) return log ? [lo / 2, hi * 2] : [lo - (Math.abs(lo) * 0.1 || 0.5), hi + (Math.abs(hi) * 0.1 || 0.5)];
  return [lo, hi];
}

/** Return the value below which this share of a histogram's values lies. The values of a bin count as evenly spread. */
function quantile({ edges, counts, total }: StepHistogram, share: number): number {
  let left = share * total;
  for (let i = 0; i < counts.length; i++) {
    if (left <= counts[i]! && counts[i]! > 0) return edges[i]! + (edges[i + 1]! - edges[i]!) * (left / counts[i]!);
    left -= counts[i]!;
  }
  return edges.at(-1)!;
}

/**
 * Return the share of a step's values that lies in each row: column by column, each from the lowest row up. The values of a bin
 * count as evenly spread over it. `side`: the axis of values, which goes from `height` px at its beginning to 0.
 */
export function sharesOf(histograms: readonly StepHistogram[], side: Pick<Side, 'at' | 'back'>, height: number, rows: number): Float64Array {
  const cells = new Float64Array(histograms.length * rows);
  const ends = Float64Array.from({ length: rows + 1 }, (_, row) => side.back(height * (1 - row / rows)) / 2); // halves: so no range is infinite
  histograms.forEach(({ edges, counts, total }, column) => {
    if (!total) return;
    counts.forEach((n, i) => {
      if (!n) return;
      const [from, to] = [edges[i]! / 2, edges[i + 1]! / 2];
      if (to < ends[0]! || from > ends[rows]!) return;
      let row = rowAt(ends, from);
      if (from === to) {
        if (from >= ends[0]! && from <= ends[rows]!) cells[column * rows + row]! += n / total;
        return;
      }
      for (; row < rows && ends[row]! < to; row++) {
        const part = (Math.min(to, ends[row + 1]!) - Math.max(from, ends[row]!)) / (to - from);
        if (part > 0) cells[column * rows + row]! += (n / total) * part;
      }
    });
  });
  return cells;
}

/** Return the row that a value lies in, or the nearest one. */
function rowAt(ends: Float64Array, value: number): number {
  let [lo, hi] = [0, ends.length - 2];
  while (lo < hi) {
    const middle = (lo + hi + 1) >> 1;
    if (ends[middle]! <= value) lo = middle;
    else hi = middle - 1;
  }
  return lo;
}

/** Return the bin that a value lies in; -1: none. The last bin includes its end. */
export function binAt({ edges, counts }: HistogramAnswer, value: number): number {
  const i = edges.findIndex((edge, k) => edge <= value && (edges[k + 1]! > value || (k === counts.length - 1 && edges[k + 1] === value)));
  return i < counts.length ? i : -1;
}

/** Return what a bin holds: "345 of 1,000 values from −0.1 to 0.2". */
export function binText(histogram: StepHistogram, bin: number): string {
  const { edges, counts, total } = histogram;
  if (bin < 0) return 'no bin here';
  return `${formatValue(counts[bin]!)} of ${formatValue(total)} ${nounFor(total, 'value')} from ${formatValue(edges[bin]!)} to ${formatValue(edges[bin + 1]!)}`;
}

/** Return the share of all values, in percent, that lies above and that lies below a range. */
export function shareBeyond(histograms: readonly StepHistogram[], [lo, hi]: readonly [number, number]): { above: number; below: number } {
  let [above, below, all] = [0, 0, 0];
  for (const { edges, counts, total } of histograms) {
    all += total;
    counts.forEach((n, i) => {
      const [from, to] = [edges[i]! / 2, edges[i + 1]! / 2];
      const size = to - from;
      above += n * (size ? Math.min(1, Math.max(0, (to - hi / 2) / size)) : Number(from > hi / 2));
      below += n * (size ? Math.min(1, Math.max(0, (lo / 2 - from) / size)) : Number(from < lo / 2));
    });
  }
  return all ? { above: (100 * above) / all, below: (100 * below) / all } : { above: 0, below: 0 };
}
