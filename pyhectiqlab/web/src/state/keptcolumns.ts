// The columns that somebody chose for the table of a project, kept in this browser. The link has them, too.

import { NO_LAYOUT, readLayout, widthTexts, type ColumnLayout } from '../base/columnlayout';
import { COLUMNS_MAX, parseColumn } from '../base/tablecolumns';

const keyOf = (project: string) => `hectiqlab.columns.${project}`;
const layoutKeyOf = (project: string) => `hectiqlab.columnlayout.${project}`;

/** Return the columns; null: nobody chose any here. */
export function keptColumns(project: string): string[] | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(project)) ?? 'null');
    if (!Array.isArray(kept)) return null;
    return kept.filter((name): name is string => typeof name === 'string' && parseColumn(name) !== null).slice(0, COLUMNS_MAX);
  } catch {
    return null; // no storage in this browser, or somebody else has written there
  }
}

export function keepColumns(project: string, columns: readonly string[]): void {
  try {
    localStorage.setItem(keyOf(project), JSON.stringify(columns));
  } catch {
    // The link still has them.
  }
}

/** Return the layout of the columns. */
export function keptLayout(project: string): ColumnLayout {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(layoutKeyOf(project)) ?? 'null');
    const lists = Array.isArray(kept) ? kept.map((list: unknown) => (Array.isArray(list) ? (list as unknown[]) : [])) : [];
    return readLayout(lists[0] ?? [], lists[1] ?? []);
  } catch {
    return NO_LAYOUT;
  }
}

export function keepLayout(project: string, { pinned, widths }: ColumnLayout): void {
  try {
    localStorage.setItem(layoutKeyOf(project), JSON.stringify([pinned, widthTexts(widths)]));
  } catch {
    // The link still has it.
  }
}

export function forgetColumns(project: string): void {
  try {
    localStorage.removeItem(keyOf(project));
    localStorage.removeItem(layoutKeyOf(project));
  } catch {
    // Nothing was kept.
  }
}
