// The groups of runs that have a line: those that the link names, or the first of the table.

import { useMemo } from 'preact/hooks';
import { api } from '../api/calls';
import { fetchGroupLines } from '../api/groupbuckets';
import type { GroupValue } from '../base/groupcolumns';
import { groupName } from '../base/groupcolumns';
import { bandOf, GROUP_RUNS_MAX, groupId, GROUPS_MAX, type RunGroup } from '../base/grouplines';
import { FIRST_SHOWN, type RunsRoute } from '../base/route';
import type { FetchBuckets } from './feed';
import { useLoad } from './load';

const REFRESH_MS = 5000;

interface TableGroup {
  values: readonly GroupValue[];
  size: number;
  runs: readonly string[];
}

export interface DrawnGroups {
  all: readonly RunGroup[];
  drawn: readonly RunGroup[];
  /** How many runs of the drawn groups have no line, because the lab does not take so many. */
  left: number;
  fetch: FetchBuckets;
}

type Ranks = ReadonlyMap<string, readonly number[]>;
const NO_RANKS: readonly number[] = [];

/** Return by the id of each group the ranks that its runs have, if lines are told apart by rank; else null. */
export function useGroupRanks({ project, by, lines, view }: RunsRoute, filter: string[]) {
  const wanted = by.length > 0 && lines !== 'runs' && !by.includes('rank') && [view.color, view.dash, view.facet].includes('rank');
  return useLoad(
    async (signal): Promise<Ranks | null> => {
      if (!wanted) return null;
      const { groups } = await api.tableGroups({ project, filter, by: [...by, 'rank'] }, signal);
      const ranks = new Map<string, number[]>();
      for (const { values } of groups) {
        const [id, rank] = [groupId(by, values.slice(0, -1)), values.at(-1)];
        if (typeof rank === 'number') ranks.set(id, [...(ranks.get(id) ?? []), rank].sort((a, b) => a - b));
      }
      return ranks;
    },
    [wanted, project, by.join('\n'), filter.join('\n')],
    REFRESH_MS,
  );
}

/** `sorted`: the groups in the order of the table; null: runs are not grouped, or are drawn one by one. */
export function useDrawnGroups(route: RunsRoute, sorted: readonly TableGroup[], ranks: Ranks | null): DrawnGroups | null {
  const { by, lines } = route;
  const band = bandOf(lines, route.band);
  const held = JSON.stringify([by, sorted.map((group) => [group.values, group.runs]), ranks && [...ranks]]);
  const all = useMemo(() => sorted.map(({ values, runs }) => groupOf(by, values, runs, ranks)), [held]);
  const chosen = typeof route.groups === 'string' ? null : route.groups;
  const drawn = useMemo(
    () => (chosen ? all.filter((group) => chosen.includes(group.id)) : all.slice(0, route.groups === 'all' ? GROUPS_MAX : FIRST_SHOWN)),
    [all, chosen?.join() ?? route.groups],
  );
  const fetch = useMemo<FetchBuckets>(() => {
    const byId = new Map(all.map((group) => [group.id, group]));
    return async (selectors, query, signal) => {
      const groups = [...new Set(selectors.map(({ run }) => run))].flatMap((id) => byId.get(id) ?? []);
      // The steps of system metrics are seconds, not steps of a training.
      const keys = [...new Set(selectors.map(({ key }) => key))].filter((key) => query.axis !== 'step' || !key.startsWith('system/'));
      return fetchGroupLines(groups, keys, query, { lines: lines === 'runs' ? 'mean' : lines, band }, signal);
    };
  }, [all, lines, band]);
  if (!by.length || lines === 'runs') return null;
  const sizes = new Map(sorted.map(({ values, size }) => [groupId(by, values), size]));
  const left = drawn.reduce((n, group) => n + (sizes.get(group.id) ?? 0) - group.runs.length, 0);
  return { all, drawn, left, fetch };
}

function groupOf(by: readonly string[], values: readonly GroupValue[], runs: readonly string[], ranks: Ranks | null): RunGroup {
  const id = groupId(by, values);
  return { id, name: groupName(by, values), runs: runs.slice(0, GROUP_RUNS_MAX), rank: rankOf(by, values), ranks: ranks?.get(id) ?? NO_RANKS };
}

function rankOf(by: readonly string[], values: readonly GroupValue[]): number | null {
  const rank = values[by.indexOf('rank')];
  return typeof rank === 'number' ? rank : null;
}
