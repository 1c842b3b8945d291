// What is asked of a table of runs, and of the saved views of one.

import type { Queries } from '../schema/lab';

export const BLOCK = 100; // rows that are asked for at once

export interface TableQuery {
  project?: string; // none: of all projects
  filter: string[];
  sort: string[];
  column: string[];
}

/** `limit` rows from `offset` on, of an order of the lab; '': it has none yet. */
export function askedRows(query: TableQuery, order: string, offset: number, limit: number): Queries['GET /table'] {
  return { ...query, order, offset, limit };
}

/** Saved views with what they hold, behind those of an earlier answer. */
export function allViewsQuery(after: string | null): Queries['GET /projects/{ref}/views'] {
  return { documents: true, after, limit: 1000 };
}
