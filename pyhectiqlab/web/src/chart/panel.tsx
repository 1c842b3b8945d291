// One panel: the history of one key in one or several runs.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { BucketQuery } from '../api/columns';
import type { Buckets } from '../base/buckets';
import type { FacetOf } from '../base/assign';
import type { Axis } from '../base/axis';
import { rangeWithout, type PanelSettings } from '../base/boardsettings';
import { plural } from '../base/format';
import { Frames } from '../base/frames';
import { gridRows } from '../base/panelsize';
import type { ChartView } from '../base/route';
import { Icon } from '../widgets/icon';
import type { BucketFeed } from '../state/feed';
import { goal } from '../state/goal';
import { isFormula, problemOf } from '../state/chartlines';
import { watchSight } from '../state/sight';
import { NO_POINTS, noPoints } from '../state/session';
import { useStore } from '../state/store';
import { Grip, useDragging, type Place } from './arranging';
import type { OwnActions, XChoice } from './menuprops';
import { PanelMenu } from './panelmenu';
import { Plot, type Drawn } from './plot';
import { describeHead, describeX, lowIsGood, readAt, readNewest, rowsOf, type Reading } from './readout';
import type { Look } from '../base/looks';
import { scrollerOf } from '../widgets/split';
import { Swatch } from '../widgets/swatch';
import { axisScale, countOddities, describeLines, describeOddities, countAtMost, makeCurve, nearest, rangeX, rangeY } from './series';
import { SharedRanges } from './sharedranges';
import { countBeyond, describeBeyond, flattened, yAxis } from './yrange';
import { assignedLine } from './lines';

export interface ChartRun extends Look {
  id: string;
  name: string;
  /** Of a group: its runs, or some of them. */
  members?: readonly string[];
  rank?: number; // the only rank that is shown, which the name says
}

interface Props {
  metric: string; // the name of the panel: its key, or that of a chart that somebody made
  facet?: Facet | undefined;
  title: string;
  keys: readonly string[];
  /** Changes a chart that somebody made; null: it is the chart of a key. */
  own: OwnActions | null;
  /** null: the panel cannot be moved. */
  place: Place | null;
  xs?: XChoice | undefined;
  runs: readonly ChartRun[];
  view: ChartView;
  feed: BucketFeed;
  height: number;
  /** The columns of the grid that the panel takes. */
  span: number;
  settings: PanelSettings;
  onSettings: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => void;
  /** The ranges of a section whose panels have the same y range. */
  ranges: SharedRanges | null;
  onZoom: (lo: number, hi: number) => void;
  onReset: () => void;
  onEnlarge: (() => void) | null;
}

/** One of the charts of a metric: it has some of the lines, and the axes of all. */
export interface Facet extends FacetOf {
  among: readonly string[]; // the keys of all charts
  alone: boolean; // all charts together have one run
  xs: SharedRanges;
}

/** The element of a panel says what it drew, for tests. */
export interface PanelElement extends HTMLElement {
  drawn?: () => Drawn | null;
}

const REACH_SHARE = 0.03; // a curve whose nearest point is further from the cursor than this share of the width is not read

interface Hover {
  x: number;
  left: number;
  y: number; // the value there
  own: boolean;
}

const widthOf = ([lo, hi]: readonly [number, number]) => hi - lo; // of what is drawn; it is wider than a lone point
const LEGEND_MAX = 12;
const frames = new Frames(); // for panels that come into sight or leave it
const NO_RANGES = new SharedRanges();
const NO_LOOK: Look = { color: '', dash: [] };

export function Panel({ metric, facet, title, keys, own, place, xs, runs, view, feed, height, span, settings, onSettings, ranges, onZoom, onReset, onEnlarge }: Props) {
  const drag = useDragging(metric, place);
  const called = `${own ? title : metric}${facet ? ` · ${facet.label}` : ''}`;
  const root = useRef<PanelElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [visible, setVisible] = useState(false);
  const [answer, setAnswer] = useState<{ series: Buckets[]; axis: Axis; query: BucketQuery } | null>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const callbacks = useRef({ onZoom, onReset });
  callbacks.current = { onZoom, onReset };

  // Ask only while the panel is in sight, or nearly.
  useEffect(() => {
    const panel = feed.add(keys, (series, query) => setAnswer({ series, axis: query.axis, query }));
    const stop = watchSight(root.current!, scrollerOf(root.current!), (inSight) => {
      panel.setVisible(inSight);
      frames.add(root.current, () => setVisible(inSight));
    });
    return () => {
      stop();
      frames.drop(root.current);
      panel.remove();
    };
  }, [feed, keys.join('\n')]);

  const curves = useMemo(() => {
    if (!answer) return null;
    const byId = new Map(runs.map((r) => [r.id, r]));
    return answer.series.flatMap((b) => {
      const run = byId.get(b.run);
      if (!run || !b.start.length || !keys.includes(b.key)) return []; // these are of the pattern before
      if (facet && facet.rank !== null && b.rank !== facet.rank) return [];
      const { name, look } = assignedLine(b, run, facet ? facet.alone : runs.length === 1, facet?.among ?? keys, view);
      return [makeCurve(b, answer.axis, name, look)];
    });
  }, [answer, runs, keys.join('\n'), facet?.label, facet?.alone, facet?.among.join('\n'), view.color, view.dash]);

  const unit = axisScale(view.axis);
  const zoom = useMemo<[number, number] | null>(
    () => (view.lo === null || view.hi === null ? null : [view.lo * unit, view.hi * unit]),
    [view.lo, view.hi, unit],
  );
  // The axes are those of all lines, also of charts that are not in sight and have not asked for theirs.
  const all = useMemo(() => {
    if (!facet || !answer) return curves;
    return answer.series.flatMap((b) => (b.start.length && keys.includes(b.key) ? [makeCurve(b, answer.axis, '', NO_LOOK)] : []));
  }, [facet, answer, curves]);
  const extent = all && rangeX(all, answer!.axis);
  const id = facet ? `${metric}\n${facet.label}` : metric;
  useEffect(() => {
    facet?.xs.set(id, extent);
    return () => facet?.xs.set(id, null);
  }, [facet?.xs, id, extent?.[0], extent?.[1]]);
  const away = useStore(noPoints);
  const told = useStore((facet?.xs ?? NO_RANGES).union);
  const whole = told ?? (facet ? extent : null);
  const seen = (curves && (zoom ?? whole ?? extent)) ?? [0, 0];
  const empty = curves !== null && !curves.some((c) => c.x.some((x) => x >= seen[0] && x <= seen[1]));
  const shown = visible && curves !== null && !empty;
  const scale = settings.scale ?? view.scale;
  const y = settings.y ?? (view.cut === null ? 'all' : (rangeWithout(view.cut) ?? 'all'));
  const extremes = useMemo(() => ranges && all && rangeY(all, seen[0], seen[1], scale === 'log'), [ranges, all, seen[0], seen[1], scale]);
  useEffect(() => {
    ranges?.set(id, extremes ?? null);
    return () => ranges?.set(id, null);
  }, [ranges, id, extremes?.[0], extremes?.[1]]);
  const held = useStore((ranges ?? NO_RANGES).union);
  const union = held ?? (facet && extremes ? extremes : null); // before the other charts hear of it

  // The answer may still be that for the axis before. Then wait for the right one.
  const fits = answer !== null && answer.axis === view.axis;
  useLayoutEffect(() => {
    if (!shown) {
      plot.current?.destroy();
      plot.current = null;
      return;
    }
    if (!fits || !box.current) return;
    const data = { curves: curves!, axis: view.axis, scale, xScale: view.xScale, y, shared: union, whole, zoom };
    if (plot.current) plot.current.update(data);
    else {
      plot.current = new Plot(
        box.current,
        {
          hover: setHover,
          zoom: (lo, hi) => callbacks.current.onZoom(lo, hi),
          reset: () => callbacks.current.onReset(),
        },
        data,
        box.current.clientWidth,
        box.current.clientHeight,
      );
    }
  }, [shown, fits, curves, view.axis, scale, view.xScale, JSON.stringify(y), union, whole, zoom]);

  useEffect(() => {
    root.current!.drawn = () => plot.current?.state ?? null;
    const resized = new ResizeObserver(() => {
      if (box.current?.clientWidth) plot.current?.resize(box.current.clientWidth, box.current.clientHeight);
    });
    resized.observe(box.current!);
    const theme = window.matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => plot.current?.redraw();
    theme.addEventListener('change', redraw);
    return () => {
      resized.disconnect();
      theme.removeEventListener('change', redraw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);

  const readings = useMemo(
    () => (hover && curves && fits ? readAt(curves, hover.x, view.axis, REACH_SHARE * widthOf(plot.current?.state.x ?? seen) || 1, seen, lowIsGood(keys[0] ?? '', goal.value)) : []),
    [hover, curves, fits, view.axis, seen[0], seen[1], metric],
  );
  useLayoutEffect(() => plot.current?.showDots(readings), [readings]);

  const odd = useMemo(() => {
    if (!curves) return '';
    const covered = yAxis(curves, seen, y, scale, union);
    const beyond = covered && y !== 'all' ? describeBeyond(countBeyond(curves, seen, covered)) : '';
    const left = view.xScale === 'log' ? countAtMost(curves, 0) : 0;
    const notDrawn = left ? `${plural(left, 'point')} at 0 or before not drawable on a log scale` : '';
    return [beyond, describeOddities(countOddities(curves, seen[0], seen[1]), scale === 'log'), notDrawn, describeLines(curves)].filter(Boolean).join(' · ');
  }, [curves, seen[0], seen[1], JSON.stringify(y), scale, union, view.xScale]);
  const flat = useMemo(() => curves !== null && !ranges && y === 'all' && flattened(curves, seen, scale), [curves, seen[0], seen[1], y, scale, ranges]);
  const only = curves?.length === 1 ? curves[0]! : null;
  const latest = only ? (readings[0] ?? readNewest(only, view.axis)) : null;

  function onKeyDown(event: KeyboardEvent): void {
    const first = curves?.[0];
    if (!first || event.ctrlKey || event.metaKey || event.altKey) return;
    const [lo, hi] = seen;
    const at = hover?.x ?? (lo + hi) / 2;
    const step = event.shiftKey ? 10 : 1;
    const go = (by: number) => {
      const i = Math.min(first.x.length - 1, Math.max(0, nearest(first.lineX, at) + by));
      plot.current?.point(first.lineX[i]!);
    };
    const zoomBy = (factor: number) => onZoom(at - (at - lo) * factor, at + (hi - at) * factor);
    if (event.key === 'ArrowLeft') go(-step);
    else if (event.key === 'ArrowRight') go(step);
    else if (event.key === '+' || event.key === '=') zoomBy(0.5);
    else if (event.key === '-') zoomBy(2);
    else if (event.key === '0') onReset();
    else return;
    event.preventDefault();
  }

  return (
    <section class="panel" ref={root} {...drag.target} data-size={settings.size} style={{ '--rows': gridRows(height), ...(span > 1 && { gridColumn: `span ${span}` }) }} data-key={metric} data-facet={facet?.label} data-state={!curves ? 'loading' : empty ? 'empty' : 'drawn'}>
      <header class="panel-head">
        <h3 {...drag.handle} title={own ? keys.join('\n') : metric}>{facet?.label ?? title}</h3>
        {latest && <span class={latest.raw || latest.of ? 'panel-value long' : 'panel-value'} title={hover ? latest.where : `Last shown: ${latest.where}`}>{describeHead(latest)}</span>}
        <PanelMenu metric={called} own={own} place={place} xs={xs} settings={settings} onChange={onSettings} drawn={() => plot.current?.state.y ?? null} give={() => (plot.current && answer && fits ? { drawn: plot.current.state, query: answer.query, title: called, python: !facet && !keys.some(isFormula) } : null)} />
        {onEnlarge && (
          <button class="icon-button" onClick={onEnlarge} aria-label={`Enlarge ${called}`} title="Enlarge">
            <Icon name="expand" />
          </button>
        )}
      </header>
      <div class="panel-body" style={{ '--height': `${height}px` }}>
      <div
        class="panel-plot"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label={`Chart of ${called}. ${latest ? `${latest.where}: ${describeHead(latest)}. ` : ''}Arrow keys read values, + and − zoom, 0 shows everything.`}
        onKeyDown={onKeyDown}
        onBlur={() => plot.current?.point(null)}
      >
        {!curves && visible && (away ? <p class="panel-empty">{NO_POINTS}</p> : <div class="panel-wait" aria-hidden="true" />)}
        {empty && <p class="panel-empty">{problemOf(keys[0] ?? '') || (zoom ? 'No points in this range.' : 'No points.')}</p>}
        {hover?.own && readings.length > 0 && <Readout readings={readings} hover={hover} axis={view.axis} log={scale === 'log'} box={box.current!} />}
      </div>
      {own && curves && curves.length > 1 && (
        <ul class="panel-legend" aria-label={`Lines of ${title}`}>
          {curves.slice(0, LEGEND_MAX).map((c) => <li key={c.name}><Swatch {...c} />{c.name}</li>)}
          {curves.length > LEGEND_MAX && <li>{curves.length - LEGEND_MAX} more</li>}
        </ul>
      )}
      {away && curves && <p class="panel-note">Not up to date. {NO_POINTS}</p>}
      {(odd || flat) && (
        <p class="panel-note" title={odd}>
          {flat && <button class="link" onClick={() => onSettings({ y: 'most' })} title="A few outliers leave the rest no room">Leave out outliers</button>}
          {flat && odd && ' · '}
          {odd}
        </p>
      )}
      </div>
      {place && <Grip of={called} size={settings.size} span={span} onSize={(size) => onSettings({ size })} />}
    </section>
  );
}

function Readout({ readings, hover, axis, log, box }: { readings: Reading[]; hover: Hover; axis: Axis; log: boolean; box: HTMLElement }) {
  const several = readings.length > 1;
  // The values of one run fit beside the cursor. Those of several may reach over the edge of the panel, towards the middle of
  // what scrolls, if there is room.
  const { left, width } = scrollerOf(box)?.getBoundingClientRect() ?? { left: 0, width: window.innerWidth };
  const onRight = several ? box.getBoundingClientRect().left + hover.left < left + width / 2 : hover.left < box.clientWidth / 2;
  const style = onRight ? { left: `${hover.left + 14}px` } : { right: `${box.clientWidth - hover.left + 14}px` };
  const wheres = new Set(readings.map((r) => r.where));
  const oneWhere = wheres.size === 1;
  const x = Math.round(hover.x / axisScale(axis));
  return (
    <div class={`readout ${several ? 'several' : ''}`} style={style} role="status">
      <div class="readout-where">{oneWhere ? readings[0]!.where : `around ${describeX(x, 1, x, axis)}`}</div>
      {rowsOf(readings, hover.y, log).map((r, i) => typeof r === 'number' ? <div class="readout-detail" key={`more ${i}`}>{r} more</div> : (
        <div class="readout-row" key={r.id}>
          <Swatch {...r} />
          {several && <span class="readout-name">{r.name}</span>}
          <b>{r.value}</b>
          {/* One run has room for everything; several show only what tells them apart. */}
          <span class="readout-detail">
            {[several && !r.of.endsWith('runs') ? '' : r.of, several || !r.raw ? '' : `raw ${r.raw}`, r.range, several ? '' : r.count, r.odd, oneWhere || r.count ? '' : r.where].filter(Boolean).join(' · ')}
          </span>
        </div>
      ))}
    </div>
  );
}
