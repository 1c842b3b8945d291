// The size of a chart: columns of its section's grid, and rows of a few pixels each. Pure.

import { plural } from './format';

export interface PanelSize {
  columns: number; // COLUMNS_MAX: all there are
  rows: number;
}

export const COLUMNS_MAX = 12;
export const ROWS_MIN = 4;
export const ROWS_MAX = 40;
export const ROW = 28; // px
export const FIRST_SIZE: PanelSize = { columns: 1, rows: 7 };
const OLD: Record<string, PanelSize> = { S: FIRST_SIZE, M: { columns: 2, rows: 10 }, L: { columns: COLUMNS_MAX, rows: 14 } };

/** The size that "2x10" means; also S, M and L of older views. null: none. */
export function readSize(text: unknown): PanelSize | null {
  if (typeof text !== 'string') return null;
  const [, columns, rows] = /^(\d{1,2})x(\d{1,2})$/.exec(text) ?? [];
  const size = OLD[text] ?? { columns: Number(columns), rows: Number(rows) };
  return size.columns >= 1 && size.columns <= COLUMNS_MAX && size.rows >= ROWS_MIN && size.rows <= ROWS_MAX ? size : null;
}

/** undefined: as charts are at first. */
export function writeSize({ columns, rows }: PanelSize): string | undefined {
  return columns === FIRST_SIZE.columns && rows === FIRST_SIZE.rows ? undefined : `${columns}x${rows}`;
}

export const sizeOf = (text: string | undefined): PanelSize => readSize(text) ?? FIRST_SIZE;
export const heightOf = (text: string | undefined): number => sizeOf(text).rows * ROW;

const FRAME_ROWS = 2; // that the head and the edges of a chart take, with the gap below

/** How many rows of a densely packed grid a chart of this height takes. */
export const gridRows = (height: number): number => Math.round(height / ROW) + FRAME_ROWS;

/** Whether charts of these sizes leave gaps where each row is as high as its highest: then they are packed by rows of a few pixels. */
export const needPacking = (sizes: readonly (string | undefined)[]): boolean => new Set(sizes.map((size) => sizeOf(size).rows)).size > 1;

/** A size that is so much larger, as far as it goes. */
export function resized({ columns, rows }: PanelSize, byColumns: number, byRows: number): PanelSize {
  return { columns: Math.min(COLUMNS_MAX, Math.max(1, columns + byColumns)), rows: Math.min(ROWS_MAX, Math.max(ROWS_MIN, rows + byRows)) };
}

/** "2 columns, 10 rows" */
export function describeSize({ columns, rows }: PanelSize): string {
  return `${columns === COLUMNS_MAX ? 'all columns' : plural(columns, 'column')}, ${plural(rows, 'row')}`;
}
