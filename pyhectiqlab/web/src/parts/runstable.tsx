// The runs of a project as a table: any columns, sorted by several, with as many rows in the page as fit the screen.

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { ApiError, UnreachableError } from '../api/http';
import { formatCompact, formatDuration, formatInteger, formatValue, plural } from '../base/format';
import { runUrl } from '../base/links';
import type { Look } from '../base/looks';
import { durationOf } from '../base/runstate';
import { columnLabels, parseColumn, type Column } from '../base/tablecolumns';
import type { TableRow } from '../schema/lab';
import { useNow } from '../state/clock';
import { highlighted } from '../state/highlight';
import { useScrollMemory } from '../state/scrolls';
import type { TableRows } from '../state/tablerows';
import { useVirtual } from '../state/virtual';
import { Moment, StateBadge, TagChip } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { Swatch } from '../widgets/swatch';

const ROW_PX = 35; // --row-height of styles.css
const SORTED_FACTS = ['state', 'started', 'duration', 'author', 'points', 'created'];
const DOWNWARDS_FIRST = ['started', 'created', 'duration', 'points']; // what is new, long or large comes first at the first click

interface TableProps {
  table: TableRows;
  columns: readonly string[];
  sorts: readonly string[];
  onSort: (sorts: string[]) => void;
  picks: readonly string[];
  onPick: (picks: string[]) => void;
  onPickAll: () => void;
  /** The runs that are drawn, and what their lines look like. */
  drawn: ReadonlyMap<string, Look>;
  onDraw: (runs: readonly string[], on: boolean) => void;
  /** The run that is drawn alone. */
  solo: string | null;
  onSolo: (run: string | null) => void;
}

export function RunsTable({ table, columns, sorts, onSort, picks, onPick, onPickAll, drawn, onDraw, solo, onSolo }: TableProps) {
  const rows = table.data!;
  const now = useNow(true);
  const scroller = useRef<HTMLDivElement>(null);
  const { first, last, before, behind } = useVirtual(scroller, rows.total, ROW_PX);
  useEffect(() => table.want(first, last), [first, last, rows]);
  const order = JSON.stringify([rows.query.filter, rows.query.sort]);
  useLayoutEffect(() => scroller.current?.scrollTo(0, 0), [order]);
  useScrollMemory('table', scroller, true);
  useLitRow(scroller);
  const anchors = useRef({ pick: -1, draw: -1 }); // the rows that were clicked last
  const chosen = new Set(picks);
  /** The rows from the one that was clicked before through this one, with Shift; else this one. */
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
  const labels = columnLabels(columns);
  const shown = columns.map((name, i) => ({ name, label: labels[i]!, column: parseColumn(name)!, place: rows.query.column.indexOf(name) }));
  const indexes = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  return (
    <div ref={scroller} class="table-scroll runs-scroll" tabIndex={0} role="region" aria-label="Runs">
      <table class="runs" aria-rowcount={rows.total + 1}>
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
            <SortHead text="Name" by="name" sorts={sorts} onSort={onSort} class="run-name" />
            {shown.map(({ name, label, column }) => <ColumnHead key={name} column={column} name={name} label={label} sorts={sorts} onSort={onSort} />)}
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
              <tr key={run.id} data-run={run.id} aria-rowindex={index + 2} class={[chosen.has(run.id) && 'chosen', solo !== null && solo !== run.id && 'faded'].filter(Boolean).join(' ')}>
                <td class="pick">
                  <input
                    type="checkbox"
                    aria-label={`Pick ${run.name}`}
                    checked={chosen.has(run.id)}
                    onClick={(e) => void pick(index, e.currentTarget.checked, e.shiftKey)}
                  />
                </td>
                <td class="eye">
                  <button
                    class="icon-button"
                    aria-pressed={drawn.has(run.id)}
                    aria-label={`Draw ${run.name}`}
                    title={drawn.has(run.id) ? 'In the charts; click to leave it out' : 'Draw it in the charts'}
                    onClick={(e) => void draw(index, !drawn.has(run.id), e.shiftKey)}
                  >
                    <Icon name={drawn.has(run.id) ? 'eye' : 'closedEye'} />
                  </button>
                  {drawn.has(run.id) && (
                    <button
                      class="icon-button look"
                      aria-pressed={solo === run.id}
                      aria-label={`Draw ${run.name} alone`}
                      title={solo === run.id ? 'Draw the others again' : 'Draw it alone'}
                      onClick={() => onSolo(solo === run.id ? null : run.id)}
                    >
                      <Swatch {...drawn.get(run.id)!} />
                    </button>
                  )}
                </td>
                <th scope="row" class="run-name">
                  <a href={runUrl(run.id)} title={run.note || run.name}>{run.name}</a>
                  {run.tags.map((t) => <TagChip key={t.name} tag={t} />)}
                  {run.tags_cut && <span class="dim" title="The page of the run has all of its tags">…</span>}
                </th>
                {shown.map(({ name, column, place }) => <Cell key={name} run={run} column={column} value={run.values[place]} now={now} />)}
              </tr>
            );
          })}
          {behind > 0 && <tr class="space" aria-hidden="true" style={{ height: `${behind}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

/** What the lab does not answer now, a click may ask again. */
function unreached(e: unknown): string[] {
  if (e instanceof UnreachableError || e instanceof ApiError) return [];
  throw e;
}

/** The run of the row under the pointer is brought to the front in the charts, and the row of a line that is pointed at is marked. */
function useLitRow(scroller: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = scroller.current!;
    const rowOf = (e: Event) => (e.target as Element).closest<HTMLElement>('tr[data-run]')?.dataset['run'] ?? null;
    const over = (e: Event) => highlighted.set(rowOf(e));
    const out = () => highlighted.set(null);
    element.addEventListener('pointerover', over);
    element.addEventListener('pointerleave', out);
    element.addEventListener('focusin', over);
    element.addEventListener('focusout', out);
    // By hand: drawing the table anew at each move of the pointer would be slow.
    const mark = () => {
      for (const row of element.querySelectorAll<HTMLElement>('tr[data-run]')) row.toggleAttribute('data-lit', row.dataset['run'] === highlighted.value);
    };
    const forget = highlighted.subscribe(mark);
    return () => {
      forget();
      highlighted.set(null);
      element.removeEventListener('pointerover', over);
      element.removeEventListener('pointerleave', out);
      element.removeEventListener('focusin', over);
      element.removeEventListener('focusout', out);
    };
  }, []);
}

/** `value`: of a config or a metric; undefined: it is being loaded. */
function Cell({ run, column, value, now }: { run: TableRow; column: Column; value: number | string | null | undefined; now: number }) {
  if (column.kind === 'fact') return <FactCell run={run} fact={column.fact} now={now} />;
  if (value === undefined) return <td class="number value dim">…</td>;
  if (value === null) return <td class="number value dim">–</td>;
  // A metric's NaN comes as text, as JSON has none.
  const number = column.kind === 'metric' ? Number(value) : value;
  if (typeof number === 'string') return <td class="value words" title={number}>{number}</td>;
  return <td class={`number value${Number.isFinite(number) ? '' : ' not-finite'}`} title={String(number)}>{formatValue(number)}</td>;
}

function FactCell({ run, fact, now }: { run: TableRow; fact: string; now: number }) {
  switch (fact) {
    case 'state':
      return (
        <td class="state">
          <StateBadge state={run.state} rank={run.state_rank} why={run.state_why} />
          {['failed', 'killed', 'lost'].includes(run.state) && run.state_why && <span class="dim why" title={run.state_why}>{run.state_why}</span>}
        </td>
      );
    case 'started':
      return <td><Moment time={run.started ?? run.created} now={now} /></td>;
    case 'created':
      return <td><Moment time={run.created} now={now} /></td>;
    case 'duration':
      return <td class="number">{formatDuration(durationOf(run, now))}</td>;
    case 'author':
      return <td>{run.author}</td>;
    case 'points':
      return <td class="number" title={plural(run.points, 'point')}>{formatCompact(run.points)}</td>;
    default:
      return <td class="words" title={run.note}>{run.note || <span class="dim">–</span>}</td>;
  }
}

interface HeadProps {
  sorts: readonly string[];
  onSort: (sorts: string[]) => void;
}

function ColumnHead({ column, name, label, sorts, onSort }: { column: Column; name: string; label: string } & HeadProps) {
  if (column.kind !== 'fact') {
    const title = column.kind === 'config' ? `${column.path} of the config` : `${column.stat === 'last' ? 'Last value' : column.stat} of ${column.key}`;
    return <SortHead text={label} by={name} sorts={sorts} onSort={onSort} class="number value" title={title} />;
  }
  if (!SORTED_FACTS.includes(column.fact)) return <th>{label}</th>;
  return <SortHead text={label} by={column.fact} sorts={sorts} onSort={onSort} class={['duration', 'points'].includes(column.fact) ? 'number' : ''} />;
}

function SortHead({ text, by, sorts, onSort, title, class: kind }: HeadProps & { text: string; by: string; class: string; title?: string }) {
  const at = sorts.findIndex((sort) => sort === by || sort === `-${by}`);
  const down = sorts[at]?.startsWith('-');
  const next = at < 0 ? (DOWNWARDS_FIRST.includes(by) ? `-${by}` : by) : down ? by : `-${by}`;
  // With Shift it sorts what the others leave equal.
  const click = (further: boolean) => {
    if (!further) return onSort([next]);
    return onSort(at < 0 ? [...sorts, next] : sorts.map((sort, i) => (i === at ? next : sort)));
  };
  return (
    <th class={kind} aria-sort={at < 0 ? 'none' : down ? 'descending' : 'ascending'} title={title}>
      <button class="sort" title={title ?? 'Sort; with Shift, sort further'} onClick={(e) => click(e.shiftKey)}>
        {text}
        {at >= 0 && <Icon name={down ? 'down' : 'up'} />}
        {at >= 0 && sorts.length > 1 && <sup>{formatInteger(at + 1)}</sup>}
      </button>
    </th>
  );
}
