// The runs that are drawn: those that the link names, or the first of the table.

import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { TableQuery } from '../api/rows';
import { FIRST_SHOWN, RUNS_MAX, type Shown } from '../base/route';
import type { TableRow } from '../schema/lab';
import { useLoad, type Loaded } from './load';
import { firstRows, type TableRows } from './tablerows';

const REFRESH_MS = 2000;

export interface ShownRuns {
  runs: TableRow[];
  /** How many runs would be drawn if there were room for all. */
  total: number;
  /** Ids in the link that do not exist, or that this reader may not see. */
  missing: string[];
}

type RunsQuery = Pick<TableQuery, 'project' | 'filter' | 'sort'>;

/** `query`: that of the table. `early`: the first runs are asked for here, because the table does not bring them at once. */
export function useShownRuns(query: RunsQuery, shown: Shown, early = true): Loaded<ShownRuns> {
  const named = typeof shown === 'string' ? null : shown;
  const left = useRef(''); // leaves this to the table, at first
  return useLoad<ShownRuns | null>(
    async (signal) => {
      const key = keyOf(query, shown);
      if (!early && !named && left.current !== key) {
        left.current = key;
        return null;
      }
      if (named?.length === 0) return { runs: [], total: 0, missing: [] };
      if (!named) {
        const { rows, total } = await firstRows({ ...query, column: [] }, mostOf(shown), signal);
        return { runs: rows, total, missing: [] };
      }
      const { rows } = await firstRows({ filter: [`id=${named.join()}`], sort: [], column: [] }, named.length, signal);
      const byId = new Map(rows.map((run) => [run.id, run]));
      const runs = named.map((id) => byId.get(id)).filter((run) => run !== undefined);
      return { runs, total: runs.length, missing: named.filter((id) => !byId.has(id)) };
    },
    [keyOf(query, shown)],
    REFRESH_MS,
  ) as Loaded<ShownRuns>;
}

/**
 * Return the first runs of a table. They were asked for on their own, because charts need not wait for the columns of the table.
 * Once the table has them they are taken from it, so that live news cause one request.
 */
export function useShownOfTable(asked: Loaded<ShownRuns>, table: TableRows, query: RunsQuery, shown: Shown): Loaded<ShownRuns> {
  const key = keyOf(query, shown);
  const rows = table.data;
  const ofTable = useMemo((): ShownRuns | null => {
    if (typeof shown !== 'string' || !rows || keyOf(rows.query, shown) !== key) return null;
    const runs = rows.first(mostOf(shown));
    return runs && { runs, total: rows.total, missing: [] };
  }, [rows, key]);
  const newest = useRef({ asked: asked.data, ofTable, data: asked.data });
  const before = newest.current;
  if (asked.data && asked.data !== before.asked) newest.current = { ...before, asked: asked.data, data: asked.data };
  if (ofTable && ofTable !== before.ofTable) newest.current = { asked: asked.data, ofTable, data: ofTable };
  const covered = useRef('');
  useEffect(() => {
    if (!ofTable && covered.current === key) asked.refresh(); // after scrolling, the table no longer has the first rows
    covered.current = ofTable ? key : '';
  }, [ofTable === null, key]);
  return { ...asked, data: newest.current.data, refresh: ofTable ? table.refresh : asked.refresh };
}

function mostOf(shown: Shown): number {
  return shown === 'all' ? RUNS_MAX : FIRST_SHOWN;
}

function keyOf({ project, filter, sort }: RunsQuery, shown: Shown): string {
  return typeof shown === 'string' ? JSON.stringify([project, filter, sort, shown]) : shown.join();
}
