// The best value of a run and its step, if the project has an objective.

import { api } from '../api/calls';
import { formatInteger, formatValue } from '../base/format';
import { bestColumn, objectiveName } from '../base/objective';
import type { RunDetailAnswer } from '../schema/lab';
import { useLoad } from '../state/load';

/** An entry in a list of facts. Show nothing if the run has no best value, or the project no objective. */
export function BestValue({ run }: { run: RunDetailAnswer }) {
  const { data } = useLoad(
    async (signal) => {
      const { objective } = await api.project(run.project.id, signal);
      if (!objective) return null;
      const column = bestColumn(objective);
      const { rows } = await api.table({ filter: [`id=${run.id}`], column: [column, `${column}_step`] }, signal);
      const [value, step] = rows[0]?.values ?? [];
      return { objective, value, step };
    },
    [run.id, run.points],
    5000,
  );
  if (!data || data.value === null || data.value === undefined) return null;
  const { objective, value, step } = data;
  return (
    <div>
      <dt>{`${objectiveName(objective).replace(/^./, (c) => c.toUpperCase())}`}</dt>
      <dd class="num" title={String(value)}>
        {formatValue(Number(value))}
        {step !== null && step !== undefined && <span class="dim"> at step {formatInteger(Number(step))}</span>}
      </dd>
    </div>
  );
}
