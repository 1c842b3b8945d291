// Choosing the columns of the runs' table: which ones, in which order, and which statistic of a metric.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { formatInteger, plural } from '../base/format';
import { columnLabel, columnLabels, columnName, COLUMNS_MAX, FACTS, statName, STATS, type Column, type SmoothedStat, type Stat } from '../base/tablecolumns';
import { useLoad } from '../state/load';
import { SearchBox } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { Popover } from '../widgets/popover';

interface PickerProps {
  project: string;
  filter: string[];
  columns: readonly string[];
  /** The statistic at the end of the lines in the charts beside the table; null: they are not smoothed. */
  smoothed: SmoothedStat | null;
  onChange: (columns: string[]) => void;
  onReset: () => void;
}

export function ColumnPicker(props: PickerProps) {
  return <Popover text="Columns">{() => <Lists {...props} />}</Popover>;
}

function Lists({ project, filter, columns, smoothed, onChange, onReset }: PickerProps) {
  const [words, setWords] = useState('');
  const [stat, setStat] = useState<Stat>('last');
  const { data } = useLoad((signal) => api.tableColumns({ project, filter, words }, signal), [project, filter.join(' '), words]);
  const chosen = new Set(columns);
  const full = columns.length >= COLUMNS_MAX;
  const toggle = (name: string, on: boolean) => onChange(on ? [...columns, name] : columns.filter((c) => c !== name));
  const move = (at: number, by: number) => {
    const order = [...columns];
    order.splice(at + by, 0, ...order.splice(at, 1));
    onChange(order);
  };
  const choice = (column: Column, more: string, title?: string) => {
    const name = columnName(column);
    return (
      <label key={name} class="choice" title={title}>
        <input type="checkbox" checked={chosen.has(name)} disabled={full && !chosen.has(name)} onChange={(e) => toggle(name, e.currentTarget.checked)} />
        <span>{columnLabel(column)}</span>
        <span class="dim">{more}</span>
      </label>
    );
  };
  const labels = columnLabels(columns);
  const facts = FACTS.filter((fact) => fact.includes(words.toLowerCase()));
  return (
    <div class="picker-lists">
      <section aria-label="Shown">
        <h3>Shown</h3>
        <ol>
          {columns.map((name, at) => {
            const label = labels[at]!;
            return (
              <li key={name}>
                <span title={label}>{label}</span>
                <button class="icon-button" aria-label={`Move ${label} left`} disabled={at === 0} onClick={() => move(at, -1)}><Icon name="up" /></button>
                <button class="icon-button" aria-label={`Move ${label} right`} disabled={at === columns.length - 1} onClick={() => move(at, 1)}><Icon name="down" /></button>
                <button class="icon-button" aria-label={`Hide ${label}`} onClick={() => toggle(name, false)}><Icon name="close" /></button>
              </li>
            );
          })}
        </ol>
        <button class="link" onClick={onReset}>As at first</button>
      </section>
      <section aria-label="To choose from">
        <SearchBox value={words} onChange={setWords} label="Search columns" placeholder="loss, lr, model.…" />
        {full && <p class="problem">A table has at most {COLUMNS_MAX} columns: hide one first.</p>}
        {facts.length > 0 && <><h3>Run</h3>{facts.map((fact) => choice({ kind: 'fact', fact }, ''))}</>}
        {data && data.config.length > 0 && <h3>Config</h3>}
        {data?.config.map((c) => choice({ kind: 'config', path: c.path }, c.differs ? plural(c.values, 'value') : 'all the same', c.examples.join(', ')))}
        {data && data.metrics.length > 0 && (
          <h3>
            Metrics
            <select aria-label="Which value of a metric" value={stat} onChange={(e) => setStat(e.currentTarget.value as Stat)}>
              {STATS.map((s) => <option key={s} value={s}>{statName(s)}</option>)}
              {smoothed ? <option value={smoothed}>{statName(smoothed)}</option> : <option disabled>smoothed: like the charts, once they are</option>}
            </select>
          </h3>
        )}
        {data?.metrics.map((m) => choice({ kind: 'metric', key: m.key, stat }, m.runs < data.metric_runs ? `${formatInteger(m.runs)} of ${formatInteger(data.metric_runs)} runs` : ''))}
        {data && !facts.length && !data.config.length && !data.metrics.length && <p class="dim">No column is named like this.</p>}
        {data && data.runs > data.metric_runs && <p class="dim">Metrics of {formatInteger(data.metric_runs)} of {formatInteger(data.runs)} runs were looked at: search for one that is missing.</p>}
      </section>
    </div>
  );
}
