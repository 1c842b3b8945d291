// The controls of smoothing: a slider over widths, the width itself, and the kind of weights.

import { unitOf, type Axis } from '../base/axis';
import { atPlace, KINDS, placeOfWidth, WIDTH_MAX, WIDTHS, type Smoothing } from '../base/smooth';

const WORDS: Record<Smoothing['kind'], readonly [name: string, meaning: string]> = {
  exponential: ['Exponential', 'The weight of a point is e^(−distance / width), for points to the left'],
  gaussian: ['Gaussian', 'The weight of a point is e^(−distance² / 2 width²), to either side'],
  mean: ['Running mean', 'The mean of the points up to the width to either side'],
  median: ['Running median', 'The median of the points up to the width to either side; of several ranks, of their means at each place'],
};

interface Props {
  smoothing: Smoothing | null;
  axis: Axis;
  onChange: (smoothing: Smoothing | null) => void;
}

export function SmoothingControl({ smoothing, axis, onChange }: Props) {
  const kind = smoothing?.kind ?? 'exponential';
  const unit = unitOf(axis);
  const units = axis === 'step' ? 'steps' : 'seconds';
  const set = (text: string) => {
    const width = Math.round(Number(text) * unit);
    if (text.trim() && width >= 1 && width <= WIDTH_MAX) onChange({ kind, width });
  };
  return (
    <>
      <label class="slider" title={`The lab smooths over all points, in ${units}: the same at any zoom`}>
        Smoothing
        <input
          type="range"
          min="0"
          max={WIDTHS.length}
          step="1"
          aria-label="Smoothing"
          value={placeOfWidth(smoothing, axis)}
          aria-valuetext={smoothing ? `${smoothing.width / unit} ${units}` : 'none'}
          onInput={(e) => onChange(atPlace(Number(e.currentTarget.value), kind, axis))}
        />
        {!smoothing && <output>none</output>}
      </label>
      {smoothing && (
        <>
          <label class="select width">
            <input type="number" min={1 / unit} step="any" aria-label={`Width of smoothing in ${units}`} value={smoothing.width / unit} onChange={(e) => set(e.currentTarget.value)} />
            {axis === 'step' ? 'steps' : 's'}
          </label>
          <label class="select" title={WORDS[kind][1]}>
            <select aria-label="Kind of smoothing" value={kind} onChange={(e) => onChange({ ...smoothing, kind: e.currentTarget.value as Smoothing['kind'] })}>
              {KINDS.map((k) => <option key={k} value={k} title={WORDS[k][1]}>{WORDS[k][0]}</option>)}
            </select>
          </label>
        </>
      )}
    </>
  );
}
