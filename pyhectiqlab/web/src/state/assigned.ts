// How the lines of runs are told apart: the values that colours, dashes and charts are assigned to, and the looks that follow.

import { useMemo } from 'preact/hooks';
import { assignedLooks, runNames, takenAssign, type Assign, type Key, type RunValues } from '../base/assign';
import type { GroupValue } from '../base/groupcolumns';
import type { Look } from '../base/looks';
import { RANKS_MAX } from '../base/buckets';
import { useLoad } from './load';
import { firstRows } from './tablerows';

const REFRESH_MS = 5000;
const NONE: RunValues = new Map();

export interface Assigned {
  assign: Assign;
  /** Which values of runs can be assigned: any, or these. */
  names: 'any' | readonly string[];
  values: RunValues;
  looks: ReadonlyMap<string, Look>;
  keys: readonly Key[];
  refresh: () => void;
}

interface Run {
  id: string;
  name: string;
  ranks: number;
  members?: readonly string[];
}

/** Assign the values of runs, or of groups of runs: groups have the values that they are grouped `by`. */
export function useAssigned(runs: readonly Run[], looks: ReadonlyMap<string, Look>, view: Assign, by: readonly string[] | null): Assigned {
  const ranks = Math.min(RANKS_MAX, Math.max(1, ...runs.map((run) => run.ranks)));
  const names = by ?? 'any';
  const assign = useMemo(() => takenAssign(view, ranks, names), [view.color, view.dash, view.facet, ranks, names === 'any' ? null : names.join('\n')]);
  const asked = runNames(assign);
  const ids = runs.map((run) => run.members?.[0] ?? run.id);
  const { data, refresh } = useLoad(
    async (signal) => {
      if (!asked.length || !ids.length) return NONE;
      const column = asked.filter((name) => name.startsWith('config.'));
      const { rows } = await firstRows({ filter: [`id=${ids.join()}`], sort: [], column }, ids.length, signal);
      const byId = new Map(rows.map((row) => [row.id, row]));
      return new Map(
        runs.map((run, i) => {
          const row = byId.get(ids[i]!);
          const valueOf = (name: string): GroupValue => {
            if (!row) return null;
            if (name === 'tag') return row.tags.map((tag) => tag.name).sort().join(', ');
            if (name === 'host') return row.hosts.join(', ') || null;
            return name.startsWith('config.') ? (row.values[column.indexOf(name)] ?? null) : (row[name as 'state' | 'author' | 'group' | 'attempt'] ?? null);
          };
          return [run.id, new Map(asked.map((name) => [name, valueOf(name)]))] as const;
        }),
      );
    },
    [asked.join('\n'), ids.join(), runs.map((run) => run.id).join()],
    REFRESH_MS,
  );
  const values = data ?? NONE;
  const looked = useMemo(() => assignedLooks(runs.flatMap((run) => (looks.has(run.id) ? [{ id: run.id, name: run.name, ...looks.get(run.id)! }] : [])), assign, values, ranks), [runs.map((run) => `${run.id} ${run.name}`).join('\n'), looks, assign, values, ranks]);
  const all = useMemo(() => (looked.keys.length || assign.color || assign.dash ? new Map(looked.runs.map(({ id, color, dash }) => [id, { color, dash }])) : looks), [looked, looks]);
  return { assign, names, values, looks: all, keys: looked.keys, refresh };
}
