// Sections of charts beside each other: one with few charts shares its row with the next, or takes all of it.

import { COLUMNS_MAX, sizeOf } from './panelsize';

/** Of a section: the columns that its charts make, and which share of its row's `of` columns it takes. */
export interface SectionPlace {
  span: number;
  share: number;
  of: number;
}

/** How many columns a chart takes; Infinity: all there are. */
export function spanOf(size: string | undefined): number {
  const { columns } = sizeOf(size);
  return columns === COLUMNS_MAX ? Infinity : columns;
}

/** `spans`: how many columns the charts of each section would take in one row; Infinity: all there are. */
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
