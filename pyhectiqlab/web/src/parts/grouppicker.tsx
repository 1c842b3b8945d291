// Choosing what the runs of a table are grouped by.

import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { plural } from '../base/format';
import { groupLabel } from '../base/groupcolumns';
import { BY_MAX, GROUP_FACTS } from '../base/route';
import { columnName } from '../base/tablecolumns';
import { useLoad } from '../state/load';
import { SearchBox } from '../widgets/basics';
import { Popover } from '../widgets/popover';

interface Props {
  project: string;
  filter: string[];
  by: readonly string[];
  onChange: (by: string[]) => void;
}

export function GroupPicker(props: Props) {
  const { by } = props;
  return <Popover text={by.length ? `Grouped by ${by.map(groupLabel).join(', ')}` : 'Group by'} label="Group by">{() => <Choices {...props} />}</Popover>;
}

function Choices({ project, filter, by, onChange }: Props) {
  const [words, setWords] = useState('');
  const { data } = useLoad((signal) => api.tableColumns({ project, filter, words }, signal), [project, filter.join(' '), words]);
  const choice = (name: string, more = '', title?: string) => (
    <label key={name} class="choice" title={title}>
      <input
        type="checkbox"
        checked={by.includes(name)}
        disabled={by.length >= BY_MAX && !by.includes(name)}
        onChange={(e) => onChange(e.currentTarget.checked ? [...by, name] : by.filter((other) => other !== name))}
      />
      <span>{groupLabel(name)}</span>
      <span class="dim">{more}</span>
    </label>
  );
  const facts = GROUP_FACTS.filter((fact) => fact.includes(words.toLowerCase()));
  return (
    <>
      <SearchBox value={words} onChange={setWords} label="Search what to group by" placeholder="lr, model.…" />
      <div class="picker-list">
        {by.length >= BY_MAX && <p class="problem">Runs are grouped by at most {BY_MAX} values.</p>}
        {facts.length > 0 && <h3>Run</h3>}
        {facts.map((fact) => choice(fact))}
        {data && data.config.length > 0 && <h3>Config</h3>}
        {data?.config.map((c) => choice(columnName({ kind: 'config', path: c.path }), c.differs ? plural(c.values, 'value') : 'all the same', c.examples.join(', ')))}
        {data && !facts.length && !data.config.length && <p class="dim">Nothing is named like this.</p>}
      </div>
      {by.length > 0 && <button class="link" onClick={() => onChange([])}>Ungroup</button>}
    </>
  );
}
