// Addresses in the lab: of its pages, and of the contents of its files.

import type { ArtifactAnswer, VersionAnswer } from '../schema/lab';
import { at } from './root';
import type { Kind } from './kinds';

const id = encodeURIComponent;

export function projectUrl(project: string): string {
  return at(`/projects/${id(project)}`);
}

export function runUrl(run: string): string {
  return at(`/runs/${id(run)}`);
}

/** Return the address of a table as CSV: all runs that the filter finds, with their names and these columns. */
export function tableCsvUrl(project: string, filter: readonly string[], sort: readonly string[], columns: readonly string[]): string {
  const of = (name: string, values: readonly string[]) => values.map((value): [string, string] => [name, value]);
  const asked = new URLSearchParams([['project', project], ...of('filter', filter), ...of('sort', sort), ...of('column', ['name', ...columns])]);
  return at(`/api/v1/table/csv?${asked}`);
}

export function registryUrl(project: string, kind: Kind, name?: string, version?: string): string {
  const of = name === undefined ? '' : `/${id(name)}`;
  return `${projectUrl(project)}/${kind}${of}${version === undefined ? '' : `?version=${id(version)}`}`;
}

/** Return the address of the login at the provider of single sign-on; from there it goes back to `next`. */
export function ssoUrl(next: string): string {
  return at(`/api/v1/sso/login${next === '/' ? '' : `?next=${id(next)}`}`);
}

/** Return whether the lab shows a file of this name in place; see INLINE in server/routes/artifacts.py. */
export function isImage(name: string): boolean {
  return /\.(png|jpe?g|gif|webp)$/i.test(name);
}

export function contentUrl(artifact: Pick<ArtifactAnswer, 'uuid'>, inline = false): string {
  return at(`/api/v1/artifacts/${id(artifact.uuid)}/content${inline ? '?inline=1' : ''}`);
}

export function fileUrl(version: Pick<VersionAnswer, 'kind' | 'uuid'>, path: string): string {
  return at(`/api/v1/${version.kind}/${id(version.uuid)}/content?path=${id(path)}`);
}
