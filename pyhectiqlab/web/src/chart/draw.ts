// Drawing curves onto a canvas: band, raw line, line, gaps, lone points, marks of NaN and ±Inf. It gets positions, and draws
// pixels.

import type { Curve } from './series';

export interface Frame {
  ctx: CanvasRenderingContext2D;
  left: number; // the plotting area, in canvas pixels
  top: number;
  width: number;
  height: number;
  ratio: number; // canvas pixels per CSS pixel
  toX: (x: number) => number; // drawing units → canvas pixels
  toY: (y: number) => number;
  log: boolean;
  y: readonly [number, number] | null; // the values that the frame covers; null: values beyond it need no mark
}

const DOT_SPACING = 16; // CSS px between points; with more, each point has a dot
const LINE = 1.6;
const LINE_SMOOTH = 2;
// With more curves than this, they cover each other. Then lines are a pixel wide, and bands consist of vertical strokes a pixel
// wide: a browser without a graphics card draws them ten times as fast as wider lines and filled shapes.
const THIN_FROM = 12;

// CSS px between buckets. With less, there is hardly any room between the strokes of the buckets, which are the band of a thin
// curve.
const DENSE = 2.5;

export function drawCurves(f: Frame, curves: readonly Curve[]): void {
  const { ctx } = f;
  ctx.save();
  ctx.beginPath();
  ctx.rect(f.left, f.top, f.width, f.height);
  ctx.clip();
  ctx.lineJoin = 'round';
  ctx.lineCap = 'round';
  const pixels = curves.map(({ x }) => pixelsX(f, x));
  // All bands are below all lines. Many bands are drawn lighter, but never so light that a spike disappears.
  const strength = Math.max(0.5, 1 / Math.sqrt(Math.max(1, curves.length)));
  const thin = curves.length > THIN_FROM;
  curves.forEach((curve, i) => drawBand(f, curve, pixels[i]!, strength, thin));
  curves.forEach((curve, i) => {
    if (curve.raw) drawLine(f, curve, pixels[i]!, curve.raw, 1, 0.35, false);
  });
  const dotted = curves.length === 1 && !curves[0]!.raw; // if they would not crowd
  curves.forEach((curve, i) => drawLine(f, curve, curve.raw ? pixelsX(f, curve.lineX) : pixels[i]!, curve.line, thin ? 1 : curve.raw ? LINE_SMOOTH : LINE, 1, dotted));
  ctx.restore();
  // The marks lie on the edge of the frame: half of each is outside the plotting area. uPlot remembers the style that it set last
  // and does not set it again. So the context is restored afterwards; otherwise the grid would take the colour of a curve.
  ctx.save();
  curves.forEach((curve, i) => drawMarks(f, curve, pixels[i]!));
  ctx.restore();
}

function pixelsX(f: Frame, x: Float64Array): Float64Array {
  const px = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) px[i] = f.toX(x[i]!);
  return px;
}

/** Return y on the canvas, near the frame, because a canvas loses precision far outside. NaN: it cannot be drawn. */
function pixelY(f: Frame, y: number): number {
  if (Number.isNaN(y) || (f.log && y <= 0)) return NaN;
  return Math.min(f.top + 4 * f.height, Math.max(f.top - 3 * f.height, f.toY(y)));
}

/**
 * Draw each bucket from its smallest to its largest value: a fill between neighbours, and in each a stroke at least a pixel wide,
 * so that a spike in a single bucket is visible. `thin`: the fill consists of strokes, too, unless they are dense anyway.
 */
function drawBand(f: Frame, c: Curve, px: Float64Array, strength: number, thin: boolean): void {
  const { ctx } = f;
  const dense = thin && px.length > 1 && (px[px.length - 1]! - px[0]!) / (px.length - 1) < DENSE * f.ratio;
  const { min, max } = c.buckets;
  const n = px.length;
  const bottom = f.top + f.height;
  const lows = new Float64Array(n);
  const highs = new Float64Array(n);
  let any = false;
  for (let i = 0; i < n; i++) {
    highs[i] = pixelY(f, max[i]!);
    const low = pixelY(f, min[i]!);
    lows[i] = Number.isNaN(low) && !Number.isNaN(highs[i]!) ? bottom : low; // log scale: the bucket reaches below what it can show
    if (lows[i]! - highs[i]! > 0) any = true;
  }
  if (!any) return;
  ctx.fillStyle = c.color;
  ctx.globalAlpha = 0.16 * strength;
  for (let i = dense ? n : 0; i < n; ) {
    if (Number.isNaN(highs[i]!)) {
      i++;
      continue;
    }
    let end = i + 1;
    while (end < n && !Number.isNaN(highs[end]!) && !c.gap[end]) end++;
    if (end - i > 1 && thin) strokeBetween(f, c.color, px.subarray(i, end), lows.subarray(i, end), highs.subarray(i, end));
    else if (end - i > 1) {
      ctx.beginPath();
      for (let k = i; k < end; k++) ctx.lineTo(px[k]!, highs[k]!);
      for (let k = end - 1; k >= i; k--) ctx.lineTo(px[k]!, lows[k]!);
      ctx.fill();
    }
    i = end;
  }
  ctx.strokeStyle = c.color;
  ctx.globalAlpha = (dense ? 0.45 : 0.32) * strength;
  ctx.lineWidth = f.ratio;
  ctx.beginPath();
  for (let i = 0; i < n; i++) {
    if (!(lows[i]! - highs[i]! > 0)) continue;
    ctx.moveTo(px[i]!, highs[i]!);
    ctx.lineTo(px[i]!, lows[i]!);
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** Fill between two lines with a stroke in each column of pixels. */
function strokeBetween({ ctx, left, width }: Frame, color: string, px: Float64Array, lows: Float64Array, highs: Float64Array): void {
  ctx.strokeStyle = color;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let i = 0; i + 1 < px.length; i++) {
    const [from, to] = [px[i]!, px[i + 1]!];
    const [low, high, lowBy, highBy] = [lows[i]!, highs[i]!, (lows[i + 1]! - lows[i]!) / (to - from), (highs[i + 1]! - highs[i]!) / (to - from)];
    const end = Math.min(to, left + width);
    for (let x = Math.ceil(Math.max(from, left) - 0.5) + 0.5; x < end; x++) {
      ctx.moveTo(x, high + (x - from) * highBy);
      ctx.lineTo(x, low + (x - from) * lowBy);
    }
  }
  ctx.stroke();
}

/** Draw a line. `dotted`: each point has a dot if there is room; a point without neighbours always has one. */
function drawLine(f: Frame, c: Curve, px: Float64Array, values: Float64Array, width: number, alpha: number, dotted: boolean): void {
  const { ctx } = f;
  const n = px.length;
  const solid = new Path2D();
  const across = new Path2D(); // over a gap, where nothing was reported: dashed
  const dots = new Path2D();
  const roomy = dotted && n > 0 && (px[n - 1]! - px[0]!) / n > DOT_SPACING * f.ratio;
  const radius = (roomy ? 2.4 : 2) * f.ratio;
  let before = -1; // the last drawn bucket from which a line may go on
  let dashedAny = false;
  let dotsAny = false;
  for (let i = 0; i < n; i++) {
    const y = pixelY(f, values[i]!);
    if (Number.isNaN(y)) {
      before = -1;
      continue;
    }
    const x = px[i]!;
    const joined = before >= 0 && !c.gap[i];
    if (before >= 0 && c.gap[i]) {
      across.moveTo(px[before]!, pixelY(f, values[before]!));
      across.lineTo(x, y);
      dashedAny = true;
    }
    if (joined) solid.lineTo(x, y);
    else solid.moveTo(x, y);
    const joinedNext = i + 1 < n && !c.gap[i + 1] && !Number.isNaN(pixelY(f, values[i + 1]!));
    if (roomy || (!joined && !joinedNext)) {
      dots.moveTo(x + radius, y);
      dots.arc(x, y, radius, 0, 2 * Math.PI);
      dotsAny = true;
    }
    before = i;
  }
  ctx.strokeStyle = c.color;
  ctx.fillStyle = c.color;
  ctx.globalAlpha = alpha;
  ctx.lineWidth = width * f.ratio;
  ctx.setLineDash(c.dash.map((length) => length * f.ratio));
  ctx.stroke(solid);
  ctx.setLineDash([]);
  if (dotsAny) ctx.fill(dots);
  if (dashedAny) {
    ctx.globalAlpha = alpha * 0.55;
    ctx.lineWidth = f.ratio;
    ctx.setLineDash([2 * f.ratio, 4 * f.ratio]);
    ctx.stroke(across);
    ctx.setLineDash([]);
  }
  ctx.globalAlpha = 1;
}

/**
 * Draw marks: ▲ at the top for +Inf, ▼ at the bottom for −Inf, hollow for finite values beyond the axis; × on the axis for NaN;
 * on a log scale also a tick at the bottom for values ≤ 0.
 */
function drawMarks(f: Frame, c: Curve, px: Float64Array): void {
  const { ctx } = f;
  const { nan, pinf, ninf, min, max } = c.buckets;
  const r = 3.2 * f.ratio;
  const bottom = f.top + f.height;
  const right = f.left + f.width;
  const crosses = new Path2D();
  const triangles = new Path2D();
  const hollow = new Path2D();
  for (let i = 0; i < px.length; i++) {
    const x = px[i]!;
    if (x < f.left - 1 || x > right + 1) continue;
    if (nan[i]! > 0) {
      crosses.moveTo(x - r, bottom - r);
      crosses.lineTo(x + r, bottom + r);
      crosses.moveTo(x - r, bottom + r);
      crosses.lineTo(x + r, bottom - r);
    }
    if (pinf[i]! > 0) triangle(triangles, x, f.top, r, -1);
    if (ninf[i]! > 0) triangle(triangles, x, bottom, r, 1);
    if (f.y && max[i]! > f.y[1]) triangle(hollow, x, f.top + 2 * r, r, -1);
    if (f.y && min[i]! < f.y[0] && !(f.log && min[i]! <= 0)) triangle(hollow, x, bottom - 2 * r, r, 1);
    if (f.log && min[i]! <= 0) {
      crosses.moveTo(x, bottom);
      crosses.lineTo(x, bottom - 2 * r);
    }
  }
  ctx.strokeStyle = c.color;
  ctx.fillStyle = c.color;
  ctx.lineWidth = 1.5 * f.ratio;
  ctx.stroke(crosses);
  ctx.fill(triangles);
  ctx.lineWidth = f.ratio;
  ctx.stroke(hollow);
}

/** Draw a triangle that points up (-1) or down (1), with its base on y. */
function triangle(path: Path2D, x: number, y: number, r: number, direction: 1 | -1): void {
  path.moveTo(x - r, y - direction * r);
  path.lineTo(x + r, y - direction * r);
  path.lineTo(x, y + direction * r);
  path.closePath();
}
