// Loading the artifacts of a run or of a project: all pages of them, up to a bound.

import type { ArtifactAnswer, Queries } from '../schema/lab';
import { call } from './http';

const PAGE = 1000;
const ALL_MAX = 5000;

/** Whose artifacts, by id: those of a run, or those that the runs of a project share. */
export type Holder = { run: string } | { project: string };

export interface LoadedArtifacts {
  items: ArtifactAnswer[];
  complete: boolean; // false: there are more than these
}

/** Load artifacts. `only`: every version of this name and step. */
export async function loadArtifacts(of: Holder, signal: AbortSignal, only?: { name: string; step: number | null }): Promise<LoadedArtifacts> {
  const items: ArtifactAnswer[] = [];
  let after: string | null = null;
  do {
    const query: Queries['GET /runs/{run_id}/artifacts'] = { limit: PAGE, after, ...(only && { name: only.name, step: only.step, versions: 'all' }) };
    const page = await loadPage(of, query, signal);
    items.push(...(only ? page.items.filter((a) => a.step === only.step) : page.items));
    after = page.next;
  } while (after !== null && items.length < ALL_MAX);
  return { items, complete: after === null };
}

function loadPage(of: Holder, query: Queries['GET /runs/{run_id}/artifacts'], signal: AbortSignal) {
  if ('run' in of) return call('GET /runs/{run_id}/artifacts', { path: { run_id: of.run }, query, signal });
  return call('GET /projects/{ref}/artifacts', { path: { ref: of.project }, query, signal });
}
