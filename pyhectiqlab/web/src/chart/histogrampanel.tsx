// A panel of the histograms of one name over x. It shows one run at a time: the chosen one, or the first that has some.

import { rangeWithout } from '../base/boardsettings';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { zerosOf } from '../api/attempts';
import { histogramsOf, MediaSource } from '../api/media';
import { along, OUTLIERS, shareBeyond, stepHistograms, stepsWithin, type StepHistogram } from '../base/densities';
import { formatInteger, formatValue, plural } from '../base/format';
import { useLoad } from '../state/load';
import { Segments } from '../widgets/basics';
import { Swatch } from '../widgets/swatch';
import { HeatChart } from './heatchart';
import { heatGiven, percent } from './heatfigure';
import { strengthOf, type HeatLayout } from './heatpaint';
import { PanelFrame, useSight, type FramedProps } from './panelframe';
import { ridgesOf } from './ridges';
import { axisScale } from './series';

type Counted = NonNullable<Awaited<ReturnType<typeof histogramsOf>>>;

interface Props extends FramedProps {
  histogram: string;
  onRun: (run: string) => void;
  onZoom: (lo: number, hi: number) => void;
  onReset: () => void;
}

/** The element of a panel says what it drew, for tests. */
interface HeatElement extends HTMLElement {
  drawn?: () => { run: string; histograms: readonly StepHistogram[]; layout: HeatLayout | null } | null;
}

const REFRESH_MS = 2000;
const ASKED_MAX = 24; // runs that are asked one after the other, until one has histograms of the name
const ZOOM_MARGIN = 0.2;
const COUNTED_MS = 30_000; // the lab counts all histograms of a name, so not with every new one
const VIEWS = [['heat', 'Heat map'], ['ridges', 'Ridges']] as const;
const COLUMN_PX = 64; // the number of steps that are asked for depends on the width, rounded to so much

export function HistogramPanel({ histogram: name, onRun, onZoom, onReset, ...frame }: Props) {
  const { title, runs, view, news, settings, onSettings } = frame;
  const { root, visible } = useSight<HeatElement>();
  const [width, setWidth] = useState(0);
  const layout = useRef<HeatLayout | null>(null);
  const [most, setMost] = useState(0);
  const counted = useRef(new Map<string, { group: Counted; at: number }>()); // by run and name
  const groupOf = async (run: string, signal: AbortSignal) => {
    const known = counted.current.get(`${run} ${name}`);
    if (known && performance.now() - known.at < COUNTED_MS) return known.group;
    const group = await histogramsOf(run, name, signal);
    if (group) counted.current.set(`${run} ${name}`, { group, at: performance.now() });
    return group;
  };
  useEffect(() => {
    const observer = new ResizeObserver(() => setWidth(root.current?.clientWidth ?? 0));
    observer.observe(root.current!);
    return () => observer.disconnect();
  }, []);
  const chosen = view.of !== null && runs.some((run) => run.id === view.of) ? view.of : null;
  const asked = (chosen === null ? runs.map((run) => run.id) : [chosen]).slice(0, ASKED_MAX);
  const steps = Math.ceil(width / COLUMN_PX) * COLUMN_PX;
  const { axis } = view;
  const unit = axisScale(axis);
  const zoom = view.lo !== null && view.hi !== null ? ([view.lo * unit, view.hi * unit] as const) : null;
  const margin = zoom ? (zoom[1] - zoom[0]) * ZOOM_MARGIN : 0;
  const wanted = zoom && ([zoom[0] - margin, zoom[1] + margin] as const);
  const { data, error, refresh } = useLoad(
    async (signal) => {
      if (!visible || !steps) return null;
      for (const run of asked) {
        const group = await groupOf(run, signal);
        if (!group) continue;
        const rank = typeof view.rank === 'number' && group.ranks.includes(view.rank) ? view.rank : group.ranks[0]!;
        const source = new MediaSource(run, group, rank);
        let range = wanted && axis === 'step' ? { lo: Math.floor(wanted[0]), hi: Math.ceil(wanted[1]) } : {};
        let items = await source.overSteps(signal, steps, range);
        const zeros = axis === 'relative' ? await zerosOf(run, signal) : new Map<number, number>();
        const placed = () => along(stepHistograms(items).histograms, axis, zeros);
        const within = wanted && axis !== 'step' && stepsWithin(placed(), wanted); // the lab chooses by steps
        if (within) items = await source.overSteps(signal, steps, (range = within));
        return { run, group, rank, range, axis, histograms: placed(), without: stepHistograms(items).without };
      }
      return { run: null };
    },
    [visible, steps, asked.join(), name, view.rank, axis, zoom?.[0], zoom?.[1]],
    REFRESH_MS,
  );
  useEffect(() => {
    if (news) refresh();
  }, [news]);
  const its = data && data.run !== null && data.axis === axis ? data : null;
  const run = its && runs.find(({ id }) => id === its.run);
  const scale = settings.scale ?? view.scale;
  const xScale = axis === 'time' ? 'linear' : view.xScale;
  const ridges = settings.ridges ?? false;
  const y = settings.y ?? (view.cut === null ? 'all' : (rangeWithout(view.cut) ?? 'all'));
  useEffect(() => {
    root.current!.drawn = () => its && { run: its.run, histograms: its.histograms, layout: layout.current };
  }, [its]);
  const note = useMemo(() => {
    if (!its) return '';
    const { group, histograms, rank, without } = its;
    const ranks = group.ranks.length;
    const drawn = ridges && layout.current ? ridgesOf(layout.current).length : histograms.length;
    return [
      ranks > 1 && `rank ${rank} of ${formatInteger(ranks)}`,
      drawn + without < group.count && `${formatInteger(drawn)} of ${formatInteger(group.count)} histograms${ranks > 1 ? ' of all ranks' : ''} are drawn`,
      without > 0 && `${plural(without, 'histogram')} without a step`,
      layout.current && beyondText(histograms, layout.current),
    ].filter(Boolean).join(' · ');
  }, [its, most, scale, ridges, width, JSON.stringify(y), zoom?.[0], zoom?.[1]]);
  const none = chosen === null ? `${runs.length > ASKED_MAX ? `The first ${ASKED_MAX} of these runs have` : runs.length === 1 ? 'This run has' : 'These runs have'} no histogram of this name.` : 'This run has no histogram of this name.';
  const state = !data || (data.run !== null && !its) ? 'loading' : its && run ? 'drawn' : 'empty';
  const give = () => (its && run && its.histograms.length ? heatGiven({ title, run: run.id, runName: run.name, name, color: run.color, histograms: its.histograms, axis, ridges, xScale, scale, y, zoom, asked: { rank: its.rank, steps: Math.min(1000, steps), ...its.range } }) : null);
  const foot = (
    <div class="heat-foot">
      {runs.length > 1 && (
        <label class="select">
          {run && <Swatch color={run.color} dash={[]} />}
          <select aria-label={`Run of ${title}`} value={run?.id ?? chosen ?? ''} onChange={(e) => onRun(e.currentTarget.value)}>
            {runs.map(({ id, name: its }) => <option key={id} value={id}>{its}</option>)}
          </select>
        </label>
      )}
      {run && <Segments label={`How ${title} is drawn`} options={VIEWS} value={ridges ? 'ridges' : 'heat'} onChange={(as) => onSettings({ ridges: as === 'ridges' || undefined })} />}
      {run && most > 0 && !ridges && (
        <span class="heat-scale" title="Which share of a step's values lies in a row of the picture">
          0
          <i style={{ background: `linear-gradient(to right, ${[0, 0.01, 0.25, 1].map((share) => `${run.color}${hex(strengthOf(share, 1))} ${100 * share}%`).join(', ')})` }} />
          {percent(most)}
        </span>
      )}
    </div>
  );
  return (
    <PanelFrame {...frame} root={root} hint={name} state={state} error={error} none={none} note={note} give={give} foot={foot} drawn={() => layout.current?.values ?? null} outliers={OUTLIERS}>
      {its && run && (
        <HeatChart
          label={`Histograms of ${title}, ${run.name}`}
          histograms={its.histograms}
          color={run.color}
          axis={axis}
          ridges={ridges}
          xScale={xScale}
          scale={scale}
          y={y}
          zoom={zoom}
          onLayout={(now) => ((layout.current = now), setMost(now?.most ?? 0))}
          onZoom={onZoom}
          onReset={onReset}
        />
      )}
    </PanelFrame>
  );
}

const hex = (strength: number) => Math.round(255 * strength).toString(16).padStart(2, '0');

/** Return "3.1 % of all values above · …": what lies beyond the axis of values. */
function beyondText(histograms: readonly StepHistogram[], { values }: HeatLayout): string {
  const { above, below } = shareBeyond(histograms, values);
  const text = (share: number, where: string) => (share > 0.005 ? `${formatValue(share, 2)} % of all values ${where}` : '');
  return [text(above, 'above'), text(below, 'below')].filter(Boolean).join(' · ');
}
