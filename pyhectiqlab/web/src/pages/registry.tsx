// The models and datasets of a project: the latest version of each name.

import { registry } from '../api/registry';
import { formatBytes } from '../base/artifacts';
import { formatInteger } from '../base/format';
import { NOUNS, registryUrl, type Kind, type Version } from '../base/registry';
import { at } from '../base/root';
import type { Route } from '../base/route';
import { useNow } from '../state/clock';
import { useLoad } from '../state/load';
import { api } from '../api/http';
import { Empty, Moment, Snippet, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';
import { VersionPage } from './version';

type RegistryRoute = Extract<Route, { page: 'registry' }>;

export function RegistryPage({ route }: { route: RegistryRoute }) {
  if (route.name !== null) return <VersionPage key={`${route.kind}/${route.name}`} route={{ ...route, name: route.name }} />;
  return <ListPage route={route} />;
}

function ListPage({ route }: { route: RegistryRoute }) {
  const { project: ref, kind, after } = route;
  const project = useLoad((signal) => api.project(ref, signal), [ref]);
  const { data, error } = useLoad((signal) => registry.latest(ref, kind, after, signal), [ref, kind, after]);
  const name = project.data?.name ?? ref;
  const title = kind === 'models' ? 'Models' : 'Datasets';
  return (
    <Shell crumbs={[{ text: name, href: at(`/projects/${encodeURIComponent(ref)}`) }, { text: title }]} title={`${title} of ${name}`}>
      <h1 class="name">{name}</h1>
      <KindLinks project={ref} here={kind} />
      {error ? (
        <Empty title={`The ${kind} cannot be shown`}><p>{error.message}</p></Empty>
      ) : !data ? (
        <Waiting />
      ) : data.items.length === 0 ? (
        <Empty title={`No ${kind} yet`}>
          <p>A script adds a version of a {NOUNS[kind]}, a file or a folder, by one call:</p>
          <Snippet label="Python" text={kind === 'models' ? 'run.add_mlmodel("./checkpoints/", name="test-model")' : 'run.add_dataset("./data/", name="train-imagenet")'} />
        </Empty>
      ) : (
        <>
          <VersionTable items={data.items} label={title} />
          {data.next && <p class="paging"><a class="button" href={`${registryUrl(ref, kind)}?after=${encodeURIComponent(data.next)}`}>Next page</a></p>}
        </>
      )}
    </Shell>
  );
}

/** Between the pages of a project. */
export function KindLinks({ project, here }: { project: string; here: Kind | 'runs' | 'members' }) {
  const current = (page: string) => (page === here ? 'page' : undefined);
  return (
    <nav class="kinds" aria-label="Of this project">
      <a href={at(`/projects/${encodeURIComponent(project)}`)} aria-current={current('runs')}>Runs</a>
      <a href={registryUrl(project, 'models')} aria-current={current('models')}>Models</a>
      <a href={registryUrl(project, 'datasets')} aria-current={current('datasets')}>Datasets</a>
      <a href={at(`/projects/${encodeURIComponent(project)}/members`)} aria-current={current('members')}>Members</a>
    </nav>
  );
}

export function VersionTable({ items, label }: { items: Version[]; label: string }) {
  const now = useNow(true);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="versions">
        <thead>
          <tr>
            <th>Name</th>
            <th>Version</th>
            <th>Description</th>
            <th class="number">Files</th>
            <th class="number">Size</th>
            <th>Author</th>
            <th>Created</th>
          </tr>
        </thead>
        <tbody>
          {items.map((v) => (
            <tr key={v.uuid}>
              <th scope="row"><a href={registryUrl(v.project.id, v.kind, v.name, v.versions === undefined ? v.version : undefined)}>{v.name}</a></th>
              <td class="num">
                {v.version} {v.aliases.map((alias) => <span class="tag" key={alias}>{alias}</span>)}
                {v.versions !== undefined && v.versions > 1 && <span class="dim"> of {formatInteger(v.versions)}</span>}
              </td>
              <td class="words">{v.short_description}</td>
              <td class="number">{formatInteger(v.files)}</td>
              <td class="number">{formatBytes(v.bytes)}</td>
              <td>{v.author}</td>
              <td><Moment time={v.created} now={now} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Nothing where a run made and used none. */
export function RunRegistry({ run }: { run: string }) {
  const { data } = useLoad((signal) => registry.ofRun(run, signal), [run]);
  if (!data || !(data.made.length || data.used.length)) return null;
  return (
    <section class="block wide">
      <h2>Models and datasets</h2>
      {data.made.length > 0 && <><h3>Made by this run</h3><VersionTable items={data.made} label="Made by this run" /></>}
      {data.used.length > 0 && <><h3>Used by this run</h3><VersionTable items={data.used} label="Used by this run" /></>}
    </section>
  );
}
