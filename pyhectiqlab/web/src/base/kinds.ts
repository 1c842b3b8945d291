// Models and datasets: the two kinds of things with versions in a project.

import type { VersionAnswer } from '../schema/lab';

export type Kind = VersionAnswer['kind'];
export const NOUNS: Record<Kind, string> = { models: 'model', datasets: 'dataset' };

/** Return whether a version may have this alias: the same rule as `alias_name` in protocol/registry.py. */
export function isAlias(text: string): boolean {
  return /^[a-z][a-z0-9_-]{0,63}$/.test(text) && text !== 'latest';
}
