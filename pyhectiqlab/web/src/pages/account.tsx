// The page of who is logged in, and the keys that scripts use in that name.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { isAdmin } from '../base/roles';
import { KeyTable, MadeKey } from '../parts/keytable';
import { useAttempt } from '../state/attempt';
import { useLoad } from '../state/load';
import { enter, logOut, user } from '../state/session';
import { useStore } from '../state/store';
import { Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function AccountPage() {
  const who = useStore(user);
  const { data, error, refresh } = useLoad((signal) => api.apiKeys(signal), [], 0);
  const { data: lab } = useLoad(() => api.healthy(), [], 0);
  const [made, setMade] = useState<{ name: string; key: string; may: 'all' | 'metrics' } | null>(null);
  const { problem, attempt } = useAttempt(refresh);
  const name = useRef<HTMLInputElement>(null);
  const days = useRef<HTMLSelectElement>(null);
  const scope = useRef<HTMLSelectElement>(null);

  const create = (event: Event) => {
    event.preventDefault();
    attempt(async () => {
      const { name: called, key, scope: may } = await api.createApiKey(name.current!.value.trim() || 'web', Number(days.current!.value) || null, scope.current?.value === 'metrics' ? 'metrics' : 'all');
      setMade({ name: called, key, may });
      name.current!.value = '';
    });
  };

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
        {made && <MadeKey name={made.name} secret={made.key} scope={made.may} />}
        {error && <p class="problem" role="alert">{error.message}</p>}
        {!data && !error && <Waiting />}
        {data && <KeyTable keys={data.items} label="API keys" onRevoke={(id) => attempt(() => api.deleteApiKey(id))} />}
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
