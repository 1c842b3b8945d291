// The page for admins of the lab: users and invites, the state of the lab, and the audit log.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { isAdmin, type Role } from '../base/roles';
import { at } from '../base/root';
import { LabState } from '../parts/labstate';
import { People } from '../parts/people';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { user } from '../state/session';
import { useStore } from '../state/store';
import { Empty, Moment, Snippet, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

const TITLES = { users: 'Users', status: 'State of the lab', audit: 'Audit log' };

export function AdminPage({ tab }: { tab: keyof typeof TITLES }) {
  const role = useStore(user)?.role;
  const title = TITLES[tab];
  if (!isAdmin(role)) {
    return (
      <Shell crumbs={[{ text: 'Lab' }]} title={title}>
        <Empty title="This is for admins of the lab">
          <p>Ask one of them for what you need.</p>
        </Empty>
      </Shell>
    );
  }
  return (
    <Shell crumbs={[{ text: 'Lab' }]} title={title}>
      <nav class="tabs" aria-label="Of the lab">
        <a href={at('/admin/users')} aria-current={tab === 'users' ? 'page' : undefined}>Users</a>
        <a href={at('/admin/status')} aria-current={tab === 'status' ? 'page' : undefined}>State</a>
        <a href={at('/admin/audit')} aria-current={tab === 'audit' ? 'page' : undefined}>Audit log</a>
      </nav>
      {tab === 'users' && <div class="stack"><People /><Invites /></div>}
      {tab === 'status' && <LabState />}
      {tab === 'audit' && <Audit />}
    </Shell>
  );
}

function Invites() {
  const now = useNow(true);
  const invites = useLoad((signal) => api.invites(signal), [], 0);
  const role = useRef<HTMLSelectElement>(null);
  const [link, setLink] = useState('');
  const { problem, attempt } = useAttempt(invites.refresh);
  const invite = (event: Event) => {
    event.preventDefault();
    attempt(async () => setLink((await api.invite(role.current!.value as Role)).url));
  };
  const error = problem || invites.error?.message;
  return (
    <section class="block">
      <h2>Invites</h2>
      <p class="dim">A link with which one person makes an account for themselves, within a week. It is shown once.</p>
      {error && <p class="problem" role="alert">{error}</p>}
      <form class="controls" onSubmit={invite}>
        <select ref={role} aria-label="Role of the new user">
          {['member', 'viewer', 'admin'].map((r) => <option key={r}>{r}</option>)}
        </select>
        <button class="button primary">Make an invite</button>
      </form>
      {link && <Snippet label="Give this to one person" text={link} />}
      {invites.data && invites.data.items.length > 0 && (
        <ul>
          {invites.data.items.map((i) => (
            <li key={i.id}>
              for a {i.role}, by {i.created_by}, <Moment time={i.created} now={now} />{' '}
              <button class="link" onClick={() => attempt(() => api.takeBack(i.id))}>Take back</button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Audit() {
  const now = useNow(true);
  const [after, setAfter] = useState<string | null>(null);
  const { data, error } = useLoad((signal) => api.audit(after, signal), [after], 0);
  return (
    <>
      <h1>Audit log</h1>
      {error && <p class="problem" role="alert">{error.message}</p>}
      {!data && !error && <Waiting />}
      {data && (
        <>
          <div class="table-scroll" tabIndex={0} role="region" aria-label="Audit log">
            <table>
              <thead>
                <tr><th>When</th><th>Who</th><th>By</th><th>From</th><th>Did</th><th>What</th></tr>
              </thead>
              <tbody>
                {data.items.map((c, i) => (
                  <tr key={i}>
                    <td><Moment time={c.at} now={now} /></td>
                    <td>{c.who}</td>
                    <td>{c.via}</td>
                    <td>{c.address}</td>
                    <td>{c.action}</td>
                    <td>{c.subject} {c.detail}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p class="paging">
            {after && <button class="button" onClick={() => setAfter(null)}>Newest</button>}
            {data.next && <button class="button" onClick={() => setAfter(data.next)}>Older</button>}
          </p>
        </>
      )}
    </>
  );
}
