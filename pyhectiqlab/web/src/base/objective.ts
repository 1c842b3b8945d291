// The objective of a project: the metric that its runs are compared by, and whether low or high values of it are better.

import { columnName, parseColumn } from './tablecolumns';

export interface Objective {
  key: string;
  goal: 'min' | 'max';
}

/** Return the column that has the best value of each run. */
export function bestColumn({ key, goal }: Objective): string {
  return columnName({ kind: 'metric', key, stat: goal });
}

/** Return the sort order with the best run first. */
export function bestFirst(objective: Objective): string {
  return objective.goal === 'min' ? bestColumn(objective) : `-${bestColumn(objective)}`;
}

/** Return whether a column belongs to the metric of the objective. */
export function isOfObjective(column: string, objective: Objective | null): boolean {
  const its = parseColumn(column);
  return objective !== null && its?.kind === 'metric' && its.key === objective.key;
}

/** Return whether lower values of a column are better. */
export function lowBest(column: string, objective: Objective | null): boolean {
  return objective?.goal === 'min' && isOfObjective(column, objective);
}

/** Return the name of an objective: "lowest valid/loss". */
export function objectiveName({ key, goal }: Objective): string {
  return `${goal === 'min' ? 'lowest' : 'highest'} ${key}`;
}
