// All projects the user may see.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatInteger } from '../base/format';
import { projectUrl } from '../base/links';
import { FirstRun } from '../parts/firstrun';
import type { ProjectAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { Moment, Waiting } from '../widgets/basics';
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

function Card({ project, now }: { project: ProjectAnswer; now: number }) {
  return (
    <li>
      <a class="card" href={projectUrl(project.id)}>
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
