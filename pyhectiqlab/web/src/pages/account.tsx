// Who is logged in, and the keys that scripts use in their name.

import { useRef, useState } from 'preact/hooks';
import { api, ApiError } from '../api/http';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { user } from '../state/session';
import { useStore } from '../state/store';
import { Moment, Snippet, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function AccountPage() {
  const who = useStore(user);
  const now = useNow(true);
  const { data, error, refresh } = useLoad((signal) => api.apiKeys(signal), [], 0);
  const [made, setMade] = useState<{ name: string; key: string } | null>(null);
  const [problem, setProblem] = useState('');
  const [revoking, setRevoking] = useState<string | null>(null);
  const name = useRef<HTMLInputElement>(null);

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
      const { name: called, key } = await api.createApiKey(name.current!.value.trim() || 'web');
      setMade({ name: called, key });
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
      <section class="block">
        <h2>API keys</h2>
        <p class="dim">
          Scripts use a key in your name. <code>hectiqlab add-profile</code> makes one and stores it; one made here is shown once.
        </p>
        <form class="controls" onSubmit={create}>
          <label class="search">
            <input ref={name} placeholder="Name, such as the machine's" aria-label="Name of the new key" maxLength={100} />
          </label>
          <button class="button primary">Create key</button>
        </form>
        {problem && <p class="problem" role="alert">{problem}</p>}
        {made && (
          <Snippet
            label={`${made.name}: shown now and never again`}
            text={`export HECTIQLAB_URL=${location.origin}\nexport HECTIQLAB_API_KEY=${made.key}`}
          />
        )}
        {error && <p class="problem" role="alert">{error.message}</p>}
        {!data && !error && <Waiting />}
        {data && (
          <div class="table-scroll" tabIndex={0} role="region" aria-label="API keys">
            <table>
              <thead>
                <tr><th>Name</th><th>ID</th><th>Created</th><th><span class="sr">Actions</span></th></tr>
              </thead>
              <tbody>
                {data.items.map((k) => (
                  <tr key={k.id}>
                    <td>{k.name}</td>
                    <td><code>{k.id}</code></td>
                    <td><Moment time={k.created} now={now} /></td>
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
    </Shell>
  );
}
