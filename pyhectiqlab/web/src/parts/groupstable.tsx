// The runs of a project in groups of those with the same values: how many there are, and statistics of each column. A group opens
// to show its runs.

import { useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import type { TableQuery } from '../api/rows';
import { formatInteger, formatValue, plural } from '../base/format';
import { groupName, groupTerms, hasStatistics, sortGroups } from '../base/groupcolumns';
import { lowBest } from '../base/objective';
import { groupId } from '../base/grouplines';
import type { Look } from '../base/looks';
import { columnLabels, curveOf, isValue, parseColumn } from '../base/tablecolumns';
import type { GroupAnswer, StatisticsAnswer } from '../schema/lab';
import { useNowWith } from '../state/clock';
import { useLitRow } from '../state/litrow';
import { useLoad, type Loaded } from '../state/load';
import { useScrollMemory } from '../state/scrolls';
import { useNarrow } from '../state/narrow';
import { firstRows } from '../state/tablerows';
import { Waiting } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { CardLabels, useTapToRead } from './cards';
import { Alone, Eye, RunRow, type RowsProps, type ShownColumn } from './runrow';
import type { TableProps } from './runstable';
import { ColumnHead } from './tablehead';

const REFRESH_MS = 2000;
const CLOCK_MS = 3000; // for durations and ages, if no news of groups come
const SHOWN_FIRST = 200; // groups
const ROWS_MAX = 100; // runs of an opened group

/** `columns`: those of the table. */
export function useGroups(project: string, filter: string[], by: readonly string[], columns: readonly string[]) {
  const column = columns.filter(hasStatistics);
  return useLoad(
    async (signal) => (by.length ? api.tableGroups({ project, filter, by: [...by], column }, signal) : null),
    [project, filter.join('\n'), by.join('\n'), column.join('\n')],
    REFRESH_MS,
  );
}

interface Props extends Omit<TableProps, 'table' | 'layout' | 'onLayout' | 'onPickAll'> {
  /** What the table would ask for without groups. */
  query: TableQuery;
  by: readonly string[];
  groups: Loaded<Awaited<ReturnType<typeof api.tableGroups>> | null>;
  /** The groups that have a line, by id, with its look; null: runs have lines. */
  lines: ReadonlyMap<string, Look> | null;
  onLine: (group: string, on: boolean) => void;
}

type Groups = readonly GroupAnswer[];

/** Return groups in the order of the table. */
export function inOrder(groups: Groups, by: readonly string[], columns: readonly string[], sorts: readonly string[]): Groups {
  return sortGroups(groups, by, columns.filter(hasStatistics), sorts);
}

export function GroupsTable({ query, by, groups, lines, onLine, columns, sorts, onSort, picks, onPick, drawn, onDraw, solo, onSolo, onEdit, menu, extremes }: Props) {
  const now = useNowWith(groups.data, CLOCK_MS);
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [all, setAll] = useState(false);
  useScrollMemory('groups', scroller, groups.data !== null);
  useLitRow(scroller);
  const narrow = useNarrow();
  useTapToRead(scroller, narrow);
  const counted = columns.filter(hasStatistics);
  const labels = columnLabels(counted);
  const same = new Set(by.map(columnOf)); // all runs of a group have the same
  const shown = counted.map((name, i) => ({ name, label: labels[i]!, column: parseColumn(name)!, place: i, format: formatValue, heat: extremes.get(name) ?? null, lowBest: lowBest(name, menu.objective), curve: curveOf(name, menu) })).filter(({ name }) => !same.has(columnOf(name)));
  const picked = new Set(picks);
  const pick = (runs: readonly string[], on: boolean) => onPick(on ? [...new Set([...picks, ...runs])] : picks.filter((run) => !runs.includes(run)));
  const rows: RowsProps = { columns: shown, picked, drawn, solo, onSolo, onEdit, now };
  const sorted = inOrder(groups.data?.groups ?? [], by, columns, sorts);
  const toggle = (name: string) => setOpen(new Set(open.has(name) ? [...open].filter((other) => other !== name) : [...open, name]));
  return (
    <div ref={scroller} class="table-scroll runs-scroll" tabIndex={0} role="region" aria-label="Groups of runs">
      {narrow && <CardLabels labels={shown.map(({ label }) => label)} />}
      <table class={narrow ? 'runs cards-of-runs cards-of-groups' : 'runs'}>
        <thead>
          <tr>
            <th class="pick"><span class="sr">Pick</span></th>
            <th class="eye"><span class="sr">Draw</span></th>
            <th class="run-name">{groups.data ? plural(groups.data.total, 'group') : ''}</th>
            {shown.map(({ name, label, column }) => <ColumnHead key={name} column={column} name={name} label={label} sorts={sorts} onSort={onSort} menu={menu} />)}
          </tr>
        </thead>
        {(all ? sorted : sorted.slice(0, SHOWN_FIRST)).map((group) => {
          const name = groupName(by, group.values);
          const whole = group.runs.length === group.size;
          const id = groupId(by, group.values);
          const line = lines?.get(id);
          const alone = solo === id;
          return (
            <tbody key={JSON.stringify(group.values)}>
              <tr class={`group-row${solo !== null && lines && !alone ? ' faded' : ''}`} data-group={name} data-run={lines ? id : undefined}>
                <td class="pick">
                  <input
                    type="checkbox"
                    aria-label={`Pick the runs of ${name}`}
                    title={whole ? '' : 'Too many to be picked at once'}
                    disabled={!whole}
                    checked={group.runs.every((run) => picked.has(run))}
                    onClick={(e) => pick(group.runs, e.currentTarget.checked)}
                  />
                </td>
                <td class="eye">
                  {lines ? (
                    <Eye drawn={line !== undefined} what={`the line of ${name}`} onClick={() => onLine(id, !line)} />
                  ) : (
                    <Eye drawn={group.runs.every((run) => drawn.has(run))} what={`the runs of ${name}`} onClick={() => onDraw(group.runs, !group.runs.every((run) => drawn.has(run)))} />
                  )}
                  {line && <Alone look={line} alone={alone} what={name} onClick={() => onSolo(alone ? null : id)} />}
                </td>
                <th scope="row" class="run-name">
                  <button class="group-name" aria-expanded={open.has(name)} title={name} onClick={() => toggle(name)}>
                    <Icon name="chevron" />
                    {name}
                    <span class="dim">{plural(group.size, 'run')}</span>
                  </button>
                </th>
                {shown.map(({ name: column, place }) => <StatisticsCell key={column} its={group.columns[place]} />)}
              </tr>
              {open.has(name) && <GroupRuns query={query} by={by} group={group} rows={rows} onPick={pick} onDraw={onDraw} />}
            </tbody>
          );
        })}
      </table>
      {!groups.data && <Waiting />}
      {sorted.length > SHOWN_FIRST && !all && (
        <p class="more"><button class="link" onClick={() => setAll(true)}>Show all {plural(sorted.length, 'group')}</button></p>
      )}
      {all && groups.data && groups.data.total > sorted.length && <p class="more dim">These are the {formatInteger(sorted.length)} largest of {formatInteger(groups.data.total)} groups.</p>}
    </div>
  );
}

/** undefined: the column has no statistics. */
function StatisticsCell({ its }: { its: StatisticsAnswer | undefined }) {
  if (!its) return <td />;
  const odd = its.nan ? `, ${formatInteger(its.nan)} of them not finite` : '';
  const others = its.texts > 1 ? <small> +{formatInteger(its.texts - 1)}</small> : null;
  if (!its.n && !its.nan && its.text !== null) return <td class="value words" title={textsOf(its)}>{its.text}{others}</td>;
  if (!its.n) return <td class="number value dim">{its.nan ? <span class="not-finite">{formatInteger(its.nan)} NaN</span> : '–'}</td>;
  const [mean, std, min, max] = [its.mean, its.std, its.min, its.max].map((value) => formatValue(Number(value), 4));
  return (
    <td class="number value spread" title={`Mean ${its.mean}, standard deviation ${its.std}, from ${its.min} to ${its.max}; of ${plural(its.n + its.nan, 'value')}${odd}${its.texts ? `; ${textsOf(its)}` : ''}`}>
      <b>{mean}</b> ± {std}
      <small>{min} … {max}{its.nan > 0 && <span class="not-finite"> · {formatInteger(its.nan)} NaN</span>}</small>
    </td>
  );
}

function textsOf(its: StatisticsAnswer): string {
  return its.texts === 1 ? String(its.text) : `${formatInteger(its.texts)} different texts, the most frequent ${its.text}`;
}

interface GroupRunsProps {
  query: TableQuery;
  by: readonly string[];
  group: GroupAnswer;
  rows: RowsProps;
  onPick: (runs: readonly string[], on: boolean) => void;
  onDraw: (runs: readonly string[], on: boolean) => void;
}

function GroupRuns({ query, by, group, rows, onPick, onDraw }: GroupRunsProps) {
  const its = { ...query, filter: [...query.filter, ...groupTerms(by, group.values)] };
  const { data } = useLoad((signal) => firstRows(its, ROWS_MAX, signal), [JSON.stringify([its, group.size])], REFRESH_MS);
  const columns: ShownColumn[] = rows.columns.map((c) => ({ ...c, place: isValue(c.name) ? query.column.indexOf(c.name) : -1 }));
  if (!data) return <tr><td colSpan={columns.length + 3} class="dim">Loading…</td></tr>;
  return (
    <>
      {data.rows.map((run, i) => (
        <RunRow key={run.id} {...rows} columns={columns} run={run} index={i + 2} onPick={(on) => onPick([run.id], on)} onDraw={(on) => onDraw([run.id], on)} />
      ))}
      {by.includes('rank') && columns.some(({ column }) => column.kind === 'metric') && (
        <tr><td colSpan={columns.length + 3} class="dim">The values of a run are over all of its ranks.</td></tr>
      )}
      {data.total > data.rows.length && (
        <tr><td colSpan={columns.length + 3} class="dim">These are the first {formatInteger(data.rows.length)} of {formatInteger(data.total)}: search for {groupTerms(by, group.values).join(' ')} to see all.</td></tr>
      )}
    </>
  );
}

/** Return the same text for every way to write a column. */
function columnOf(name: string): string {
  return JSON.stringify(parseColumn(name));
}
