// Artifacts as a page shows them: grouped by name, with their steps, and how to fetch one. No DOM.

import { at } from './root';

export interface Artifact {
  uuid: string;
  name: string;
  version: number;
  newest: boolean;
  step: number | null;
  bytes: number;
  digest: string;
  kind: string;
  author: string;
  created: number;
  run: string | null;
  project: { id: string; name: string };
}

/** All artifacts of one name: the one without a step first, then by step. Never empty. */
export interface Group {
  name: string;
  items: Artifact[];
}

/** In the order of the list, which the lab sorts by name and step. */
export function groupArtifacts(artifacts: readonly Artifact[]): Group[] {
  const groups = new Map<string, Group>();
  for (const artifact of artifacts) {
    const group = groups.get(artifact.name);
    if (group) group.items.push(artifact);
    else groups.set(artifact.name, { name: artifact.name, items: [artifact] });
  }
  return [...groups.values()];
}

/** What the lab shows in place; see INLINE in server/routes/artifacts.py. */
export function isImage(name: string): boolean {
  return /\.(png|jpe?g|gif|webp)$/i.test(name);
}

export function contentUrl(artifact: Artifact, inline = false): string {
  return at(`/api/v1/artifacts/${encodeURIComponent(artifact.uuid)}/content${inline ? '?inline=1' : ''}`);
}

/** 1.21 GB, in powers of 1000, to three digits. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 999.5) return `${unit === 'B' ? value : Number(value.toPrecision(3))} ${unit}`;
    value /= 1000;
  }
  return `${Number(value.toPrecision(3))} TB`;
}

/** The command that downloads this artifact, or the newest of its name where it is that. */
export function shellSnippet(artifact: Artifact): string {
  const where = artifact.run === null ? artifact.project.id : `--run ${artifact.run}`;
  const step = artifact.step === null ? '' : ` --step ${artifact.step}`;
  return `hectiqlab artifacts ${where} --download ${quoteForShell(artifact.name)}${step}`;
}

/** The Python that downloads this very version. */
export function pythonSnippet(artifact: Artifact): string {
  return `from pyhectiqlab.utils import download_existing_run_artifact

path = download_existing_run_artifact("${artifact.uuid}", "./")`;
}

function quoteForShell(text: string): string {
  return /^[\w.,:@%+=-]+$/.test(text) && !text.startsWith('-') ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
