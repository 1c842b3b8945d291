// The size of a chart: columns of the grid of its section, and rows of a few pixels each. Pure.

import { plural } from './format';

export interface PanelSize {
  columns: number; // COLUMNS_MAX: all columns
  rows: number;
}

export const COLUMNS_MAX = 12;
export const ROWS_MIN = 4;
export const ROWS_MAX = 40;
export const ROW = 28; // px
export const FIRST_SIZE: PanelSize = { columns: 1, rows: 7 };
const OLD: Record<string, PanelSize> = { S: FIRST_SIZE, M: { columns: 2, rows: 10 }, L: { columns: COLUMNS_MAX, rows: 14 } };

/** Return the size that "2x10" means; older views also have S, M and L. null: none. */
export function readSize(text: unknown): PanelSize | null {
  if (typeof text !== 'string') return null;
  const [, columns, rows] = /^(\d{1,2})x(\d{1,2})$/.exec(text) ?? [];
  const size = OLD[text] ?? { columns: Number(columns), rows: Number(rows) };
  return size.columns >= 1 && size.columns <= COLUMNS_MAX && size.rows >= ROWS_MIN && size.rows <= ROWS_MAX ? size : null;
}

/** Return a size as text; undefined: the size of charts at first. */
export function writeSize({ columns, rows }: PanelSize): string | undefined {
  return columns === FIRST_SIZE.columns && rows === FIRST_SIZE.rows ? undefined : `${columns}x${rows}`;
}

export const sizeOf = (text: string | undefined): PanelSize => readSize(text) ?? FIRST_SIZE;
export const heightOf = (text: string | undefined): number => sizeOf(text).rows * ROW;

const FRAME_ROWS = 2; // rows of the head and the edges of a chart, with the gap below

/** Return how many rows of a densely packed grid a chart of this height takes. */
export const gridRows = (height: number): number => Math.round(height / ROW) + FRAME_ROWS;

/**
 * Return whether charts of these sizes would leave gaps if each row were as high as its highest chart. Then they are packed by
 * rows of a few pixels.
 */
export const needPacking = (sizes: readonly (string | undefined)[]): boolean => new Set(sizes.map((size) => sizeOf(size).rows)).size > 1;

/** Return a size that is larger by so many columns and rows, within the bounds. */
export function resized({ columns, rows }: PanelSize, byColumns: number, byRows: number): PanelSize {
  return { columns: Math.min(COLUMNS_MAX, Math.max(1, columns + byColumns)), rows: Math.min(ROWS_MAX, Math.max(ROWS_MIN, rows + byRows)) };
}

/** Return a size in words: "2 columns, 10 rows". */
export function describeSize({ columns, rows }: PanelSize): string {
  return `${columns === COLUMNS_MAX ? 'all columns' : plural(columns, 'column')}, ${plural(rows, 'row')}`;
}
