// Heads of a table of runs: a click sorts by the column, with Shift further.

import { formatInteger } from '../base/format';
import type { Column } from '../base/tablecolumns';
import { Icon } from '../widgets/icon';

const SORTED_FACTS = ['state', 'started', 'duration', 'author', 'points', 'created'];
const DOWNWARDS_FIRST = ['started', 'created', 'duration', 'points']; // what is new, long or large comes first at the first click

interface HeadProps {
  sorts: readonly string[];
  onSort: (sorts: string[]) => void;
}

export function ColumnHead({ column, name, label, sorts, onSort }: { column: Column; name: string; label: string } & HeadProps) {
  if (column.kind !== 'fact') {
    const title = column.kind === 'config' ? `${column.path} of the config` : `${column.stat === 'last' ? 'Last value' : column.stat} of ${column.key}`;
    return <SortHead text={label} by={name} sorts={sorts} onSort={onSort} class="number value" title={title} />;
  }
  if (!SORTED_FACTS.includes(column.fact)) return <th>{label}</th>;
  return <SortHead text={label} by={column.fact} sorts={sorts} onSort={onSort} class={['duration', 'points'].includes(column.fact) ? 'number' : ''} />;
}

export function SortHead({ text, by, sorts, onSort, title, class: kind }: HeadProps & { text: string; by: string; class: string; title?: string }) {
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
