// What the colour, the dash and the chart of a line may be assigned to: its run, metric or rank, or a value that runs are grouped
// by. Pure.

import { naturally } from './group';
import { groupLabel, type GroupValue } from './groupcolumns';
import { formatValue, plural } from './format';
import { lookOf, PALETTE, type Dash, type Look } from './looks';
import { isGroup } from './route';
import { tintsOf } from './tints';

/** Each is 'run', 'metric', 'rank' or a name that runs are grouped by; null: the page chooses. */
export interface Assign {
  color: string | null;
  dash: string | null;
  facet: string | null; // each of its values has a chart of its own
}

export const NO_ASSIGN: Assign = { color: null, dash: null, facet: null };
export const FACETS_MAX = 12; // charts that one metric becomes
const COLORS = PALETTE.length;
const DASHES = 6;
const OTHER = PALETTE[COLORS - 1]!; // grey

/** The values of runs: by run, then by name. */
export type RunValues = ReadonlyMap<string, ReadonlyMap<string, GroupValue>>;

/** Return those of the three names that are values of runs. */
export const runNames = ({ color, dash, facet }: Assign): string[] => [...new Set([color, dash, facet])].filter((name) => name !== null).filter((name) => name !== 'rank' && isGroup(name));

export const assignLabel = (name: string) => (name === 'run' || name === 'metric' || name === 'rank' ? name : groupLabel(name));

export const valueLabel = (value: GroupValue) => (value === null || value === '' ? 'none' : typeof value === 'number' ? formatValue(value) : value);

/** Return the different values in order: numbers, then texts, then "no value". */
export function inOrder(values: readonly GroupValue[]): GroupValue[] {
  const kind = (v: GroupValue) => (v === null || v === '' ? 2 : typeof v === 'string' ? 1 : 0);
  return [...new Set(values.map((v) => (v === '' ? null : v)))].sort((a, b) => kind(a) - kind(b) || (typeof a === 'number' ? a - (b as number) : naturally(String(a), String(b))));
}

/** Return the colour of the i-th of n things. If there are more things than colours, the last ones share a grey. */
export const colorAt = (i: number, n: number) => (n > COLORS && i >= COLORS - 1 ? OTHER : PALETTE[Math.min(i, COLORS - 1)]!);
export const dashAt = (i: number): Dash => lookOf(COLORS * Math.min(i, DASHES - 1)).dash;

/** What the looks of lines mean, and what they do not tell apart. */
export interface Key {
  what: string;
  items: readonly { look: Look; text: string }[];
  note: string;
}

const INK = '#868e96';

function colorKey(name: string, values: readonly GroupValue[]): { of: (value: GroupValue) => string; key: Key } {
  const what = `Colour: ${assignLabel(name)}`;
  const n = values.length;
  const numbers = values.filter((v) => v !== null);
  if (n > COLORS && numbers.every((v) => typeof v === 'number')) {
    const { of, legend } = tintsOf(values);
    const items = legend.map(({ color, text }) => ({ look: { color, dash: [] }, text }));
    return { of, key: { what, items, note: `${plural(n, 'value')} of ${assignLabel(name)} have colours of a scale: neighbours look alike.` } };
  }
  const color = (value: GroupValue) => (value === null && n <= COLORS ? OTHER : colorAt(values.indexOf(value), n));
  return { of: color, key: keyOf(what, name, values, n > COLORS ? COLORS - 1 : n, 'colours', (value) => ({ color: color(value), dash: [] })) };
}

function dashKey(name: string, values: readonly GroupValue[]): { of: (value: GroupValue) => Dash; key: Key } {
  const of = (value: GroupValue) => dashAt(values.indexOf(value));
  return { of, key: keyOf(`Dash: ${assignLabel(name)}`, name, values, values.length > DASHES ? DASHES - 1 : values.length, 'dashes', (value) => ({ color: INK, dash: of(value) })) };
}

function keyOf(what: string, name: string, values: readonly GroupValue[], apart: number, kind: string, look: (value: GroupValue) => Look): Key {
  const items = values.slice(0, apart).map((value) => ({ look: look(value), text: valueLabel(value) }));
  const others = values.length - apart;
  if (others) items.push({ look: look(values[apart]!), text: plural(others, 'other') });
  return { what, items, note: others ? `${apart} of ${plural(values.length, 'value')} of ${assignLabel(name)} have ${kind} of their own: the others look the same.` : '' };
}

interface Line extends Look {
  id: string;
  name: string;
}

/** Return the value that a run has of this name; null: it has none. */
export function valueOf(values: RunValues, run: string, name: string): GroupValue {
  const value = values.get(run)?.get(name) ?? null;
  return value === '' ? null : value;
}

/**
 * Return runs with the looks that their values are assigned, and the key that says what the looks mean. `ranks`: the number of
 * ranks.
 */
export function assignedLooks<R extends Line>(runs: readonly R[], { color, dash }: Assign, values: RunValues, ranks: number): { runs: readonly R[]; keys: Key[] } {
  const valuesOf = (name: string) => inOrder(runs.map((run) => valueOf(values, run.id, name)));
  const ofRank = Array.from({ length: ranks }, (_, rank) => rank);
  const colors = color !== null && color !== 'rank' && isGroup(color) ? colorKey(color, valuesOf(color)) : null;
  const dashes = dash !== null && dash !== 'rank' && isGroup(dash) ? dashKey(dash, valuesOf(dash)) : null;
  const keys = [
    colors?.key ?? (color === 'rank' ? keyOf('Colour: rank', 'rank', ofRank, ranks > COLORS ? COLORS - 1 : ranks, 'colours', (rank) => ({ color: colorAt(rank as number, ranks), dash: [] })) : null),
    dashes?.key ?? (dash === 'rank' ? dashKey('rank', ofRank).key : dash === 'run' ? dashKey('run', runs.map((run) => run.name)).key : null),
  ].filter((key) => key !== null);
  const plain = color !== null && color !== 'run'; // if colours do not stand for runs, a run beyond the tenth needs no dash
  const looked = runs.map((run, i) => ({
    ...run,
    color: colors ? colors.of(valueOf(values, run.id, color!)) : run.color,
    dash: dashes ? dashes.of(valueOf(values, run.id, dash!)) : dash === 'run' ? dashAt(i) : dash !== null || plain ? [] : run.dash,
  }));
  return { runs: color === null && dash === null ? runs : looked, keys };
}

/** One of several charts, each of which has some of the lines. */
export interface FacetOf {
  label: string;
  runs: readonly string[] | null; // null: all
  keys: readonly string[];
  rank: number | null; // null: all
}

/** Return the charts that one of these metrics becomes, and how many there would be without the bound; null: it stays one chart. */
export function facetsOf(runs: readonly Line[], keys: readonly string[], { facet }: Assign, values: RunValues, ranks: number): { facets: FacetOf[]; total: number } | null {
  const all = { runs: null, keys, rank: null };
  const list: FacetOf[] =
    facet === 'run'
      ? runs.map((run) => ({ ...all, label: run.name, runs: [run.id] }))
      : facet === 'rank'
        ? Array.from({ length: ranks }, (_, rank) => ({ ...all, label: `rank ${rank}`, rank }))
        : facet === 'metric'
          ? keys.map((key) => ({ ...all, label: key, keys: [key] }))
          : facet === null
            ? []
            : inOrder(runs.map((run) => valueOf(values, run.id, facet))).map((value) => ({
                ...all,
                label: `${assignLabel(facet)} ${valueLabel(value)}`,
                runs: runs.filter((run) => valueOf(values, run.id, facet) === value).map((run) => run.id),
              }));
  return list.length > 1 ? { facets: list.slice(0, FACETS_MAX), total: list.length } : null;
}

/**
 * Return what can be assigned of what was asked for. `names`: the names of runs' values that exist, or any. A single rank is not
 * told apart.
 */
export function takenAssign(view: Assign, ranks: number, names: 'any' | readonly string[]): Assign {
  const taken = (name: string | null) =>
    name === null || name === 'metric' || name === 'run' || (name === 'rank' ? ranks > 1 : names === 'any' || names.includes(name)) ? name : null;
  return { color: taken(view.color), dash: taken(view.dash), facet: taken(view.facet) };
}
