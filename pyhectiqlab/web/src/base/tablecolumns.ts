// The names of a table's columns, as the lab has them: a fact of the run, config.PATH, or metric."KEY".STAT.

import { unitOf, type Axis } from './axis';
import { KINDS, type Smoothing } from './smooth';

/** The statistics of a metric that a table has, and the words for them before its key. */
const STAT_WORDS = { last: '', min: 'min', max: 'max', mean: 'mean', first: 'first', min_step: 'step of min', max_step: 'step of max', count: 'count', nan: 'NaN in' } as const;
/** The value at the end of the smoothed line: "smoothed(gaussian,100)" over steps, "smoothed(gaussian,30s)" over seconds. */
export type SmoothedStat = `smoothed(${string})`;
type PlainStat = keyof typeof STAT_WORDS;
export type Stat = PlainStat | SmoothedStat;
export const STATS = Object.keys(STAT_WORDS) as PlainStat[];
const SMOOTHED = `smoothed\\((${KINDS.join('|')}),(\\d{1,16}(?:\\.\\d{1,6})?)(s?)\\)`;
export const FACTS = ['state', 'started', 'duration', 'author', 'group', 'host', 'points', 'created', 'note'] as const;
export type Fact = (typeof FACTS)[number];
export const COLUMNS_MAX = 40;
const NAME_MAX = 2048;

export type Column =
  | { kind: 'fact'; fact: Fact }
  | { kind: 'config'; path: string }
  | { kind: 'metric'; key: string; stat: Stat };

const LAST_FACTS: readonly Fact[] = ['duration', 'author', 'points'];
const FIRST_CONFIGS = 6;
const FIRST_METRICS = 4;
export const FIRST_COLUMNS_MAX = 2 + FIRST_CONFIGS + FIRST_METRICS + LAST_FACTS.length;
const QUOTED = /^"((?:[^"\\]|\\[\s\S])*)"$/;
const METRIC = new RegExp(`^metric\\.("(?:[^"\\\\]|\\\\[\\s\\S])*"|[\\s\\S]+?)(?:\\.(${STATS.join('|')}|${SMOOTHED}))?$`);

/** Return the column that a name means; null: none. */
export function parseColumn(name: string): Column | null {
  if (name.length > NAME_MAX) return null;
  if ((FACTS as readonly string[]).includes(name)) return { kind: 'fact', fact: name as Fact };
  if (name.startsWith('config.') && name.length > 'config.'.length) return { kind: 'config', path: unquoted(name.slice('config.'.length)) };
  const metric = METRIC.exec(name);
  return metric ? { kind: 'metric', key: unquoted(metric[1]!), stat: (metric[2] as Stat | undefined) ?? 'last' } : null;
}

export function columnName(column: Column): string {
  if (column.kind === 'fact') return column.fact;
  return column.kind === 'config' ? `config.${quoted(column.path)}` : `metric.${quoted(column.key)}.${column.stat}`;
}

/** Return the heading of a column. */
export function columnLabel(column: Column): string {
  if (column.kind === 'fact') return column.fact[0]!.toUpperCase() + column.fact.slice(1);
  if (column.kind === 'config') return column.path;
  return isSmoothed(column.stat) ? `${column.key} ${statName(column.stat)}` : `${STAT_WORDS[column.stat]} ${column.key}`.trimStart();
}

/** Return the name of a statistic: "last", "step of min", … */
export function statName(stat: Stat): string {
  if (!isSmoothed(stat)) return stat === 'nan' ? 'number of NaN' : STAT_WORDS[stat] || stat;
  const [, kind, width, timed] = new RegExp(SMOOTHED).exec(stat)!;
  return `smoothed (${kind}, ${width} ${timed ? 's' : 'steps'})`;
}

export const isSmoothed = (stat: Stat): stat is SmoothedStat => stat.startsWith('smoothed(');

/** Return the statistic for the end of a line that is smoothed like this. */
export function smoothedStat({ kind, width }: Smoothing, axis: Axis): SmoothedStat {
  return `smoothed(${kind},${width / unitOf(axis)}${axis === 'step' ? '' : 's'})`;
}

/** Return the headings of several columns: the name of a config value is written in full if a metric has the same one. */
export function columnLabels(names: readonly string[]): string[] {
  const columns = names.map((name) => parseColumn(name)!);
  const labels = columns.map(columnLabel);
  return labels.map((label, i) => {
    const column = columns[i]!;
    return column.kind === 'config' && labels.some((other, j) => j !== i && other === label) ? `config.${column.path}` : label;
  });
}

/** Return the metric whose curve is in the cells of a column; null: none. */
export function curveOf(name: string, { curves }: { curves: readonly string[] }): string | null {
  const column = curves.includes(name) ? parseColumn(name) : null;
  return column?.kind === 'metric' ? column.key : null;
}

/** Return whether a column has values that only some runs have: configs and metrics. Every run has facts. */
export function isValue(name: string): boolean {
  return parseColumn(name)?.kind !== 'fact';
}

interface Known {
  config: readonly { path: string; differs: boolean }[];
  metrics: readonly { key: string }[];
}

/**
 * Return the columns that a table shows until somebody chooses, in the order in which people look for them: what runs are sorted
 * by (the best value, else when they started), how they ended, the config values that tell them apart, some metrics by name,
 * other facts.
 */
export function firstColumns(known: Known | null, objective: { key: string; goal: 'min' | 'max' } | null): string[] {
  const configs = (known?.config ?? []).filter((c) => c.differs).slice(0, FIRST_CONFIGS);
  const reported = (known?.metrics ?? []).filter((m) => !m.key.startsWith('system/'));
  const metrics = (reported.length ? reported : (known?.metrics ?? [])).slice(0, FIRST_METRICS).map((m) => m.key).sort();
  const best = objective ? [columnName({ kind: 'metric', key: objective.key, stat: objective.goal })] : [];
  return [
    ...best,
    'state',
    ...(objective ? [] : ['started']),
    ...configs.map((c) => columnName({ kind: 'config', path: c.path })),
    ...metrics.map((key) => columnName({ kind: 'metric', key, stat: 'last' })),
    ...(objective ? ['started'] : []),
    ...LAST_FACTS,
  ];
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function unquoted(text: string): string {
  const inner = QUOTED.exec(text);
  return inner ? inner[1]!.replace(/\\([\s\S])/g, '$1') : text;
}
