// Reading the file of a table.

import { parseExact, stringifyExact } from './exact';
import { formatValue } from './format';

export interface TableData {
  columns: string[];
  numeric: boolean[];
  rows: unknown[][];
}

/** Read the file of a table, which some client sent. Throws if it is not one. */
export function parseTable(text: string): TableData {
  const { columns, types, rows } = parseExact(text) as { columns: unknown; types: unknown; rows: unknown };
  if (!Array.isArray(columns) || !Array.isArray(types) || !Array.isArray(rows)) throw new Error('This file is not a table.');
  if (!rows.every((row) => Array.isArray(row) && row.length === columns.length)) throw new Error('The rows of this table differ.');
  return { columns: columns.map(String), numeric: columns.map((_, i) => types[i] === 'number'), rows: rows as unknown[][] };
}

export function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : formatValue(value, 8);
  return typeof value === 'object' ? stringifyExact(value) : String(value);
}
