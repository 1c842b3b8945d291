// The login by name and password, or by single sign-on. It leads back to the page that somebody wanted.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import { ssoUrl } from '../base/links';
import { SSO_PROBLEMS } from '../base/sso';
import type { SsoAnswer } from '../schema/lab';
import { navigate } from '../state/router';
import { enter, revival, user } from '../state/session';
import { useStore } from '../state/store';
import { Logo } from '../widgets/icon';
import { ConnectionLine } from '../widgets/shell';

export function LoginPage({ next, problem }: { next: string; problem: string }) {
  const who = useStore(user);
  const again = useStore(revival);
  const [sso, setSso] = useState<SsoAnswer | null | undefined>(undefined);
  const [error, setError] = useState(problem === '' ? '' : (SSO_PROBLEMS[problem] ?? 'The login was refused. The log of the lab says why.'));
  const [busy, setBusy] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = 'Log in · hectiqlab';
    name.current?.focus();
  }, []);
  useEffect(() => void api.healthy().then((health) => setSso(health.sso), () => undefined), [again]);
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
          {sso && (
            <>
              <a class="button primary" href={ssoUrl(next)}>Log in with {sso.label}</a>
              <p class="or">{sso.only ? 'Admins may also use a password' : 'or with a password'}</p>
            </>
          )}
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
          <button class={sso ? 'button' : 'button primary'} disabled={busy}>
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
  if (e.code === 'use_sso') return e.message;
  if (e.status === 401) return 'Wrong username or password, or a disabled account.';
  if (e.status === 429) return 'Too many attempts. Wait a minute, then try again.';
  return e.message;
}
