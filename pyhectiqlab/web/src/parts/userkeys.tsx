// The API keys of somebody, for admins of the lab: anybody's are listed and revoked, a service account's are made here.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ROOT } from '../base/root';
import type { UserAnswer } from '../schema/lab';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { Confirm, Moment, Snippet, Waiting } from '../widgets/basics';

export function UserKeys({ user }: { user: UserAnswer }) {
  const now = useNow(true);
  const { data, error, refresh } = useLoad((signal) => api.keysOf(user.username, signal), [user.username, user.disabled], 0);
  const { problem, attempt } = useAttempt(refresh);
  const [made, setMade] = useState<{ name: string; key: string } | null>(null);
  const name = useRef<HTMLInputElement>(null);
  const create = (event: Event) => {
    event.preventDefault();
    attempt(async () => {
      const { name: called, key } = await api.makeKeyOf(user.username, name.current!.value.trim() || 'web', null);
      setMade({ name: called, key });
      name.current!.value = '';
    });
  };
  return (
    <>
      {(error || problem) && <p class="problem" role="alert">{problem || error?.message}</p>}
      {!data && !error && <Waiting />}
      {data && data.items.length === 0 && <p class="dim">No API keys.</p>}
      {data && data.items.length > 0 && (
        <div class="table-scroll" tabIndex={0} role="region" aria-label={`API keys of ${user.username}`}>
          <table>
            <thead>
              <tr><th>Key</th><th>ID</th><th>Created</th><th>Last used</th><th>Expires</th><th><span class="sr">Actions</span></th></tr>
            </thead>
            <tbody>
              {data.items.map((k) => (
                <tr key={k.id}>
                  <td>{k.name}</td>
                  <td><code>{k.id}</code></td>
                  <td><Moment time={k.created} now={now} /></td>
                  <td>{k.last_used ? <Moment time={k.last_used} now={now} /> : 'not yet'}</td>
                  <td>{k.expires ? new Date(k.expires * 1000).toLocaleDateString() : 'never'}</td>
                  <td>
                    <Confirm
                      text="Revoke"
                      question="Scripts with it stop reaching the lab."
                      onYes={() => attempt(() => api.revokeKeyOf(user.username, k.id))}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {user.service && !user.disabled && (
        <form class="controls" onSubmit={create}>
          <label class="search">
            <input ref={name} placeholder="Name, such as the machine's" aria-label="Name of the new key" maxLength={100} />
          </label>
          <button class="button">Make a key</button>
        </form>
      )}
      {made && (
        <Snippet
          label={`${made.name}: shown now and never again`}
          text={`export HECTIQLAB_URL=${location.origin}${ROOT}\nexport HECTIQLAB_API_KEY=${made.key}`}
        />
      )}
    </>
  );
}
