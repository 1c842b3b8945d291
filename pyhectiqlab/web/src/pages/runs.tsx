// The runs of one project as a table: filter, sort, choose columns, pick several to compare.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatBytes, formatInteger, plural } from '../base/format';
import { retentionTold } from '../base/retention';
import { at } from '../base/root';
import { RUNS_MAX, type Route } from '../base/route';
import { ALL_STATES } from '../base/runstate';
import { FIRST_COLUMNS_MAX, firstColumns, isValue, parseColumn } from '../base/tablecolumns';
import { SharedArtifacts } from '../parts/artifactlist';
import { ColumnPicker } from '../parts/columnpicker';
import { FirstRun } from '../parts/firstrun';
import { ActionTold, Picked } from '../parts/picked';
import { ProjectNav } from '../parts/projectnav';
import { RunsTable } from '../parts/runstable';
import type { ProjectDetailAnswer } from '../schema/lab';
import { useActions } from '../state/actions';
import { forgetColumns, keepColumns, keptColumns } from '../state/keptcolumns';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { useTableRows } from '../state/tablerows';
import { Empty, SearchBox, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

type RunsRoute = Extract<Route, { page: 'runs' }>;

const REFRESH_MS = 2000;
const COLUMNS_REFRESH_MS = 10_000;

export function RunsPage({ route }: { route: RunsRoute }) {
  const { project: ref, query, state, sorts } = route;
  const project = useLoad((signal) => api.project(ref, signal), [ref]);
  const chosen = route.columns.length ? route.columns : keptColumns(ref);
  // Which columns there are is asked only where nobody chose some: the lab takes a while to tell.
  const known = useLoad(async (signal) => (chosen ? null : api.tableColumns({ project: ref }, signal)), [ref, !chosen], COLUMNS_REFRESH_MS);
  const columns = (chosen ?? firstColumns(known.data)).filter((name) => parseColumn(name));
  const filter = [query, state && `state=${state}`].filter(Boolean);
  const table = useTableRows({ project: ref, filter, sort: sorts, column: columns.filter(isValue) }, REFRESH_MS);
  const { data, error, refresh } = table;
  const id = project.data?.id;
  const grown = () => (refresh(), chosen || columns.length >= FIRST_COLUMNS_MAX || known.refresh());
  useLive(id ? { project: id } : null, { points: grown, state: refresh, run: grown, missed: grown, project: project.refresh });
  const [tooMany, setTooMany] = useState(false);

  const set = (change: Partial<RunsRoute>, replace = true) => navigate({ ...route, ...change }, replace);
  const show = (chosen: string[]) => (keepColumns(ref, chosen), set({ columns: chosen }));
  const select = (selected: string[]) => {
    setTooMany(selected.length > RUNS_MAX);
    if (selected.length <= RUNS_MAX) set({ selected });
  };
  const clear = () => navigate({ ...route, selected: [] }, true);
  const actions = useActions(refresh);
  const name = project.data?.name ?? ref;
  const filtered = query !== '' || state !== '';
  // A search that cannot be understood, half typed perhaps, is told beside the box; the runs stay.
  const unclear = error?.code === 'bad_filter' ? error.message : '';
  const missing = project.error ?? (unclear ? null : error);
  const told = project.data ? projectTold(project.data) : '';
  return (
    <Shell crumbs={[{ text: name }]} title={name}>
      <h1 class="name">{name}</h1>
      {told && <p class="dim">{told}</p>}
      {!missing && <ProjectNav project={ref} here="runs" />}
      {missing ? (
        <Empty title={missing.status === 404 ? 'There is no such project' : 'This project cannot be shown'}>
          <p>{missing.message}</p>
          <p><a class="button" href={at('/')}>All projects</a></p>
        </Empty>
      ) : (
        <>
          <div class="controls">
            <SearchBox value={query} onChange={(q) => set({ query: q })} label="Search runs" placeholder="Words, tag=best, config.lr<0.1" />
            <label class="select">
              State
              <select value={state} onChange={(e) => set({ state: e.currentTarget.value })}>
                <option value="">all</option>
                {ALL_STATES.map((s) => <option key={s} value={s}>{s}</option>)}
              </select>
            </label>
            <ColumnPicker project={ref} filter={filter} columns={columns} onChange={show} onReset={() => (forgetColumns(ref), set({ columns: [] }))} />
            {data && data.total > 0 && <span class="dim" role="status">{plural(data.total, 'run')}</span>}
            <Picked selected={route.selected} rows={data} actions={actions} onClear={clear} />
          </div>
          <ActionTold actions={actions} />
          {unclear && <p class="problem" role="alert">{unclear}</p>}
          {tooMany && <p class="problem" role="alert">At most {formatInteger(RUNS_MAX)} runs are picked at a time: untick some first.</p>}
          {!data && !unclear && <Waiting />}
          {data && data.total === 0 && (
            filtered ? <Empty title="No run matches"><p>Nothing in this project fits the filter.</p></Empty> : <FirstRun project={name} />
          )}
          {data && data.total > 0 && (
            <RunsTable table={table} columns={columns} sorts={sorts} onSort={(to) => set({ sorts: to })} selected={route.selected} onSelect={select} />
          )}
          {id && <SharedArtifacts project={id} />}
        </>
      )}
    </Shell>
  );
}

/** Who may see it, what its files take, and how long it keeps what. */
function projectTold(project: ProjectDetailAnswer): string {
  return [project.archived !== null && 'archived: takes no new runs', project.private && 'private', filesTold(project), retentionTold(project.retention)].filter(Boolean).join(' · ');
}

/** What the project's files take, where there are some or their bytes are bounded. */
function filesTold({ file_bytes, quota }: ProjectDetailAnswer): string {
  if (quota === null) return file_bytes ? `${formatBytes(file_bytes)} of files` : '';
  return `${formatBytes(file_bytes)} of ${formatBytes(quota)} for files${file_bytes >= quota ? ': full' : ''}`;
}
