// Histograms over x as ridges: each is a curve over the values that rises along x from the step where it was logged.

import { RISE_PX, type HeatLayout } from './heatpaint';

const APART_PX = 18; // between two ridges, at least
const FILL = 0.35;

/** Return which columns are drawn: the last one, and before it as many as there is room for. */
export function ridgesOf({ columns }: Pick<HeatLayout, 'columns'>): number[] {
  const chosen: number[] = [];
  let next = Infinity;
  for (let i = columns.length - 1; i >= 0; i--) {
    const here = middle(columns[i]!);
    if (!(next - here >= APART_PX)) continue;
    chosen.unshift(i);
    next = here;
  }
  return chosen;
}

/** Paint ridges. `ratio`: pixels of the canvas for each px of the layout. */
export function paintRidges(canvas: HTMLCanvasElement, layout: HeatLayout, color: string, width: number, height: number, ratio: number): void {
  const { columns, rows, shares, most } = layout;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const to = canvas.getContext('2d')!;
  to.scale(ratio, ratio);
  for (const i of ridgesOf(layout)) {
    const base = middle(columns[i]!);
    if (base < -RISE_PX || base > width) continue;
    const ridge = new Path2D();
    ridge.moveTo(base, height);
    for (let row = 0; row < rows; row++) ridge.lineTo(base + (RISE_PX * shares[i * rows + row]!) / most, height * (1 - (row + 0.5) / rows));
    ridge.lineTo(base, 0);
    // A later ridge covers earlier ones.
    to.globalCompositeOperation = 'destination-out';
    to.fill(ridge);
    to.globalCompositeOperation = 'source-over';
    to.fillStyle = to.strokeStyle = color;
    to.globalAlpha = FILL;
    to.fill(ridge);
    to.globalAlpha = 1;
    to.lineWidth = 1.25;
    to.stroke(ridge);
  }
}

const middle = ([from, to]: readonly [number, number]) => (from + to) / 2;
