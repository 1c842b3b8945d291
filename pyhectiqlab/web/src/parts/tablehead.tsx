// The heads of a table of runs. A click sorts by the column; a click with Shift adds the column to the sort order.

import type { ComponentChildren, TargetedKeyboardEvent, TargetedToggleEvent } from 'preact';
import { useRef } from 'preact/hooks';
import { formatInteger } from '../base/format';
import type { ColumnLayout } from '../base/columnlayout';
import { isOfObjective, objectiveName, type Objective } from '../base/objective';
import { columnName, isSmoothed, statName, type Column, type SmoothedStat } from '../base/tablecolumns';
import { Icon } from '../widgets/icon';
import { ColumnWidth } from './columnwidth';

const SORTED_FACTS = ['state', 'started', 'duration', 'author', 'points', 'created'];
const DOWNWARDS_FIRST = ['started', 'created', 'duration', 'points']; // the first click sorts these downwards: new, long and large ones first

interface HeadProps {
  sorts: readonly string[];
  onSort: (sorts: string[]) => void;
}

/** What the menu of a column can do. */
export interface ColumnMenu {
  /** The columns that are shaded by their values. */
  heat: readonly string[];
  onHeat: (columns: string[]) => void;
  /** The columns of metrics that also show curves. */
  curves: readonly string[];
  onCurves: (columns: string[]) => void;
  onHide: (column: string) => void;
  /** The statistic at the end of the lines in the charts; null: they are not smoothed. */
  smoothed: SmoothedStat | null;
  /** Add a column after another one. */
  onAdd: (column: string, behind: string) => void;
  /** The metric that runs are compared by. */
  objective: Objective | null;
  /** null: the reader may not set it. */
  onObjective: ((objective: Objective | null) => void) | null;
}

/** How the columns of a table are pinned and resized. */
export interface ColumnEdges {
  layout: ColumnLayout;
  onPin: (column: string, on: boolean) => void;
  onWidth: (column: string, px: number | null, done: boolean) => void;
}

interface ColumnHeadProps extends HeadProps {
  column: Column;
  name: string;
  label: string;
  menu: ColumnMenu;
  /** Missing in a table of groups. */
  edges?: ColumnEdges;
}

export function ColumnHead({ column, name, label, sorts, onSort, menu, edges }: ColumnHeadProps) {
  const { objective } = menu;
  const more = (
    <>
      {objective && isOfObjective(name, objective) && <span class="objective" title={`The objective: the ${objectiveName(objective)}`}><Icon name="goal" /><span class="sr">objective</span></span>}
      <Menu column={column} name={name} label={label} onSort={onSort} menu={menu} edges={edges} />
      {edges && <ColumnWidth label={label} width={edges.layout.widths[name]} onWidth={(px, done) => edges.onWidth(name, px, done)} />}
    </>
  );
  if (column.kind !== 'fact') {
    const title = column.kind === 'config' ? `${column.path} of the config` : isSmoothed(column.stat) ? `Where the line of ${column.key} ends, ${statName(column.stat)}` : `${column.stat === 'last' ? 'Last value' : statName(column.stat)} of ${column.key}`;
    return <SortHead text={label} by={name} sorts={sorts} onSort={onSort} class="number value" title={title} more={more} />;
  }
  if (!SORTED_FACTS.includes(column.fact)) return <th>{label}{more}</th>;
  return <SortHead text={label} by={column.fact} sorts={sorts} onSort={onSort} class={['duration', 'points'].includes(column.fact) ? 'number' : ''} more={more} />;
}

/** The menu of a column. Its place is set by hand, because a table that scrolls would cut it off. */
function Menu({ column, name, label, onSort, menu, edges }: Omit<ColumnHeadProps, 'sorts' | 'edges'> & { edges: ColumnEdges | undefined }) {
  const list = useRef<HTMLDivElement>(null);
  const id = `menu-${name}`;
  const by = column.kind === 'fact' ? column.fact : name;
  const shaded = menu.heat.includes(name);
  const curved = menu.curves.includes(name);
  const pinned = edges?.layout.pinned.includes(name) ?? false;
  const place = (e: TargetedToggleEvent<HTMLDivElement>) => {
    if (e.newState !== 'open') return;
    const { left, bottom } = list.current!.previousElementSibling!.getBoundingClientRect();
    list.current!.style.left = `${Math.min(left, window.innerWidth - list.current!.offsetWidth - 8)}px`;
    list.current!.style.top = `${bottom + 4}px`;
    list.current!.querySelector('button')?.focus();
  };
  const item = (text: string, act: () => void, pressed?: boolean) => (
    <button role={pressed === undefined ? 'menuitem' : 'menuitemcheckbox'} aria-checked={pressed} onClick={() => (list.current!.hidePopover(), act())}>
      {text}
      {pressed && <Icon name="check" />}
    </button>
  );
  const move = (e: TargetedKeyboardEvent<HTMLDivElement>) => {
    const by = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
    if (!by) return;
    e.preventDefault();
    const items = [...e.currentTarget.querySelectorAll('button')];
    items[(items.indexOf(document.activeElement as HTMLButtonElement) + by + items.length) % items.length]?.focus();
  };
  return (
    <>
      <button class="head-menu" aria-label={`Menu of ${label}`} aria-haspopup="menu" popovertarget={id}><Icon name="more" /></button>
      <div ref={list} id={id} class="column-menu" role="menu" aria-label={`Menu of ${label}`} popover="auto" onToggle={place} onKeyDown={move}>
        {(column.kind !== 'fact' || SORTED_FACTS.includes(column.fact)) && [item('Sort upwards', () => onSort([by])), item('Sort downwards', () => onSort([`-${by}`]))]}
        {column.kind !== 'fact' && item('Shade by value', () => menu.onHeat(shaded ? menu.heat.filter((other) => other !== name) : [...menu.heat, name]), shaded)}
        {column.kind === 'metric' && edges && item('Draw its curve', () => menu.onCurves(curved ? menu.curves.filter((other) => other !== name) : [...menu.curves, name]), curved)}
        {column.kind === 'metric' && menu.onObjective && (['min', 'max'] as const).map((goal) => {
          const its = menu.objective?.key === column.key && menu.objective.goal === goal;
          return item(goal === 'min' ? 'Lowest is best' : 'Highest is best', () => menu.onObjective!(its ? null : { key: column.key, goal }), its);
        })}
        {column.kind === 'metric' && menu.smoothed && column.stat !== menu.smoothed && item(`Add ${statName(menu.smoothed)}`, () => menu.onAdd(columnName({ ...column, stat: menu.smoothed! }), name))}
        {edges && item('Pin', () => edges.onPin(name, !pinned), pinned)}
        {item('Hide', () => menu.onHide(name))}
      </div>
    </>
  );
}

interface SortHeadProps extends HeadProps {
  text: string;
  by: string;
  class: string;
  title?: string;
  more?: ComponentChildren;
}

export function SortHead({ text, by, sorts, onSort, title, class: kind, more }: SortHeadProps) {
  const at = sorts.findIndex((sort) => sort === by || sort === `-${by}`);
  const down = sorts[at]?.startsWith('-');
  const next = at < 0 ? (DOWNWARDS_FIRST.includes(by) ? `-${by}` : by) : down ? by : `-${by}`;
  // With Shift, the column sorts the rows that are equal in the others.
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
      {more}
    </th>
  );
}
