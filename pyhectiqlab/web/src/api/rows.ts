// What a page asks of a table of runs, and of the saved views of a project.

import type { Queries } from '../schema/lab';

export const BLOCK = 100; // rows of one request

export interface TableQuery {
  project?: string; // missing: of all projects
  filter: string[];
  sort: string[];
  column: string[];
}

/** Return the request for `limit` rows from `offset` on. `order`: the lab's id of their order; '': there is none yet. */
export function askedRows(query: TableQuery, order: string, offset: number, limit: number): Queries['GET /table'] {
  return { ...query, order, offset, limit };
}

/** Return the request for the saved views that follow those of an earlier answer, with their documents. */
export function allViewsQuery(after: string | null): Queries['GET /projects/{ref}/views'] {
  return { documents: true, after, limit: 1000 };
}
