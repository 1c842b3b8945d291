// The workspace of one project: its runs as a table, and their charts beside it.

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError, UnreachableError } from '../api/http';
import { formatBytes, formatInteger, plural } from '../base/format';
import { tableCsvUrl } from '../base/links';
import { NO_LAYOUT, type ColumnLayout } from '../base/columnlayout';
import { objectiveName, type Objective } from '../base/objective';
import { retentionText } from '../base/retention';
import { at } from '../base/root';
import { DEFAULT_SORT, FIRST_SHOWN, RUNS_MAX, type Pane, type RunsRoute, type Side } from '../base/route';
import { GROUPS_MAX, ranksOf, sampleOf } from '../base/grouplines';
import type { Look } from '../base/looks';
import { ALL_STATES } from '../base/runstate';
import { firstOf } from '../base/savedview';
import { COLUMNS_MAX, FIRST_COLUMNS_MAX, firstColumns, isValue, parseColumn, smoothedStat } from '../base/tablecolumns';
import { RunsBoard } from '../chart/runsboard';
import { SharedArtifacts } from '../parts/artifactlist';
import { ColumnPicker } from '../parts/columnpicker';
import { CopyPython } from '../parts/copypython';
import { FilterBar, SearchProblem } from '../parts/filterbar';
import { FirstRun } from '../parts/firstrun';
import { GroupPicker } from '../parts/grouppicker';
import { GroupsTable, inOrder, useGroups } from '../parts/groupstable';
import { groupNotes, groupView, LineControls, viewBehind } from '../parts/linecontrols';
import { ActionDone, Picked, tagNames } from '../parts/picked';
import { ProjectNav } from '../parts/projectnav';
import { RunEdit } from '../parts/runedit';
import { RunsTable } from '../parts/runstable';
import { ViewMenu } from '../parts/viewmenu';
import type { ProjectDetailAnswer, TableRow } from '../schema/lab';
import { useExtremes } from '../state/extremes';
import { useAssigned, type Assigned } from '../state/assigned';
import { useActions } from '../state/actions';
import { chosenColumns, isOwn, listedRuns, remember } from '../state/asked';
import { forgetColumns, keepColumns, keepLayout, keptLayout } from '../state/keptcolumns';
import { useDrawnGroups, useGroupRanks, type DrawnGroups } from '../state/drawngroups';
import { useDue } from '../state/due';
import { goal } from '../state/goal';
import { WhenLit } from '../state/highlight';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { useOpenedView } from '../state/openedview';
import { usePicks } from '../state/picks';
import { navigate } from '../state/router';
import { useRecentStates } from '../state/recentstates';
import { useLooks } from '../state/runlooks';
import { useSavedViews, type SavedViews } from '../state/savedviews';
import { useShownOfTable, useShownRuns, type ShownRuns } from '../state/shownruns';
import { firstRows, useTableRows } from '../state/tablerows';
import { Empty, Segments, Waiting } from '../widgets/basics';
import { later } from '../widgets/later';
import { Shell } from '../widgets/shell';
import { Split } from '../widgets/split';

const LitConfig = later(() => import('../parts/litconfig').then((its) => its.LitConfig), null);
const Differences = later(() => import('../parts/differences').then((its) => its.Differences));

const REFRESH_MS = 2000;
const COLUMNS_REFRESH_MS = 10_000;
const ROWS_FIRST_MS = 500; // charts wait so long for the rows beside them, because drawing them takes as long
const PANES: readonly (readonly [Pane, string])[] = [
  ['table', 'Table'],
  ['both', 'Both'],
  ['charts', 'Charts'],
];

const SIDES: readonly (readonly [Side, string])[] = [
  ['charts', 'Curves'],
  ['differences', 'Differences'],
];

export function RunsPage({ route }: { route: RunsRoute }) {
  const { project: ref } = route;
  const project = useLoad((signal) => api.project(ref, signal), [ref]);
  const views = useSavedViews(ref);
  const { data, error } = project;
  const states = useRecentStates(data?.id);
  const name = data?.name ?? ref;
  const text = data ? projectText(data) : '';
  return (
    <Shell crumbs={[{ text: name }]} title={name} states={states}>
      <h1 class="name">{name}</h1>
      {text && <p class="dim">{text}</p>}
      {!error && <ProjectNav project={ref} here="runs" />}
      {error ? <NoProject error={error} /> : data && views.all ? <Workspace key={ref} route={route} project={data} views={views} onProjectNews={project.refresh} /> : <Waiting />}
    </Shell>
  );
}

function NoProject({ error }: { error: ApiError }) {
  return (
    <Empty title={error.status === 404 ? 'There is no such project' : 'This project cannot be shown'}>
      <p>{error.message}</p>
      <p><a class="button" href={at('/')}>All projects</a></p>
    </Empty>
  );
}

interface WorkspaceProps {
  route: RunsRoute;
  project: ProjectDetailAnswer;
  views: SavedViews;
  onProjectNews: () => void;
}

/**
 * The page of a project. The project decides what is shown first, how it is arranged and what is drawn, so it is loaded before
 * this.
 */
function Workspace({ route, project, views, onProjectNews }: WorkspaceProps) {
  const { project: ref, query, state } = route;
  const { id, objective } = project;
  const own = isOwn(route);
  const chosen = chosenColumns(route);
  const listed = listedRuns(route, objective);
  const { filter, sort: sorts } = listed;
  // The lab takes a while to list the columns, so it is asked only when there are rows, and only if nobody chose columns.
  const [begun, setBegun] = useState(false);
  const known = useLoad(async (signal) => (chosen || !begun ? null : api.tableColumns({ project: ref }, signal)), [ref, !chosen && begun], COLUMNS_REFRESH_MS);
  const columns = (chosen ?? firstColumns(known.data, objective)).filter((name) => parseColumn(name));
  const asked = { ...listed, column: columns.filter(isValue) };
  const late = useDue(ROWS_FIRST_MS);
  const early = useShownRuns(listed, route.shown, route.pane === 'charts' || route.shown === 'all');
  const table = useTableRows(asked, REFRESH_MS);
  const shown = useShownOfTable(early, table, listed, route.shown);
  const { by } = route;
  const groups = useGroups(ref, filter, by, columns);
  const heat = route.heat.filter((name) => columns.includes(name));
  const extremes = useExtremes(ref, filter, heat);
  const { data, error } = table;
  useEffect(() => void (data && setBegun(true)), [data]);
  useEffect(() => void (views.all && remember(ref, { objective, view: firstOf(views.all) !== null })), [objective?.key, objective?.goal, views.all]);
  const refresh = () => (table.refresh(), shown.refresh(), by.length && (groups.refresh(), ranks.refresh()), heat.length && extremes.refresh());
  const grown = () => (refresh(), chosen || columns.length >= FIRST_COLUMNS_MAX || known.refresh());
  useLive({ project: id }, { points: grown, state: refresh, run: grown, missed: grown, project: onProjectNews });
  const [edited, setEdited] = useState<TableRow | null>(null);
  const [tooMany, setTooMany] = useState(false);
  const [picks, setPicks] = usePicks(ref);

  const set = (change: Partial<RunsRoute>, replace = true) => navigate({ ...route, ...change }, replace);
  const linked = route.layout.pinned.length > 0 || Object.keys(route.layout.widths).length > 0;
  const layout = linked || !own ? route.layout : keptLayout(ref);
  const lay = (to: ColumnLayout) => (own && keepLayout(ref, to), set({ layout: to }));
  const show = (to: string[]) => (own && keepColumns(ref, to), set({ columns: to }));
  const wanted = typeof route.shown === 'string' ? (shown.data?.runs.map((run) => run.id) ?? []) : route.shown;
  const named = wanted.filter((run) => !shown.data?.missing.includes(run));
  const drawn = named.filter((run) => !route.view.hidden.includes(run));
  const opened = useOpenedView(route, id, views, chosen ?? [], drawn);
  const ranks = useGroupRanks(route, filter);
  const groupLines = useDrawnGroups(route, inOrder(groups.data?.groups ?? [], by, columns, sorts), ranks.data);
  const lines = route.side === 'charts' ? groupLines : null; // with differences beside the table, runs are chosen, not groups
  const ownGroupLooks = useLooks((lines?.drawn ?? []).map((group) => ({ id: group.id, project: id })));
  const assignedGroups = useAssigned((lines?.drawn ?? []).map(({ id, name, runs }) => ({ id, name, ranks: ranksOf(lines!.drawn), members: runs })), ownGroupLooks, route.view, by);
  const { looks: groupLooks } = assignedGroups;
  const seenGroups = (lines?.drawn ?? []).map((group) => group.id).filter((group) => !route.view.hidden.includes(group));
  const drawLine = (group: string, on: boolean) => set({ groups: [...seenGroups.filter((other) => other !== group), ...(on ? [group] : [])].slice(0, GROUPS_MAX), solo: null, view: { ...route.view, hidden: [] } });
  const ownLooks = useLooks(named.map((run) => ({ id: run, project: id })));
  const assigned = useAssigned(shown.data?.runs.filter((run) => named.includes(run.id)) ?? [], ownLooks, route.view, null);
  const { looks } = assigned;
  const byRuns = lines ? { lines: 'runs' as const } : {};
  const draw = (runs: readonly string[], on: boolean) => {
    const before = lines ? [] : drawn;
    const to = on ? [...new Set([...before, ...runs])] : before.filter((run) => !runs.includes(run));
    setTooMany(to.length > RUNS_MAX);
    // A run that somebody draws from an opened group has a line of its own.
    if (to.length <= RUNS_MAX) set({ shown: to, ...byRuns, solo: null, view: { ...route.view, hidden: [] } });
  };
  const drawOnly = (to: RunsRoute['shown']) => set({ shown: to, ...byRuns, solo: null, view: { ...route.view, hidden: [] } });
  const drawAll = (to: RunsRoute['shown']) => (lines ? set({ groups: to, solo: null, view: { ...route.view, hidden: [] } }) : drawOnly(to));
  const all = lines ? route.groups : route.shown;
  const solo = route.solo !== null && (lines ? lines.drawn.some(({ id: group }) => group === route.solo) : drawn.includes(route.solo)) ? route.solo : null;
  const actions = useActions(refresh);
  useEffect(() => (goal.set(objective), () => goal.set(null)), [objective?.key, objective?.goal]);
  const setObjective = (to: Objective | null) => {
    const put = async (its: Objective | null) => (await (its ? api.setObjective(ref, its) : api.removeObjective(ref)), onProjectNews());
    return actions.other(to ? `Runs are compared by the ${objectiveName(to)}.` : 'The project has no objective now.', () => put(to), () => put(objective));
  };
  const pickAll = async () => {
    const all = await firstRows({ project: ref, filter, sort: sorts, column: [] }, Infinity).catch(orNothing);
    if (all) setPicks(all.rows.map((run) => run.id));
  };
  const smoothed = route.view.smoothing && smoothedStat(route.view.smoothing, route.view.axis);
  const filtered = query !== '' || state !== '';
  // If the lab cannot read a search, the error stands beside the box, and the runs stay.
  const unclear = error?.code === 'bad_filter';
  const some = (data ? data.total > 0 : !!shown.data?.runs.length) && !opened.opening;
  const rows = {
    columns,
    sorts,
    onSort: (to: string[]) => set({ sorts: to }),
    picks,
    onPick: setPicks,
    drawn: new Map(lines ? [] : [...looks].filter(([run]) => drawn.includes(run))),
    onDraw: draw,
    solo,
    onSolo: (run: string | null) => set({ solo: run }),
    onEdit: setEdited,
    menu: { curves: route.curves, onCurves: (to: string[]) => set({ curves: to }), heat, onHeat: (to: string[]) => set({ heat: to }), onHide: (column: string) => show(columns.filter((other) => other !== column)), smoothed, onAdd: (column: string, behind: string) => show(columns.includes(column) ? columns : columns.flatMap((other) => (other === behind ? [other, column] : [other])).slice(0, COLUMNS_MAX)), objective, onObjective: project.role === 'admin' ? (to: Objective | null) => void setObjective(to) : null },
    extremes: extremes.data ?? new Map<string, never>(),
  };
  return (
    <>
      <div class="controls">
        <ViewMenu views={views} opened={opened} shares={project.role !== 'viewer'} />
        <FilterBar project={ref} value={query} onChange={(q) => set({ query: q })} />
        <label class="select">
          State
          <select value={state} onChange={(e) => set({ state: e.currentTarget.value })}>
            <option value="">all</option>
            {ALL_STATES.map((s) => <option key={s} value={s}>{s}</option>)}
          </select>
        </label>
        <ColumnPicker project={ref} filter={filter} columns={columns} smoothed={smoothed} onChange={show} onReset={() => (forgetColumns(ref), set({ columns: [], layout: NO_LAYOUT }))} />
        <GroupPicker project={ref} filter={filter} by={by} onChange={(to) => set({ by: to })} />
        {some && data && <span class="dim" role="status">{plural(data.total, 'run')}</span>}
        {some && <a class="link" href={tableCsvUrl(ref, filter, sorts, columns)} download title="All of these runs, with these columns">CSV</a>}
        {some && <CopyPython project={project.name} filter={filter} sorts={sorts} columns={columns} />}
        {some && <Segments label="What is shown" options={PANES} value={route.pane} onChange={(pane) => set({ pane })} />}
        <Picked hint={route.pane !== 'charts'} picks={picks} rows={data} actions={actions} onDraw={drawOnly} onClear={() => setPicks([])} />
      </div>
      <ActionDone actions={actions} />
      {unclear && <SearchProblem text={error.message} />}
      {tooMany && <p class="problem" role="alert">At most {formatInteger(RUNS_MAX)} runs are drawn at a time: leave some out first.</p>}
      {error && !unclear && <p class="problem" role="alert">{error.message}</p>}
      {!some && (!data || opened.opening) && !error && <Waiting />}
      {data && data.total === 0 && (
        filtered ? <Empty title="No run matches"><p>Nothing in this project fits the filter.</p></Empty> : <FirstRun project={project.name} />
      )}
      {some && (
        <Split
          label="Width of the table"
          left={route.pane === 'charts' ? null : !data ? <Waiting /> : by.length ? (
            <GroupsTable {...rows} query={asked} by={by} groups={groups} lines={lines && new Map([...groupLooks].filter(([group]) => seenGroups.includes(group)))} onLine={drawLine} />
          ) : (
            <RunsTable {...rows} layout={layout} onLayout={lay} table={table} onPickAll={() => void pickAll()} />
          )}
          right={route.pane !== 'table' ? (
            <section class="workspace-charts" aria-label={route.side === 'charts' ? 'Charts' : 'Differences of runs'}>
              <div class="side-bar">
                <Segments label="Beside the table" options={SIDES} value={route.side} onChange={(side) => set({ side })} />
                {by.length > 0 && route.side === 'charts' && <LineControls lines={route.lines} band={route.band} onChange={set} />}
                <p class="drawn-text">
                  <span role="status">{lines ? groupsText(lines, solo) : shown.data ? drawnText(drawn.length, shown.data, route, sorts) : ''}</span>
                  {solo && <button class="link" onClick={() => set({ solo: null })}>Draw the others again</button>}
                  {all !== 'first' && <button class="link" onClick={() => drawAll('first')}>First {FIRST_SHOWN}</button>}
                  {all !== 'all' && <button class="link" onClick={() => drawAll('all')}>All</button>}
                  {(lines ? lines.drawn : drawn).length > 0 && <button class="link" onClick={() => drawAll([])}>None</button>}
                </p>
              </div>
              {lines ? (
                <GroupCharts route={route} groups={lines} solo={solo} looks={groupLooks} assigned={assignedGroups} project={id} board={opened.board} set={set} />
              ) : shown.data && (data || error || late || route.pane === 'charts') && (drawn.length === 0 && !route.view.hidden.length ? (
                <Empty title="No run is drawn"><p>The eye in a run's row draws it here.</p></Empty>
              ) : route.side === 'differences' ? (
                <Differences
                  project={id}
                  runs={shown.data.runs.filter((run) => drawn.includes(run.id))}
                  looks={looks}
                  base={route.base}
                  onBase={(base) => set({ base })}
                  alike={route.alike}
                  onAlike={(alike) => set({ alike })}
                />
              ) : (
                <RunsBoard
                  runs={shown.data.runs.filter((run) => (solo ? run.id === solo : named.includes(run.id)))}
                  looks={looks}
                  assigned={assigned}
                  view={route.view}
                  setView={(view, replace) => set({ view }, replace)}
                  onRunNews={shown.refresh}
                  project={id}
                  name={opened.board}
                  legend={route.pane === 'charts'}
                />
              ))}
            </section>
          ) : null}
        />
      )}
      {edited && <RunEdit key={edited.id} run={edited} look={ownLooks.get(edited.id)} known={tagNames(data, null)} actions={actions} onClose={() => setEdited(null)} />}
      <WhenLit>{() => <LitConfig runs={drawn} />}</WhenLit>
      <SharedArtifacts project={id} />
    </>
  );
}

interface GroupChartsProps {
  route: RunsRoute;
  groups: DrawnGroups;
  solo: string | null;
  looks: ReadonlyMap<string, Look>;
  assigned: Assigned;
  project: string;
  board: string;
  set: (change: Partial<RunsRoute>, replace?: boolean) => void;
}

const KEYS_OF_MAX = 100; // runs whose metrics become charts

/** Charts with a line for each group of runs. */
function GroupCharts({ route, groups, solo, looks, assigned, project, board, set }: GroupChartsProps) {
  const { drawn, left, fetch } = groups;
  const some = new Set(sampleOf(drawn, KEYS_OF_MAX));
  if (!drawn.length) return <Empty title="No group is drawn"><p>The eye in a group's row draws its line here.</p></Empty>;
  const notes = groupNotes(left);
  const lines = drawn.filter((group) => solo === null || group.id === solo);
  return (
    <>
      {notes && <p class="dim" role="note">{notes}</p>}
      <RunsBoard
        runs={lines.map(({ id, name, runs, rank }) => ({ id, name, state: 'running', ranks: ranksOf(drawn), attempt: 1, rank, members: runs.filter((run) => some.has(run)) }))}
        looks={looks}
        assigned={assigned}
        view={groupView(route.view)}
        setView={(view, replace) => set({ view: viewBehind(route.view, view) }, replace)}
        onRunNews={() => undefined}
        project={project}
        name={board}
        legend={route.pane === 'charts'}
        fetch={fetch}
      />
    </>
  );
}

function groupsText({ all, drawn }: DrawnGroups, solo: string | null): string {
  if (solo) return 'One group is drawn alone.';
  const groups = plural(drawn.length, 'group');
  return drawn.length < all.length ? `${formatInteger(drawn.length)} of ${plural(all.length, 'group')} are drawn.` : `${groups} ${drawn.length === 1 ? 'is' : 'are'} drawn.`;
}

/** Return null if the lab does not answer: another click asks again. */
function orNothing(e: unknown): null {
  if (e instanceof UnreachableError || e instanceof ApiError) return null;
  throw e;
}

/** Return in words which runs are drawn, and whether there are more. */
function drawnText(drawn: number, { total }: ShownRuns, { shown, solo }: RunsRoute, sorts: readonly string[]): string {
  if (solo) return 'One run is drawn alone.';
  const which = sorts.join() === DEFAULT_SORT ? 'newest' : 'first';
  if (typeof shown === 'string' && total > drawn) return `The ${which} ${formatInteger(drawn)} of ${formatInteger(total)} runs are drawn.`;
  return `${plural(drawn, 'run')} ${drawn === 1 ? 'is' : 'are'} drawn.`;
}

/** Return in words who may see a project, what its files take, and how long it keeps what. */
function projectText(project: ProjectDetailAnswer): string {
  const { objective } = project;
  return [objective && `compared by the ${objectiveName(objective)}`, project.archived !== null && 'archived: takes no new runs', project.private && 'private', filesText(project), retentionText(project.retention)].filter(Boolean).join(' · ');
}

/** Return in words what the files of a project take, if there are any or if they have a quota. */
function filesText({ file_bytes, quota }: ProjectDetailAnswer): string {
  if (quota === null) return file_bytes ? `${formatBytes(file_bytes)} of files` : '';
  return `${formatBytes(file_bytes)} of ${formatBytes(quota)} for files${file_bytes >= quota ? ': full' : ''}`;
}
