// Histograms over x, as a heat map or as ridges: a canvas with axes. The pointer or the arrow keys read the bins of a step.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Axis } from '../base/axis';
import type { Scale, YRange } from '../base/boardsettings';
import { barsOf, outsideOf } from '../base/bins';
import { binAt, binText, type StepHistogram } from '../base/densities';
import { formatDurationTick, formatInteger, formatMoment, formatValue, nounFor, plural } from '../base/format';
import { layOut, paint, type HeatLayout } from './heatpaint';
import { watchPinch } from './pinch';
import { paintRidges } from './ridges';

interface Props {
  label: string;
  histograms: readonly StepHistogram[];
  color: string;
  axis: Axis;
  ridges: boolean;
  xScale: Scale;
  scale: Scale;
  y: YRange;
  zoom: readonly [number, number] | null;
  onLayout: (layout: HeatLayout | null) => void;
  onZoom: (lo: number, hi: number) => void;
  onReset: () => void;
}

/** What is read: a step, by its place, and one of its bins; -1: the pointer is beside all bins. */
interface At {
  i: number;
  bin: number;
}

const LEFT = 62;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 22;
const DRAG_MIN_PX = 5;

export function HeatChart({ label, histograms, color, axis, ridges, xScale, scale, y, zoom: asked, onLayout, onZoom, onReset }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState<[number, number]>([0, 0]);
  const [at, setAt] = useState<At | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null); // px
  const [pinching, setPinching] = useState<readonly [number, number] | null>(null); // the range that two fingers have between the edges now
  const zoom = pinching ?? asked;
  useLayoutEffect(() => {
    const measure = () => setSize([box.current!.clientWidth, box.current!.clientHeight]);
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    measure();
    return () => observer.disconnect();
  }, []);
  const [width, height] = [size[0] - LEFT - RIGHT, size[1] - TOP - BOTTOM];
  const layout = useMemo(() => layOut(histograms, { width, height, axis, ridges, xScale, scale, y, zoom }), [histograms, width, height, axis, ridges, xScale, scale, JSON.stringify(y), zoom?.[0], zoom?.[1]]);
  useLayoutEffect(() => {
    onLayout(layout);
    if (layout && canvas.current) (ridges ? paintRidges : paint)(canvas.current, layout, color, width, height, Math.min(2, window.devicePixelRatio || 1));
  }, [layout, color]);

  const read = at && at.i < histograms.length ? histograms[at.i]! : null;
  const inSight = (i: number) => layout!.columns[i]![1] > 0 && layout!.columns[i]![0] < width;

  function onPointerMove({ offsetX, offsetY, pointerType, buttons }: PointerEvent): void {
    if (!layout) return;
    const [x, v] = [offsetX - LEFT, layout.up.back(offsetY - TOP)];
    if (drag && (buttons || pointerType === 'touch')) setDrag([drag[0], x]);
    let near = -1;
    let best = Infinity;
    layout.columns.forEach(([from, to], i) => {
      const away = Math.max(from - x, x - to, 0);
      if (away < best && inSight(i)) [best, near] = [away, i];
    });
    setAt(near < 0 ? null : { i: near, bin: binAt(histograms[near]!, v) });
  }

  function onPointerUp(): void {
    if (drag && layout && Math.abs(drag[1] - drag[0]) >= DRAG_MIN_PX) {
      const [from, to] = [Math.min(...drag), Math.max(...drag)];
      onZoom(layout.across.back(Math.max(0, from)), layout.across.back(Math.min(width, to)));
    }
    setDrag(null);
  }

  const now = useRef({ layout, size, onZoom });
  now.current = { layout, size, onZoom };
  useEffect(() => {
    let began: HeatLayout | null = null;
    let last: readonly [number, number] | null = null;
    watchPinch(box.current!, {
      move: (left, right) => {
        began ??= now.current.layout;
        if (!began) return;
        const scale = (right - left) / now.current.size[0]; // two fingers hold the whole box; the axis begins and ends within it
        const [lo, hi] = [began.across.back(left + LEFT * scale - LEFT), began.across.back(right - RIGHT * scale - LEFT)];
        if (lo < hi && Number.isFinite(lo) && Number.isFinite(hi)) setPinching((last = [lo, hi]));
        setAt(null);
      },
      end: () => {
        if (last) now.current.onZoom(...last);
        setPinching(null);
        began = last = null;
      },
    });
  }, []);
  useEffect(() => setAt(null), [asked?.[0], asked?.[1]]);

  function onKeyDown(event: KeyboardEvent): void {
    if (!layout || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = (event.shiftKey ? 10 : 1) * ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0);
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key] ?? 0;
    if (by || up) {
      const i = Math.min(histograms.length - 1, Math.max(0, (at?.i ?? (by < 0 ? histograms.length : -1)) + by));
      const bins = histograms[i]!.counts;
      const densest = bins.indexOf(Math.max(...bins));
      setAt({ i, bin: Math.min(bins.length - 1, Math.max(0, up && at ? at.bin + up : by && at && at.bin >= 0 ? at.bin : densest)) });
    } else if (event.key === '0') onReset();
    else return;
    event.preventDefault();
  }

  const column = read && layout!.columns[at!.i]!;
  const cell = read && at!.bin >= 0 ? [read.edges[at!.bin + 1]!, read.edges[at!.bin]!].map((v) => Math.min(height, Math.max(0, place(layout!.up.at(v), height)))) : null;
  return (
    <div
      class="panel-plot xy heat-plot"
      ref={box}
      tabIndex={0}
      role="group"
      aria-label={`${label}. ${plural(histograms.length, 'step')}. Left and right read steps, up and down bins, 0 shows everything.`}
      onKeyDown={onKeyDown}
      onBlur={() => setAt(null)}
      onPointerMove={onPointerMove}
      onPointerDown={({ offsetX, pointerType }) => pointerType !== 'touch' && setDrag([offsetX - LEFT, offsetX - LEFT])}
      onPointerUp={onPointerUp}
      onPointerLeave={({ pointerType }) => pointerType !== 'touch' && (setAt(null), setDrag(null))}
      onDblClick={onReset}
    >
      <canvas ref={canvas} style={{ left: `${LEFT}px`, top: `${TOP}px`, width: `${Math.max(0, width)}px`, height: `${Math.max(0, height)}px` }} aria-hidden="true" />
      {layout ? (
        <svg width={size[0]} height={size[1]} aria-hidden="true">
          <g class="xy-grid">
            {layout.across.ticks.map(([v, text]) => <g key={v}><line x1={LEFT + layout.across.at(v)} x2={LEFT + layout.across.at(v)} y1={TOP} y2={TOP + height} /><text x={LEFT + layout.across.at(v)} y={TOP + height + 15} text-anchor={layout.across.at(v) > width - 16 ? 'end' : 'middle'}>{text}</text></g>)}
            {layout.up.ticks.map(([v, text]) => <g key={v}><line x1={LEFT} x2={LEFT + width} y1={TOP + layout.up.at(v)} y2={TOP + layout.up.at(v)} /><text x={LEFT - 6} y={TOP + layout.up.at(v) + 4} text-anchor="end">{text}</text></g>)}
          </g>
          {column && <rect class="heat-at" x={LEFT + Math.max(0, column[0])} width={Math.max(1, Math.min(width, column[1]) - Math.max(0, column[0]))} y={TOP} height={height} />}
          {column && cell && <rect class="heat-at" x={LEFT + Math.max(0, column[0])} width={Math.max(1, Math.min(width, column[1]) - Math.max(0, column[0]))} y={TOP + cell[0]!} height={Math.max(2, cell[1]! - cell[0]!)} />}
          {drag && Math.abs(drag[1] - drag[0]) >= DRAG_MIN_PX && <rect class="heat-drag" x={LEFT + Math.min(...drag)} width={Math.abs(drag[1] - drag[0])} y={TOP} height={height} />}
        </svg>
      ) : (
        width > 0 && <p class="panel-empty">{histograms.length ? 'The axes cannot draw any of these values.' : 'No histograms in this range.'}</p>
      )}
      {read && <Readout histogram={read} axis={axis} bin={at!.bin} color={color} style={column![0] < width / 2 ? { left: `${LEFT + column![1] + 12}px` } : { right: `${RIGHT + width - column![0] + 12}px` }} />}
    </div>
  );
}

/** NaN: less than a log scale can draw. */
const place = (px: number, height: number) => (Number.isNaN(px) ? height : px);

function Readout({ histogram, axis, bin, color, style }: { histogram: StepHistogram; axis: Axis; bin: number; color: string; style: Record<string, string> }) {
  const { x, step, time, edges, counts, total } = histogram;
  const outside = outsideOf(histogram);
  return (
    <div class="readout heat-readout" style={style} role="status">
      <div class="readout-where">step {formatInteger(step)} · {axis === 'relative' ? formatDurationTick(Math.round(1000 * x) / 1000) : formatMoment(time, axis === 'time')}</div>
      <svg viewBox="0 0 1 1" preserveAspectRatio="none" width={180} height={44} aria-hidden="true">
        {barsOf(histogram).map((bar, i) => <rect key={i} x={bar.x} y={1 - bar.height} width={bar.width} height={bar.height} fill={color} opacity={i === bin ? 1 : 0.45} />)}
      </svg>
      <div><b>{binText(histogram, bin)}</b></div>
      <div class="readout-detail">
        {counts.length ? `${formatValue(total)} ${nounFor(total, 'value')} in ${plural(counts.length, 'bin')} from ${formatValue(edges[0]!)} to ${formatValue(edges.at(-1)!)}` : 'no finite value'}
        {outside && ` · ${outside}`}
      </div>
    </div>
  );
}
