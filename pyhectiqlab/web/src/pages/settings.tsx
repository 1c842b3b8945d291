// The settings of a project: its admins and its owner rename, archive, move and delete it here.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatMoment, plural } from '../base/format';
import { projectUrl } from '../base/links';
import { isAdmin } from '../base/roles';
import { ProjectNav } from '../parts/projectnav';
import type { ProjectDetailAnswer } from '../schema/lab';
import { useAttempt } from '../state/attempt';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { user } from '../state/session';
import { useStore } from '../state/store';
import { Confirm, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function SettingsPage({ project: ref }: { project: string }) {
  const who = useStore(user);
  const { data: project, error, refresh } = useLoad((signal) => api.project(ref, signal), [ref], 0);
  const { problem, attempt } = useAttempt(refresh);
  useLive(project ? { project: project.id } : null, { project: refresh, missed: refresh });
  const admin = project?.role === 'admin';
  const owns = project !== null && (project.owner === who?.username || isAdmin(who?.role));
  const shown = problem || error?.message;
  return (
    <Shell crumbs={[{ text: project?.name ?? ref, href: projectUrl(ref) }, { text: 'Settings' }]} title="Settings">
      <h1>Settings</h1>
      <ProjectNav project={ref} here="settings" />
      {shown && <p class="problem" role="alert">{shown}</p>}
      {!project && !error && <Waiting />}
      {project && (
        <div class="stack">
          <Facts project={project} />
          {!admin && <p class="dim">Its admins change these.</p>}
          {admin && <Rename key={project.name} project={project} attempt={attempt} />}
          {admin && <Archive project={project} attempt={attempt} />}
          {admin && owns && <Move project={project} attempt={attempt} />}
          {admin && owns && <Delete project={project} attempt={attempt} />}
        </div>
      )}
    </Shell>
  );
}

type Part = { project: ProjectDetailAnswer; attempt: (task: () => Promise<unknown>) => void };

function Facts({ project }: { project: ProjectDetailAnswer }) {
  return (
    <p>
      <b>{project.name}</b> belongs to {project.owner}, since {formatMoment(project.created)} in the lab.
      {project.former_names.length > 0 && <> Also found as {project.former_names.map((name, i) => <>{i > 0 && ', '}<i>{name}</i></>)}.</>}
      {project.archived !== null && ` Archived ${formatMoment(project.archived)}.`}
    </p>
  );
}

function Rename({ project, attempt }: Part) {
  const name = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    attempt(() => api.changeProject(project.id, { name: name.current!.value.trim() }));
  };
  return (
    <section class="block">
      <h2>Name</h2>
      <p class="dim">Links and scripts with the present name keep working, until an admin gives that name to another project.</p>
      <form class="controls" onSubmit={submit}>
        <label class="search">
          <input ref={name} defaultValue={project.name} aria-label="Name of the project" maxLength={512} required />
        </label>
        <button class="button">Rename</button>
      </form>
    </section>
  );
}

function Archive({ project, attempt }: Part) {
  const set = (archived: boolean) => attempt(() => api.changeProject(project.id, { archived }));
  return (
    <section class="block">
      <h2>Archive</h2>
      <p class="dim">An archived project is in no list and takes no new runs. Its runs go on, and links to it keep working.</p>
      <p>
        {project.archived === null
          ? <button class="button" onClick={() => set(true)}>Archive it</button>
          : <button class="button" onClick={() => set(false)}>Take it out of the archive</button>}
      </p>
    </section>
  );
}

function Move({ project, attempt }: Part) {
  const users = useLoad((signal) => api.users(signal), [], 0);
  const to = useRef<HTMLSelectElement>(null);
  const others = users.data?.items.filter((u) => u.username !== project.owner && !u.disabled) ?? [];
  if (others.length === 0) return null;
  return (
    <section class="block">
      <h2>Owner</h2>
      <p class="dim">The owner moves and deletes a project, and is an admin of it. It counts as one of the owner's projects.</p>
      <div class="controls">
        <select ref={to} aria-label="New owner">
          {others.map((u) => <option key={u.id}>{u.username}</option>)}
        </select>
        <Confirm
          text="Move it"
          question="Only they, and admins of the lab, can give it back."
          onYes={() => attempt(() => api.changeProject(project.id, { owner: to.current!.value }))}
        />
      </div>
    </section>
  );
}

function Delete({ project, attempt }: Part) {
  const [typed, setTyped] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    attempt(async () => {
      await api.deleteProject(project.id);
      navigate({ page: 'projects', show: 'deleted' });
    });
  };
  return (
    <section class="block">
      <h2>Delete</h2>
      <p class="dim">
        With its {plural(project.runs, 'run')}, models, datasets and files. For 7 days it can be restored; then all of it is gone.
      </p>
      <form class="controls" onSubmit={submit}>
        <label class="search">
          <input
            value={typed}
            onInput={(e) => setTyped(e.currentTarget.value)}
            placeholder={`Type ${project.name}`}
            aria-label="Type its name to delete it"
          />
        </label>
        <button class="button danger" disabled={typed !== project.name}>Delete it</button>
      </form>
    </section>
  );
}
