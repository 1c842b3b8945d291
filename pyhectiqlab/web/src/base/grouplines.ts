// Lines of groups of runs: how a link names a group, and how many groups and metrics one request asks for.

import type { GroupValue } from './groupcolumns';

export const LINES = ['mean', 'median', 'runs'] as const;
/** What is drawn while runs are grouped: the mean or the median of each group, or a line for each run. */
export type Lines = (typeof LINES)[number];
export const BANDS = ['minmax', 'std', 'quantiles'] as const;
/** What the band around a group's line covers: from its lowest to its highest run, a standard deviation, or its middle half. */
export type BandKind = (typeof BANDS)[number];

export const GROUP_RUNS_MAX = 500; // runs of all groups in one request
export const GROUPS_MAX = 100;
const KEYS_MAX = 16;
const LINES_MAX = 4000; // runs × keys

export interface RunGroup {
  id: string;
  name: string;
  runs: readonly string[];
  /** The rank whose points alone count; null: the mean over all ranks. */
  rank: number | null;
  /** The ranks that its runs have; empty: nobody asked. */
  ranks: readonly number[];
}

/** Return a group for each rank of each group. */
export function ranksApart(groups: readonly RunGroup[]): RunGroup[] {
  return groups.flatMap((group) => (group.rank === null ? group.ranks.map((rank) => ({ ...group, rank })) : [group]));
}

/** Return how many ranks can be told apart; they count from 0. */
export const ranksOf = (groups: readonly RunGroup[]): number => Math.max(0, ...groups.flatMap(({ rank, ranks }) => (rank === null ? ranks : [rank]))) + 1;

/** Return the band that a line can have. The band of a standard deviation lies around a mean. */
export function bandOf(lines: Lines, band: BandKind): BandKind {
  return lines === 'median' && band === 'std' ? 'minmax' : band;
}

/** Return an id of a group, the same for the same values in every browser: 53 bits of a hash, as letters and digits. */
export function groupId(by: readonly string[], values: readonly GroupValue[]): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (const char of JSON.stringify([by, values])) {
    const code = char.codePointAt(0)!;
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return `g${(4294967296 * (2097151 & low) + (high >>> 0)).toString(36)}`;
}

/** Return the groups and keys of each request, so that every group is asked for every key. */
export function requestsOf(groups: readonly RunGroup[], keys: readonly string[]): { groups: RunGroup[]; keys: string[] }[] {
  const parts: RunGroup[][] = [];
  let room = 0;
  for (const group of groups) {
    const part = parts.at(-1);
    if (part && group.runs.length <= room && part.length < GROUPS_MAX) part.push(group);
    else parts.push([group]);
    room = (part === parts.at(-1) ? room : GROUP_RUNS_MAX) - group.runs.length;
  }
  return parts.flatMap((part) => {
    const runs = part.reduce((n, group) => n + group.runs.length, 0);
    const at_once = Math.max(1, Math.min(KEYS_MAX, Math.floor(LINES_MAX / runs)));
    return Array.from({ length: Math.ceil(keys.length / at_once) }, (_, i) => ({ groups: part, keys: keys.slice(i * at_once, (i + 1) * at_once) }));
  });
}

/** Return some of the runs of groups, from each group in turn, for what is asked run by run. */
export function sampleOf(groups: readonly { runs: readonly string[] }[], most: number): string[] {
  const some = new Set<string>();
  const longest = Math.max(0, ...groups.map((group) => group.runs.length));
  for (let i = 0; i < longest && some.size < most; i++) {
    for (const { runs } of groups) if (i < runs.length && some.size < most) some.add(runs[i]!);
  }
  return [...some];
}
