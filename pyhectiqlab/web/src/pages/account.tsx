// Who is logged in, and the keys that scripts use in their name.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import { isAdmin } from '../base/roles';
import { ROOT } from '../base/root';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { enter, logOut, user } from '../state/session';
import { useStore } from '../state/store';
import { Moment, Snippet, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function AccountPage() {
  const who = useStore(user);
  const now = useNow(true);
  const { data, error, refresh } = useLoad((signal) => api.apiKeys(signal), [], 0);
  const { data: lab } = useLoad(() => api.healthy(), [], 0);
  const [made, setMade] = useState<{ name: string; key: string; may: 'all' | 'metrics' } | null>(null);
  const [problem, setProblem] = useState('');
  const [revoking, setRevoking] = useState<string | null>(null);
  const name = useRef<HTMLInputElement>(null);
  const days = useRef<HTMLSelectElement>(null);
  const scope = useRef<HTMLSelectElement>(null);

  async function attempt(task: () => Promise<void>): Promise<void> {
    setProblem('');
    try {
      await task();
      refresh();
    } catch (e) {
      setProblem(e instanceof ApiError ? e.message : 'The lab does not answer. Try again in a moment.');
    }
  }

  const create = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const { name: called, key, scope: may } = await api.createApiKey(name.current!.value.trim() || 'web', Number(days.current!.value) || null, scope.current?.value === 'metrics' ? 'metrics' : 'all');
      setMade({ name: called, key, may });
      name.current!.value = '';
    });
  };
  const revoke = (id: string) =>
    void attempt(async () => {
      await api.deleteApiKey(id);
      setRevoking(null);
    });

  return (
    <Shell crumbs={[{ text: 'Account' }]} title="Account">
      <h1>{who?.username}</h1>
      <Password />
      <section class="block">
        <h2>API keys</h2>
        <p class="dim">
          Scripts use a key in your name. <code>hectiqlab add-profile</code> makes one and stores it; one made here is shown once.
        </p>
        <form class="controls" onSubmit={create}>
          <label class="search">
            <input ref={name} placeholder="Name, such as the machine's" aria-label="Name of the new key" maxLength={100} />
          </label>
          <select ref={days} aria-label="How long it works">
            <option value="">never expires</option>
            {[7, 30, 90, 365].map((d) => <option key={d} value={d}>for {d} days</option>)}
          </select>
          {isAdmin(who?.role) && (
            <select ref={scope} aria-label="What it may do">
              <option value="all">may what you may</option>
              <option value="metrics">reads the lab's metrics only</option>
            </select>
          )}
          <button class="button primary">Create key</button>
        </form>
        {problem && <p class="problem" role="alert">{problem}</p>}
        {made && (
          <Snippet
            label={`${made.name}: shown now and never again`}
            text={made.may === 'metrics' ? made.key : `export HECTIQLAB_URL=${location.origin}${ROOT}\nexport HECTIQLAB_API_KEY=${made.key}`}
          />
        )}
        {error && <p class="problem" role="alert">{error.message}</p>}
        {!data && !error && <Waiting />}
        {data && (
          <div class="table-scroll" tabIndex={0} role="region" aria-label="API keys">
            <table>
              <thead>
                <tr><th>Name</th><th>ID</th><th>Created</th><th>Last used</th><th>Expires</th><th>May</th><th><span class="sr">Actions</span></th></tr>
              </thead>
              <tbody>
                {data.items.map((k) => (
                  <tr key={k.id}>
                    <td>{k.name}</td>
                    <td><code>{k.id}</code></td>
                    <td><Moment time={k.created} now={now} /></td>
                    <td>{k.last_used ? <Moment time={k.last_used} now={now} /> : 'not yet'}</td>
                    <td>{k.expires ? new Date(k.expires * 1000).toLocaleDateString() : 'never'}</td>
                    <td>{k.scope === 'metrics' ? 'metrics only' : 'all'}</td>
                    <td>
                      {revoking === k.id ? (
                        <>
                          <button class="link danger" onClick={() => revoke(k.id)}>Revoke: scripts with it stop reaching the lab</button>{' '}
                          <button class="link" onClick={() => setRevoking(null)}>Keep</button>
                        </>
                      ) : (
                        <button class="link" onClick={() => setRevoking(k.id)}>Revoke</button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {lab && <p class="dim">This lab runs version {lab.version}.</p>}
    </Shell>
  );
}

function Password() {
  const current = useRef<HTMLInputElement>(null);
  const fresh = useRef<HTMLInputElement>(null);
  const [done, setDone] = useState(false);
  const { problem, attempt } = useAttempt(() => {});
  const submit = (event: Event) => {
    event.preventDefault();
    setDone(false);
    attempt(async () => {
      enter(await api.setPassword(fresh.current!.value, current.current!.value));
      current.current!.value = fresh.current!.value = '';
      setDone(true);
    });
  };
  return (
    <section class="block">
      <h2>Password</h2>
      <form class="controls" onSubmit={submit}>
        <input name="username" autocomplete="username" value={user.value?.username ?? ''} hidden readOnly />
        <label class="search">
          <input ref={current} type="password" placeholder="Current, if there is one" aria-label="Current password" autocomplete="current-password" />
        </label>
        <label class="search">
          <input ref={fresh} type="password" placeholder="New" aria-label="New password" autocomplete="new-password" minLength={8} required />
        </label>
        <button class="button">Change it</button>
        <button type="button" class="link" onClick={() => attempt(async () => (await api.logoutEverywhere(), logOut()))}>
          Log out everywhere
        </button>
      </form>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {done && <p role="status">Changed. Your other web sessions have ended; keys go on working.</p>}
    </section>
  );
}
