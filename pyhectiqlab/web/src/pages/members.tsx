// The page of those who may see a project, and what they may do in it.

import { useRef } from 'preact/hooks';
import { api } from '../api/calls';
import { projectUrl } from '../base/links';
import { ROLES, type Role } from '../base/roles';
import { ProjectNav } from '../parts/projectnav';
import { useAttempt } from '../state/attempt';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function MembersPage({ project }: { project: string }) {
  const its = useLoad((signal) => api.project(project, signal), [project], 0);
  const members = useLoad((signal) => api.members(project, signal), [project], 0);
  const users = useLoad((signal) => api.users(signal), [], 0);
  const name = useRef<HTMLSelectElement>(null);
  const role = useRef<HTMLSelectElement>(null);
  const { problem, attempt } = useAttempt(() => (its.refresh(), members.refresh()));
  const detail = its.data;
  useLive(detail ? { project: detail.id } : null, { project: its.refresh, missed: its.refresh });
  const admin = detail?.role === 'admin';
  const add = (event: Event) => {
    event.preventDefault();
    attempt(() => api.setMember(project, name.current!.value, role.current!.value as Role));
  };
  const error = its.error ?? members.error;
  const listed = new Set(members.data?.items.map((m) => m.username));
  return (
    <Shell crumbs={[{ text: detail?.name ?? project, href: projectUrl(project) }, { text: 'Members' }]} title="Members">
      <h1>Members</h1>
      <ProjectNav project={project} here="members" />
      {(error || problem) && <p class="problem" role="alert">{problem || error?.message}</p>}
      {!detail && !error && <Waiting />}
      {detail && (
        <p>
          {detail.private
            ? 'This project is private: only those listed here and the admins of the lab see it. '
            : 'Everybody in the lab sees this project. '}
          {admin && (
            <button class="button" onClick={() => attempt(() => api.setPrivate(project, !detail.private))}>
              {detail.private ? 'Open it to the lab' : 'Make it private'}
            </button>
          )}
        </p>
      )}
      {members.data && (
        <div class="table-scroll" tabIndex={0} role="region" aria-label="Members">
          <table>
            <thead>
              <tr><th>User</th><th>Role in the project</th><th><span class="sr">Actions</span></th></tr>
            </thead>
            <tbody>
              {members.data.items.map((m) => (
                <tr key={m.id}>
                  <td>{m.username}{m.disabled && ' (disabled)'}</td>
                  <td>{m.role}</td>
                  <td>
                    {admin && (
                      <button class="link" onClick={() => attempt(() => api.removeMember(project, m.username))}>Remove</button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {admin && users.data && (
        <form class="controls" onSubmit={add}>
          <select ref={name} aria-label="User">
            {users.data.items.map((u) => (
              <option key={u.id} value={u.username}>{u.username}{listed.has(u.username) ? ' (a member)' : ''}</option>
            ))}
          </select>
          <select ref={role} aria-label="Role">
            {ROLES.map((r) => <option key={r}>{r}</option>)}
          </select>
          <button class="button primary">Give this role</button>
        </form>
      )}
    </Shell>
  );
}
