// Artifacts of a run or of a project, all pages of them within a bound.

import type { Artifact } from '../base/artifacts';
import { request } from './http';
import type { Page } from './types';

const PAGE = 1000;
const ALL_MAX = 5000;

export interface Artifacts {
  items: Artifact[];
  complete: boolean; // false: there are more than are shown
}

/** `where`: "runs/ID" or "projects/ID". With `name`: every version of that name and step. */
export async function loadArtifacts(where: string, signal: AbortSignal, only?: { name: string; step: number | null }): Promise<Artifacts> {
  const items: Artifact[] = [];
  let after: string | null = null;
  do {
    const params = new URLSearchParams({ limit: String(PAGE) });
    if (after !== null) params.set('after', after);
    if (only) {
      params.set('name', only.name);
      params.set('versions', 'all');
      if (only.step !== null) params.set('step', String(only.step));
    }
    const page = (await (await request(`/${where}/artifacts?${params}`, { signal })).json()) as Page<Artifact>;
    items.push(...(only ? page.items.filter((a) => a.step === only.step) : page.items));
    after = page.next;
  } while (after !== null && items.length < ALL_MAX);
  return { items, complete: after === null };
}
