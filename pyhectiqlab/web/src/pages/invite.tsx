// The page that an invite leads to: name and password of a new account. The token stands behind #, so no server's log ever has
// it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { at } from '../base/root';
import { useAttempt } from '../state/attempt';
import { navigate } from '../state/router';
import { enter } from '../state/session';
import { Logo } from '../widgets/icon';
import { ConnectionLine } from '../widgets/shell';

export function InvitePage() {
  const [token] = useState(() => location.hash.slice(1));
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const { problem, attempt } = useAttempt(() => navigate('/', true));
  useEffect(() => {
    document.title = 'Invitation · hectiqlab';
    history.replaceState(null, '', at('/invite')); // nobody should bookmark a token
    name.current?.focus();
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    attempt(async () => enter(await api.acceptInvite(token, name.current!.value.trim(), password.current!.value)));
  };
  return (
    <>
      <ConnectionLine />
      <main class="login">
        <form onSubmit={submit}>
          <h1>
            <Logo /> hectiqlab
          </h1>
          <p>You are invited to this lab: choose how you log in.</p>
          <label>
            Username
            <input ref={name} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={100} />
          </label>
          <label>
            Password
            <input ref={password} name="password" type="password" autocomplete="new-password" minLength={8} required />
          </label>
          {problem && <p class="problem" role="alert">{problem}</p>}
          <button class="button primary">Make my account</button>
        </form>
      </main>
    </>
  );
}
