// The page for a command that asks for an API key: the user who is logged in compares its code and confirms it.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { useAttempt } from '../state/attempt';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { user } from '../state/session';
import { useStore } from '../state/store';
import { Moment, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

export function CommandPage({ code }: { code: string }) {
  return (
    <Shell crumbs={[{ text: 'Command' }]} title="A command logs in">
      <h1>A command logs in</h1>
      {code === '' ? <Ask /> : <Confirm code={code} />}
    </Shell>
  );
}

function Ask() {
  const code = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const letters = code.current!.value.toUpperCase().replace(/[^A-Z]/g, '');
    navigate({ page: 'command', code: `${letters.slice(0, 4)}-${letters.slice(4, 8)}` });
  };
  return (
    <form class="controls" onSubmit={submit}>
      <label class="search">
        <input ref={code} placeholder="The code, such as BCDF-GHJK" aria-label="The code that the command shows" pattern="\s*[A-Za-z]{4}[\s\-]?[A-Za-z]{4}\s*" required />
      </label>
      <button class="button primary">Go on</button>
    </form>
  );
}

function Confirm({ code }: { code: string }) {
  const who = useStore(user);
  const now = useNow(true);
  const { data, error } = useLoad((signal) => api.commandLogin(code, signal), [code], 0);
  const [done, setDone] = useState<'given' | 'refused' | null>(null);
  const { problem, attempt } = useAttempt(() => {});
  const settle = (allow: boolean) =>
    attempt(async () => {
      await api.settleCommandLogin(code, allow);
      setDone(allow ? 'given' : 'refused');
    });
  if (done === 'given') return <p role="status">The command has its key. You may close this page; the key is listed under Account.</p>;
  if (done === 'refused') return <p role="status">Refused: the command gets nothing.</p>;
  if (error) return <p class="problem" role="alert">{error.message}</p>;
  if (!data) return <Waiting />;
  return (
    <section class="block">
      <p>
        A command that calls itself <b>{data.name}</b>, at the address <b>{data.address}</b>, began to log in{' '}
        <Moment time={data.created} now={now} />. It asks for an API key in your name, <b>{who?.username}</b>.
      </p>
      <p class="code">{data.code}</p>
      <p>Confirm this only if you started the command yourself a moment ago, and if it shows this code.</p>
      {problem && <p class="problem" role="alert">{problem}</p>}
      <p class="controls">
        <button class="button primary" onClick={() => settle(true)}>Give it a key</button>
        <button class="button" onClick={() => settle(false)}>Refuse</button>
      </p>
    </section>
  );
}
