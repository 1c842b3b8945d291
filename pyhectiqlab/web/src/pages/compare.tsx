// Runs of several projects in the same charts. If all are of one project, its workspace shows them instead.

import { useEffect } from 'preact/hooks';
import { plural } from '../base/format';
import { projectUrl } from '../base/links';
import { at } from '../base/root';
import { NO_LAYOUT } from '../base/columnlayout';
import { NO_VIEW, type Route } from '../base/route';
import { RunsBoard } from '../chart/runsboard';
import { navigate } from '../state/router';
import { useLooks } from '../state/runlooks';
import { useShownRuns } from '../state/shownruns';
import { Empty, Waiting } from '../widgets/basics';
import { Shell, type Crumb } from '../widgets/shell';

type CompareRoute = Extract<Route, { page: 'compare' }>;

const ANYWHERE = { filter: [], sort: [] };

export function ComparePage({ route }: { route: CompareRoute }) {
  const { data, refresh } = useShownRuns(ANYWHERE, route.runs);
  const runs = data?.runs ?? [];
  const looks = useLooks(runs.map(({ id, project }) => ({ id, project: project.id })));
  const projects = new Map(runs.map((run) => [run.project.id, run.project.name]));
  const [only, ...others] = projects.keys();
  const moves = only !== undefined && !others.length && !data?.missing.length;
  useEffect(() => {
    if (!moves) return;
    const { view } = route;
    navigate({ page: 'runs', project: only, saved: NO_VIEW, query: '', state: '', sorts: [], columns: [], heat: [], curves: [], layout: NO_LAYOUT, by: [], lines: 'mean', band: 'minmax', groups: 'first', pane: 'charts', side: 'charts', base: null, alike: false, shown: route.runs, solo: null, view }, true);
  }, [moves]);
  const crumbs: Crumb[] = [...projects].map(([id, name]) => ({ text: name, href: projectUrl(id) }));
  return (
    <Shell crumbs={[...crumbs, { text: 'Several runs' }]} title="Several runs">
      <h1>{plural(route.runs.length, 'run')}</h1>
      {data && data.missing.length > 0 && (
        <p class="problem" role="alert">
          {plural(data.missing.length, 'run')} cannot be shown: {data.missing.join(', ')}
        </p>
      )}
      {!data || moves ? (
        <Waiting />
      ) : !runs.length ? (
        <Empty title="No run to show">
          <p>The page of a project draws its runs: choose them by the eyes in its table.</p>
          <p><a class="button" href={at('/')}>All projects</a></p>
        </Empty>
      ) : (
        <RunsBoard runs={runs} looks={looks} view={route.view} setView={(view, replace) => navigate({ ...route, view }, replace)} onRunNews={refresh} legend />
      )}
    </Shell>
  );
}
