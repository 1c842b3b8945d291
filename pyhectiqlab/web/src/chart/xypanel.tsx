// A panel of one formula over another: a line for each run, through its steps in their order.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { fetchPairs } from '../api/formulas';
import type { PanelSettings } from '../base/boardsettings';
import { formatInteger, plural } from '../base/format';
import type { ChartView } from '../base/route';
import { useLoad } from '../state/load';
import { watchSight } from '../state/sight';
import { Icon } from '../widgets/icon';
import { scrollerOf } from '../widgets/split';
import type { ChartRun } from './panel';
import { Grip, useDragging, type Place } from './arranging';
import { PanelMenu, type OwnActions } from './panelmenu';
import { XyChart, type XySeries } from './xychart';

interface Props {
  name: string;
  title: string;
  x: string;
  y: string;
  own: OwnActions;
  place: Place | null; // null: it cannot be moved
  runs: readonly ChartRun[];
  view: ChartView;
  news: number; // grows with new points
  height: number;
  settings: PanelSettings;
  onSettings: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => void;
  onEnlarge: (() => void) | null;
}

/** The element of a panel carries what it drew, for tests. */
interface XyElement extends HTMLElement {
  series?: readonly XySeries[];
}

export function XyPanel({ name, title, x, y, own, place, runs, view, news, height, settings, onSettings, onEnlarge }: Props) {
  const drag = useDragging(name, place);
  const root = useRef<XyElement>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => watchSight(root.current!, scrollerOf(root.current!), setVisible), []);
  const ids = runs.map((run) => run.id);
  const { data, error, refresh } = useLoad(
    (signal) => (visible && ids.length ? fetchPairs(x, y, ids, view, signal) : Promise.resolve(null)),
    [visible, ids.join(), x, y, view.rank, view.attempt],
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
  }, [series]);
  const yScale = settings.scale ?? view.scale;
  const xScale = settings.xScale ?? view.xScale;
  const note = useMemo(() => {
    const thinned = (data ?? []).filter((pairs) => pairs.total > pairs.step.length);
    const odd = series.reduce((n, s) => n + s.x.filter((v, i) => !fits(v, xScale) || !fits(s.y[i]!, yScale)).length, 0);
    return [
      thinned.length > 0 && `some of ${formatInteger(Math.max(...thinned.map((pairs) => pairs.total)))} steps are drawn`,
      odd > 0 && `${plural(odd, 'point')} not drawable`,
    ].filter(Boolean).join(' · ');
  }, [data, series, xScale, yScale]);
  return (
    <section class="panel" ref={root} {...drag.target} data-size={settings.size} data-key={name} data-state={data ? (series.length ? 'drawn' : 'empty') : 'loading'}>
      <header class="panel-head">
        <h3 {...drag.handle} title={`${y} over ${x}`}>{title}</h3>
        <PanelMenu metric={title} own={own} place={place} settings={settings} onChange={onSettings} />
        {onEnlarge && (
          <button class="icon-button" onClick={onEnlarge} aria-label={`Enlarge ${title}`} title="Enlarge">
            <Icon name="expand" />
          </button>
        )}
      </header>
      <div class="panel-body" style={{ height: `${height}px` }}>
        {error || (data && !series.length) ? (
          <div class="panel-plot"><p class="panel-empty" role={error ? 'alert' : undefined}>{error?.message ?? 'There is no step at which all of these metrics have a point.'}</p></div>
        ) : (
          <XyChart label={`Chart of ${title}`} series={series} joined xName={x} yName={y} xScale={xScale} yScale={yScale} />
        )}
        {note && <p class="panel-note" title={note}>{note}</p>}
      </div>
      {place && <Grip size={settings.size} onSize={(size) => onSettings({ size: size === 'S' ? undefined : size })} />}
    </section>
  );
}

const fits = (v: number, scale: string) => Number.isFinite(v) && (scale !== 'log' || v > 0);
