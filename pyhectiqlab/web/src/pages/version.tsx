// One version of a model or dataset: what it is, its files, its aliases, the run that made it and the runs that used it.

import { useState } from 'preact/hooks';
import { ApiError } from '../api/http';
import { versions } from '../api/versions';
import { formatBytes, formatInteger, plural } from '../base/format';
import { isAlias, NOUNS, type Kind } from '../base/kinds';
import { fileUrl, projectUrl, registryUrl, runUrl } from '../base/links';
import { versionByPython, versionByShell } from '../base/snippets';
import { ProjectNav } from '../parts/projectnav';
import type { VersionAnswer, VersionDetailAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { navigate } from '../state/router';
import { CopyButton, Empty, Moment, Snippet, Waiting } from '../widgets/basics';
import { Markdown } from '../widgets/markdown';
import { Shell } from '../widgets/shell';

const FILES_SHOWN = 500;

interface NamedRoute {
  page: 'registry';
  project: string;
  kind: Kind;
  name: string;
  version: string;
  after: string | null;
}

export function VersionPage({ route }: { route: NamedRoute }) {
  const { project, kind, name, version } = route;
  const { data, error, refresh } = useLoad((signal) => versions.one(project, kind, name, version, signal), [project, kind, name, version], 200);
  const all = useLoad((signal) => versions.all(project, kind, name, signal), [project, kind, name], 200);
  const changed = () => {
    // By now an alias in the address may point to another version, or to none.
    if (data && version !== 'latest' && version !== data.version) navigate({ ...route, version: data.version }, true);
    else refresh();
    all.refresh();
  };
  const crumbs = [
    { text: data?.project.name ?? project, href: projectUrl(project) },
    { text: kind === 'models' ? 'Models' : 'Datasets', href: registryUrl(project, kind) },
    { text: name },
  ];
  return (
    <Shell crumbs={crumbs} title={name}>
      <ProjectNav project={project} here={kind} />
      {error && (!data || error.status === 404) ? (
        <Empty title={`There is no such ${NOUNS[kind]}`}><p>{error.message}</p></Empty>
      ) : !data ? (
        <Waiting />
      ) : (
        <Shown version={data} others={all.data ?? [data]} pick={(v) => navigate({ ...route, version: v })} changed={changed} />
      )}
    </Shell>
  );
}

interface ShownProps {
  version: VersionDetailAnswer;
  others: VersionAnswer[];
  pick: (version: string) => void;
  changed: () => void;
}

function Shown({ version, others, pick, changed }: ShownProps) {
  const now = useNow(true);
  const as = version.aliases[0] ?? version.version;
  return (
    <>
      <header class="run-head">
        <div class="run-title">
          <h1 class="name">{version.name}</h1>
          {version.short_description && <p class="dim">{version.short_description}</p>}
        </div>
        <dl class="facts">
          <div>
            <dt>Version</dt>
            <dd>
              <select aria-label="Version" value={version.version} onChange={(e) => pick(e.currentTarget.value)}>
                {(others.some((o) => o.uuid === version.uuid) ? others : [version, ...others]).map((o) => (
                  <option key={o.uuid} value={o.version}>{[o.version, ...o.aliases].join(' · ')}</option>
                ))}
              </select>
            </dd>
          </div>
          <div><dt>Files</dt><dd class="num">{formatInteger(version.files)}</dd></div>
          <div><dt>Size</dt><dd class="num" title={plural(version.bytes, 'byte')}>{formatBytes(version.bytes)}</dd></div>
          <div><dt>Author</dt><dd>{version.author}</dd></div>
          <div><dt>Created</dt><dd><Moment time={version.created} now={now} /></dd></div>
          <div><dt>Made by</dt><dd>{version.run ? <a href={runUrl(version.run.id)}>{version.run.name}</a> : <span class="dim">no run</span>}</dd></div>
        </dl>
      </header>
      <div class="overview">
        <Aliases version={version} changed={changed} />
        <section class="block">
          <h2>Download</h2>
          <Snippet label="Python" text={versionByPython(version, as)} />
          <Snippet label="Shell" text={versionByShell(version, as)} />
        </section>
        {version.description && (
          <section class="block wide">
            <h2>Description</h2>
            <Markdown text={version.description} />
          </section>
        )}
        <Files version={version} />
        <section class="block wide">
          <h2>Used by</h2>
          {version.used_by.length === 0 && <p class="dim">No run has reported that it used this version.</p>}
          <ul class="lineage">
            {version.used_by.map((run) => (
              <li key={run.id}>
                <a href={runUrl(run.id)}>{run.name}</a> <span class="dim">{run.author}, <Moment time={run.created} now={now} /></span>
              </li>
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}

function Aliases({ version, changed }: { version: VersionDetailAnswer; changed: () => void }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState('');
  const act = (work: Promise<unknown>) => {
    setProblem('');
    work.then(
      () => {
        setText('');
        changed();
      },
      (e: Error) => setProblem(e instanceof ApiError ? e.message : 'The lab does not answer.'),
    );
  };
  return (
    <section class="block">
      <h2>Aliases</h2>
      {version.aliases.length === 0 && <p class="dim">None points to this version.</p>}
      <ul class="aliases" aria-label="Aliases">
        {version.aliases.map((alias) => (
          <li key={alias} class="tag">
            {alias}
            <button class="link" type="button" aria-label={`Remove the alias ${alias}`} title="Remove" onClick={() => act(versions.removeAlias(version, alias))}>×</button>
          </li>
        ))}
      </ul>
      <form
        class="alias-form"
        onSubmit={(e) => {
          e.preventDefault();
          if (isAlias(text)) act(versions.setAlias(version, text));
          else setProblem('An alias has a-z, 0-9, - and _, begins with a letter, and is not “latest”.');
        }}
      >
        <input value={text} onInput={(e) => setText(e.currentTarget.value)} aria-label="Alias" placeholder="production" maxLength={64} spellcheck={false} autocapitalize="off" />
        <button class="button" disabled={!text}>Point here</button>
      </form>
      {problem && <p class="bad" role="alert">{problem}</p>}
      <p class="dim">An alias points to one version: setting it here takes it away from any other.</p>
    </section>
  );
}

function Files({ version }: { version: VersionDetailAnswer }) {
  const [all, setAll] = useState(false);
  const shown = all ? version.contents : version.contents.slice(0, FILES_SHOWN);
  return (
    <section class="block wide">
      <h2>Files</h2>
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Files">
        <table class="versions">
          <thead><tr><th>Path</th><th class="number">Size</th><th>SHA-256</th></tr></thead>
          <tbody>
            {shown.map((file) => (
              <tr key={file.path}>
                <th scope="row"><a href={fileUrl(version, file.path)} download={file.path.split('/').pop()}>{file.path}</a></th>
                <td class="number" title={plural(file.bytes, 'byte')}>{formatBytes(file.bytes)}</td>
                <td><span class="with-copy"><code>{file.digest.slice(0, 12)}…</code><CopyButton text={file.digest} label={`Copy the SHA-256 of ${file.path}`} /></span></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < version.contents.length && <button class="button" onClick={() => setAll(true)}>Show all {formatInteger(version.contents.length)}</button>}
    </section>
  );
}
