// Which runs of a project are picked, to do something with them. The link does not have them: it says only what is
// shown.

import { Store, useStore } from './store';

const NONE: readonly string[] = [];
const picked = new Store<{ project: string; runs: readonly string[] }>({ project: '', runs: NONE });

/** The picks of a project last until another project's runs are picked. */
export function usePicks(project: string): [readonly string[], (runs: readonly string[]) => void] {
  const now = useStore(picked);
  return [now.project === project ? now.runs : NONE, (runs) => picked.set({ project, runs })];
}
