// One run: what it is, how it is doing, its charts, and everything else that is known of it.

import { useMemo } from 'preact/hooks';
import { api } from '../api/calls';
import type { ApiError } from '../api/http';
import { formatDuration, formatInteger, plural } from '../base/format';
import { projectUrl, runUrl } from '../base/links';
import { keptUntilText } from '../base/retention';
import { at } from '../base/root';
import type { Route } from '../base/route';
import { durationOf, isLive, isOver } from '../base/runstate';
import { Board } from '../chart/board';
import { RunArtifacts } from '../parts/artifactlist';
import { BestValue } from '../parts/bestvalue';
import { Overview } from '../parts/overview';
import { RunLogs } from '../parts/runlogs';
import { RunMedia } from '../parts/runmedia';
import type { RunDetailAnswer } from '../schema/lab';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { useLooks } from '../state/runlooks';
import { Confirm, CopyButton, Empty, Moment, StateBadge, TagChip, Waiting } from '../widgets/basics';
import { Shell, type Crumb } from '../widgets/shell';

type RunRoute = Extract<Route, { page: 'run' }>;

const REFRESH_MS = 2000;
const KEPT_UNTIL = 'Then it is deleted, because its project keeps runs for a limited time. It can be restored for another 7 days.';

export function RunPage({ route }: { route: RunRoute }) {
  const { data: run, error, refresh } = useLoad((signal) => api.run(route.run, signal), [route.run], REFRESH_MS);
  const looks = useLooks(run ? [{ id: run.id, project: run.project.id }] : []);
  const charts = useMemo(() => (run ? [{ id: run.id, name: run.name, ...looks.get(run.id)! }] : []), [run?.id, run?.name, looks]);
  const crumbs: Crumb[] = run
    ? [{ text: run.project.name, href: projectUrl(run.project.id) }, { text: run.name }]
    : [{ text: route.run }];
  const goneNow = error && (error.status === 404 || error.status === 410);
  return (
    <Shell crumbs={crumbs} title={run?.name ?? 'Run'} states={run ? { [run.state]: 1 } : {}}>
      {error && (!run || goneNow) ? (
        <NoRun error={error} run={route.run} onRestored={refresh} />
      ) : !run ? (
        <Waiting />
      ) : (
        <>
          <Header run={run} onDeleted={refresh} />
          <Tabs route={route} />
          {route.tab === 'charts' ? (
            <div role="tabpanel" aria-labelledby="tab-charts">
              <Board
                name={run.project.id}
                runs={charts}
                ranks={run.ranks}
                attempts={run.attempt}
                live={isLive(run.state)}
                over={isOver(run.state)}
                view={route.view}
                setView={(view, replace) => navigate({ ...route, view }, replace)}
                onRunNews={refresh}
              />
            </div>
          ) : route.tab === 'logs' ? (
            <div role="tabpanel" aria-labelledby="tab-logs">
              <RunLogs run={run} view={route.logs} setView={(logs) => navigate({ ...route, logs }, true)} onNews={refresh} />
            </div>
          ) : route.tab === 'media' ? (
            <div role="tabpanel" aria-labelledby="tab-media">
              <RunMedia run={run} query={route.view.query} setQuery={(query) => navigate({ ...route, view: { ...route.view, query } }, true)} onNews={refresh} />
            </div>
          ) : route.tab === 'artifacts' ? (
            <div role="tabpanel" aria-labelledby="tab-artifacts">
              <RunArtifacts run={run} onNews={refresh} />
            </div>
          ) : (
            <div role="tabpanel" aria-labelledby="tab-overview">
              <Overview run={run} onNews={refresh} />
            </div>
          )}
        </>
      )}
    </Shell>
  );
}

function NoRun({ error, run, onRestored }: { error: ApiError; run: string; onRestored: () => void }) {
  const { problem, attempt } = useAttempt(onRestored);
  const title = error.status === 404 ? 'There is no such run' : error.status === 410 ? 'This run was deleted' : 'This run cannot be shown';
  return (
    <Empty title={title}>
      <p>{error.message}</p>
      {problem && <p class="problem" role="alert">{problem}</p>}
      <p class="actions">
        {error.code === 'run_deleted' && <button class="button primary" onClick={() => attempt(() => api.restoreRun(run))}>Restore it</button>}
        <a class="button" href={at('/')}>All projects</a>
      </p>
    </Empty>
  );
}

function Header({ run, onDeleted }: { run: RunDetailAnswer; onDeleted: () => void }) {
  const now = useNow(true);
  const { problem, attempt } = useAttempt(onDeleted);
  const keptUntil = keptUntilText(run.kept_until, now);
  return (
    <header class="run-head">
      <div class="run-title">
        <h1 class="name">{run.name}</h1>
        <StateBadge state={run.state} rank={run.state_rank} why={run.state_why} />
        {run.tags.map((t) => <TagChip key={t.name} tag={t} />)}
        {run.archived !== null && <span class="tag" title="Searches find it only with a term such as archived=true">archived</span>}
        {run.can_write && <Shelve run={run} attempt={attempt} />}
        {run.can_write && <Confirm text="Delete" question="Delete this run?" onYes={() => attempt(() => api.deleteRun(run.id))} />}
        {problem && <span class="problem" role="alert">{problem}</span>}
      </div>
      <dl class="facts">
        <div><dt>Author</dt><dd>{run.author}</dd></div>
        <div><dt>Started</dt><dd><Moment time={run.started ?? run.created} now={now} /></dd></div>
        <div><dt>{isLive(run.state) ? 'Running for' : 'Duration'}</dt><dd class="num">{formatDuration(durationOf(run, now))}</dd></div>
        <div><dt>Points</dt><dd class="num">{formatInteger(run.points)}</dd></div>
        <BestValue run={run} />
        {run.ranks > 1 && <div><dt>Ranks</dt><dd class="num">{run.ranks}</dd></div>}
        {run.attempt > 1 && <div><dt>Attempt</dt><dd class="num" title={plural(run.attempt, 'life', 'lives') + ' of this job; the newest points of each step are shown'}>{run.attempt}</dd></div>}
        {run.group && <div><dt>Group</dt><dd>{run.group}</dd></div>}
        {run.fork && <ForkFact fork={run.fork} />}
        {keptUntil && <div><dt>Kept until</dt><dd class="num" title={KEPT_UNTIL}>{keptUntil}</dd></div>}
        <div><dt>ID</dt><dd class="with-copy"><code>{run.id}</code><CopyButton text={run.id} label="Copy the run's id" /></dd></div>
      </dl>
    </header>
  );
}

const FORK = 'The points of that run up to this step are shown as this run\'s own, until it reports its own';

function ForkFact({ fork }: { fork: NonNullable<RunDetailAnswer['fork']> }) {
  const { data: parent } = useLoad((signal) => api.run(fork.parent, signal), [fork.parent]);
  return (
    <div title={FORK}>
      <dt>Fork of</dt>
      <dd>
        <a href={runUrl(fork.parent)}>{parent?.name ?? fork.parent}</a>
        {fork.step !== null && ` at step ${formatInteger(fork.step)}`}
        {fork.copying && <span class="dim"> (its points are being copied)</span>}
      </dd>
    </div>
  );
}

function Shelve({ run, attempt }: { run: RunDetailAnswer; attempt: (work: () => Promise<unknown>) => void }) {
  const action = run.archived === null ? 'archive' : 'unarchive';
  return <button class="link" onClick={() => attempt(() => api.act([{ action, runs: [run.id] }]))}>{run.archived === null ? 'Archive' : 'Unarchive'}</button>;
}

function Tabs({ route }: { route: RunRoute }) {
  const tabs = [['charts', 'Charts'], ['logs', 'Logs'], ['media', 'Media'], ['artifacts', 'Artifacts'], ['overview', 'Overview']] as const;
  const go = (tab: RunRoute['tab']) => navigate({ ...route, tab });
  return (
    <div
      class="tabs"
      role="tablist"
      onKeyDown={(e) => {
        if (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight') return;
        const at = tabs.findIndex(([tab]) => tab === route.tab) + (e.key === 'ArrowRight' ? 1 : -1);
        const other = tabs[(at + tabs.length) % tabs.length]![0];
        go(other);
        document.getElementById(`tab-${other}`)?.focus();
      }}
    >
      {tabs.map(([tab, text]) => (
        <button key={tab} id={`tab-${tab}`} role="tab" aria-selected={tab === route.tab} tabIndex={tab === route.tab ? 0 : -1} onClick={() => go(tab)}>
          {text}
        </button>
      ))}
    </div>
  );
}
