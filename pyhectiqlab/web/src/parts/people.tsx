// Everybody who has an account, for admins of the lab: roles, last activity, keys, handing over, deleting, service accounts.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { plural } from '../base/format';
import { ROLES, type Role } from '../base/roles';
import type { HandedOverAnswer, UserAnswer } from '../schema/lab';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { user as me } from '../state/session';
import { useStore } from '../state/store';
import { Confirm, Moment, Waiting } from '../widgets/basics';
import { SsoLink } from './ssolink';
import { UserKeys } from './userkeys';

export function People() {
  const now = useNow(true);
  const { data, error, refresh } = useLoad((signal) => api.users(signal), [], 0);
  const { problem, attempt } = useAttempt(refresh);
  const [open, setOpen] = useState<string | null>(null);
  return (
    <div class="stack">
      <h1>Users</h1>
      {(error || problem) && <p class="problem" role="alert">{problem || error?.message}</p>}
      {!data && !error && <Waiting />}
      {data && (
        <div class="table-scroll" tabIndex={0} role="region" aria-label="Users">
          <table>
            <thead>
              <tr><th>User</th><th>Role in the lab</th><th>Last seen</th><th><span class="sr">Actions</span></th></tr>
            </thead>
            <tbody>
              {data.items.map((u) => (
                <Person
                  key={u.id}
                  user={u}
                  now={now}
                  open={open === u.id}
                  onOpen={() => setOpen(open === u.id ? null : u.id)}
                  attempt={attempt}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data && data.items.filter((u) => u.id === open).map((u) => (
        <Details key={u.id} user={u} users={data.items} attempt={attempt} />
      ))}
      <NewService attempt={attempt} />
    </div>
  );
}

type Attempt = (task: () => Promise<unknown>) => void;

function Person({ user, now, open, onOpen, attempt }: { user: UserAnswer; now: number; open: boolean; onOpen: () => void; attempt: Attempt }) {
  const who = useStore(me);
  const change = (changed: Parameters<typeof api.changeUser>[1]) => attempt(() => api.changeUser(user.username, changed));
  return (
    <tr>
      <td>
        {user.username}
        {user.service && <> <span class="badge">service account</span></>}
        {user.sso !== null && <> <span class="badge" title={user.sso}>single sign-on</span></>}
        {user.disabled && ' (disabled)'}
      </td>
      <td>
        {user.role === 'owner' ? 'owner' : (
          <select
            aria-label={`Role of ${user.username}`}
            value={user.role}
            onChange={(e) => change({ role: e.currentTarget.value as Role })}
          >
            {ROLES.map((r) => <option key={r}>{r}</option>)}
          </select>
        )}
      </td>
      <td>{user.last_seen === null ? <span class="dim">never</span> : <Moment time={user.last_seen} now={now} />}</td>
      <td class="row-actions">
        <button class="link" aria-expanded={open} onClick={onOpen}>Keys, runs, login</button>{' '}
        {user.disabled
          ? <button class="link" onClick={() => change({ disabled: false })}>Enable</button>
          : <Confirm text="Disable" question="This also revokes all their keys." onYes={() => change({ disabled: true })} />}{' '}
        {user.id !== who?.id && (
          <Confirm
            text="Delete"
            question="For good; their runs stay, with their name."
            onYes={() => attempt(() => api.deleteUser(user.username))}
          />
        )}
      </td>
    </tr>
  );
}

function Details({ user, users, attempt }: { user: UserAnswer; users: readonly UserAnswer[]; attempt: Attempt }) {
  return (
    <section class="block" aria-label={`Of ${user.username}`}>
      <h2>{user.username}</h2>
      <UserKeys user={user} />
      {!user.service && <SsoLink user={user} attempt={attempt} />}
      <HandOver user={user} users={users} attempt={attempt} />
    </section>
  );
}

function HandOver({ user, users, attempt }: { user: UserAnswer; users: readonly UserAnswer[]; attempt: Attempt }) {
  const to = useRef<HTMLSelectElement>(null);
  const projects = useRef<HTMLInputElement>(null);
  const [done, setDone] = useState<{ to: string; of: HandedOverAnswer } | null>(null);
  const heirs = users.filter((u) => u.id !== user.id && !u.disabled);
  const submit = (event: Event) => {
    event.preventDefault();
    setDone(null);
    const heir = to.current!.value;
    attempt(async () => setDone({ to: heir, of: await api.handOver(user.username, heir, projects.current!.checked) }));
  };
  if (heirs.length === 0) return null;
  return (
    <form class="controls" onSubmit={submit}>
      <label>
        Hand over all runs to{' '}
        <select ref={to} aria-label="To whom">
          {heirs.map((u) => <option key={u.id}>{u.username}</option>)}
        </select>
      </label>
      <label><input type="checkbox" ref={projects} /> and the projects that they own</label>
      <button class="button">Hand over</button>
      {done && <p role="status">{handedOver(done.to, done.of)}</p>}
    </form>
  );
}

function handedOver(to: string, done: HandedOverAnswer): string {
  return [
    `${to} has ${plural(done.runs, 'run')} and ${plural(done.projects, 'project')} more.`,
    done.live ? `Going on, and left as they are: ${plural(done.live, 'run')}. Hand over again once they have ended.` : '',
    done.kept_out ? `In projects to which ${to} may not add: ${plural(done.kept_out, 'run')}.` : '',
  ].filter(Boolean).join(' ');
}

function NewService({ attempt }: { attempt: Attempt }) {
  const name = useRef<HTMLInputElement>(null);
  const role = useRef<HTMLSelectElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    attempt(async () => {
      await api.addService(name.current!.value.trim(), role.current!.value as Role);
      name.current!.value = '';
    });
  };
  return (
    <section class="block">
      <h2>Service accounts</h2>
      <p class="dim">For programs: with API keys that admins make, and no other way in.</p>
      <form class="controls" onSubmit={submit}>
        <label class="search">
          <input ref={name} placeholder="Name, such as nightly" aria-label="Name of the service account" maxLength={100} required />
        </label>
        <select ref={role} aria-label="Role of the service account">
          {['member', 'viewer', 'admin'].map((r) => <option key={r}>{r}</option>)}
        </select>
        <button class="button">Add it</button>
      </form>
    </section>
  );
}
