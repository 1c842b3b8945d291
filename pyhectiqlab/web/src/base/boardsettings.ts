// How somebody has arranged the charts of a project: one plain object, which JSON can hold. It is read from storage as untrusted
// input: what cannot be understood is left out.

import { readSize } from './panelsize';
import { columnLabel, isValue, parseColumn } from './tablecolumns';

export const SCALES = ['linear', 'log', 'symlog'] as const;
export type Scale = (typeof SCALES)[number];
export const SCALE_NAMES: Record<Scale, string> = { linear: 'Linear', log: 'Log', symlog: 'Symmetric log' };

/**
 * Which values the y axis of a panel covers: all of them; all but a share at either end, in % ("most": without outliers); or a
 * range, of which either end may be open.
 */
export type YRange = 'all' | 'most' | `most:${number}` | readonly [number | null, number | null];
export const LEFT_OUT_MAX = 49; // %

/** The settings of one panel. A setting that is missing is that of the page. */
export interface PanelSettings {
  scale?: Scale;
  xScale?: Scale; // of a chart whose x is not an axis of the page
  y?: YRange;
  size?: string; // "2x10": see panelsize.ts
  x?: string; // the metric that the panel is drawn over; '': none, even if its run asked for one
  ridges?: boolean; // histograms are drawn as ridges, not as a heat map
}

/**
 * A chart that somebody made: of the keys that a regular expression matches; of a formula of metrics (`y`) over the steps or over
 * another formula (`x`); of columns of the table of runs (`runs`); or of the histograms of a name (`histogram`).
 */
export interface OwnPanel {
  id: string;
  title: string;
  pattern: string; // '' if there is a formula
  y?: string;
  x?: string;
  runs?: RunsChart;
  histogram?: string;
}

/** A chart with a point for each run, at two columns of the table; without `x`, with a bar for each run. */
export interface RunsChart {
  y: string;
  x?: string;
  color?: string;
}

export interface BoardSettings {
  own: readonly OwnPanel[];
  panels: Readonly<Record<string, PanelSettings>>; // by the name of the panel: its key, or ownName of a chart that somebody made
  folded: readonly string[]; // names of sections
  shared: readonly string[]; // sections whose panels have the same y range
  order?: Readonly<Record<string, readonly string[]>>; // by section: the keys that somebody put in order; the others follow
}

export const NO_SETTINGS: BoardSettings = { own: [], panels: {}, folded: [], shared: [] };
const PANELS_MAX = 2000;
const NAME_MAX = 1024;
export const OWN_MAX = 50;
export const PATTERN_MAX = 256;
export const FORMULA_MAX = 512;
export const OWN_KEYS_MAX = 24; // lines of one run in a chart

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const oneOf = <T>(values: readonly T[], value: unknown): T | undefined => values.find((v) => v === value);

export function readSettings(value: unknown): BoardSettings {
  if (!isObject(value)) return NO_SETTINGS;
  const panels = Object.entries(isObject(value['panels']) ? value['panels'] : {}).slice(0, PANELS_MAX);
  const own = Array.isArray(value['own']) ? value['own'].map(readOwn).filter((p) => p !== null) : [];
  return {
    own: own.filter((p, i) => own.findIndex(({ id }) => id === p.id) === i).slice(0, OWN_MAX),
    panels: Object.fromEntries(panels.flatMap(([name, its]) => (isObject(its) && name.length <= NAME_MAX ? [[name, readPanel(its)]] : []))),
    folded: names(value['folded']),
    shared: names(value['shared']),
    ...readOrder(value['order']),
  };
}

function readOrder(value: unknown): Pick<BoardSettings, 'order'> {
  const sections = Object.entries(isObject(value) ? value : {}).slice(0, PANELS_MAX);
  const order = Object.fromEntries(sections.flatMap(([section, keys]) => (section.length <= NAME_MAX && names(keys).length ? [[section, names(keys)]] : [])));
  return Object.keys(order).length ? { order } : {};
}

function readOwn(value: unknown): OwnPanel | null {
  if (!isObject(value)) return null;
  const { id, title, pattern } = value;
  if (typeof id !== 'string' || !/^[a-z0-9]{1,32}$/.test(id) || typeof title !== 'string' || typeof pattern !== 'string') return null;
  const histogram = value['histogram'];
  if (typeof histogram === 'string' && histogram && histogram.length <= NAME_MAX) return { id, title: title.slice(0, NAME_MAX), pattern: '', histogram };
  const runs = readRuns(value['runs']);
  if (runs) return { id, title: title.slice(0, NAME_MAX), pattern: '', runs };
  const [x, y] = [readFormula(value['x']), readFormula(value['y'])];
  if (y) return { id, title: title.slice(0, NAME_MAX), pattern: '', y, ...(x && { x }) };
  return patternOf(pattern) ? { id, title: title.slice(0, NAME_MAX), pattern } : null;
}

function readRuns(value: unknown): RunsChart | null {
  if (!isObject(value)) return null;
  const column = (name: unknown) => (typeof name === 'string' && isValue(name) && parseColumn(name) ? name : undefined);
  const [y, x, color] = [column(value['y']), column(value['x']), column(value['color'])];
  return y ? { y, ...(x && { x }), ...(color && { color }) } : null;
}

/** Read a formula as text. The lab says whether it is one. */
function readFormula(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() && value.length <= FORMULA_MAX ? value : undefined;
}

export function ownTitle({ title, pattern, x, y, runs, histogram }: OwnPanel): string {
  const label = (name: string) => columnLabel(parseColumn(name)!);
  if (title) return title;
  if (histogram) return histogram;
  if (runs) return runs.x ? `${label(runs.y)} over ${label(runs.x)}` : label(runs.y);
  return x && y ? `${y} over ${x}` : (y ?? pattern);
}

export const ownName = ({ id }: OwnPanel) => `own:${id}`;

/** Return the regular expression of a text; null: it is empty, too long, or not one. */
export function patternOf(text: string): RegExp | null {
  if (!text.trim() || text.length > PATTERN_MAX) return null;
  try {
    return new RegExp(text, 'u');
  } catch {
    return null;
  }
}

/** Return the keys that a pattern matches anywhere; none if the text is not a pattern. */
export function matching(keys: readonly string[], pattern: string): string[] {
  const expression = patternOf(pattern);
  return expression ? keys.filter((key) => expression.test(key)) : [];
}

/** Return settings with the chart `panel` added, or replaced if there is one of its id. */
export function withOwn(settings: BoardSettings, panel: OwnPanel): BoardSettings {
  const there = settings.own.some(({ id }) => id === panel.id);
  return { ...settings, own: there ? settings.own.map((p) => (p.id === panel.id ? panel : p)) : [...settings.own, panel].slice(0, OWN_MAX) };
}

export function withoutOwn(settings: BoardSettings, id: string): BoardSettings {
  const { [`own:${id}`]: _, ...panels } = settings.panels;
  return { ...settings, own: settings.own.filter((p) => p.id !== id), panels };
}

/** Return settings with the chart `id` moved to the place of another one. */
export function movedOwn(settings: BoardSettings, id: string, to: string): BoardSettings {
  const ids = movedTo(settings.own.map((p) => p.id), id, to);
  return { ...settings, own: ids.map((one) => settings.own.find((p) => p.id === one)!) };
}

/** Return settings in which a key of a section, shown in this order, is moved to the place of another one. */
export function movedKey(settings: BoardSettings, section: string, keys: readonly string[], key: string, to: string): BoardSettings {
  return { ...settings, order: { ...settings.order, [section]: movedTo(keys, key, to).slice(0, PANELS_MAX) } };
}

/** Return the keys of a section: first those that somebody put in order. */
export function ordered(keys: readonly string[], order: readonly string[] = []): readonly string[] {
  const place = new Map(order.map((key, i) => [key, i]));
  return place.size ? [...keys].sort((a, b) => (place.get(a) ?? order.length) - (place.get(b) ?? order.length)) : keys;
}

function movedTo(list: readonly string[], item: string, to: string): string[] {
  const at = list.indexOf(to);
  if (!list.includes(item) || at < 0) return [...list];
  const others = list.filter((one) => one !== item);
  others.splice(at, 0, item);
  return others;
}

function readPanel(value: Json): PanelSettings {
  const scale = oneOf(SCALES, value['scale']);
  const xScale = oneOf(SCALES, value['xScale']);
  const size = readSize(value['size']) ? (value['size'] as string) : undefined;
  const y = readRange(value['y']);
  const { x } = value;
  return { ...(scale && { scale }), ...(xScale && { xScale }), ...(size && { size }), ...(y && { y }), ...(typeof x === 'string' && x.length <= NAME_MAX && { x }), ...(value['ridges'] === true && { ridges: true }) };
}

function readRange(value: unknown): YRange | undefined {
  if (value === 'all' || value === 'most') return value;
  if (typeof value === 'string') return value.startsWith('most:') ? rangeWithout(Number(value.slice('most:'.length))) : undefined;
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  if (!value.every((end) => end === null || (typeof end === 'number' && Number.isFinite(end)))) return undefined;
  const [lo, hi] = value as [number | null, number | null];
  return (lo === null && hi === null) || (lo !== null && hi !== null && lo >= hi) ? undefined : [lo, hi];
}

/** Return a range that leaves out so many per cent at either end; undefined: no range does. */
export function rangeWithout(percent: number): YRange | undefined {
  return percent > 0 && percent <= LEFT_OUT_MAX ? `most:${percent}` : undefined;
}

/** Return how many per cent a range leaves out at either end; null: it is not such a range. `usual`: what "most" leaves out. */
export function leftOut(y: YRange, usual: number): number | null {
  if (typeof y !== 'string' || !y.startsWith('most')) return null;
  return y === 'most' ? usual : Number(y.slice('most:'.length));
}

function names(value: unknown): string[] {
  const texts = Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string' && v.length <= NAME_MAX) : [];
  return [...new Set(texts)].slice(0, PANELS_MAX);
}

/** Return settings with those of one panel changed. A setting that becomes undefined is removed. */
export function withPanel(settings: BoardSettings, name: string, change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }): BoardSettings {
  const merged = Object.entries({ ...settings.panels[name], ...change }).filter(([, v]) => v !== undefined);
  const { [name]: _, ...others } = settings.panels;
  return { ...settings, panels: merged.length ? { ...others, [name]: Object.fromEntries(merged) } : others };
}

/** Return the list with a name added or removed. */
export function toggled(list: readonly string[], name: string, on: boolean): string[] {
  const others = list.filter((n) => n !== name);
  return on ? [...others, name] : others;
}
