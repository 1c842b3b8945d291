// The file of a table, as a table with pages of rows.

import { useState } from 'preact/hooks';
import { formatInteger } from '../base/format';
import { cellText, type TableData } from '../base/tabledata';

const ROWS = 25;

export function DataTable({ table, label }: { table: TableData; label: string }) {
  const [page, setPage] = useState(0);
  const last = Math.max(0, Math.ceil(table.rows.length / ROWS) - 1);
  const at = Math.min(page, last);
  const start = at * ROWS;
  return (
    <>
      <div class="table-scroll data-table">
        <table aria-label={label}>
          <thead>
            <tr>{table.columns.map((name, i) => <th key={i} scope="col" class={table.numeric[i] ? 'num' : ''}>{name}</th>)}</tr>
          </thead>
          <tbody>
            {table.rows.slice(start, start + ROWS).map((row, r) => (
              <tr key={start + r}>
                {row.map((value, i) => <td key={i} class={table.numeric[i] ? 'num' : ''}>{value === null ? <span class="dim">–</span> : cellText(value)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="pager">
        <span class="dim">{table.rows.length ? `Rows ${formatInteger(start + 1)} to ${formatInteger(Math.min(start + ROWS, table.rows.length))} of ${formatInteger(table.rows.length)}` : 'No rows'}</span>
        {last > 0 && (
          <>
            <button class="button" type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>Earlier rows</button>
            <button class="button" type="button" disabled={at === last} onClick={() => setPage(at + 1)}>Later rows</button>
          </>
        )}
      </div>
    </>
  );
}
