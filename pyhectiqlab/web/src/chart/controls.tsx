// What all panels of a page share; every change is a change of the URL.

import { SMOOTHING_MAX, type Axis, type ChartView } from '../base/route';
import { SearchBox, Segments } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { describeX } from './readout';

const AXES: readonly (readonly [Axis, string])[] = [
  ['step', 'Step'],
  ['time', 'Wall time'],
  ['relative', 'Relative'],
];

interface Props {
  view: ChartView;
  setView: (view: ChartView, replace: boolean) => void;
  onReset: () => void;
}

export function Controls({ view, setView, onReset }: Props) {
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
        // A range of steps means nothing on a clock.
        onChange={(axis) => setView({ ...view, axis, lo: null, hi: null }, true)}
      />
      <label class="slider">
        Smoothing
        <input
          type="range"
          min="0"
          max={SMOOTHING_MAX}
          step="0.01"
          value={view.smoothing}
          onInput={(e) => setView({ ...view, smoothing: Number(e.currentTarget.value) }, true)}
        />
        <output>{view.smoothing.toFixed(2)}</output>
      </label>
      <label class="check">
        <input type="checkbox" checked={view.log} onChange={(e) => setView({ ...view, log: e.currentTarget.checked }, true)} />
        Log scale
      </label>
      {view.lo !== null && view.hi !== null && (
        <button class="chip" onClick={onReset} title="Show everything">
          {describeRange(view.lo, view.hi, view.axis)}
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

function describeRange(lo: number, hi: number, axis: Axis): string {
  return `${describeX(lo, 1, lo, axis)} – ${describeX(hi, 1, hi, axis).replace(/^step /, '')}`;
}
