// Choosing what tells lines apart.

import { api } from '../api/calls';
import { assignLabel, type Assign } from '../base/assign';
import { GROUP_FACTS } from '../base/route';
import { columnName } from '../base/tablecolumns';
import { useLoad } from '../state/load';

export interface AssignProps {
  assign: Assign;
  names: 'any' | readonly string[];
  runs: readonly string[];
  ranks: number;
  /** Lines are of groups of the runs; the lab is asked how many ranks they have. */
  grouped: boolean;
  onChange: (assign: Assign) => void;
}

const WAYS = [
  ['color', 'Colour', 'as the page has it'],
  ['dash', 'Dash', 'as the page has it'],
  ['facet', 'Charts', 'one for each metric'],
] as const;

export function AssignChoices({ assign, names, runs, ranks, grouped, onChange }: AssignProps) {
  const { data } = useLoad((signal) => (names === 'any' && runs.length ? api.tableColumns({ filter: [`id=${runs.join()}`] }, signal) : Promise.resolve(null)), [names, runs.join()]);
  const several = useLoad(async (signal) => grouped && runs.length > 0 && (await api.table({ filter: [`id=${runs.join()}`, 'rank>=1'], limit: 1 }, signal)).total > 0, [grouped, runs.join()]);
  const config = (data?.config ?? []).map((c) => columnName({ kind: 'config', path: c.path }));
  const chosen = [assign.color, assign.dash, assign.facet].filter((name) => name !== null);
  const options = [...new Set(['run', 'metric', ...(ranks > 1 || several.data ? ['rank'] : []), ...(names === 'any' ? [...GROUP_FACTS, ...config] : names).filter((name) => name !== 'rank'), ...chosen])];
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
