// The settings that all panels of a page share. Every change changes the URL.

import type { Assign } from '../base/assign';
import { unitOf, type Axis } from '../base/axis';
import { LEFT_OUT_MAX, rangeWithout, SCALE_NAMES, SCALES, type Scale } from '../base/boardsettings';
import type { ChartView } from '../base/route';
import { useNarrow } from '../state/narrow';
import { SearchBox, Segments } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { AssignControl } from './assigning';
import { describeX } from './readout';
import { SmoothingControl } from './smoothing';
import { OUTLIERS } from './yrange';

const AXES: readonly (readonly [Axis, string])[] = [
  ['step', 'Step'],
  ['time', 'Wall time'],
  ['relative', 'Relative'],
];

interface Props {
  view: ChartView;
  setView: (view: ChartView, replace: boolean) => void;
  onReset: () => void;
  onAdd: () => void; // makes a chart
  /** The largest number of ranks of any run. */
  ranks: number;
  attempts: number;
  /** What tells lines apart, and what can. */
  assign: Assign;
  names: 'any' | readonly string[];
  runs: readonly string[];
  /** Lines are of groups of the runs. */
  grouped: boolean;
}

const SCALE_OPTIONS = SCALES.map((s) => [s, SCALE_NAMES[s]] as const);
const OPTIONS_MAX = 1024; // the URL can ask for more

export function Controls({ view, setView, onReset, onAdd, ranks, attempts, assign, names, runs, grouped }: Props) {
  const narrow = useNarrow();
  const others = (
    <>
      {!grouped && (ranks > 1 || view.rank !== null) && (
        <Choice
          label="Ranks"
          title="Together: the line is the mean over all ranks, the band reaches from the least value of any to the greatest"
          value={view.rank}
          options={[['', 'Together'], ['each', 'Each'], ...numbers(0, ranks, view.rank)]}
          onChange={(rank) => setView({ ...view, ...(rank === 'each' ? {} : withoutRanks(assign)), rank: rank === 'each' ? rank : rank === '' ? null : Number(rank) }, true)}
        />
      )}
      {(attempts > 1 || view.attempt !== null) && (
        <Choice
          label="Attempt"
          title="Newest: the newest points of each step, of all attempts of a restarted job. Each: a line for each attempt, with all of its points"
          value={view.attempt}
          options={[['', 'Newest'], ['each', 'Each'], ...numbers(1, attempts, view.attempt)]}
          onChange={(attempt) => setView({ ...view, attempt: attempt === 'each' ? attempt : attempt === '' ? null : Number(attempt) }, true)}
        />
      )}
      <SmoothingControl smoothing={view.smoothing} axis={view.axis} onChange={(smoothing) => setView({ ...view, smoothing }, true)} />
      <Choice label="Y" name="Vertical scale" title="Scale of the values" value={view.scale} options={SCALE_OPTIONS} onChange={(scale) => setView({ ...view, scale: scale as Scale }, true)} />
      <Choice
        label="Values"
        name="Which values charts cover"
        title="Charts without a range of their own leave out some of their values, at the top and at the bottom"
        value={view.cut === null ? '' : 'most'}
        options={[['', 'All'], ['most', 'Without outliers']]}
        onChange={(what) => setView({ ...view, cut: what ? OUTLIERS : null }, true)}
      />
      {view.cut !== null && (
        <label class="select" title="Charts leave out this share of their values at either end">
          <input class="percent" type="number" min="0.01" max={LEFT_OUT_MAX} step="any" aria-label="Per cent that charts leave out at either end" value={view.cut} onChange={(e) => rangeWithout(Number(e.currentTarget.value)) && setView({ ...view, cut: Number(e.currentTarget.value) }, true)} />
          %
        </label>
      )}
      {view.axis !== 'time' && (
        <Choice label="X" name="Horizontal scale" title="Scale of the horizontal axis" value={view.xScale} options={SCALE_OPTIONS} onChange={(scale) => setView({ ...view, xScale: scale as Scale }, true)} />
      )}
      <AssignControl assign={assign} names={names} runs={runs} ranks={ranks} grouped={grouped} onChange={(to) => setView({ ...view, ...to }, true)} />
      <button class="button" onClick={onAdd} title="A chart of several metrics">Add chart</button>
    </>
  );
  return (
    <div class="controls" role="toolbar" aria-label="Chart settings">
      <SearchBox
        value={view.query}
        onChange={(query) => setView({ ...view, query }, true)}
        label="Search metrics"
        placeholder="Search metrics"
      />
      <Segments
        label="Horizontal axis"
        options={AXES}
        value={view.axis}
        // A range or a width in steps means nothing in time.
        onChange={(axis) => setView({ ...view, axis, xScale: axis === 'time' ? 'linear' : view.xScale, lo: null, hi: null, smoothing: unitOf(axis) === unitOf(view.axis) ? view.smoothing : null }, true)}
      />
      {narrow ? (
        <details class="more-controls">
          <summary>Ranks, smoothing, scales, own charts</summary>
          <div class="controls">{others}</div>
        </details>
      ) : (
        others
      )}
      {view.lo !== null && view.hi !== null && (
        <button class="chip" onClick={onReset} title="Show everything">
          {describeRange(view.lo, view.hi, view.axis)}
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

const withoutRanks = ({ color, dash, facet }: Assign): Assign => {
  const other = (name: string | null) => (name === 'rank' ? null : name);
  return { color: other(color), dash: other(dash), facet: other(facet) };
};

/** Return the numbers to choose from. The chosen one is among them even if there is no such rank or attempt. */
function numbers(first: number, count: number, chosen: number | string | null): [string, string][] {
  const all = Array.from({ length: Math.min(OPTIONS_MAX, count) }, (_, i) => String(first + i));
  if (typeof chosen === 'number' && !all.includes(String(chosen))) all.push(String(chosen));
  return all.map((n) => [n, n]);
}

interface ChoiceProps {
  label: string;
  name?: string; // the full name
  title: string;
  value: number | string | null;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Choice({ label, name = label, title, value, options, onChange }: ChoiceProps) {
  return (
    <label class="select" title={title}>
      {label}
      <select aria-label={name} value={String(value ?? '')} onChange={(e) => onChange(e.currentTarget.value)}>
        {options.map(([v, text]) => <option key={v} value={v}>{text}</option>)}
      </select>
    </label>
  );
}

function describeRange(lo: number, hi: number, axis: Axis): string {
  return `${describeX(lo, 1, lo, axis)} – ${describeX(hi, 1, hi, axis).replace(/^step /, '')}`;
}
