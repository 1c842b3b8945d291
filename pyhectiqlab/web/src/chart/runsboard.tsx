// The charts of several runs, with one look for each of them.

import { useMemo } from 'preact/hooks';
import type { Look } from '../base/looks';
import type { ChartView } from '../base/route';
import { isLive, isOver } from '../base/runstate';
import type { FetchBuckets } from '../state/feed';
import { useAssigned, type Assigned } from '../state/assigned';
import { Board } from './board';

/** What charts need to know of a run. */
export interface DrawnRun {
  id: string;
  name: string;
  state: string;
  ranks: number;
  attempt: number;
  /** Of a group: its runs, or some of them. */
  members?: readonly string[];
  /** Of a group: the only rank that is shown, which the name says. */
  rank?: number | null;
}

const NO_RUNS: DrawnRun[] = [];

interface Props {
  runs: readonly DrawnRun[];
  looks: ReadonlyMap<string, Look>;
  view: ChartView;
  setView: (view: ChartView, replace: boolean) => void;
  onRunNews: () => void;
  /** The project of all runs; missing: they are of several. */
  project?: string | undefined;
  /** The name under which the arrangement of the charts is kept; by default that of the project. */
  name?: string;
  legend: boolean;
  /** If these are groups of runs: loads their lines. */
  fetch?: FetchBuckets;
  /** Its looks are in `looks`. Missing: any value of the runs can be assigned. */
  assigned?: Assigned;
}

export function RunsBoard({ runs, looks, assigned, ...board }: Props) {
  const mine = useAssigned(assigned ? NO_RUNS : runs, looks, board.view, null);
  const its = assigned ?? mine;
  const identity = runs.map((run) => `${run.id} ${run.name} ${run.rank ?? ''} ${run.members?.join() ?? ''}`).join('\n');
  const lines = useMemo(() => {
    const names = new Map<string, number>();
    for (const { name } of runs) names.set(name, (names.get(name) ?? 0) + 1);
    return runs.map(({ id, name, members, rank = null }) => ({ id, ...(members && { members }), ...(rank !== null && { rank }), name: names.get(name)! > 1 ? `${name} (${id.slice(0, 4)})` : name, ...its.looks.get(id)! }));
  }, [identity, its.looks]);
  return (
    <Board
      {...board}
      runs={lines}
      assigned={its}
      ranks={Math.max(1, ...runs.map((run) => run.ranks))}
      attempts={Math.max(1, ...runs.map((run) => run.attempt))}
      live={runs.some((run) => isLive(run.state))}
      over={runs.every((run) => isOver(run.state))}
    />
  );
}
