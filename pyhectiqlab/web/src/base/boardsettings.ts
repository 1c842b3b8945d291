// How somebody has arranged the charts of a project: one plain object, which JSON holds. Read from storage it is untrusted: what cannot
// be understood is left out.

export const SCALES = ['linear', 'log', 'symlog'] as const;
export type Scale = (typeof SCALES)[number];
export const SIZES = ['S', 'M', 'L'] as const;
export type Size = (typeof SIZES)[number];

/** Which values a panel's y axis covers: all, all but the outliers, or from … to, of which either may be left open. */
export type YRange = 'all' | 'most' | readonly [number | null, number | null];

/** What one panel has of its own; what is missing is as everywhere on the page. */
export interface PanelSettings {
  scale?: Scale;
  y?: YRange;
  size?: Size;
}

/** A chart of all keys that a regular expression matches. */
export interface OwnPanel {
  id: string;
  title: string;
  pattern: string;
}

export interface BoardSettings {
  own: readonly OwnPanel[];
  panels: Readonly<Record<string, PanelSettings>>; // by the panel's name: its key, or ownName of one's own
  folded: readonly string[]; // sections
  shared: readonly string[]; // sections whose panels have one y range
}

export const NO_SETTINGS: BoardSettings = { own: [], panels: {}, folded: [], shared: [] };
const PANELS_MAX = 2000;
const NAME_MAX = 1024;
export const OWN_MAX = 50;
export const PATTERN_MAX = 256;
export const OWN_KEYS_MAX = 24; // lines of one run in one chart

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
  };
}

function readOwn(value: unknown): OwnPanel | null {
  if (!isObject(value)) return null;
  const { id, title, pattern } = value;
  if (typeof id !== 'string' || !/^[a-z0-9]{1,32}$/.test(id) || typeof title !== 'string' || typeof pattern !== 'string') return null;
  return patternOf(pattern) ? { id, title: title.slice(0, NAME_MAX), pattern } : null;
}

export const ownName = ({ id }: OwnPanel) => `own:${id}`;

/** null: it is empty, too long, or no regular expression. */
export function patternOf(text: string): RegExp | null {
  if (!text.trim() || text.length > PATTERN_MAX) return null;
  try {
    return new RegExp(text, 'u');
  } catch {
    return null;
  }
}

/** The keys that a pattern matches anywhere; none where it is no pattern. */
export function matching(keys: readonly string[], pattern: string): string[] {
  const expression = patternOf(pattern);
  return expression ? keys.filter((key) => expression.test(key)) : [];
}

/** Settings with a chart of one's own added, or changed where there is one of its id. */
export function withOwn(settings: BoardSettings, panel: OwnPanel): BoardSettings {
  const there = settings.own.some(({ id }) => id === panel.id);
  return { ...settings, own: there ? settings.own.map((p) => (p.id === panel.id ? panel : p)) : [...settings.own, panel].slice(0, OWN_MAX) };
}

export function withoutOwn(settings: BoardSettings, id: string): BoardSettings {
  const { [`own:${id}`]: _, ...panels } = settings.panels;
  return { ...settings, own: settings.own.filter((p) => p.id !== id), panels };
}

/** The panel of an id moved to the place of another. */
export function movedOwn(settings: BoardSettings, id: string, to: string): BoardSettings {
  const panel = settings.own.find((p) => p.id === id);
  const at = settings.own.findIndex((p) => p.id === to);
  if (!panel || at < 0 || id === to) return settings;
  const own = settings.own.filter((p) => p.id !== id);
  own.splice(at, 0, panel);
  return { ...settings, own };
}

function readPanel(value: Json): PanelSettings {
  const scale = oneOf(SCALES, value['scale']);
  const size = oneOf(SIZES, value['size']);
  const y = readRange(value['y']);
  return { ...(scale && { scale }), ...(size && { size }), ...(y && { y }) };
}

function readRange(value: unknown): YRange | undefined {
  if (value === 'all' || value === 'most') return value;
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  if (!value.every((end) => end === null || (typeof end === 'number' && Number.isFinite(end)))) return undefined;
  const [lo, hi] = value as [number | null, number | null];
  return (lo === null && hi === null) || (lo !== null && hi !== null && lo >= hi) ? undefined : [lo, hi];
}

function names(value: unknown): string[] {
  const texts = Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string' && v.length <= NAME_MAX) : [];
  return [...new Set(texts)].slice(0, PANELS_MAX);
}

/** The settings with those of one panel changed; what becomes undefined is forgotten. */
export function withPanel(settings: BoardSettings, name: string, change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }): BoardSettings {
  const merged = Object.entries({ ...settings.panels[name], ...change }).filter(([, v]) => v !== undefined);
  const { [name]: _, ...others } = settings.panels;
  return { ...settings, panels: merged.length ? { ...others, [name]: Object.fromEntries(merged) } : others };
}

/** The list with a name put in or taken out. */
export function toggled(list: readonly string[], name: string, on: boolean): string[] {
  const others = list.filter((n) => n !== name);
  return on ? [...others, name] : others;
}
