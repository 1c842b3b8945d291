// What the scripts of a run reported of their environment: versions, machine, git. A client sent these fields, so any of them may
// be missing or of another type.

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatBytes, formatInteger, plural } from '../base/format';
import { commitLink } from '../base/remote';
import type { CaptureAnswer } from '../schema/lab';
import { Tree } from '../widgets/tree';

type Fields = Record<string, unknown>;

export function Captured({ run, capture }: { run: string; capture: CaptureAnswer }) {
  const reported = capture.packages;
  const packages = fieldsOf(reported?.packages);
  const git = fieldsOf(reported?.git);
  const variables = fieldsOf(reported?.variables);
  const repos = Object.entries(capture.repos);
  return (
    <>
      {reported && (
        <section class="block">
          <h2>Environment</h2>
          <Tree value={{ ...(reported.command ? { command: reported.command } : {}), ...(reported.python ? { python: reported.python } : {}), ...machineOf(reported.system) }} empty="Nothing was reported of the machine." />
          <Folded of={packages} what="package" />
          <Folded of={variables} what="environment variable" />
        </section>
      )}
      {(Object.keys(git).length > 0 || repos.length > 0) && (
        <section class="block">
          <h2>Git</h2>
          {Object.keys(git).length > 0 && <Repository title="script" remote={git.origin} commit={git.hash} state={git} run={run} find={(c) => fieldsOf(c.packages?.git)} />}
          {repos.map(([name, repo]) => (
            <Repository key={name} title={name} remote={repo.remote} commit={repo.commit} state={repo} run={run} find={(c) => fieldsOf(c.repos[name])} />
          ))}
        </section>
      )}
    </>
  );
}

function Folded({ of, what }: { of: Fields; what: string }) {
  const count = Object.keys(of).length;
  return count === 0 ? null : (
    <details>
      <summary>{plural(count, what)}</summary>
      <Tree value={of} empty="" />
    </details>
  );
}

interface RepositoryProps {
  title: string;
  remote: unknown;
  commit: unknown;
  state: Fields;
  run: string;
  find: (capture: CaptureAnswer) => Fields;
}

function Repository({ title, remote, commit, state, run, find }: RepositoryProps) {
  const [open, setOpen] = useState(false);
  const link = commitLink(remote, commit);
  const short = typeof commit === 'string' ? commit.slice(0, 10) : 'no commit';
  const length = typeof state.diff_length === 'number' ? state.diff_length : 0;
  return (
    <div class="repository">
      <p>
        <b>{title}</b> {link ? <a href={link} rel="noreferrer" target="_blank"><code>{short}</code></a> : <code>{short}</code>}
        {typeof state.branch === 'string' && <> on <code>{state.branch}</code></>}{' '}
        <span class="dim">{state.dirty === true ? 'with changes' : state.dirty === false ? 'clean' : 'changes not known'}</span>
      </p>
      {typeof remote === 'string' && <p class="dim">{remote}</p>}
      {length > 0 && (
        <details onToggle={(e) => setOpen(e.currentTarget.open)}>
          <summary>diff, {formatInteger(length)} characters{state.diff_cut === true && ', cut short'}</summary>
          {open && <Diff run={run} find={find} />}
        </details>
      )}
    </div>
  );
}

function Diff({ run, find }: { run: string; find: (capture: CaptureAnswer) => Fields }) {
  const [text, setText] = useState('…');
  useEffect(() => {
    let wanted = true;
    api.capture(run).then(
      (capture) => wanted && setText(String(find(capture).diff ?? '')),
      (error: Error) => wanted && setText(error.message),
    );
    return () => {
      wanted = false;
    };
  }, [run]);
  return <pre class="diff">{text}</pre>;
}

/** Return the facts of the machine, its memory in units that people read. */
function machineOf(system: unknown): Fields {
  const { memory_bytes: bytes, ...rest } = fieldsOf(system);
  return typeof bytes === 'number' ? { ...rest, memory: formatBytes(bytes) } : fieldsOf(system);
}

function fieldsOf(value: unknown): Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {};
}
