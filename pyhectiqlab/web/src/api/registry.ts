// Models and datasets of a project, and those of a run.

import type { Kind, Version, VersionDetail } from '../base/registry';
import { request } from './http';
import type { Page } from './types';

const id = encodeURIComponent;
const of = (project: string, kind: Kind, name: string) => `/projects/${id(project)}/${kind}/${id(name)}`;

async function json<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await request(path, { signal })).json()) as T;
}

export const registry = {
  /** The latest version of each name. */
  latest: (project: string, kind: Kind, after: string | null, signal: AbortSignal) =>
    json<Page<Version>>(`/projects/${id(project)}/${kind}?limit=200${after ? `&after=${id(after)}` : ''}`, signal),
  /** All of them, the newest first, however many pages that is. */
  versions: async (project: string, kind: Kind, name: string, signal: AbortSignal): Promise<{ items: Version[] }> => {
    const items: Version[] = [];
    let after: string | null = null;
    do {
      const more: string = after === null ? '' : `&after=${id(after)}`;
      const page: Page<Version> = await json<Page<Version>>(`${of(project, kind, name)}/versions?limit=1000${more}`, signal);
      items.push(...page.items);
      after = page.next;
    } while (after !== null);
    return { items };
  },
  version: (project: string, kind: Kind, name: string, version: string, signal: AbortSignal) =>
    json<VersionDetail>(`${of(project, kind, name)}/versions/${id(version)}`, signal),
  ofRun: (run: string, signal: AbortSignal) => json<{ made: Version[]; used: Version[] }>(`/runs/${id(run)}/registry`, signal),
  setAlias: async (version: Version, alias: string) =>
    void (await request(`${of(version.project.id, version.kind, version.name)}/aliases/${id(alias)}`, { method: 'PUT', body: { version: version.version } })),
  removeAlias: async (version: Version, alias: string) =>
    void (await request(`${of(version.project.id, version.kind, version.name)}/aliases/${id(alias)}`, { method: 'DELETE' })),
};
