// The runs that are drawn: those that the link names, or the first of the table.

import { FIRST_SHOWN, RUNS_MAX, type Shown } from '../base/route';
import type { TableRow } from '../schema/lab';
import { useLoad, type Loaded } from './load';
import { firstRows, type TableQuery } from './tablerows';

const REFRESH_MS = 2000;

export interface ShownRuns {
  runs: TableRow[];
  /** How many there would be, if there were room for all. */
  total: number;
  /** Ids that the link names and nobody has, or that this reader may not see. */
  missing: string[];
}

/** `table`: what the table shows. */
export function useShownRuns(table: Pick<TableQuery, 'project' | 'filter' | 'sort'>, shown: Shown): Loaded<ShownRuns> {
  const named = typeof shown === 'string' ? null : shown;
  return useLoad(
    async (signal) => {
      if (named?.length === 0) return { runs: [], total: 0, missing: [] };
      if (!named) {
        const { rows, total } = await firstRows({ ...table, column: [] }, shown === 'all' ? RUNS_MAX : FIRST_SHOWN, signal);
        return { runs: rows, total, missing: [] };
      }
      const { rows } = await firstRows({ filter: [`id=${named.join()}`], sort: [], column: [] }, named.length, signal);
      const byId = new Map(rows.map((run) => [run.id, run]));
      const runs = named.map((id) => byId.get(id)).filter((run) => run !== undefined);
      return { runs, total: runs.length, missing: named.filter((id) => !byId.has(id)) };
    },
    [named ? named.join() : JSON.stringify([table, shown])],
    REFRESH_MS,
  );
}
