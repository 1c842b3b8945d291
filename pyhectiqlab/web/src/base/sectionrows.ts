// Sections of charts side by side: a section with few charts shares its row with the next one, or takes the whole row.

import { COLUMNS_MAX, sizeOf } from './panelsize';

/** The place of a section: the number of columns of its charts, and the columns that it takes out of the `of` columns of its row. */
export interface SectionPlace {
  span: number;
  share: number;
  of: number;
}

/** Return how many columns a chart takes; Infinity: all of them. */
export function spanOf(size: string | undefined): number {
  const { columns } = sizeOf(size);
  return columns === COLUMNS_MAX ? Infinity : columns;
}

/** Place sections in rows. `spans`: how many columns the charts of each would take in one row; Infinity: all of them. */
export function packed(spans: readonly number[], columns: number): SectionPlace[] {
  const places: SectionPlace[] = [];
  let row: number[] = [];
  const close = () => {
    const of = row.reduce((sum, span) => sum + span, 0);
    places.push(...row.map((span) => ({ span, share: (span * columns) / of, of: columns })));
    row = [];
  };
  for (const wanted of spans) {
    const span = Math.min(columns, Math.max(1, wanted));
    if (row.reduce((sum, other) => sum + other, span) > columns) close();
    row.push(span);
  }
  close();
  return places;
}
