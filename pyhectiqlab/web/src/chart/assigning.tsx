// By what lines are told apart: choosing it, what colours and dashes mean, and the charts that one becomes.

import type { ComponentChildren } from 'preact';
import { api } from '../api/calls';
import { assignLabel, FACETS_MAX, type Assign, type Key } from '../base/assign';
import { formatInteger, plural } from '../base/format';
import { GROUP_FACTS } from '../base/route';
import { columnName } from '../base/tablecolumns';
import { useLoad } from '../state/load';
import { Popover } from '../widgets/popover';
import { Swatch } from '../widgets/swatch';

interface Props {
  assign: Assign;
  names: 'any' | readonly string[];
  runs: readonly string[];
  ranks: number;
  onChange: (assign: Assign) => void;
}

const WAYS = [
  ['color', 'Colour', 'as the page has it'],
  ['dash', 'Dash', 'as the page has it'],
  ['facet', 'Charts', 'one for each metric'],
] as const;

export function AssignControl(props: Props) {
  const { assign } = props;
  const told = WAYS.flatMap(([way, label]) => (assign[way] === null ? [] : [`${label.toLowerCase()} ${assignLabel(assign[way])}`]));
  return <Popover text={told.length ? `Told apart: ${told.join(', ')}` : 'Tell apart'} label="What lines are told apart by">{() => <Choices {...props} />}</Popover>;
}

function Choices({ assign, names, runs, ranks, onChange }: Props) {
  const { data } = useLoad((signal) => (names === 'any' && runs.length ? api.tableColumns({ filter: [`id=${runs.join()}`] }, signal) : Promise.resolve(null)), [names, runs.join()]);
  const config = (data?.config ?? []).map((c) => columnName({ kind: 'config', path: c.path }));
  const chosen = [assign.color, assign.dash, assign.facet].filter((name) => name !== null);
  const options = [...new Set(['run', 'metric', ...(ranks > 1 ? ['rank'] : []), ...(names === 'any' ? [...GROUP_FACTS, ...config] : names), ...chosen])];
  return (
    <div class="assign-ways">
      {WAYS.map(([way, label, usual]) => (
        <label class="select" key={way}>
          {label}
          <select aria-label={`${label} by`} value={assign[way] ?? ''} onChange={(e) => onChange({ ...assign, [way]: e.currentTarget.value || null })}>
            <option value="">{usual}</option>
            {options.map((name) => <option key={name} value={name}>{assignLabel(name)}</option>)}
          </select>
        </label>
      ))}
      <p class="dim">Charts by a value stand beside each other with the same axes. By metric: those of a chart of several metrics.</p>
    </div>
  );
}

/** What looks mean, and what they do not tell apart. */
export function LookKeys({ keys }: { keys: readonly Key[] }) {
  return (
    <>
      {keys.map(({ what, items, note }) => (
        <div class="look-key" key={what}>
          <ul class="panel-legend" aria-label={what}>
            <li class="dim">{what}</li>
            {items.map(({ look, text }) => <li key={text}><Swatch {...look} />{text}</li>)}
          </ul>
          {note && <p class="dim" role="note">{note}</p>}
        </div>
      ))}
    </>
  );
}

/** The charts that a metric, or a chart of one's own, has become. */
export function FacetBlock({ title, name, total, children }: { title: string; name: string; total: number; children: ComponentChildren }) {
  return (
    <section class="facets" aria-label={`Charts of ${title}`} data-key={name}>
      <header>
        <h3>{title}</h3>
        <span class="dim">{total > FACETS_MAX ? `the first ${FACETS_MAX} of ${formatInteger(total)} charts: the others are left out` : plural(total, 'chart')}</span>
      </header>
      <div class="facet-panels">{children}</div>
    </section>
  );
}
