// Links between the pages of a project.

import type { Kind } from '../base/kinds';
import { projectUrl, registryUrl } from '../base/links';

export function ProjectNav({ project, here }: { project: string; here: Kind | 'runs' | 'members' | 'settings' }) {
  const current = (page: string) => (page === here ? 'page' : undefined);
  return (
    <nav class="kinds" aria-label="Of this project">
      <a href={projectUrl(project)} aria-current={current('runs')}>Runs</a>
      <a href={registryUrl(project, 'models')} aria-current={current('models')}>Models</a>
      <a href={registryUrl(project, 'datasets')} aria-current={current('datasets')}>Datasets</a>
      <a href={`${projectUrl(project)}/members`} aria-current={current('members')}>Members</a>
      <a href={`${projectUrl(project)}/settings`} aria-current={current('settings')}>Settings</a>
    </nav>
  );
}
