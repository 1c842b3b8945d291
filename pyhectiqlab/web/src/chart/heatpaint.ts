// Painting histograms over x onto a canvas: a column for each, with rows in the colour of the run, stronger where more values
// lie.

import type { Axis } from '../base/axis';
import type { Scale, YRange } from '../base/boardsettings';
import { columnsOf, sharesOf, valueRange, type StepHistogram } from '../base/densities';
import { formatDurationTick } from '../base/format';
import { sideBetween, type Side } from '../base/ticks';
import { timeTicks } from '../base/timeticks';

/** What is drawn into a box of so many px; its upper left corner is 0, 0. */
export interface HeatLayout {
  across: Side; // steps, or seconds
  up: Side; // the axis of values
  values: readonly [number, number]; // the values that it covers
  columns: readonly (readonly [from: number, to: number])[]; // px
  rows: number;
  shares: Float64Array; // the shares of each step's values: column by column, from the lowest row up
  most: number; // the greatest share
}

export interface HeatFrame {
  width: number;
  height: number;
  axis: Axis;
  ridges: boolean;
  xScale: Scale;
  scale: Scale;
  y: YRange;
  zoom: readonly [number, number] | null; // in units of the axis
}

export const RISE_PX = 44; // how high the densest row of all rises as a ridge
const ROW_PX = 3;
const FAINTEST = 0.14; // of a cell that is not empty

/** Return the layout; null: there is nothing that the axes could show. */
export function layOut(histograms: readonly StepHistogram[], { width, height, axis, ridges, xScale, scale, y, zoom }: HeatFrame): HeatLayout | null {
  const range = valueRange(histograms, y, scale === 'log');
  const edges = columnsOf(histograms.map((h) => h.x));
  if (!range || !edges.length || width <= 0 || height <= 0) return null;
  const first = histograms.find((h) => xScale !== 'log' || h.x > 0);
  if (!first) return null;
  let [lo, hi] = zoom ?? [edges[0]![0], edges.at(-1)![1]];
  if (xScale === 'log' && lo <= 0) lo = Math.min(first.x, hi > 0 ? hi : first.x) / 1.1;
  if (!(lo < hi)) [lo, hi] = [lo, lo + 1];
  if (ridges && !zoom) hi = xScale === 'log' ? hi * (hi / lo) ** (RISE_PX / width) : hi + ((hi - lo) * RISE_PX) / width; // for the last ridge
  const across = sideAcross([lo, hi], axis, xScale, width);
  const up = sideBetween(range, scale, thresholdOf(range), [height, 0], height / 34);
  const rows = Math.max(1, Math.round(height / ROW_PX));
  const shares = sharesOf(histograms, up, height, rows);
  const px = (v: number) => (xScale === 'log' && v <= 0 ? 0 : across.at(v));
  return { across, up, values: range, columns: edges.map(([from, to]) => [px(from), px(to)] as const), rows, shares, most: shares.reduce((a, b) => Math.max(a, b), 0) };
}

function sideAcross(ends: readonly [number, number], axis: Axis, xScale: Scale, width: number): Side {
  const side = sideBetween(ends, xScale, 1, [0, width], width / 90);
  if (axis === 'step') return side;
  if (xScale === 'linear') return { ...side, ticks: timeTicks(ends, width / 90, axis === 'time') };
  return { ...side, ticks: side.ticks.map(([v]) => [v, formatDurationTick(v)]) };
}

/** Return where a symmetric log scale turns linear: three decades below the greatest value. */
const thresholdOf = ([lo, hi]: readonly [number, number]) => Math.max(Math.abs(lo), Math.abs(hi)) / 1000 || 1;

/** Return how strong the colour of a row is, from 0 to 1. */
export const strengthOf = (share: number, most: number) => (share > 0 ? FAINTEST + (1 - FAINTEST) * Math.sqrt(share / most) : 0);

/** Paint a layout. `ratio`: pixels of the canvas for each px of the layout. */
export function paint(canvas: HTMLCanvasElement, layout: HeatLayout, color: string, width: number, height: number, ratio: number): void {
  const { columns, rows, shares, most } = layout;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const cells = document.createElement('canvas');
  [cells.width, cells.height] = [columns.length, rows];
  const image = new ImageData(columns.length, rows);
  const rgb = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) || 0) as [number, number, number];
  for (let column = 0; column < columns.length; column++)
    for (let row = 0; row < rows; row++) image.data.set([...rgb, 255 * strengthOf(shares[column * rows + row]!, most)], ((rows - 1 - row) * columns.length + column) * 4);
  cells.getContext('2d')!.putImageData(image, 0, 0);
  const to = canvas.getContext('2d')!;
  to.imageSmoothingEnabled = false;
  columns.forEach(([from, end], column) => {
    const left = Math.round(from * ratio);
    to.drawImage(cells, column, 0, 1, rows, left, 0, Math.max(1, Math.round(end * ratio) - left), canvas.height);
  });
}
