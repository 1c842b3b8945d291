// Code that downloads a file, for readers to copy.

import type { ArtifactAnswer, VersionAnswer } from '../schema/lab';

type Source = Pick<ArtifactAnswer, 'uuid' | 'name' | 'step' | 'run' | 'project'>;
type Registered = Pick<VersionAnswer, 'kind' | 'name' | 'project'>;

/** Return the command that downloads the newest artifact of this name and step. */
export function artifactByShell(artifact: Source): string {
  const where = artifact.run === null ? artifact.project.id : `--run ${artifact.run}`;
  const step = artifact.step === null ? '' : ` --step ${artifact.step}`;
  return `hectiqlab artifacts ${where} --download ${quoteForShell(artifact.name)}${step}`;
}

/** Return the Python code that downloads this very version of an artifact. */
export function artifactByPython(artifact: Source): string {
  return `from pyhectiqlab.utils import download_existing_run_artifact

path = download_existing_run_artifact("${artifact.uuid}", "./")`;
}

/** `as`: the number of the version, or an alias of it. */
export function versionByPython(version: Registered, as: string): string {
  const verb = version.kind === 'models' ? 'download_mlmodel' : 'download_dataset';
  return `path = run.${verb}(name=${JSON.stringify(version.name)}, version="${as}", save_path="./")`;
}

export function versionByShell(version: Registered, as: string): string {
  const command = version.kind === 'models' ? 'download-mlmodel' : 'download-dataset';
  return `hectiqlab ${command} -p ${version.project.id} -n ${quoted(version.name)} -v ${as}`;
}

function quoteForShell(text: string): string {
  return /^[\w.,:@%+=-]+$/.test(text) && !text.startsWith('-') ? text : quoted(text);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
