// Points in a plane: lines of values over values, or a point for each run. It is SVG, because there are few points and each can
// be pointed at.

import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Scale } from '../base/boardsettings';
import { formatValue, plural } from '../base/format';
import type { Look } from '../base/looks';
import type { XRange } from '../base/xzooms';
import { sideBetween, sideOf, thresholdOf } from '../base/ticks';
import { highlighted } from '../state/highlight';
import { useStore } from '../state/store';
import { watchPinch } from './pinch';

export interface XySeries extends Look {
  run: string;
  name: string;
  x: readonly number[];
  y: readonly number[];
  /** The text beside the values of a point. */
  where: (i: number) => string;
}

interface Props {
  label: string;
  series: readonly XySeries[];
  /** The points of each series are one line, in their order. */
  joined: boolean;
  xName: string;
  yName: string;
  xScale: Scale;
  yScale: Scale;
  onPick?: (run: string) => void;
  /** The x in sight; null: all. */
  range?: XRange | null;
  /** Called to zoom, by a drag, two fingers, + and −; 0 and a double click show everything. Missing: the chart does not zoom. */
  onRange?: (range: XRange | null) => void;
}

const LEFT = 62;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 36;
const REACH_PX = 30;
const DRAG_MIN_PX = 5;

export function XyChart({ label, series, joined, xName, yName, xScale, yScale, onPick, range: asked = null, onRange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<[number, number]>([0, 0]);
  const [at, setAt] = useState<{ s: number; i: number } | null>(null);
  const lit = useStore(highlighted);
  const clip = useId();
  const [pinching, setPinching] = useState<XRange | null>(null); // the range that two fingers have between the edges now
  const range = pinching ?? asked;
  useLayoutEffect(() => {
    const measure = () => setSize([box.current!.clientWidth, box.current!.clientHeight]);
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    measure();
    return () => observer.disconnect();
  }, []);
  const [width, height] = size;
  const [drag, setDrag] = useState<readonly [number, number] | null>(null); // px
  const dragged = useRef(false); // by the press that a click ends
  const sides = useMemo(
    () => {
      const inSight = ({ x, y }: XySeries) => (range ? y.filter((_, i) => x[i]! >= range[0] && x[i]! <= range[1]) : y);
      const xs = range ?? series.flatMap((s) => s.x);
      const across = [LEFT, width - RIGHT] as const;
      return [range ? sideBetween(range, xScale, thresholdOf(xs), across, width / 90) : sideOf(xs, xScale, across, width / 90), sideOf(series.flatMap(inSight), yScale, [height - BOTTOM, TOP], height / 44)] as const;
    },
    [series, xScale, yScale, width, height, range?.[0], range?.[1]],
  );
  const [across, up] = sides;
  const drawn = useMemo(() => series.map((s) => drawnOf(s, joined, across.at, up.at)), [series, joined, sides]);
  const point = at && series[at.s] && at.i < series[at.s]!.x.length ? at : null;
  const show = (to: { s: number; i: number } | null) => {
    setAt(to);
    highlighted.set(to ? series[to.s]!.run : null);
  };

  const whole = useRef<XRange | null>(null); // the whole range of x, when it was last in sight
  const extent = useMemo(() => extentOf(series), [series]);
  if (!range && series.length) whole.current = extent;
  const zoom = (to: XRange) => {
    const all = whole.current && to[0] <= whole.current[0] && to[1] >= whole.current[1];
    onRange?.(all ? null : to);
  };
  const zoomTo = (left: number, right: number) => {
    const to = between(across, left, right);
    if (to) zoom(to);
  };
  const now = useRef({ across, width, zoom });
  now.current = { across, width, zoom };
  useEffect(() => {
    if (!onRange) return;
    let began: typeof across | null = null;
    let last: XRange | null = null;
    watchPinch(box.current!, {
      move: (left, right) => {
        began ??= now.current.across;
        // Two fingers hold the whole box; the axis begins and ends within it.
        const scale = (right - left) / now.current.width;
        last = between(began, left + LEFT * scale, right - RIGHT * scale) ?? last;
        setPinching(last);
        show(null);
      },
      end: () => {
        if (last) now.current.zoom(last);
        setPinching(null);
        began = last = null;
      },
    });
  }, [!onRange]);
  useEffect(() => show(null), [asked?.[0], asked?.[1]]);

  function onPointerUp(): void {
    dragged.current = drag !== null && Math.abs(drag[1] - drag[0]) >= DRAG_MIN_PX;
    if (drag && dragged.current) zoomTo(Math.max(LEFT, Math.min(...drag)), Math.min(width - RIGHT, Math.max(...drag)));
    setDrag(null);
  }

  function onPointerMove({ offsetX, offsetY, buttons, pointerType }: PointerEvent): void {
    if (drag && buttons && pointerType !== 'touch') setDrag([drag[0], offsetX]);
    let best = REACH_PX;
    let near: { s: number; i: number } | null = null;
    series.forEach(({ x, y }, s) => {
      for (let i = 0; i < x.length; i++) {
        if (range && (x[i]! < range[0] || x[i]! > range[1])) continue;
        const away = Math.hypot(across.at(x[i]!) - offsetX, up.at(y[i]!) - offsetY);
        if (away <= best) [best, near] = [away, { s, i }];
      }
    });
    show(near);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const all = series.flatMap((s, n) => s.x.map((_, i) => ({ s: n, i })));
    const now = point ? all.findIndex(({ s, i }) => s === point.s && i === point.i) : -1;
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const factor = onRange && ({ '+': 0.5, '=': 0.5, '-': 2 }[event.key] ?? 0);
    if (factor) {
      const middle = point ? across.at(series[point.s]!.x[point.i]!) : (LEFT + width - RIGHT) / 2;
      zoomTo(middle - (middle - LEFT) * factor, middle + (width - RIGHT - middle) * factor);
    } else if (event.key === '0' && onRange) onRange(null);
    else if (by && all.length) show(all[Math.min(all.length - 1, Math.max(0, now + by))]!);
    else if (event.key === 'Enter' && point && onPick) onPick(series[point.s]!.run);
    else return;
    event.preventDefault();
  }

  const its = point && series[point.s]!;
  const [left, top] = its ? [across.at(its.x[point.i]!), up.at(its.y[point.i]!)] : [0, 0];
  return (
    <div
      class="panel-plot xy"
      ref={box}
      tabIndex={0}
      role="group"
      aria-label={`${label}. ${plural(series.length, 'line')}. Arrow keys read points${onRange ? ', + and − zoom, 0 shows everything' : ''}${onPick ? ', Enter opens the run' : ''}.`}
      onKeyDown={onKeyDown}
      onBlur={() => show(null)}
      onPointerLeave={({ pointerType }) => pointerType !== 'touch' && (show(null), setDrag(null))}
      onDblClick={() => onRange?.(null)}
      onClick={() => point && !dragged.current && onPick?.(series[point.s]!.run)}
    >
      {width > 0 && (
        <svg
          width={width}
          height={height}
          onPointerMove={onPointerMove}
          onPointerDown={(e) => (e.pointerType === 'touch' ? onPointerMove(e) : onRange && setDrag([e.offsetX, e.offsetX]))}
          onPointerUp={onPointerUp}
        >
          <clipPath id={clip}><rect x={LEFT} y={0} width={Math.max(0, width - LEFT - RIGHT)} height={height} /></clipPath>
          <g class="xy-grid">
            {across.ticks.map(([v, text]) => <g key={v}><line x1={across.at(v)} x2={across.at(v)} y1={TOP} y2={height - BOTTOM} /><text x={across.at(v)} y={height - BOTTOM + 14} text-anchor="middle">{text}</text></g>)}
            {up.ticks.map(([v, text]) => <g key={v}><line x1={LEFT} x2={width - RIGHT} y1={up.at(v)} y2={up.at(v)} /><text x={LEFT - 6} y={up.at(v) + 4} text-anchor="end">{text}</text></g>)}
          </g>
          <text class="xy-name" x={(LEFT + width - RIGHT) / 2} y={height - 4} text-anchor="middle">{xName}</text>
          <text class="xy-name" transform={`translate(11 ${(TOP + height - BOTTOM) / 2}) rotate(-90)`} text-anchor="middle">{yName}</text>
          {series.map((s, n) => (
            <g key={s.run} clip-path={range ? `url(#${clip})` : undefined} opacity={lit === null || lit === s.run ? 1 : 0.2}>
              {joined && <path d={drawn[n]!.line} fill="none" stroke={s.color} stroke-width="1.4" stroke-dasharray={s.dash.join(' ')} />}
              <path d={drawn[n]!.dots} fill={joined ? s.color : 'none'} stroke={s.color} stroke-width={joined ? 0 : 9} stroke-linecap="round" />
            </g>
          ))}
          {drag && Math.abs(drag[1] - drag[0]) >= DRAG_MIN_PX && <rect class="heat-drag" x={Math.min(...drag)} width={Math.abs(drag[1] - drag[0])} y={TOP} height={height - TOP - BOTTOM} />}
          {its && <circle class="xy-at" cx={left} cy={top} r="5" fill={its.color} />}
        </svg>
      )}
      {its && (
        <div class="readout" role="status" style={left < width / 2 ? { left: `${left + 14}px` } : { right: `${width - left + 14}px` }}>
          <div class="readout-where">{[its.name, its.where(point.i)].filter(Boolean).join(' · ')}</div>
          <div>{yName}: <b>{formatValue(its.y[point.i]!)}</b></div>
          <div>{xName}: <b>{formatValue(its.x[point.i]!)}</b></div>
        </div>
      )}
    </div>
  );
}

/** A button below a chart that is zoomed in its own x. */
export const ShowAll = ({ of, onClick }: { of: string; onClick: () => void }) => <p class="panel-note"><button class="link" onClick={onClick}>Show all of {of}</button></p>;

/** Return the range between two places of an axis; null: the axis has no numbers there. */
function between(across: { back: (px: number) => number }, left: number, right: number): XRange | null {
  const [lo, hi] = [across.back(left), across.back(right)];
  return lo < hi && Number.isFinite(lo) && Number.isFinite(hi) ? [lo, hi] : null;
}

function extentOf(series: readonly XySeries[]): XRange {
  const finite = series.flatMap(({ x }) => x.filter(Number.isFinite));
  return [finite.reduce((a, b) => Math.min(a, b), Infinity), finite.reduce((a, b) => Math.max(a, b), -Infinity)];
}

/** Return a line through all points, broken where one cannot be drawn, and dots: at each point, or at those without neighbours. */
function drawnOf({ x, y }: XySeries, joined: boolean, atX: (v: number) => number, atY: (v: number) => number): { line: string; dots: string } {
  let line = '';
  let dots = '';
  const there = x.map((v, i) => !Number.isNaN(atX(v)) && !Number.isNaN(atY(y[i]!)));
  for (let i = 0; i < x.length; i++) {
    if (!there[i]) continue;
    const place = `${atX(x[i]!).toFixed(1)} ${atY(y[i]!).toFixed(1)}`;
    line += (there[i - 1] ? 'L' : 'M') + place;
    if (!joined) dots += `M${place}h0`;
    else if (!there[i - 1] && !there[i + 1]) dots += `M${place}m-2 0a2 2 0 1 0 4 0a2 2 0 1 0 -4 0`;
  }
  return { line, dots };
}
