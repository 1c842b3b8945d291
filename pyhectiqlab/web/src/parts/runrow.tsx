// One run as a row of a table: its tick, its eye, its name, and its values.

import type { RefObject } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { shadeOf } from '../base/columnstyle';
import { formatCompact, formatDuration, plural } from '../base/format';
import { runUrl } from '../base/links';
import type { Look } from '../base/looks';
import { durationOf } from '../base/runstate';
import type { Column, Fact } from '../base/tablecolumns';
import type { TableRow } from '../schema/lab';
import { Moment, StateBadge, TagChip } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { later } from '../widgets/later';
import { Swatch } from '../widgets/swatch';

const Spark = later(() => import('./spark').then((its) => its.Spark), null);

/** A column that is shown. `place`: where a row has its value; -1: values are not loaded. */
export interface ShownColumn {
  name: string;
  label: string;
  column: Column;
  place: number;
  /** Writes the numbers of the column. */
  format: (value: number) => string;
  /** The extremes of the column; null: it is not shaded. */
  heat: readonly [number, number] | null;
  /** Lower values are better, and have the darker shade. */
  lowBest: boolean;
  /** The metric whose curve stands beside the value; null: none. */
  curve: string | null;
}

/** What all rows of a table share. */
export interface RowsProps {
  columns: readonly ShownColumn[];
  picked: ReadonlySet<string>;
  /** The runs that are drawn, with the looks of their lines. */
  drawn: ReadonlyMap<string, Look>;
  /** The run that is drawn alone; null: none is. */
  solo: string | null;
  onSolo: (run: string | null) => void;
  onEdit: (run: TableRow) => void;
  now: number;
}

interface Props extends RowsProps {
  run: TableRow;
  /** In the whole table, from 1; the head is 1. */
  index: number;
  /** `through`: with Shift. */
  onPick: (on: boolean, through: boolean) => void;
  onDraw: (on: boolean, through: boolean) => void;
}

export function RunRow(props: Props) {
  const { run, index, columns, drawn, solo, now } = props;
  const look = drawn.get(run.id);
  const picked = props.picked.has(run.id);
  const latest = useRef(props);
  latest.current = props;
  // An unchanged row is not drawn again when others are scrolled into sight.
  return useMemo(() => <Row run={run} index={index} columns={columns} picked={picked} look={look} solo={solo} now={now} latest={latest} />, [run, index, columns, picked, look, solo, now]);
}

interface RowProps extends Pick<Props, 'run' | 'index' | 'columns' | 'solo' | 'now'> {
  picked: boolean;
  look: Look | undefined;
  /** The handlers that the row calls. */
  latest: RefObject<Pick<Props, 'onSolo' | 'onEdit' | 'onPick' | 'onDraw'>>;
}

function Row({ run, index, columns, picked, look, solo, now, latest }: RowProps) {
  const alone = solo === run.id;
  const kinds = [picked && 'chosen', solo !== null && !alone && 'faded'].filter(Boolean).join(' ');
  const onEdit = (its: TableRow) => latest.current!.onEdit(its);
  return (
    <tr data-run={run.id} aria-rowindex={index} class={kinds}>
      <td class="pick">
        <input type="checkbox" aria-label={`Pick ${run.name}`} checked={picked} onClick={(e) => latest.current!.onPick(e.currentTarget.checked, e.shiftKey)} />
      </td>
      <td class="eye">
        <Eye drawn={look !== undefined} what={run.name} onClick={(e) => latest.current!.onDraw(!look, e.shiftKey)} />
        {look && <Alone look={look} alone={alone} what={run.name} onClick={() => latest.current!.onSolo(alone ? null : run.id)} />}
      </td>
      <th scope="row" class="run-name" onDblClick={() => onEdit(run)}>
        <a href={runUrl(run.id)} title={run.note || run.name}>{run.name}</a>
        {run.tags.map((t) => <TagChip key={t.name} tag={t} />)}
        {run.archived !== null && <span class="tag">archived</span>}
        {run.tags_cut && <span class="dim" title="The page of the run has all of its tags">…</span>}
        <button class="icon-button edit" aria-label={`Change ${run.name}`} title="Name, note, tags and colour" onClick={() => onEdit(run)}>
          <Icon name="edit" />
        </button>
      </th>
      {columns.map((shown) => <Cell key={shown.name} run={run} shown={shown} value={run.values[shown.place]} color={look?.color} now={now} onEdit={onEdit} />)}
    </tr>
  );
}

export function Eye({ drawn, what, onClick }: { drawn: boolean; what: string; onClick: (e: MouseEvent) => void }) {
  return (
    <button class="icon-button" aria-pressed={drawn} aria-label={`Draw ${what}`} title={drawn ? 'In the charts; click to leave it out' : 'Draw it in the charts'} onClick={onClick}>
      <Icon name={drawn ? 'eye' : 'closedEye'} />
    </button>
  );
}

/** The look of a line, and a button that draws it alone. */
export function Alone({ look, alone, what, onClick }: { look: Look; alone: boolean; what: string; onClick: () => void }) {
  return (
    <button class="icon-button look" aria-pressed={alone} aria-label={`Draw ${what} alone`} title={alone ? 'Draw the others again' : 'Draw it alone'} onClick={onClick}>
      <Swatch {...look} />
    </button>
  );
}

/** `value`: of a config or a metric; undefined: it is being loaded. */
function Cell({ run, shown, value, color, now, onEdit }: { run: TableRow; shown: ShownColumn; value: number | string | null | undefined; color: string | undefined } & Pick<RowsProps, 'now' | 'onEdit'>) {
  const { column, format, heat, lowBest, curve } = shown;
  if (column.kind === 'fact') {
    const { fact } = column;
    if (fact === 'note') return <td class="words" title={run.note} onDblClick={() => onEdit(run)}>{run.note || <span class="dim">–</span>}</td>;
    return <FactCell run={run} fact={fact} now={now} />;
  }
  if (value === undefined) return <td class="number value dim">…</td>;
  if (value === null) return <td class="number value dim">–</td>;
  // JSON has no NaN, so the NaN of a metric comes as text.
  const number = column.kind === 'metric' ? Number(value) : value;
  if (typeof number === 'string') return <td class="value words" title={number}>{number}</td>;
  return <td class={`number value${Number.isFinite(number) ? '' : ' not-finite'}`} title={String(number)} style={heat ? shaded(shadeOf(number, heat), lowBest) : {}}>{curve && <Spark run={run.id} metric={curve} points={run.points} color={color} />}{format(number)}</td>;
}

function shaded(share: number | null, lowBest: boolean) {
  return share === null ? {} : { background: `color-mix(in srgb, var(--heat) ${Math.round(4 + 40 * (lowBest ? 1 - share : share))}%, var(--surface))` };
}

function FactCell({ run, fact, now }: { run: TableRow; fact: Exclude<Fact, 'note'>; now: number }) {
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
    case 'group':
      return <td class={run.group ? 'words' : 'dim'} title={run.group}>{run.group || '–'}</td>;
    case 'host':
      return <td class={run.hosts.length ? 'words' : 'dim'} title={run.hosts.join(', ')}>{run.hosts.join(', ') || '–'}</td>;
    case 'points':
      return <td class="number" title={plural(run.points, 'point')}>{formatCompact(run.points)}</td>;
  }
}
