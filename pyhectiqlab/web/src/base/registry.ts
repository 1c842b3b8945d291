// Models and datasets as a page shows them. No DOM.

import { at } from './root';

export type Kind = 'models' | 'datasets';
export const NOUNS: Record<Kind, string> = { models: 'model', datasets: 'dataset' };

export interface RunRef {
  id: string;
  name: string;
}

export interface Version {
  uuid: string;
  kind: Kind;
  name: string;
  version: string;
  aliases: string[];
  short_description: string;
  description: string;
  files: number;
  bytes: number;
  author: string;
  created: number;
  run: RunRef | null; // that made it
  project: { id: string; name: string };
  versions?: number; // of the name, where they were counted
}

export interface VersionDetail extends Version {
  contents: { path: string; digest: string; bytes: number }[];
  used_by: (RunRef & { author: string; created: number })[];
}

/** As protocol/registry.py has it. */
export function isAlias(text: string): boolean {
  return /^[a-z][a-z0-9_-]{0,63}$/.test(text) && text !== 'latest';
}

export function registryUrl(project: string, kind: Kind, name?: string, version?: string): string {
  const id = encodeURIComponent;
  const of = name === undefined ? '' : `/${id(name)}`;
  return at(`/projects/${id(project)}/${kind}${of}${version === undefined ? '' : `?version=${id(version)}`}`);
}

export function fileUrl(version: Version, path: string): string {
  return at(`/api/v1/${version.kind}/${encodeURIComponent(version.uuid)}/content?path=${encodeURIComponent(path)}`);
}

/** `as`: the number, or an alias of it. */
export function downloadByPython(version: Version, as: string): string {
  const verb = version.kind === 'models' ? 'download_mlmodel' : 'download_dataset';
  return `path = run.${verb}(name=${JSON.stringify(version.name)}, version="${as}", save_path="./")`;
}

export function downloadByShell(version: Version, as: string): string {
  const command = version.kind === 'models' ? 'download-mlmodel' : 'download-dataset';
  return `hectiqlab ${command} -p ${version.project.id} -n '${version.name.replaceAll("'", `'\\''`)}' -v ${as}`;
}
