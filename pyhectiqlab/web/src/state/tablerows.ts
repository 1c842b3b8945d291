// The rows of a table of runs: those on the screen, in an order that does not change while somebody scrolls.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError, UnreachableError } from '../api/http';
import { askedRows, BLOCK, type TableQuery } from '../api/rows';
import type { TableRow } from '../schema/lab';
import { useLoad, type Loaded } from './load';

const MANY = 1000; // the most rows that the lab gives at once

/** An order that the lab keeps, and the rows of it that are known. */
export class Rows {
  readonly blocks = new Map<number, (TableRow | null)[]>();
  readonly asked = new Set<number>();
  total = 0;
  order = '';

  constructor(readonly query: TableQuery) {}

  /** Return a row; undefined: not known yet; null: the run is gone. */
  at(index: number): TableRow | null | undefined {
    return this.blocks.get(Math.floor(index / BLOCK))?.[index % BLOCK];
  }

  /** Return the first rows, at most `most`; null: they are not known. */
  first(most: number): TableRow[] | null {
    const n = Math.min(most, this.total);
    const rows = this.blocks.get(0)?.slice(0, n);
    return rows?.length === n ? rows.filter((row) => row !== null) : null;
  }

  /** Return the ids of the rows from `first` through `last`. Rejects as `api.table` does. */
  async ids(first: number, last: number): Promise<string[]> {
    for (const block of this.missing(first, last)) await this.load(block);
    const ids: string[] = [];
    for (let i = first; i <= last; i++) {
      const id = this.at(i)?.id;
      if (id) ids.push(id);
    }
    return ids;
  }

  missing(first: number, last: number): number[] {
    const wanted = [];
    for (let block = Math.floor(first / BLOCK); block * BLOCK <= Math.min(last, this.total - 1); block++) {
      if (!this.asked.has(block)) wanted.push(block);
    }
    return wanted;
  }

  /** Load a block. Return false if the lab has forgotten the order. Rejects as `api.table` does. */
  async load(block: number, signal?: AbortSignal): Promise<boolean> {
    this.asked.add(block);
    const rows: (TableRow | null)[] = [];
    try {
      do {
        const offset = block * BLOCK + rows.length;
        const answer = await api.table(askedRows(this.query, this.order, offset, BLOCK - rows.length), signal);
        if (this.order && answer.order !== this.order) return false;
        this.order = answer.order;
        this.total = answer.total;
        rows.push(...answer.rows);
        if (!answer.rows.length) break;
      } while (rows.length < BLOCK && block * BLOCK + rows.length < this.total);
    } catch (e) {
      this.asked.delete(block);
      throw e;
    }
    this.blocks.set(block, rows);
    return true;
  }
}

/** Return the first rows of a table, at most `most`, and how many there are. Rejects as `api.table` does. */
export async function firstRows(query: TableQuery, most: number, signal?: AbortSignal): Promise<{ rows: TableRow[]; total: number }> {
  const rows: (TableRow | null)[] = [];
  let order = '';
  let total = 0;
  do {
    const answer = await api.table({ ...query, order, offset: rows.length, limit: Math.min(MANY, most - rows.length) }, signal);
    if (order && answer.order !== order) rows.length = 0; // the lab forgot the order: begin anew
    else rows.push(...answer.rows);
    ({ order, total } = answer);
    if (!answer.rows.length) break;
  } while (rows.length < Math.min(most, total));
  return { rows: rows.filter((row) => row !== null), total };
}

export interface TableRows extends Loaded<Rows | null> {
  /** Ask for the rows that are on the screen now, unless they are known. */
  want: (first: number, last: number) => void;
}

/** `query` null: nothing is asked yet. */
export function useTableRows(query: TableQuery | null, interval_ms: number): TableRows {
  const seen = useRef({ first: 0, last: 0, order: '' });
  const [, draw] = useState(0);
  const key = JSON.stringify(query);
  // Other columns of the same rows leave the table where it is scrolled to.
  const order = JSON.stringify(query && [query.project, query.filter, query.sort]);
  if (seen.current.order !== order) seen.current = { first: 0, last: 0, order };
  const loaded = useLoad<Rows | null>(
    async (signal) => {
      if (!query) return null;
      const rows = new Rows(query);
      const { first, last } = seen.current;
      await rows.load(Math.floor(first / BLOCK), signal);
      for (const block of rows.missing(first, last)) await rows.load(block, signal);
      return rows;
    },
    [key],
    interval_ms,
  );
  const want = (first: number, last: number): void => {
    seen.current = { first, last, order };
    const rows = loaded.data;
    if (!rows) return;
    for (const block of rows.missing(first, last)) {
      rows.load(block).then(
        (known) => (known ? draw((n) => n + 1) : loaded.refresh()),
        (e: unknown) => {
          if (!(e instanceof UnreachableError || e instanceof ApiError)) throw e;
          loaded.refresh(); // this reports what is wrong, or loads everything anew
        },
      );
    }
  };
  return { ...loaded, want };
}
