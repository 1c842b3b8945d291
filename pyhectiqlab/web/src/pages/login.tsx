// Name and password; afterwards back to the page that was asked for.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import { navigate } from '../state/router';
import { enter, user } from '../state/session';
import { useStore } from '../state/store';
import { Logo } from '../widgets/icon';
import { ConnectionLine } from '../widgets/shell';

export function LoginPage({ next }: { next: string }) {
  const who = useStore(user);
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = 'Log in · hectiqlab';
    name.current?.focus();
  }, []);
  useEffect(() => {
    if (who) navigate(next, true);
  }, [who, next]);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      const me = await api.login(name.current!.value, password.current!.value);
      enter(me);
    } catch (e) {
      setError(explain(e));
      password.current?.select();
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      <ConnectionLine />
      <main class="login">
        <form onSubmit={(e) => void submit(e)}>
          <h1>
            <Logo /> hectiqlab
          </h1>
          <label>
            Username
            <input ref={name} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required />
          </label>
          <label>
            Password
            <input ref={password} name="password" type="password" autocomplete="current-password" required />
          </label>
          {error && (
            <p class="problem" role="alert">
              {error}
            </p>
          )}
          <button class="button primary" disabled={busy}>
            {busy ? 'Logging in…' : 'Log in'}
          </button>
          <p class="hint">
            Started this lab yourself? <code>hectiqlab login-link</code> on its machine prints a link that logs you in.
          </p>
        </form>
      </main>
    </>
  );
}

function explain(e: unknown): string {
  if (!(e instanceof ApiError)) return 'The lab does not answer. Try again in a moment.';
  if (e.status === 401) return 'Wrong username or password, or a disabled account.';
  if (e.status === 429) return 'Too many attempts. Wait a minute, then try again.';
  return e.message;
}
