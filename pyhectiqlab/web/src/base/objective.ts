// The objective of a project: the metric that its runs are compared by, and which of its values is the best.

import { columnName, parseColumn } from './tablecolumns';

export interface Objective {
  key: string;
  goal: 'min' | 'max';
}

/** The column that has the best value of each run. */
export function bestColumn({ key, goal }: Objective): string {
  return columnName({ kind: 'metric', key, stat: goal });
}

/** The best run first. */
export function bestFirst(objective: Objective): string {
  return objective.goal === 'min' ? bestColumn(objective) : `-${bestColumn(objective)}`;
}

/** Whether a column is of the objective's metric. */
export function isOfObjective(column: string, objective: Objective | null): boolean {
  const its = parseColumn(column);
  return objective !== null && its?.kind === 'metric' && its.key === objective.key;
}

/** Whether lower values of a column are better. */
export function lowBest(column: string, objective: Objective | null): boolean {
  return objective?.goal === 'min' && isOfObjective(column, objective);
}

/** "lowest valid/loss" */
export function objectiveName({ key, goal }: Objective): string {
  return `${goal === 'min' ? 'lowest' : 'highest'} ${key}`;
}
