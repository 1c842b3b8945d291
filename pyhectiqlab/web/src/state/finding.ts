// What the palette finds in the lab while somebody types: runs, projects, columns, charts and files.

import { useEffect, useState } from 'preact/hooks';
import { loadArtifacts } from '../api/artifacts';
import { api } from '../api/calls';
import { ApiError, UnreachableError } from '../api/http';
import { versions } from '../api/versions';
import { matching, nameTerm, standing, type Command } from '../base/commands';
import { Newest } from '../base/limiter';
import { contentUrl, projectUrl, registryUrl, runUrl } from '../base/links';
import type { Route, RunsRoute } from '../base/route';
import { columnName, COLUMNS_MAX, firstColumns, type Column } from '../base/tablecolumns';
import { keepColumns, keptColumns } from './keptcolumns';
import { overlay } from './keyboard';
import { navigate } from './router';
import { user } from './session';

const ASKED_AFTER_MS = 120;
const OF_EACH = 6;
const COMMANDS_MAX = 8;

/** Return the commands that fit. Those of the lab follow when it has answered. `of`: the text that `commands` belong to. */
export function useFinding(typed: string, route: Route): Command[] {
  const project = 'project' in route ? route.project : null;
  const [known, setKnown] = useState<{ of: string; commands: Command[] }>({ of: '', commands: [] });
  const text = typed.trim();
  useEffect(() => {
    const newest = new Newest();
    const timer = setTimeout(async () => {
      const ticket = newest.begin();
      const sources = [runsLike(text, project, ticket.signal), projectsLike(text, ticket.signal), ...(project === null ? [] : [namesLike(text, project, route, ticket.signal), filesLike(text, project, ticket.signal)])];
      const commands = (await Promise.all(sources.map((source) => source.catch(nothing)))).flat();
      if (ticket.isNewest()) setKnown({ of: text, commands });
    }, ASKED_AFTER_MS);
    return () => (clearTimeout(timer), newest.cancel());
  }, [text, project]);
  const own = matching(standing(route, project, user.value?.role).concat(DOING), text, COMMANDS_MAX);
  const theirs = known.of === text ? known.commands : [];
  return text ? [...theirs.filter((c) => c.kind === 'Runs'), ...own, ...theirs.filter((c) => c.kind !== 'Runs')] : [...own, ...theirs];
}

const DOING: Command[] = [{ kind: 'Do', text: 'Show the keys', act: () => overlay.set('sheet') }];

async function runsLike(text: string, project: string | null, signal: AbortSignal): Promise<Command[]> {
  const query = { sort: ['-created'], column: [], order: '', offset: 0, limit: OF_EACH };
  const its = await api.table({ ...query, ...(project === null ? {} : { project }), filter: text ? [nameTerm(text)] : [] }, signal);
  const everywhere = project === null || its.total >= OF_EACH || !text ? its : await api.table({ ...query, filter: [nameTerm(text)] }, signal);
  const rows = [...its.rows, ...everywhere.rows].filter((run) => run !== null);
  const unique = [...new Map(rows.map((run) => [run.id, run])).values()].slice(0, OF_EACH);
  return unique.map((run) => ({ kind: 'Runs', text: run.name, about: `${run.state} · ${run.project.name}`, to: runUrl(run.id) }));
}

async function projectsLike(text: string, signal: AbortSignal): Promise<Command[]> {
  const { items } = await api.projects('active', null, signal);
  return matching(items.map((p) => ({ kind: 'Projects', text: p.name, to: projectUrl(p.id) })), text, OF_EACH);
}

/** Return columns of the table, and charts. */
async function namesLike(text: string, project: string, route: Route, signal: AbortSignal): Promise<Command[]> {
  if (!text || route.page !== 'runs') return [];
  const known = await api.tableColumns({ project, words: text }, signal);
  const columns: Column[] = [
    ...known.config.slice(0, OF_EACH).map(({ path }) => ({ kind: 'config', path }) as const),
    ...known.metrics.slice(0, OF_EACH).map(({ key }) => ({ kind: 'metric', key, stat: 'last' }) as const),
  ];
  const charts = known.metrics.slice(0, OF_EACH).map(({ key }): Command => ({ kind: 'Charts', text: key, about: 'shown large', act: () => navigate({ ...route, pane: route.pane === 'table' ? 'both' : route.pane, view: { ...route.view, panel: key } }) }));
  return [
    ...columns.map((column): Command => ({
      kind: 'Columns',
      text: column.kind === 'config' ? column.path : column.kind === 'metric' ? column.key : column.fact,
      about: `${column.kind}, as a column`,
      act: () => void addColumn(route, columnName(column)),
    })),
    ...charts,
  ];
}

async function addColumn(route: RunsRoute, name: string): Promise<void> {
  const chosen = route.columns.length ? route.columns : (keptColumns(route.project) ?? (await shownFirst(route.project)));
  const columns = [...chosen.filter((column) => column !== name).slice(0, COLUMNS_MAX - 1), name];
  keepColumns(route.project, columns);
  navigate({ ...route, columns }, true);
}

/** Return files that the runs of the project share, its models and its datasets. */
async function filesLike(text: string, project: string, signal: AbortSignal): Promise<Command[]> {
  if (!text) return [];
  const { id } = await api.project(project, signal);
  const [shared, models, datasets] = await Promise.all([
    loadArtifacts({ project: id }, signal),
    versions.latest(project, 'models', null, signal),
    versions.latest(project, 'datasets', null, signal),
  ]);
  const files = shared.items.map((a): Command => ({ kind: 'Files', text: a.name, about: 'of the project', act: () => location.assign(contentUrl(a)) }));
  const registered = (['models', 'datasets'] as const).flatMap((kind) =>
    (kind === 'models' ? models : datasets).items.map((v): Command => ({ kind: 'Files', text: v.name, about: `${kind.slice(0, -1)}, version ${v.version}`, to: registryUrl(project, kind, v.name) })),
  );
  return matching([...registered, ...files], text, OF_EACH);
}

function nothing(e: unknown): Command[] {
  if (e instanceof UnreachableError || e instanceof ApiError || (e instanceof DOMException && e.name === 'AbortError')) return [];
  throw e;
}

/** Return the columns that the table of a project shows until somebody chooses. */
async function shownFirst(project: string): Promise<string[]> {
  const [known, { objective }] = await Promise.all([api.tableColumns({ project }), api.project(project)]);
  return firstColumns(known, objective);
}
