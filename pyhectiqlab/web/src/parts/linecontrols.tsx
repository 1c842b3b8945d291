// What is drawn while runs are grouped: a line with its band for each group, or a line for each run.

import { BANDS, bandOf, LINES, type BandKind, type Lines } from '../base/grouplines';
import { plural } from '../base/format';
import type { ChartView } from '../base/route';
import { Segments } from '../widgets/basics';

const LINE_NAMES: Record<Lines, string> = { mean: 'Means', median: 'Medians', runs: 'Runs' };
const BAND_NAMES: Record<BandKind, string> = { minmax: 'lowest to highest', std: '± standard deviation', quantiles: 'middle half' };

interface Props {
  lines: Lines;
  band: BandKind;
  onChange: (change: { lines?: Lines; band?: BandKind }) => void;
}

export function LineControls({ lines, band, onChange }: Props) {
  return (
    <>
      <Segments label="A line for each" options={LINES.map((l) => [l, LINE_NAMES[l]] as const)} value={lines} onChange={(to) => onChange({ lines: to })} />
      {lines !== 'runs' && (
        <label class="select" title="What the line shows of a group's runs. Each run counts once in a slice, with the mean of its points there">
          Band
          <select aria-label="Band" value={bandOf(lines, band)} onChange={(e) => onChange({ band: BANDS.find((b) => b === e.currentTarget.value)! })}>
            {BANDS.filter((b) => bandOf(lines, b) === b).map((b) => <option key={b} value={b}>{BAND_NAMES[b]}</option>)}
          </select>
        </label>
      )}
    </>
  );
}

/** Return what the lines of groups leave out of what the reader asked for. `left`: how many runs have no line. */
export function groupNotes(left: number): string {
  return left > 0 ? `${plural(left, 'run')} of large groups are left out.` : '';
}

/** Return how lines of groups are drawn: over all ranks and attempts. */
export function groupView(view: ChartView): ChartView {
  return { ...view, rank: null, attempt: null };
}

/** Return the reader's view after a change of `groupView`. What lines of groups do not have stays as it was. */
export function viewBehind(view: ChartView, changed: ChartView): ChartView {
  return { ...changed, rank: view.rank, attempt: view.attempt };
}
