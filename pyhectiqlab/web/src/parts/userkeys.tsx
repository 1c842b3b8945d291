// The API keys of a user, for admins of the lab: they list and revoke the keys of any user, and make those of service accounts.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import type { UserAnswer } from '../schema/lab';
import { useAttempt } from '../state/attempt';
import { useLoad } from '../state/load';
import { Waiting } from '../widgets/basics';
import { KeyTable, MadeKey } from './keytable';

export function UserKeys({ user }: { user: UserAnswer }) {
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
        <KeyTable
          keys={data.items}
          label={`API keys of ${user.username}`}
          onRevoke={(id) => attempt(() => api.revokeKeyOf(user.username, id))}
        />
      )}
      {user.service && !user.disabled && (
        <form class="controls" onSubmit={create}>
          <label class="search">
            <input ref={name} placeholder="Name, such as the machine's" aria-label="Name of the new key" maxLength={100} />
          </label>
          <button class="button">Make a key</button>
        </form>
      )}
      {made && <MadeKey name={made.name} secret={made.key} scope="all" />}
    </>
  );
}
