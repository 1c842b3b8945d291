// uPlot for scales, axes, cursor and selection. draw.ts draws the curves themselves, each on its own x.

import uPlot from 'uplot';
import { formatDurationTick, formatTicks, formatValue } from '../base/format';
import type { Axis } from '../base/axis';
import type { Scale, YRange } from '../base/boardsettings';
import { highlighted } from '../state/highlight';
import { drawCurves } from './draw';
import { Overlay, runAt } from './overlay';
import { watchPinch } from './pinch';
import { rangeX, widened, type Curve } from './series';
import { thresholdOf, yAxis } from './yrange';

export interface PlotData {
  curves: readonly Curve[];
  axis: Axis;
  scale: Scale; // the scale of y
  xScale: Scale;
  y: YRange;
  /** The extremes of other panels, with which this one shares its y range. */
  shared: readonly [number, number] | null;
  /** The range that is drawn unless somebody zoomed in; null: that of the curves. */
  whole: readonly [number, number] | null;
  /** The zoomed range in drawing units; null: everything. */
  zoom: [number, number] | null;
}

export interface PlotEvents {
  /**
   * x is in drawing units, y a value, `left` in CSS pixels of the panel; null: the pointer left. `own`: the pointer is over this
   * plot.
   */
  hover: (at: { x: number; y: number; left: number; own: boolean } | null) => void;
  zoom: (lo: number, hi: number) => void;
  reset: () => void;
}

/** What a test can ask a panel: what it drew, in which ranges. */
export interface Drawn {
  data: PlotData;
  x: [number, number];
  y: [number, number] | null;
}

const DRAG_MIN_PX = 5;
const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const SYNC_KEY = 'hectiqlab';
const DISTRIBUTIONS = { linear: 1, log: 3, symlog: 4 } as const; // the numbers that uPlot has for them

const STRETCHES = { linear: [(v: number) => v, (v: number) => v], log: [Math.log10, (v: number) => 10 ** v], symlog: [Math.asinh, Math.sinh] } as const;

const STEP_INCREMENTS = decades(0, 18);
const SECOND_INCREMENTS = [
  ...decades(-6, -1),
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000,
  31_536_000,
];
// The form that uPlot wants: least increment, label, what is added where a year, month, day, hour, minute or second begins, 1 =
// added.
const TIME_LABELS = [
  [31_536_000, '{YYYY}', null, null, null, null, null, null, 1],
  [2_419_200, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [86_400, '{MMM} {D}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{MMM} {D}, {YYYY}', null, '\n{MMM} {D}', null, null, null, 1],
  [1, ':{ss}', '\n{MMM} {D} {HH}:{mm}', null, '\n{MMM} {D} {HH}:{mm}', null, '\n{HH}:{mm}', null, 1],
  [0.001, ':{ss}.{fff}', '\n{MMM} {D} {HH}:{mm}', null, '\n{MMM} {D} {HH}:{mm}', null, '\n{HH}:{mm}', null, 1],
] as unknown as uPlot.Axis.Values;

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The colours of the page's style, read once for each theme: whenever a style is read, the browser computes it anew. */
const colors = {
  theme: '',
  known: new Map<string, string>(),
  of(element: HTMLElement, name: string): string {
    const theme = `${dark.matches} ${document.documentElement.dataset['theme'] ?? ''}`;
    if (theme !== this.theme) this.known.clear();
    this.theme = theme;
    const color = this.known.get(name) ?? (getComputedStyle(element).getPropertyValue(name) || '#888');
    this.known.set(name, color);
    return color;
  },
};

let touched: Plot | null = null; // the plot that a finger read last

export class Plot {
  private u: uPlot;
  private pointerInside = false;
  private dots: HTMLElement[] = [];
  private drawn: Drawn;
  private threshold: number; // where a symmetric log scale turns linear
  private whole: [number, number] | null = null; // the range in sight before somebody zoomed in; null: not known
  private overlay!: Overlay; // made together with `u`
  private readonly forget = highlighted.subscribe(() => this.showHighlight());

  constructor(
    private readonly parent: HTMLElement,
    private readonly events: PlotEvents,
    private data: PlotData,
    private width: number,
    private height: number,
  ) {
    this.threshold = neededThreshold(data);
    this.drawn = this.ranges();
    this.u = this.build();
  }

  get state(): Drawn {
    return this.drawn;
  }

  update(data: PlotData): void {
    const threshold = neededThreshold(data);
    const rebuild = data.axis !== this.data.axis || data.scale !== this.data.scale || data.xScale !== this.data.xScale || this.threshold !== threshold;
    this.data = data;
    this.threshold = threshold;
    this.drawn = this.ranges();
    if (rebuild) {
      this.u.destroy();
      this.dots = [];
      this.u = this.build();
    } else {
      this.u.setData(this.placeholder());
    }
  }

  resize(width: number, height: number): void {
    if (width === this.width && height === this.height) return;
    this.width = width;
    this.height = height;
    this.u.setSize({ width, height });
  }

  redraw(): void {
    this.u.redraw(false, true);
  }

  /** Move the cursor to x (drawing units), as if the pointer were there; null: take it away. */
  point(x: number | null): void {
    this.pointerInside = x !== null;
    if (x === null) this.u.setCursor({ left: -10, top: -10 });
    else this.u.setCursor({ left: this.u.valToPos(x, 'x'), top: this.u.over.clientHeight / 3 });
  }

  /** Show dots on the curves at the cursor. y NaN: no dot. */
  showDots(points: readonly { x: number; y: number; color: string }[]): void {
    while (this.dots.length < points.length) {
      const dot = document.createElement('div');
      dot.className = 'hover-dot';
      this.u.over.appendChild(dot);
      this.dots.push(dot);
    }
    this.dots.forEach((dot, i) => {
      const p = points[i];
      const y = p && !(this.log && p.y <= 0) ? this.u.valToPos(p.y, 'y') : NaN;
      dot.hidden = !p || !Number.isFinite(y);
      if (!p || dot.hidden) return;
      dot.style.transform = `translate(${this.u.valToPos(p.x, 'x')}px, ${y}px)`;
      dot.style.background = p.color;
    });
  }

  destroy(): void {
    this.forget();
    if (touched === this) touched = null;
    if (this.pointerInside) highlighted.set(null);
    this.u.destroy();
  }

  private get log(): boolean {
    return this.data.scale === 'log';
  }

  private ranges(): Drawn {
    const { curves, zoom, scale, shared } = this.data;
    if (!zoom) this.whole = this.data.whole ? [...this.data.whole] : rangeX(curves, this.data.axis);
    let x: [number, number] = zoom ?? (this.data.whole ? [...this.data.whole] : (rangeX(curves, this.data.axis) ?? [0, 1]));
    if (x[0] === x[1]) x = widened(x, this.data.axis === 'step' ? 2 : 1); // a single point is in the middle
    x = widened(x, 0);
    if (this.data.xScale === 'log') x = positive(x, curves);
    return { data: this.data, x, y: yAxis(curves, x, this.data.y, scale, shared) };
  }

  /** Return two points that span the scales. If nothing finite is in sight, the y axis is 0 … 1. */
  private placeholder(): uPlot.AlignedData {
    return [Float64Array.from(this.drawn.x), Float64Array.from(this.drawn.y ?? (this.log ? [1, 10] : [0, 1]))];
  }

  private build(): uPlot {
    const { axis, scale, xScale } = this.data;
    const u = new uPlot(
      {
        width: this.width,
        height: this.height,
        padding: [8, 12, 0, 0],
        legend: { show: false },
        scales: {
          x: { time: axis === 'time', distr: DISTRIBUTIONS[xScale], asinh: 1, range: () => this.drawn.x },
          y: { distr: DISTRIBUTIONS[scale], asinh: this.threshold, range: () => this.drawn.y ?? (this.log ? [1, 10] : [0, 1]) },
        },
        axes: [this.xAxis(), this.yAxis()],
        series: [{}, { paths: () => null, points: { show: false } }],
        cursor: {
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false },
          sync: { key: SYNC_KEY, setSeries: false, scales: ['x', null] },
          bind: {
            dblclick: () => () => {
              this.events.reset();
              return null;
            },
          },
        },
        hooks: {
          draw: [(plot) => this.draw(plot)],
          setCursor: [(plot) => this.onCursor(plot)],
          setSelect: [(plot) => this.onSelect(plot)],
        },
      },
      this.placeholder(),
      this.parent,
    );
    this.overlay = new Overlay(u);
    u.over.addEventListener('pointerenter', () => (this.pointerInside = true));
    u.over.addEventListener('pointermove', ({ offsetX, offsetY }) => highlighted.set(runAt(u, this.data.curves, offsetX, offsetY)));
    const isPinched = this.watchFingers(u);
    u.over.addEventListener('pointerdown', (e) => e.pointerType === 'touch' && !isPinched() && this.touch(e));
    u.over.addEventListener('pointermove', (e) => e.pointerType === 'touch' && !isPinched() && this.touch(e));
    u.over.addEventListener('pointerleave', ({ pointerType }) => {
      if (pointerType === 'touch') return; // what a finger read stays until it reads somewhere else
      this.pointerInside = false;
      this.events.hover(null);
      highlighted.set(null);
    });
    return u;
  }

  /** Read where a finger is: at a tap, or while it moves sideways. */
  private touch({ offsetX, offsetY }: PointerEvent): void {
    if (touched && touched !== this) touched.pointerInside = false;
    touched = this;
    this.pointerInside = true;
    this.u.setCursor({ left: offsetX, top: offsetY });
  }

  /** Zoom with two fingers: the lines follow them, and when they are lifted, the lab is asked for what is in sight. */
  private watchFingers(u: uPlot): () => boolean {
    const [by, back] = STRETCHES[this.data.xScale];
    let edges: [number, number] | null = null; // the edges of the axis when the second finger came
    return watchPinch(u.over, {
      move: (left, right) => {
        edges ??= [by(this.drawn.x[0]), by(this.drawn.x[1])];
        const [lo, hi] = edges;
        const at = (px: number) => back(lo + (px / u.over.clientWidth) * (hi - lo));
        this.drawn = { ...this.drawn, x: [at(left), at(right)] };
        u.setCursor({ left: -10, top: -10 });
        u.setData(this.placeholder());
      },
      end: () => {
        if (!edges) return;
        edges = null;
        const [lo, hi] = this.drawn.x;
        if (!this.whole || lo > this.whole[0] || hi < this.whole[1]) return this.events.zoom(lo, hi);
        this.drawn = this.ranges();
        u.setData(this.placeholder());
        this.events.reset();
      },
    });
  }

  /** Show the run that the reader points at, here or elsewhere, in front of the others. */
  private showHighlight(): void {
    const run = highlighted.value;
    const its = run === null ? [] : this.data.curves.filter((c) => c.run === run);
    this.overlay.show(its.length < this.data.curves.length ? its : [], this.log);
  }

  private xAxis(): uPlot.Axis {
    const { axis } = this.data;
    const base = this.axis({ size: axis === 'time' ? 36 : 22, space: axis === 'time' ? 64 : 72 });
    if (axis === 'time') return { ...base, values: TIME_LABELS };
    if (this.data.xScale !== 'linear') return { ...base, values: roundLabels(axis === 'relative' ? formatDurationTick : (v) => formatValue(v, 3)) };
    if (axis === 'relative') return { ...base, incrs: SECOND_INCREMENTS, values: (_, splits) => splits.map(formatDurationTick) };
    return { ...base, incrs: STEP_INCREMENTS, values: (_, splits, _axis, _space, increment) => formatTicks(splits, increment) };
  }

  private yAxis(): uPlot.Axis {
    return this.axis({
      space: 34,
      size: (_, values) => Math.max(40, 7 * Math.max(0, ...(values ?? []).map((v) => v?.length ?? 0)) + 14),
      values: this.data.scale !== 'linear'
        ? roundLabels((v) => formatValue(v, 3))
        : (_, splits, _axis, _space, increment) => formatTicks(splits, increment),
    });
  }

  private axis(more: uPlot.Axis): uPlot.Axis {
    const color = (name: string) => () => colors.of(this.parent, name);
    return {
      font: FONT,
      gap: 4,
      stroke: color('--chart-text'),
      grid: { stroke: color('--chart-grid'), width: 1 },
      ticks: { show: false },
      border: { show: false },
      ...more,
    };
  }

  private draw(u: uPlot): void {
    drawCurves(
      {
        ctx: u.ctx,
        left: u.bbox.left,
        top: u.bbox.top,
        width: u.bbox.width,
        height: u.bbox.height,
        ratio: uPlot.pxRatio,
        toX: (x) => u.valToPos(x, 'x', true),
        toY: (y) => u.valToPos(y, 'y', true),
        log: this.log,
        y: this.drawn.y,
      },
      this.data.curves,
    );
    if (highlighted.value !== null) this.showHighlight();
  }

  private onCursor(u: uPlot): void {
    const { left = -1, top = -1 } = u.cursor;
    if (left < 0) this.events.hover(null);
    else this.events.hover({ x: u.posToVal(left, 'x'), y: u.posToVal(top, 'y'), left: left + u.over.offsetLeft, own: this.pointerInside });
  }

  private onSelect(u: uPlot): void {
    const { left, width } = u.select;
    if (width < DRAG_MIN_PX) return;
    const lo = u.posToVal(left, 'x');
    const hi = u.posToVal(left + width, 'x');
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (this.pointerInside) this.events.zoom(lo, hi); // not if the selection only mirrors that of another plot
  }
}

/** Return the threshold, for a symmetric log scale only: it changes with new points, and then the plot is built anew. */
const neededThreshold = ({ scale, curves }: PlotData) => (scale === 'symlog' ? thresholdOf(curves) : 1);

/** Label an axis that is not linear at round numbers. */
function roundLabels(format: (value: number) => string): uPlot.Axis.DynamicValues {
  return (_, splits) => splits.map((v) => (v === null || !isRound(v) ? '' : format(v)));
}

/** Return the part of a range that a log scale can draw, from the first point on. */
function positive([lo, hi]: [number, number], curves: readonly Curve[]): [number, number] {
  const first = Math.min(...curves.map(({ lineX }) => lineX.find((v) => v > 0 && v >= lo) ?? Infinity));
  const from = lo > 0 ? lo : Math.min(first, hi > 0 ? hi : 1);
  return from < hi ? [from, hi] : [from / 2, 2 * from];
}

/**
 * Return whether a number is 0, or a digit times a power of ten. uPlot's log axis also has a tick at its lower end, wherever that
 * is.
 */
function isRound(signed: number): boolean {
  const value = Math.abs(signed);
  if (value === 0) return true;
  const mantissa = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  return Math.abs(mantissa - Math.round(mantissa)) < 1e-6;
}

/** Return 1, 2, 5 times each power of ten. */
function decades(from: number, to: number): number[] {
  const out: number[] = [];
  for (let k = from; k <= to; k++) out.push(...[1, 2, 5].map((m) => Number(`${m}e${k}`)));
  return out;
}
