// Models and datasets of a project or of a run.

import type { Kind } from '../base/kinds';
import type { VersionAnswer } from '../schema/lab';
import { call } from './http';

export const versions = {
  /** Load a page of the latest versions of all names. */
  latest: (project: string, kind: Kind, after: string | null, signal: AbortSignal) =>
    call('GET /projects/{ref}/{kind}', { path: { ref: project, kind }, query: { limit: 200, after }, signal }),
  /** Load all versions of a name, the newest first, however many pages that takes. */
  all: async (project: string, kind: Kind, name: string, signal: AbortSignal): Promise<VersionAnswer[]> => {
    const items: VersionAnswer[] = [];
    let after: string | null = null;
    do {
      const page: { items: VersionAnswer[]; next: string | null } = await call('GET /projects/{ref}/{kind}/{name}/versions', {
        path: { ref: project, kind, name },
        query: { limit: 1000, after },
        signal,
      });
      items.push(...page.items);
      after = page.next;
    } while (after !== null);
    return items;
  },
  /** Load one version. `version`: a number, an alias, or latest. */
  one: (project: string, kind: Kind, name: string, version: string, signal: AbortSignal) =>
    call('GET /projects/{ref}/{kind}/{name}/versions/{version}', { path: { ref: project, kind, name, version }, signal }),
  ofRun: (run: string, signal: AbortSignal) => call('GET /runs/{run_id}/registry', { path: { run_id: run }, signal }),
  setAlias: (version: VersionAnswer, alias: string) =>
    call('PUT /projects/{ref}/{kind}/{name}/aliases/{alias}', { path: pathOf(version, alias), body: { version: version.version } }),
  removeAlias: (version: VersionAnswer, alias: string) =>
    call('DELETE /projects/{ref}/{kind}/{name}/aliases/{alias}', { path: pathOf(version, alias) }),
};

function pathOf(version: VersionAnswer, alias: string) {
  return { ref: version.project.id, kind: version.kind, name: version.name, alias };
}
