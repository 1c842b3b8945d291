// The config of the run that the reader points at, or whose row has the focus: the values in which the drawn runs differ.

import { useEffect, useRef } from 'preact/hooks';
import { api } from '../api/calls';
import { formatValue } from '../base/format';
import { columnName } from '../base/tablecolumns';
import type { TableRow } from '../schema/lab';
import { highlighted } from '../state/highlight';
import { useLoad } from '../state/load';
import { useStore } from '../state/store';
import { firstRows } from '../state/tablerows';

const VALUES_MAX = 8;
const CHARS_MAX = 40; // of a text that is shown
const REFRESH_MS = 10_000;
const NEAR_PX = 130; // px from the lower edge of the window: there it would cover what the reader points at
const RUN = /^[0-9a-f]{12}$/; // the ids of groups look different

/** `runs`: those that are drawn. */
export function LitConfig({ runs }: { runs: readonly string[] }) {
  const lit = useStore(highlighted);
  const drawn = runs.join();
  const columns = useLoad(async (signal) => (drawn ? (await api.tableColumns({ filter: [`id=${drawn}`] }, signal)).config : []), [drawn], REFRESH_MS);
  const differ = columns.data?.filter((column) => column.differs) ?? [];
  // If no value differs, such as with a single run, show some of them.
  const paths = (differ.length ? differ : (columns.data ?? [])).slice(0, VALUES_MAX).map((column) => column.path);
  const column = paths.map((path) => columnName({ kind: 'config', path }));
  const of = async (ids: string, n: number, signal: AbortSignal) => (ids && column.length ? (await firstRows({ filter: [`id=${ids}`], sort: [], column }, n, signal)).rows : []);
  const rows = useLoad((signal) => of(drawn, runs.length, signal), [drawn, column.join('\n')], REFRESH_MS);
  const other = lit !== null && RUN.test(lit) && !runs.includes(lit) ? lit : '';
  const others = useLoad((signal) => of(other, 1, signal), [other, column.join('\n')]);
  const low = useLowPointer();
  const run = [...(rows.data ?? []), ...(others.data ?? [])].find((row) => row.id === lit);
  if (!run || !run.values.length || run.values.length !== paths.length) return null;
  return (
    <div class={low() ? 'lit-config above' : 'lit-config'} role="status" aria-label="Config of the run">
      <b>{run.name}</b>
      {paths.map((path, i) => <span key={path}><span class="dim">{path}</span> {valueText(run.values[i])}</span>)}
    </div>
  );
}

function valueText(value: TableRow['values'][number] | undefined): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'number') return formatValue(value);
  return value.length > CHARS_MAX ? `${value.slice(0, CHARS_MAX)}…` : value;
}

/** Return whether the pointer, or the last element that got the focus, is near the lower edge of the window. */
function useLowPointer(): () => boolean {
  const y = useRef(0);
  useEffect(() => {
    const moved = (e: PointerEvent) => (y.current = e.clientY);
    const focused = (e: FocusEvent) => (y.current = (e.target as Element).getBoundingClientRect().bottom);
    addEventListener('pointermove', moved, { passive: true, capture: true });
    addEventListener('focusin', focused);
    return () => {
      removeEventListener('pointermove', moved, { capture: true });
      removeEventListener('focusin', focused);
    };
  }, []);
  return () => y.current > innerHeight - NEAR_PX;
}
