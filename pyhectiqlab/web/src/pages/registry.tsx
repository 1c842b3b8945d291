// The models and datasets of a project: the latest version of each name.

import { api } from '../api/calls';
import { versions } from '../api/versions';
import { NOUNS } from '../base/kinds';
import { projectUrl, registryUrl } from '../base/links';
import type { Route } from '../base/route';
import { ProjectNav } from '../parts/projectnav';
import { VersionTable } from '../parts/versiontable';
import { useLoad } from '../state/load';
import { Empty, Snippet, Waiting } from '../widgets/basics';
import { Shell } from '../widgets/shell';

type RegistryRoute = Extract<Route, { page: 'registry' }>;

export function RegistryPage({ route }: { route: RegistryRoute }) {
  const { project: ref, kind, after } = route;
  const project = useLoad((signal) => api.project(ref, signal), [ref]);
  const { data, error } = useLoad((signal) => versions.latest(ref, kind, after, signal), [ref, kind, after]);
  const name = project.data?.name ?? ref;
  const title = kind === 'models' ? 'Models' : 'Datasets';
  return (
    <Shell crumbs={[{ text: name, href: projectUrl(ref) }, { text: title }]} title={`${title} of ${name}`}>
      <h1 class="name">{name}</h1>
      <ProjectNav project={ref} here={kind} />
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
