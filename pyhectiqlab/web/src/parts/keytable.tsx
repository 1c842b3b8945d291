// API keys as rows with a button that revokes each, and a key that was just made. The page of an account shows its own keys; the
// page of people shows those of others.

import { ROOT } from '../base/root';
import type { KeyAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { Confirm, Moment, Snippet } from '../widgets/basics';

export function KeyTable({ keys, label, onRevoke }: { keys: KeyAnswer[]; label: string; onRevoke: (id: string) => void }) {
  const now = useNow(true);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr><th>Name</th><th>ID</th><th>Created</th><th>Last used</th><th>Expires</th><th>May</th><th><span class="sr">Actions</span></th></tr>
        </thead>
        <tbody>
          {keys.map((k) => (
            <tr key={k.id}>
              <td>{k.name}</td>
              <td><code>{k.id}</code></td>
              <td><Moment time={k.created} now={now} /></td>
              <td>{k.last_used ? <Moment time={k.last_used} now={now} /> : 'not yet'}</td>
              <td>{k.expires ? new Date(k.expires * 1000).toLocaleDateString() : 'never'}</td>
              <td>{k.scope === 'metrics' ? 'metrics only' : 'all'}</td>
              <td><Confirm text="Revoke" question="Scripts with it stop reaching the lab." onYes={() => onRevoke(k.id)} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// A key is shown as a script takes it. One that only reads the lab's metrics is for a program that wants the bare key.
export function MadeKey({ name, secret, scope }: { name: string; secret: string; scope: KeyAnswer['scope'] }) {
  return (
    <Snippet
      label={`${name}: shown now and never again`}
      text={scope === 'metrics' ? secret : `export HECTIQLAB_URL=${location.origin}${ROOT}\nexport HECTIQLAB_API_KEY=${secret}`}
    />
  );
}
