// The runs of a project as a table with any columns, sorted by several. The page contains only the rows that fit the screen.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, UnreachableError } from '../api/http';
import { laidOut, layoutCss, NAME, withPin, withWidth, type ColumnLayout } from '../base/columnlayout';
import { alignedFormat } from '../base/columnstyle';
import { formatValue, plural } from '../base/format';
import type { Look } from '../base/looks';
import { lowBest } from '../base/objective';
import { columnLabels, curveOf, parseColumn } from '../base/tablecolumns';
import type { TableRow } from '../schema/lab';
import { useNowWith } from '../state/clock';
import { useLitRow } from '../state/litrow';
import { useNarrow } from '../state/narrow';
import { useScrollMemory } from '../state/scrolls';
import type { Rows, TableRows } from '../state/tablerows';
import { useVirtual } from '../state/virtual';
import { cardHeight, CardLabels, useTapToRead } from './cards';
import { RunRow } from './runrow';
import { ColumnWidth } from './columnwidth';
import { ColumnHead, SortHead, type ColumnEdges, type ColumnMenu } from './tablehead';

const CLOCK_MS = 3000; // for durations and ages, if no news of rows come
const ROW_PX = 35; // --row-height of styles.css

export interface TableProps {
  table: TableRows;
  columns: readonly string[];
  sorts: readonly string[];
  onSort: (sorts: string[]) => void;
  picks: readonly string[];
  onPick: (picks: string[]) => void;
  onPickAll: () => void;
  /** The runs that are drawn, with the looks of their lines. */
  drawn: ReadonlyMap<string, Look>;
  onDraw: (runs: readonly string[], on: boolean) => void;
  /** The run that is drawn alone; null: none is. */
  solo: string | null;
  onSolo: (run: string | null) => void;
  onEdit: (run: TableRow) => void;
  menu: ColumnMenu;
  /** The extremes of the shaded columns over all runs that match. */
  extremes: ReadonlyMap<string, readonly [number, number]>;
  layout: ColumnLayout;
  onLayout: (layout: ColumnLayout) => void;
}

export function RunsTable({ table, columns: chosenColumns, layout: kept, onLayout, sorts, onSort, picks, onPick, onPickAll, drawn, onDraw, solo, onSolo, onEdit, menu, extremes }: TableProps) {
  const [dragged, setDragged] = useState<ColumnLayout | null>(null); // while an edge is dragged
  const layout = dragged ?? kept;
  const columns = useMemo(() => laidOut(chosenColumns, layout), [chosenColumns, layout]);
  const rows = table.data!;
  const now = useNowWith(rows, CLOCK_MS);
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const height = narrow ? cardHeight(columns.length) : ROW_PX;
  const { first, last, before, behind } = useVirtual(scroller, rows.total, height);
  useTapToRead(scroller, narrow);
  useEffect(() => table.want(first, last), [first, last, rows]);
  const order = JSON.stringify([rows.query.filter, rows.query.sort]);
  useLayoutEffect(() => scroller.current?.scrollTo(0, 0), [order]);
  useScrollMemory('table', scroller, true);
  useLitRow(scroller);
  const anchors = useRef({ pick: -1, draw: -1 }); // the rows that were clicked last
  const chosen = useMemo(() => new Set(picks), [picks]);
  /** Return the rows from the last clicked one to this one, with Shift; else this one. */
  const reached = async (what: 'pick' | 'draw', index: number, through: boolean) => {
    const from = through && anchors.current[what] >= 0 ? anchors.current[what] : index;
    anchors.current[what] = index;
    return rows.ids(Math.min(from, index), Math.max(from, index)).catch(unreached);
  };
  const pick = async (index: number, on: boolean, through: boolean) => {
    const ids = await reached('pick', index, through);
    onPick(on ? [...new Set([...picks, ...ids])] : picks.filter((id) => !ids.includes(id)));
  };
  const draw = async (index: number, on: boolean, through: boolean) => onDraw(await reached('draw', index, through), on);
  const labels = useMemo(() => columnLabels(columns), [columns]);
  const loaded = rows.blocks.size;
  const formats = useMemo(() => rows.query.column.map((_, place) => alignedFormat(numbersOf(rows, place))), [rows, loaded]);
  const shown = useMemo(() => columns.map((name, i) => {
    const place = rows.query.column.indexOf(name);
    return { name, label: labels[i]!, column: parseColumn(name)!, place, format: formats[place] ?? formatValue, heat: extremes.get(name) ?? null, lowBest: lowBest(name, menu.objective), curve: curveOf(name, menu) };
  }), [columns, labels, formats, extremes, menu.objective, menu.curves]);
  const edges: ColumnEdges = {
    layout,
    onPin: (name, on) => onLayout(withPin(layout, name, on)),
    onWidth: (name, px, done) => {
      const to = withWidth(layout, name, px);
      setDragged(done ? null : to);
      if (done) onLayout(to);
    },
  };
  const css = narrow ? '' : layoutCss(columns, layout);
  const indexes = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  return (
    <div ref={scroller} class="table-scroll runs-scroll" tabIndex={0} role="region" aria-label="Runs" style={{ '--card': `${height}px` }}>
      {narrow && <CardLabels labels={labels} />}
      {css && <style>{css}</style>}
      <table class={narrow ? 'runs cards-of-runs' : 'runs fitted'} aria-rowcount={rows.total + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th class="pick">
              <input
                type="checkbox"
                aria-label={`Pick all ${plural(rows.total, 'run')}`}
                title={chosen.size ? 'Untick all' : `Pick all ${plural(rows.total, 'run')} that match`}
                checked={chosen.size >= rows.total}
                indeterminate={chosen.size > 0 && chosen.size < rows.total}
                onClick={(e) => (chosen.size ? onPick([]) : (e.preventDefault(), onPickAll()))}
              />
            </th>
            <th class="eye"><span class="sr">Draw</span></th>
            <SortHead text="Name" by="name" sorts={sorts} onSort={onSort} class="run-name" more={<ColumnWidth label="Name" width={layout.widths[NAME]} onWidth={(px, done) => edges.onWidth(NAME, px, done)} />} />
            {shown.map(({ name, label, column }) => <ColumnHead key={name} column={column} name={name} label={label} sorts={sorts} onSort={onSort} menu={menu} edges={edges} />)}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <tr class="space" aria-hidden="true" style={{ height: `${before}px` }} />}
          {indexes.map((index) => {
            const run = rows.at(index);
            if (!run) {
              return (
                <tr key={index} class="gap" aria-rowindex={index + 2}>
                  <td class="pick" />
                  <td class="eye" />
                  <td colSpan={shown.length + 1} class="dim">{run === null ? 'This run is gone.' : 'Loading…'}</td>
                </tr>
              );
            }
            return (
              <RunRow
                key={run.id}
                run={run}
                index={index + 2}
                columns={shown}
                picked={chosen}
                drawn={drawn}
                solo={solo}
                onSolo={onSolo}
                onEdit={onEdit}
                now={now}
                onPick={(on, through) => void pick(index, on, through)}
                onDraw={(on, through) => void draw(index, on, through)}
              />
            );
          })}
          {behind > 0 && <tr class="space" aria-hidden="true" style={{ height: `${behind}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

function* numbersOf(rows: Rows, place: number): Iterable<number> {
  for (const block of rows.blocks.values()) {
    for (const run of block) {
      const value = run?.values[place];
      if (value !== null && value !== undefined && value !== '') yield Number(value);
    }
  }
}

/** Return no runs if the lab does not answer: another click asks again. */
function unreached(e: unknown): string[] {
  if (e instanceof UnreachableError || e instanceof ApiError) return [];
  throw e;
}
