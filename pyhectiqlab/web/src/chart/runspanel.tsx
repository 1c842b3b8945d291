// A panel of the drawn runs by columns of the table: a point for each run, of two columns, or a bar for each run, of one.

import { useEffect, useMemo } from 'preact/hooks';
import type { RunsChart } from '../base/boardsettings';
import { formatValue, plural } from '../base/format';
import { runUrl } from '../base/links';
import { columnLabels, parseColumn } from '../base/tablecolumns';
import { tintsOf } from '../base/tints';
import type { XRange } from '../base/xzooms';
import { highlighted } from '../state/highlight';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { firstRows } from '../state/tablerows';
import type { ChartRun } from './panel';
import { PanelFrame, useSight, type FramedProps } from './panelframe';
import { ShowAll, XyChart, type XySeries } from './xychart';
import { barsGiven, xyGiven } from './xyfigure';

interface Props extends FramedProps {
  chart: RunsChart;
  /** The range of x that is zoomed to. */
  range: XRange | null;
  onRange: (range: XRange | null) => void;
}

type Value = number | string | null;

/** The element of a panel says what it drew, for tests. */
interface RunsElement extends HTMLElement {
  points?: readonly RunPoint[];
}

interface RunPoint {
  run: ChartRun;
  y: Value;
  x: Value;
  color: string;
}

const REFRESH_MS = 2000;

export function RunsPanel({ chart, range, onRange, ...frame }: Props) {
  const { title, runs, view, news, settings } = frame;
  const { root, visible } = useSight<RunsElement>();
  const ids = runs.map((run) => run.id);
  const columns = [chart.y, ...(chart.x ? [chart.x] : []), ...(chart.color ? [chart.color] : [])];
  const { data, error, refresh } = useLoad(
    (signal) => (visible && ids.length ? firstRows({ filter: [`id=${ids.join()}`], sort: [], column: columns }, ids.length, signal) : Promise.resolve(null)),
    [visible, ids.join(), columns.join('\n')],
    REFRESH_MS,
  );
  useEffect(() => {
    if (news) refresh();
  }, [news]);
  const labels = columnLabels(columns);
  const [yName, xName] = [labels[0]!, chart.x ? labels[1]! : ''];
  const { points, legend, without } = useMemo(() => {
    // The NaN of a metric comes as text, because JSON has none.
    const isText = columns.map((column) => parseColumn(column)?.kind !== 'metric');
    const values = new Map(data?.rows.map((row) => [row.id, row.values.map((v, i) => (typeof v === 'string' && !isText[i] ? null : v))]));
    const colorOf = (of: readonly Value[] | undefined) => (chart.color ? (of?.[columns.length - 1] ?? null) : null);
    const tints = tintsOf([...values.values()].map(colorOf));
    const all = runs.map((run): RunPoint => {
      const its = values.get(run.id);
      return { run, y: its?.[0] ?? null, x: chart.x ? (its?.[1] ?? null) : null, color: chart.color ? tints.of(colorOf(its)) : run.color };
    });
    const isNumber = (v: Value) => typeof v === 'number' && Number.isFinite(v);
    const points = all.filter(({ x, y }) => isNumber(y) && (!chart.x || isNumber(x)));
    return { points, legend: chart.color ? tints.legend : [], without: data ? all.length - points.length : 0 };
  }, [data, runs, columns.join('\n')]);
  useEffect(() => {
    root.current!.points = points;
  }, [points]);
  const series = useMemo(() => points.map(({ run, x, y, color }): XySeries => ({ run: run.id, name: run.name, color, dash: [], x: [x as number], y: [y as number], where: () => '' })), [points]);
  const open = (run: string) => navigate(runUrl(run));
  const note = without > 0 ? `${plural(without, 'run')} without ${chart.x ? 'both numbers' : 'a number'}` : '';
  const state = !data ? 'loading' : points.length ? 'drawn' : 'empty';
  const [xScale, yScale] = [settings.xScale ?? view.xScale, settings.scale ?? view.scale];
  const give = () => {
    if (!points.length) return null;
    if (!chart.x) return barsGiven(title, yName, points.map(({ run, y, color }) => ({ run: run.id, name: run.name, color, value: y as number })));
    return xyGiven({ title, series, joined: false, xName, yName, xScale, yScale, steps: null, legend });
  };
  return (
    <PanelFrame {...frame} root={root} hint={title} state={state} error={error} none="No run has a number there." note={note} give={give}>
      {chart.x ? (
        <XyChart label={`Chart of ${title}`} series={series} joined={false} xName={xName} yName={yName} xScale={xScale} yScale={yScale} onPick={open} range={range} onRange={onRange} />
      ) : (
        <Bars points={points} label={`Chart of ${title}`} />
      )}
      {chart.x && range && <ShowAll of={xName} onClick={() => onRange(null)} />}
      {legend.length > 0 && (
        <ul class="panel-legend" aria-label={`Colours: ${labels.at(-1)}`}>
          <li class="dim">{labels.at(-1)}</li>
          {legend.map(({ color, text }) => <li key={text}><i style={{ background: color }} />{text}</li>)}
        </ul>
      )}
    </PanelFrame>
  );
}

/** Bars that begin at 0, where those of both signs meet. */
function Bars({ points, label }: { points: readonly RunPoint[]; label: string }) {
  const values = points.map((p) => p.y as number);
  const [lo, hi] = [Math.min(0, ...values), Math.max(0, ...values)];
  const share = (length: number) => `${hi > lo ? (100 * length) / (hi - lo) : 0}%`;
  return (
    <ol class="bars" aria-label={label}>
      {points.map(({ run, y, color }) => (
        <li key={run.id} onPointerEnter={() => highlighted.set(run.id)} onPointerLeave={() => highlighted.set(null)}>
          <a href={runUrl(run.id)} title={run.name}>{run.name}</a>
          <span class="bar-room"><i style={{ left: share(Math.min(0, y as number) - lo), width: share(Math.abs(y as number)), background: color }} /></span>
          <b>{formatValue(y as number)}</b>
        </li>
      ))}
    </ol>
  );
}
