// What tells the lines of a board apart, and the charts that a chart becomes.

import { useMemo } from 'preact/hooks';
import { assignedLooks, facetsOf, takenAssign, type Assign, type RunValues } from '../base/assign';
import { RANKS_MAX } from '../base/buckets';
import type { ChartView } from '../base/route';
import type { Assigned } from '../state/assigned';
import type { ChartRun, Facet } from './panel';
import { SharedRanges } from './sharedranges';

const NO_NAMES: string[] = [];
type Given = Pick<Assigned, 'assign' | 'values' | 'keys'>;

/** Return what tells lines apart; if nobody says, what a line itself has. If it is the rank, each rank has a line. */
export function useAssigning(runs: readonly ChartRun[], ranks: number, view: ChartView, given: Given | undefined) {
  const assign = useMemo(() => given?.assign ?? takenAssign(view, ranks, NO_NAMES), [given?.assign, view.color, view.dash, view.facet, ranks]);
  const its = useMemo(() => (given ? { runs, keys: given.keys } : assignedLooks(runs, assign, NO_VALUES, Math.min(RANKS_MAX, ranks))), [runs, given?.keys, assign, ranks]);
  const apart = [assign.color, assign.dash, assign.facet].includes('rank') && view.rank === null;
  const drawn = useMemo(() => ({ ...view, ...assign, rank: apart ? ('each' as const) : view.rank }), [view, assign, apart]);
  return { ...its, assign, view: drawn, values: given?.values ?? NO_VALUES };
}

const NO_VALUES: RunValues = new Map();

export interface Split {
  facets: readonly { facet: Facet; runs: readonly ChartRun[] }[];
  total: number;
  ys: SharedRanges;
}

/** Return the charts that a chart becomes, which share their axes; null: it stays one. */
export function splitInto(runs: readonly ChartRun[], keys: readonly string[], assign: Assign, values: RunValues, ranks: number): Split | null {
  const split = facetsOf(runs, keys, assign, values, ranks);
  if (!split) return null;
  const xs = new SharedRanges();
  const facets = split.facets.map((facet) => ({
    facet: { ...facet, among: keys, alone: runs.length === 1, xs },
    runs: facet.runs ? runs.filter((run) => facet.runs!.includes(run.id)) : runs,
  }));
  return { facets, total: split.total, ys: new SharedRanges() };
}
