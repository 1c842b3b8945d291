// The runs of a project as a table: any columns, sorted by several, with as many rows in the page as fit the screen.

import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { formatCompact, formatDuration, formatInteger, formatValue, plural } from '../base/format';
import { runUrl } from '../base/links';
import { durationOf } from '../base/runstate';
import { columnLabels, parseColumn, type Column } from '../base/tablecolumns';
import type { TableRow } from '../schema/lab';
import { useNow } from '../state/clock';
import type { TableRows } from '../state/tablerows';
import { useVirtual } from '../state/virtual';
import { Moment, StateBadge, TagChip } from '../widgets/basics';
import { Icon } from '../widgets/icon';

const ROW_PX = 35; // --row-height of styles.css
const SORTED_FACTS = ['state', 'started', 'duration', 'author', 'points', 'created'];
const DOWNWARDS_FIRST = ['started', 'created', 'duration', 'points']; // what is new, long or large comes first at the first click

interface TableProps {
  table: TableRows;
  columns: readonly string[];
  sorts: readonly string[];
  onSort: (sorts: string[]) => void;
  selected: readonly string[];
  onSelect: (selected: string[]) => void;
}

export function RunsTable({ table, columns, sorts, onSort, selected, onSelect }: TableProps) {
  const rows = table.data!;
  const now = useNow(true);
  const scroller = useRef<HTMLDivElement>(null);
  const { first, last, before, behind } = useVirtual(scroller, rows.total, ROW_PX);
  useEffect(() => table.want(first, last), [first, last, rows]);
  const order = JSON.stringify([rows.query.filter, rows.query.sort]);
  useLayoutEffect(() => scroller.current?.scrollTo(0, 0), [order]);
  const anchor = useRef(-1); // the row that was ticked last
  const chosen = new Set(selected);
  const choose = (index: number, on: boolean, through: boolean) => {
    const from = through && anchor.current >= 0 ? anchor.current : index;
    const ids: string[] = [];
    for (let i = Math.min(from, index); i <= Math.max(from, index); i++) {
      const id = rows.at(i)?.id;
      if (id) ids.push(id);
    }
    anchor.current = index;
    onSelect(on ? [...new Set([...selected, ...ids])] : selected.filter((id) => !ids.includes(id)));
  };
  const labels = columnLabels(columns);
  const shown = columns.map((name, i) => ({ name, label: labels[i]!, column: parseColumn(name)!, place: rows.query.column.indexOf(name) }));
  const indexes = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  return (
    <div ref={scroller} class="table-scroll runs-scroll" tabIndex={0} role="region" aria-label="Runs">
      <table class="runs" aria-rowcount={rows.total + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th class="pick"><span class="sr">Pick</span></th>
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
                  <td colSpan={shown.length + 1} class="dim">{run === null ? 'This run is gone.' : 'Loading…'}</td>
                </tr>
              );
            }
            return (
              <tr key={run.id} data-run={run.id} aria-rowindex={index + 2} class={chosen.has(run.id) ? 'chosen' : ''}>
                <td class="pick">
                  <input
                    type="checkbox"
                    aria-label={`Pick ${run.name}`}
                    checked={chosen.has(run.id)}
                    onClick={(e) => choose(index, e.currentTarget.checked, e.shiftKey)}
                  />
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
