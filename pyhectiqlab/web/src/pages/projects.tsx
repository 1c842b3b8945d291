// All projects the user may see.

import { useState } from 'preact/hooks';
import { api } from '../api/http';
import type { Project } from '../api/types';
import { formatInteger } from '../base/format';
import { at, ROOT } from '../base/root';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { Empty, Moment, Snippet, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function ProjectsPage() {
  const now = useNow(true);
  const [after, setAfter] = useState<string | null>(null);
  const { data, error } = useLoad((signal) => api.projects(after, signal), [after]);
  return (
    <Shell crumbs={[]} title="Projects">
      <h1>Projects</h1>
      {error && <p class="problem" role="alert">{error.message}</p>}
      {!data && !error && <Waiting />}
      {data && data.items.length === 0 && <FirstRun />}
      {data && data.items.length > 0 && (
        <>
          <ul class="cards">
            {data.items.map((p) => (
              <Card key={p.id} project={p} now={now} />
            ))}
          </ul>
          {(after || data.next) && (
            <p class="paging">
              {after && <button class="button" onClick={() => setAfter(null)}>First page</button>}
              {data.next && <button class="button" onClick={() => setAfter(data.next)}>Next page</button>}
            </p>
          )}
          {data.items.every((p) => p.runs === 0) && <FirstRun />}
        </>
      )}
    </Shell>
  );
}

function Card({ project, now }: { project: Project; now: number }) {
  return (
    <li>
      <a class="card" href={at(`/projects/${encodeURIComponent(project.id)}`)}>
        <strong>{project.name}</strong>
        <span class="card-facts">
          <span>
            <b>{formatInteger(project.runs)}</b> {project.runs === 1 ? 'run' : 'runs'}
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

/** What to do in an empty lab. */
export function FirstRun({ project }: { project?: string }) {
  const argument = project ? `, project=${JSON.stringify(project)}` : '';
  return (
    <Empty title="No runs yet">
      <p>Every script that creates a run shows up here by itself, while it is still running. Try it:</p>
      <Snippet
        label="first_run.py"
        text={`from pyhectiqlab import Run

with Run("first-run"${argument}) as run:
    for step in range(1, 1001):
        run.add_metrics("train/loss", 1 / step, step=step)
`}
      />
      <p>A script on another machine first needs to know this lab and a key to it:</p>
      <Snippet label="Shell, on the other machine" text={`hectiqlab add-profile --url ${location.origin}${ROOT}`} />
    </Empty>
  );
}
