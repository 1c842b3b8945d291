// Several runs over each other.

import { useMemo } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import { plural } from '../base/format';
import { projectUrl } from '../base/links';
import { at } from '../base/root';
import type { Route } from '../base/route';
import { isLive, isOver } from '../base/runstate';
import { Board } from '../chart/board';
import { lookOf } from '../chart/colors';
import type { ChartRun } from '../chart/panel';
import type { RunDetailAnswer } from '../schema/lab';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { Empty, Waiting } from '../widgets/basics';
import { Shell, type Crumb } from '../widgets/shell';

type CompareRoute = Extract<Route, { page: 'compare' }>;

const REFRESH_MS = 10_000; // names and states only; points come by themselves

export function ComparePage({ route }: { route: CompareRoute }) {
  const wanted = route.runs;
  const { data, refresh } = useLoad((signal) => Promise.all(wanted.map((id) => runOrReason(id, signal))), [wanted.join()], REFRESH_MS);
  const found = useMemo(() => (data ?? []).filter((r): r is RunDetailAnswer => !(r instanceof ApiError)), [data]);
  const missing = wanted.filter((_, i) => data?.[i] instanceof ApiError);
  const identity = found.map((r) => `${r.id} ${r.name}`).join('\n');
  // The colour follows the place in the link, so that a run that is gone does not recolour the others.
  const runs = useMemo<ChartRun[]>(() => {
    const names = new Map<string, number>();
    for (const r of found) names.set(r.name, (names.get(r.name) ?? 0) + 1);
    return found.map((r) => ({
      id: r.id,
      name: names.get(r.name)! > 1 ? `${r.name} (${r.id.slice(0, 4)})` : r.name,
      ...lookOf(wanted.indexOf(r.id)),
    }));
  }, [identity]);
  const projects = new Map(found.map((r) => [r.project.id, r.project.name]));
  const crumbs: Crumb[] = [...projects].map(([id, name]) => ({ text: name, href: projectUrl(id) }));
  return (
    <Shell crumbs={projects.size === 1 ? [...crumbs, { text: 'Compare' }] : [{ text: 'Compare' }]} title="Compare">
      <h1>Compare {plural(wanted.length, 'run')}</h1>
      {missing.length > 0 && (
        <p class="problem" role="alert">
          {plural(missing.length, 'run')} cannot be shown: {missing.join(', ')}
        </p>
      )}
      {wanted.length === 0 || (data && !found.length) ? (
        <Empty title="No run to show">
          <p>Tick runs in the table of a project, then choose Compare.</p>
          <p><a class="button" href={at('/')}>All projects</a></p>
        </Empty>
      ) : !data ? (
        <Waiting />
      ) : (
        <Board
          runs={runs}
          ranks={Math.max(...found.map((r) => r.ranks))}
          attempts={Math.max(...found.map((r) => r.attempt))}
          live={found.some((r) => isLive(r.state))}
          over={found.every((r) => isOver(r.state))}
          view={route.view}
          setView={(view, replace) => navigate({ ...route, view }, replace)}
          onRunNews={refresh}
        />
      )}
    </Shell>
  );
}

/** One run that is gone must not hide the others. */
async function runOrReason(id: string, signal: AbortSignal): Promise<RunDetailAnswer | ApiError> {
  try {
    return await api.run(id, signal);
  } catch (e) {
    if (e instanceof ApiError && e.status !== 401) return e;
    throw e;
  }
}
