// The columns that somebody chose for a project's table, kept in this browser. The link has them, too.

import { COLUMNS_MAX, parseColumn } from '../base/tablecolumns';

const keyOf = (project: string) => `hectiqlab.columns.${project}`;

/** null: nothing was chosen here. */
export function keptColumns(project: string): string[] | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(project)) ?? 'null');
    if (!Array.isArray(kept)) return null;
    return kept.filter((name): name is string => typeof name === 'string' && parseColumn(name) !== null).slice(0, COLUMNS_MAX);
  } catch {
    return null; // no storage in this browser, or something else has written there
  }
}

export function keepColumns(project: string, columns: readonly string[]): void {
  try {
    localStorage.setItem(keyOf(project), JSON.stringify(columns));
  } catch {
    // The link still has them.
  }
}

export function forgetColumns(project: string): void {
  try {
    localStorage.removeItem(keyOf(project));
  } catch {
    // Nothing was kept.
  }
}
