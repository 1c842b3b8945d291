import { expect, test } from 'vitest';
import { columnLabel, columnLabels, columnName, firstColumns, isValue, parseColumn, smoothedStat } from './tablecolumns';

test.each([
  ['state', { kind: 'fact', fact: 'state' }, 'State'],
  ['config."lr"', { kind: 'config', path: 'lr' }, 'lr'],
  ['config."a \\"b\\" \\\\"', { kind: 'config', path: 'a "b" \\' }, 'a "b" \\'],
  ['metric."train/loss".last', { kind: 'metric', key: 'train/loss', stat: 'last' }, 'train/loss'],
  ['metric."x.min".max', { kind: 'metric', key: 'x.min', stat: 'max' }, 'max x.min'],
  ['metric."loss".min_step', { kind: 'metric', key: 'loss', stat: 'min_step' }, 'step of min loss'],
  ['metric."loss".smoothed(gaussian,100)', { kind: 'metric', key: 'loss', stat: 'smoothed(gaussian,100)' }, 'loss smoothed (gaussian, 100 steps)'],
  ['metric."loss".smoothed(mean,0.5s)', { kind: 'metric', key: 'loss', stat: 'smoothed(mean,0.5s)' }, 'loss smoothed (mean, 0.5 s)'],
  ['metric."loss".mean', { kind: 'metric', key: 'loss', stat: 'mean' }, 'mean loss'],
] as const)('%s is a column, and is written as it was', (name, column, label) => {
  expect(parseColumn(name)).toEqual(column);
  expect(columnName(column)).toBe(name);
  expect(columnLabel(column)).toBe(label);
});

test('a smoothing of charts is one of a column', () => {
  expect(smoothedStat({ kind: 'median', width: 20 }, 'step')).toBe('smoothed(median,20)');
  expect(smoothedStat({ kind: 'mean', width: 1_500_000 }, 'relative')).toBe('smoothed(mean,1.5s)');
  expect(parseColumn('metric.a.b.smoothed(mean,7)')).toEqual({ kind: 'metric', key: 'a.b', stat: 'smoothed(mean,7)' });
  expect(parseColumn('metric.loss.smoothed(mode,7)')).toEqual({ kind: 'metric', key: 'loss.smoothed(mode,7)', stat: 'last' });
});

test('names without quotes are understood', () => {
  expect(parseColumn('config.model.name')).toEqual({ kind: 'config', path: 'model.name' });
  expect(parseColumn('metric.loss.min')).toEqual({ kind: 'metric', key: 'loss', stat: 'min' });
  expect(parseColumn('metric.loss')).toEqual({ kind: 'metric', key: 'loss', stat: 'last' });
});

test.each(['', 'nothing', 'config.', 'metric.', `config.${'x'.repeat(3000)}`])('%s is not a column', (name) => expect(parseColumn(name)).toBeNull());

test('what is shown first: what runs are sorted by, configs that differ, metrics that scripts report', () => {
  const config = [...'abcdefgh'].map((path) => ({ path, differs: path !== 'b' }));
  const metrics = ['val', 'loss', 'system/cpu'].map((key) => ({ key }));
  const values = firstColumns({ config, metrics }, null).filter(isValue);
  expect(values).toEqual(['config."a"', 'config."c"', 'config."d"', 'config."e"', 'config."f"', 'config."g"', 'metric."loss".last', 'metric."val".last']);
  expect(firstColumns({ config: [], metrics: [{ key: 'system/cpu' }] }, null).filter(isValue)).toEqual(['metric."system/cpu".last']);
  expect(firstColumns(null, null)).toEqual(['state', 'started', 'duration', 'author', 'points']);
  const best = firstColumns({ config: config.slice(0, 1), metrics: [] }, { key: 'val', goal: 'min' });
  expect(best).toEqual(['metric."val".min', 'state', 'config."a"', 'started', 'duration', 'author', 'points']);
});

test('a config that is called as a metric is named in full', () => {
  expect(columnLabels(['config."lr"', 'metric."lr".last', 'config."epochs"'])).toEqual(['config.lr', 'lr', 'epochs']);
});
