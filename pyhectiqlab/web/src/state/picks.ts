// The runs of a project that are picked, to do something with them. The link does not have them: it has only what is shown.

import { Store, useStore } from './store';

const NONE: readonly string[] = [];
const picked = new Store<{ project: string; runs: readonly string[] }>({ project: '', runs: NONE });

/** Return the picks of a project, and the function that sets them. They last until runs of another project are picked. */
export function usePicks(project: string): [readonly string[], (runs: readonly string[]) => void] {
  const now = useStore(picked);
  return [now.project === project ? now.runs : NONE, (runs) => picked.set({ project, runs })];
}
