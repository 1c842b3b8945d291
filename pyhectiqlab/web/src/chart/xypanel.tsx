// A panel of one formula over another: a line for each run, through its steps in their order.

import { useEffect, useMemo } from 'preact/hooks';
import { fetchPairs } from '../api/formulas';
import { formatInteger, formatValue, plural } from '../base/format';
import type { XRange } from '../base/xzooms';
import { useLoad } from '../state/load';
import { PanelFrame, useSight, type FramedProps } from './panelframe';
import { ShowAll, XyChart, type XySeries } from './xychart';
import { xyGiven } from './xyfigure';

interface Props extends FramedProps {
  x: string;
  y: string;
  /** The name of x; by default its formula. */
  xName?: string;
  yName?: string;
  /** The range of x that is zoomed to. */
  range: XRange | null;
  onRange: (range: XRange | null) => void;
  /** Called if there is nothing to draw. */
  onEmpty?: () => void;
}

/** The element of a panel says what it drew, for tests. */
interface XyElement extends HTMLElement {
  series?: readonly XySeries[];
}

export function XyPanel({ x, y, xName = x, yName = y, range, onRange, onEmpty, ...frame }: Props) {
  const { runs, view, news, settings } = frame;
  const title = frame.own ? frame.title : `${yName} over ${xName}`;
  const { root, visible } = useSight<XyElement>();
  const ids = runs.map((run) => run.id);
  const { data, error, refresh } = useLoad(
    (signal) => (visible && ids.length ? fetchPairs(x, y, ids, view, range, signal) : Promise.resolve(null)),
    [visible, ids.join(), x, y, view.rank, view.attempt, view.axis, view.lo, view.hi, JSON.stringify(view.smoothing), range?.join()],
  );
  useEffect(() => {
    if (news) refresh();
  }, [news]);
  const series = useMemo(() => {
    const byRun = new Map(data?.map((pairs) => [pairs.run, pairs]));
    return runs.flatMap((run): XySeries[] => {
      const pairs = byRun.get(run.id);
      return pairs?.step.length ? [{ ...run, run: run.id, x: pairs.x, y: pairs.y, where: (i) => `step ${formatInteger(pairs.step[i]!)}` }] : [];
    });
  }, [data, runs]);
  useEffect(() => {
    root.current!.series = series;
    if (error || (data && visible && !series.length && !range && view.lo === null)) onEmpty?.();
  }, [series, error]);
  const yScale = settings.scale ?? view.scale;
  const xScale = settings.xScale ?? view.xScale;
  const note = useMemo(() => {
    const thinned = (data ?? []).filter((pairs) => pairs.total > pairs.step.length);
    const odd = series.reduce((n, s) => n + s.x.filter((v, i) => !fits(v, xScale) || !fits(s.y[i]!, yScale)).length, 0);
    return [
      thinned.length > 0 && `some of ${formatInteger(Math.max(...thinned.map((pairs) => pairs.total)))} steps are drawn`,
      view.smoothing && (view.axis === 'step' ? 'smoothed over the steps' : 'not smoothed: smoothing here is over steps'),
      range && `${xName} ${formatValue(range[0])} – ${formatValue(range[1])}`,
      odd > 0 && `${plural(odd, 'point')} not drawable`,
    ].filter(Boolean).join(' · ');
  }, [data, series, xScale, yScale, view.smoothing, view.axis, range]);
  const state = !data ? 'loading' : series.length ? 'drawn' : 'empty';
  const give = () => {
    const byRun = new Map(data?.map((pairs) => [pairs.run, pairs.step]));
    return series.length ? xyGiven({ title, series, joined: true, xName, yName, xScale, yScale, steps: series.map((s) => byRun.get(s.run)!), legend: [] }) : null;
  };
  return (
    <PanelFrame {...frame} root={root} hint={`${yName} over ${xName}`} state={state} error={error} none={range || view.lo !== null ? 'No points in this range.' : 'There is no step at which all of these metrics have a point.'} note={note} give={give} foot={range && <ShowAll of={xName} onClick={() => onRange(null)} />}>
      <XyChart label={`Chart of ${title}`} series={series} joined xName={xName} yName={yName} xScale={xScale} yScale={yScale} range={range} onRange={onRange} />
    </PanelFrame>
  );
}

const fits = (v: number, scale: string) => Number.isFinite(v) && (scale !== 'log' || v > 0);
