// The requests that the page of a project sends for its link, and sending them before the page itself is loaded.

import { call, type CallOptions } from '../api/http';
import { allViewsQuery, askedRows, BLOCK, type TableQuery } from '../api/rows';
import { bestFirst, type Objective } from '../base/objective';
import { DEFAULT_SORT, NO_VIEW, type Route, type RunsRoute } from '../base/route';
import { isBare } from '../base/savedview';
import { firstColumns, isValue } from '../base/tablecolumns';
import { keptColumns } from './keptcolumns';

const keyOf = (project: string) => `hectiqlab.opened.${project}`;

/** What a project showed in this browser when it was open last. */
interface Opened {
  objective: Objective | null;
  /** Whether a link without any settings opens a saved view. */
  view: boolean;
}

/** Return the columns that somebody chose; null: none. If no saved view is open, they may have been chosen in this browser. */
export function chosenColumns(route: RunsRoute): string[] | null {
  if (route.columns.length) return route.columns;
  return isOwn(route) ? keptColumns(route.project) : null;
}

export function isOwn(route: RunsRoute): boolean {
  return route.saved === null || route.saved === NO_VIEW;
}

/** Return which runs the table shows, and in which order. */
export function listedRuns({ project, query, state, sorts }: RunsRoute, objective: Objective | null): Omit<TableQuery, 'column'> {
  const filter = [query, state && `state=${state}`].filter((words) => words !== '');
  return { project, filter, sort: sorts.length ? sorts : [objective ? bestFirst(objective) : DEFAULT_SORT] };
}

/**
 * Send what the page will ask first, before its scripts are there and before anybody knows who reads it. A wrong guess costs one
 * request: the page takes an answer only if it asks the same question.
 */
export function askAhead(route: Route): void {
  begin('GET /me', { anonymous: true });
  if (route.page !== 'runs') return;
  const { project: ref } = route;
  const opened = recall(ref);
  begin('GET /projects/{ref}', { path: { ref } });
  begin('GET /projects/{ref}/views', { path: { ref }, query: allViewsQuery(null) });
  if (isOwn(route) ? opened.view && isBare(route) : isBare(route)) return;
  const columns = (chosenColumns(route) ?? firstColumns(null, opened.objective)).filter(isValue);
  begin('GET /table', { query: askedRows({ ...listedRuns(route, opened.objective), column: columns }, '', 0, BLOCK) });
}

function begin<R extends Parameters<typeof call>[0]>(route: R, options: CallOptions<R>): void {
  call(route, { ...options, anonymous: true, ahead: true }).catch(() => {}); // whoever takes the answer asks again
}

export function remember(project: string, opened: Opened): void {
  try {
    if (opened.objective || opened.view) localStorage.setItem(keyOf(project), JSON.stringify(opened));
    else localStorage.removeItem(keyOf(project));
  } catch {
    // This browser has no storage, so the next guess may be wrong.
  }
}

function recall(project: string): Opened {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(project)) ?? 'null') as { objective?: Partial<Objective> | null; view?: unknown } | null;
    const { key, goal } = kept?.objective ?? {};
    return { objective: typeof key === 'string' && (goal === 'min' || goal === 'max') ? { key, goal } : null, view: kept?.view === true };
  } catch {
    return { objective: null, view: false };
  }
}
