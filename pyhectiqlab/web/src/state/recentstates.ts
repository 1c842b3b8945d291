// The states of the runs of a project that there was news of lately. The title of the tab shows them.

import { api } from '../api/calls';
import type { States } from '../base/tabmark';
import { useDue } from './due';
import { useLive } from './live';
import { useLoad } from './load';

const LATELY = 'activity>-1d';
const REFRESH_MS = 5000;
const AFTER_MS = 1000; // the page's own requests come first

/** `project`: its id; undefined: not known yet. */
export function useRecentStates(project: string | undefined): States {
  const due = useDue(AFTER_MS);
  const { data, refresh } = useLoad(
    async (signal) => (project && due ? api.tableGroups({ project, by: ['state'], filter: [LATELY], column: [] }, signal) : null),
    [project, due],
    REFRESH_MS,
  );
  useLive(project ? { project } : null, { state: refresh, missed: (first) => void (first || refresh()) });
  return Object.fromEntries((data?.groups ?? []).map((group) => [String(group.values[0]), group.size]));
}
