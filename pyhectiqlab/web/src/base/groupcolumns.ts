// Groups of runs in a table: their names, the search that finds their runs, and their order.

import { columnLabel, parseColumn } from './tablecolumns';

/** A value that the runs of a group have in common; null: none of them has one. */
export type GroupValue = number | string | null;

interface Sortable {
  values: readonly GroupValue[];
  size: number;
  columns: readonly { mean: number | string }[];
}

/** Return whether groups have statistics of a column. They have none if its values are texts or times. */
export function hasStatistics(name: string): boolean {
  const column = parseColumn(name);
  return column !== null && (column.kind !== 'fact' || column.fact === 'duration' || column.fact === 'points');
}

export function groupLabel(name: string): string {
  const column = parseColumn(name);
  return column === null || column.kind === 'fact' ? name : columnLabel(column);
}

/** Return the name of a group: "lr 0.1 · state failed". */
export function groupName(by: readonly string[], values: readonly GroupValue[]): string {
  return by.map((name, i) => `${groupLabel(name)} ${values[i] ?? '–'}`).join(' · ');
}

/** Return the terms that find the runs of a group. */
export function groupTerms(by: readonly string[], values: readonly GroupValue[]): string[] {
  const terms: string[] = [];
  for (const [i, name] of by.entries()) {
    const value = values[i];
    if (value === null || value === undefined) terms.push(`${name}!=*`);
    else terms.push(`${name}=${typeof value === 'number' ? value : quoted(value)}`);
  }
  return terms;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * Sort groups by the first of `sorts` that applies to groups: a value that they are grouped by, or the mean of a column. If none
 * applies, keep their order. Groups without a value come last in either direction.
 */
export function sortGroups<G extends Sortable>(groups: readonly G[], by: readonly string[], columns: readonly string[], sorts: readonly string[]): G[] {
  for (const sort of sorts) {
    const down = sort.startsWith('-');
    const name = sort.slice(down ? 1 : 0);
    const value = by.includes(name)
      ? (g: G) => g.values[by.indexOf(name)] ?? null
      : columns.includes(name)
        ? (g: G) => Number(g.columns[columns.indexOf(name)]!.mean)
        : null;
    if (value) return [...groups].sort((a, b) => compared(value(a), value(b), down ? -1 : 1));
  }
  return [...groups];
}

function compared(a: GroupValue, b: GroupValue, sign: number): number {
  const rank = (v: GroupValue) => (v === null || Number.isNaN(v) ? 2 : typeof v === 'string' ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) === 2 || rank(b) === 2 ? rank(a) - rank(b) : sign * (rank(a) - rank(b));
  if (rank(a) === 2) return 0;
  return sign * (a! < b! ? -1 : a! > b! ? 1 : 0);
}
