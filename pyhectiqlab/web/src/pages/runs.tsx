// The runs of one project as a table: filter, sort, pick several to compare.

import { useMemo } from 'preact/hooks';
import { api } from '../api/calls';
import { formatBytes, formatCompact, formatDuration, formatValue, plural } from '../base/format';
import { runUrl } from '../base/links';
import { retentionTold } from '../base/retention';
import { at } from '../base/root';
import { DEFAULT_VIEW, formatRoute, RUNS_MAX, type Route } from '../base/route';
import { ALL_STATES, durationOf } from '../base/runstate';
import { SharedArtifacts } from '../parts/artifactlist';
import { FirstRun } from '../parts/firstrun';
import { ProjectNav } from '../parts/projectnav';
import type { ProjectDetailAnswer, RunAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useDeletion, type Deletion } from '../state/deletion';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { Confirm, Empty, Moment, SearchBox, StateBadge, TagChip, Waiting } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { Shell } from '../widgets/shell';

type RunsRoute = Extract<Route, { page: 'runs' }>;

const PAGE = 50;
const VALUE_COLUMNS_MAX = 6;
const REFRESH_MS = 2000;

export function RunsPage({ route }: { route: RunsRoute }) {
  const { project: ref, query, state, sort, after } = route;
  const project = useLoad((signal) => api.project(ref, signal), [ref]);
  const { data, error, refresh } = useLoad(
    (signal) => api.runs({ project: ref, filter: [query], state, sort, after, limit: PAGE }, signal),
    [ref, query, state, sort, after],
    REFRESH_MS,
  );
  const id = project.data?.id;
  useLive(id ? { project: id } : null, { points: refresh, state: refresh, run: refresh, missed: refresh, project: project.refresh });

  // Whatever narrows or orders the list starts it anew.
  const set = (change: Partial<RunsRoute>, replace = true) => navigate({ ...route, after: null, ...change }, replace);
  const clear = () => navigate({ ...route, selected: [] }, true);
  const deletion = useDeletion(refresh);
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
            <Picked selected={route.selected} onClear={clear} onDelete={() => void deletion.of(route.selected).then(clear)} />
          </div>
          <Deleted deletion={deletion} />
          {unclear && <p class="problem" role="alert">{unclear}</p>}
          {!data && !unclear && <Waiting />}
          {data && data.items.length === 0 && !after && (
            filtered ? <Empty title="No run matches"><p>Nothing in this project fits the filter.</p></Empty> : <FirstRun project={name} />
          )}
          {data && (data.items.length > 0 || after) && (
            <>
              <RunsTable runs={data.items} route={route} set={set} />
              <p class="paging">
                {after && <button class="button" onClick={() => set({ after: null }, false)}>First page</button>}
                {after && <button class="button" onClick={() => history.back()}>Back</button>}
                {data.next && <button class="button" onClick={() => set({ after: data.next }, false)}>Next page</button>}
              </p>
            </>
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

function Picked({ selected, onClear, onDelete }: { selected: string[]; onClear: () => void; onDelete: () => void }) {
  if (!selected.length) return <span class="dim hint-inline">Tick runs to lay their charts over each other, or to delete them.</span>;
  return (
    <span class="compare">
      <a class="button primary" href={at(formatRoute({ page: 'compare', runs: selected, view: DEFAULT_VIEW }))}>
        Compare {plural(selected.length, 'run')}
      </a>
      <Confirm text="Delete" question={`Delete ${plural(selected.length, 'run')}?`} onYes={onDelete} />
      <button class="link" onClick={onClear}>Clear</button>
    </span>
  );
}

function Deleted({ deletion: { deleted, problem, undo } }: { deletion: Deletion }) {
  return (
    <>
      {deleted.length > 0 && (
        <p class="done" role="status">
          Deleted {plural(deleted.length, 'run')}, to be restored within 7 days.
          <button class="link" onClick={() => void undo()}>Undo</button>
        </p>
      )}
      {problem && <p class="problem" role="alert">{problem}</p>}
    </>
  );
}

interface TableProps {
  runs: RunAnswer[];
  route: RunsRoute;
  set: (change: Partial<RunsRoute>) => void;
}

function RunsTable({ runs, route, set }: TableProps) {
  const now = useNow(true);
  const keys = useMemo(() => valueColumns(runs), [runs]);
  const chosen = new Set(route.selected);
  const choose = (id: string, on: boolean) => {
    const selected = on ? [...route.selected, id].slice(-RUNS_MAX) : route.selected.filter((s) => s !== id);
    navigate({ ...route, selected }, true);
  };
  const head = (text: string, by: string) => <SortHead text={text} by={by} sort={route.sort} onSort={(sort) => set({ sort })} />;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Runs">
      <table class="runs">
        <thead>
          <tr>
            <th class="pick"><span class="sr">Pick</span></th>
            {head('Name', 'name')}
            {head('State', 'state')}
            {head('Started', 'started')}
            {head('Duration', 'duration')}
            <th>Author</th>
            <th class="number">Points</th>
            {keys.map((k) => (
              <SortHead key={k} text={k} by={sortBy(k)} sort={route.sort} onSort={(sort) => set({ sort })} title={`Last value of ${k}`} />
            ))}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id} data-run={run.id} class={chosen.has(run.id) ? 'chosen' : ''}>
              <td class="pick">
                <input
                  type="checkbox"
                  aria-label={`Pick ${run.name}`}
                  checked={chosen.has(run.id)}
                  onChange={(e) => choose(run.id, e.currentTarget.checked)}
                />
              </td>
              <th scope="row" class="run-name">
                <a href={runUrl(run.id)} title={run.note || run.name}>{run.name}</a>
                {run.tags.map((t) => <TagChip key={t.name} tag={t} />)}
                {run.tags_cut && <span class="dim" title="The page of the run has all of its tags">…</span>}
              </th>
              <td><StateBadge state={run.state} rank={run.state_rank} why={run.state_why} /></td>
              <td><Moment time={run.started ?? run.created} now={now} /></td>
              <td class="number">{formatDuration(durationOf(run, now))}</td>
              <td>{run.author}</td>
              <td class="number" title={plural(run.points, 'point')}>{formatCompact(run.points)}</td>
              {keys.map((k) => (
                <td class="number value" key={k}>
                  {Object.hasOwn(run.last, k) ? formatValue(Number(run.last[k])) : <span class="dim">–</span>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How the lab is asked to sort by the last value of a key. */
const sortBy = (key: string) => `metric."${key.replace(/["\\]/g, '\\$&')}".last`;

interface SortHeadProps {
  text: string;
  by: string;
  sort: string;
  onSort: (sort: string) => void;
  title?: string; // of a metric's column
}

function SortHead({ text, by, sort, onSort, title }: SortHeadProps) {
  const down = sort === `-${by}`;
  const up = sort === by;
  // What is new or long comes first at the first click, names from a to z.
  const first = by === 'started' || by === 'duration' ? `-${by}` : by;
  const next = !up && !down ? first : up ? `-${by}` : by;
  return (
    <th aria-sort={up ? 'ascending' : down ? 'descending' : 'none'} class={title ? 'number value' : by === 'duration' ? 'number' : ''} title={title}>
      <button class="sort" onClick={() => onSort(next)}>
        {text}
        {(up || down) && <Icon name={up ? 'up' : 'down'} />}
      </button>
    </th>
  );
}

/** The keys that most runs of the page have, in the order of their names; of the machine's only where there are no others. */
function valueColumns(runs: readonly RunAnswer[]): string[] {
  const counts = new Map<string, number>();
  for (const run of runs) for (const key of Object.keys(run.last)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const reported = [...counts].filter(([key]) => !key.startsWith('system/'));
  return (reported.length ? reported : [...counts])
    .sort((a, b) => b[1] - a[1])
    .slice(0, VALUE_COLUMNS_MAX)
    .map(([key]) => key)
    .sort();
}
