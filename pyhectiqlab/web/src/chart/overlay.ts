// The curves of one run in front of all others of a plot, which fade. They have their own canvas, so that pointing at a run draws
// few curves.

import uPlot from 'uplot';
import { drawCurves } from './draw';
import { nearest, type Curve } from './series';

const FADE = 0.78;
const REACH_PX = 14; // between the pointer and a line that it points at

export class Overlay {
  private readonly canvas = document.createElement('canvas');

  constructor(private readonly u: uPlot) {
    this.canvas.className = 'panel-lit';
    this.canvas.hidden = true;
    u.over.prepend(this.canvas); // below the cursor and the dots
  }

  /** Show these curves. If there are none, nothing fades. */
  show(curves: readonly Curve[], log: boolean): void {
    const { u, canvas } = this;
    canvas.hidden = !curves.length;
    if (!curves.length) return;
    const { left, top, width, height } = u.bbox;
    canvas.width = width; // this clears the canvas
    canvas.height = height;
    const ctx = canvas.getContext('2d')!;
    ctx.fillStyle = getComputedStyle(u.over).getPropertyValue('--surface') || '#fff';
    ctx.globalAlpha = FADE;
    ctx.fillRect(0, 0, width, height);
    ctx.globalAlpha = 1;
    const frame = { ctx, left: 0, top: 0, width, height, ratio: uPlot.pxRatio, log, y: null };
    drawCurves({ ...frame, toX: (x) => u.valToPos(x, 'x', true) - left, toY: (y) => u.valToPos(y, 'y', true) - top }, curves);
  }
}

/** Return the run whose line is nearest to a place in the plot, in CSS pixels; null: none is near. */
export function runAt(u: uPlot, curves: readonly Curve[], left: number, top: number): string | null {
  let best = REACH_PX;
  let run: string | null = null;
  const x = u.posToVal(left, 'x');
  for (const c of curves) {
    const y = u.valToPos(lineAt(c, x), 'y');
    if (Math.abs(y - top) > best) continue;
    if (Number.isFinite(y)) [best, run] = [Math.abs(y - top), c.run];
  }
  return run;
}

/** Return the y of a line at x, between its points; NaN: it has none there. */
function lineAt({ lineX: xs, line }: Curve, x: number): number {
  const near = nearest(xs, x);
  if (near < 0 || xs[near] === x) return line[near] ?? NaN;
  const i = xs[near]! > x ? near - 1 : near;
  if (i < 0 || i + 1 >= xs.length) return NaN;
  return line[i]! + ((x - xs[i]!) / (xs[i + 1]! - xs[i]!)) * (line[i + 1]! - line[i]!);
}
