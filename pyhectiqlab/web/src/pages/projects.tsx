// All projects that the user may see.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatInteger, nounFor } from '../base/format';
import { projectUrl } from '../base/links';
import type { Shelf } from '../base/route';
import { FirstRun } from '../parts/firstrun';
import type { ProjectAnswer } from '../schema/lab';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { Moment, Segments, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

const SHELVES = [['active', 'At work'], ['archived', 'Archived'], ['deleted', 'Deleted']] as const;

export function ProjectsPage({ show }: { show: Shelf }) {
  const now = useNow(true);
  const [after, setAfter] = useState<string | null>(null);
  const { data, error, refresh } = useLoad((signal) => api.projects(show, after, signal), [show, after], 0);
  const { problem, attempt } = useAttempt(refresh);
  const restore = (project: ProjectAnswer) => attempt(async () => {
    await api.restoreProject(project.id);
    navigate(`/projects/${project.id}`);
  });
  const shown = problem || error?.message;
  return (
    <Shell crumbs={[]} title="Projects">
      <div class="controls">
        <h1>Projects</h1>
        <Segments label="Which projects" options={SHELVES} value={show} onChange={(to) => navigate({ page: 'projects', show: to })} />
      </div>
      {shown && <p class="problem" role="alert">{shown}</p>}
      {!data && !error && <Waiting />}
      {data && data.items.length === 0 && (show === 'active' ? <FirstRun /> : <p class="dim">{NONE[show]}</p>)}
      {data && data.items.length > 0 && (
        <>
          <ul class="cards">
            {data.items.map((p) => (
              show === 'deleted'
                ? <Deleted key={p.id} project={p} now={now} onRestore={() => restore(p)} />
                : <Card key={p.id} project={p} now={now} />
            ))}
          </ul>
          {(after || data.next) && (
            <p class="paging">
              {after && <button class="button" onClick={() => setAfter(null)}>First page</button>}
              {data.next && <button class="button" onClick={() => setAfter(data.next)}>Next page</button>}
            </p>
          )}
          {show === 'active' && data.items.every((p) => p.runs === 0) && <FirstRun />}
        </>
      )}
    </Shell>
  );
}

function Card({ project, now }: { project: ProjectAnswer; now: number }) {
  return (
    <li>
      <a class="card" href={projectUrl(project.id)}>
        <strong>{project.name}</strong>
        <span class="card-facts">
          <span>
            <b>{formatInteger(project.runs)}</b> {nounFor(project.runs, 'run')}
          </span>
          <span>
            {project.last_activity === null ? 'no activity yet' : <>active <Moment time={project.last_activity} now={now} /></>}
          </span>
        </span>
        <code class="dim">{project.id}</code>
      </a>
    </li>
  );
}

const NONE = { archived: 'No project is archived.', deleted: 'There is no deleted project that you can restore.' };

function Deleted({ project, now, onRestore }: { project: ProjectAnswer; now: number; onRestore: () => void }) {
  return (
    <li class="card">
      <strong>{project.name}</strong>
      <span class="card-facts">
        <span>of {project.owner}</span>
        <span>deleted <Moment time={project.deleted} now={now} /></span>
      </span>
      <button class="button" aria-label={`Restore ${project.name}`} onClick={onRestore}>Restore</button>
    </li>
  );
}
