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

export interface BoardSettings {
  panels: Readonly<Record<string, PanelSettings>>; // by the panel's name: its key
  folded: readonly string[]; // sections
  shared: readonly string[]; // sections whose panels have one y range
}

export const NO_SETTINGS: BoardSettings = { panels: {}, folded: [], shared: [] };
const PANELS_MAX = 2000;
const NAME_MAX = 1024;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const oneOf = <T>(values: readonly T[], value: unknown): T | undefined => values.find((v) => v === value);

export function readSettings(value: unknown): BoardSettings {
  if (!isObject(value)) return NO_SETTINGS;
  const panels = Object.entries(isObject(value['panels']) ? value['panels'] : {}).slice(0, PANELS_MAX);
  return {
    panels: Object.fromEntries(panels.flatMap(([name, its]) => (isObject(its) && name.length <= NAME_MAX ? [[name, readPanel(its)]] : []))),
    folded: names(value['folded']),
    shared: names(value['shared']),
  };
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
