import { expect, test } from 'vitest';
import { bestColumn, bestFirst, isOfObjective, objectiveName, type Objective } from './objective';
import { firstColumns } from './tablecolumns';

const LOSS: Objective = { key: 'valid "a"/loss', goal: 'min' };
const ACC: Objective = { key: 'acc', goal: 'max' };

test('the best value of a run, and the best run first', () => {
  expect(bestColumn(LOSS)).toBe('metric."valid \\"a\\"/loss".min');
  expect(bestFirst(LOSS)).toBe('metric."valid \\"a\\"/loss".min');
  expect(bestFirst(ACC)).toBe('-metric."acc".max');
  expect([objectiveName(LOSS), objectiveName(ACC)]).toEqual(['lowest valid "a"/loss', 'highest acc']);
});

test('every column of its metric is of the objective, whatever the statistic', () => {
  for (const column of ['metric.acc', 'metric."acc".min', 'metric."acc".last']) expect(isOfObjective(column, ACC)).toBe(true);
  for (const column of ['metric."accuracy".max', 'config."acc"', 'points', 'nothing']) expect(isOfObjective(column, ACC)).toBe(false);
  expect(isOfObjective('metric."acc".max', null)).toBe(false);
});

test('a table that nobody arranged has the best value first of its metrics', () => {
  const known = { config: [{ path: 'lr', differs: true }], metrics: ['a', 'b', 'acc', 'd'].map((key) => ({ key })) };
  const metrics = (objective: Objective | null) => firstColumns(known, objective).filter((name) => name.startsWith('metric'));
  expect(metrics(ACC)).toEqual(['metric."acc".max', 'metric."a".last', 'metric."acc".last', 'metric."b".last', 'metric."d".last']);
  expect(metrics(null)).toHaveLength(4);
});
