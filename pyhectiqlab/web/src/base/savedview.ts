// A saved view of a project's page, as the document that the lab keeps: what the link has, how the charts are arranged, what the
// lines look like, and where the divider stands. People and scripts write such documents too: what cannot be understood is left
// out.

import { NO_SETTINGS, readSettings, type BoardSettings } from './boardsettings';
import { LOOKS } from './looks';
import { formatRoute, parseRoute, type RunsRoute } from './route';

/** What somebody sees on a project's page. */
export interface SavedState {
  /** The parameters of the link, as `formatRoute` writes them. */
  link: string;
  board: BoardSettings;
  looks: Readonly<Record<string, SavedLook>>; // by run
  split: number | null; // the share of the table, in percent; null: as it is now
}

/** The number of a look, and the colour that somebody chose instead of its own; '': none. */
export type SavedLook = readonly [index: number, color: string];

type Json = Record<string, unknown>;

// The names in a document of the link's parameters that belong to the table. All other parameters belong to the charts.
const NAMES = { search: 'q', state: 'state', columns: 'col', sort: 'sort', shades: 'heat', curves: 'curve', pinned: 'pin', widths: 'wide', groups: 'by', pane: 'pane', runs: 'runs' } as const;
const OF_TABLE = new Set<string>(Object.values(NAMES));
const LISTS = new Set<string>(['col', 'sort', 'heat', 'curve', 'pin', 'wide', 'by']);
const HEX = /^#[0-9a-f]{6}$/i;
const LOOKS_MAX = 1000;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Return a route without what lasts a moment: the enlarged chart, the run that is drawn alone, the view itself. */
function lasting(route: RunsRoute): RunsRoute {
  return { ...route, saved: null, solo: null, view: { ...route.view, panel: null } };
}

export function linkOf(route: RunsRoute): string {
  const url = formatRoute(lasting(route));
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark + 1);
}

/** Return the route of a project's page that shows what a link says. */
export function routeOf(project: string, link: string, saved: string | null): RunsRoute {
  const route = parseRoute(`/projects/${encodeURIComponent(project)}`, link);
  if (route.page !== 'runs') throw new TypeError('a project without a name');
  return { ...lasting(route), saved };
}

/** Return whether a link to a project says nothing about what is to be shown. */
export function isBare(route: RunsRoute): boolean {
  return !formatRoute({ ...route, saved: null }).includes('?');
}

/** Write a document. `first`: the project opens with this view. */
export function writeDocument(state: SavedState, first: boolean): Json {
  const params = new URLSearchParams(state.link);
  const table: Json = {};
  for (const [name, param] of Object.entries(NAMES)) {
    if (!params.has(param)) continue;
    table[name] = LISTS.has(param) ? params.getAll(param) : params.get(param);
  }
  const charts: Json = {};
  for (const param of new Set(params.keys())) {
    const values = params.getAll(param);
    if (!OF_TABLE.has(param)) charts[param] = values.length > 1 ? values : values[0];
  }
  return {
    ...table,
    ...(Object.keys(charts).length ? { charts } : {}),
    ...(canonical(state.board) === canonical(NO_SETTINGS) ? {} : { board: state.board }),
    ...(Object.keys(state.looks).length ? { looks: state.looks } : {}),
    ...(state.split === null ? {} : { split: state.split }),
    ...(first ? { first } : {}),
  };
}

export function readDocument(document: unknown): SavedState {
  const its = isObject(document) ? document : {};
  const params = new URLSearchParams();
  const put = (param: string, value: unknown) => {
    const values = Array.isArray(value) ? value : [value];
    const texts = values.filter((v) => typeof v === 'string' || typeof v === 'number').map(String);
    if (param === 'runs') params.set(param, texts.join(',') || 'none');
    else for (const text of texts) params.append(param, text);
  };
  for (const [name, param] of Object.entries(NAMES)) if (its[name] !== undefined && its[name] !== null) put(param, its[name]);
  for (const [param, value] of Object.entries(isObject(its['charts']) ? its['charts'] : {})) if (!OF_TABLE.has(param)) put(param, value);
  const split = its['split'];
  return {
    link: linkOf(routeOf('p', params.toString(), null)),
    board: readSettings(its['board']),
    looks: readLooks(its['looks']),
    split: typeof split === 'number' && split >= 0 && split <= 100 ? split : null,
  };
}

function readLooks(value: unknown): Record<string, SavedLook> {
  const looks: Record<string, SavedLook> = {};
  for (const [run, look] of Object.entries(isObject(value) ? value : {}).slice(0, LOOKS_MAX)) {
    const [index, color] = Array.isArray(look) ? (look as unknown[]) : [];
    if (run.length > 64 || typeof index !== 'number' || !Number.isInteger(index) || index < 0) continue;
    looks[run] = [index % LOOKS, typeof color === 'string' && HEX.test(color) ? color : ''];
  }
  return looks;
}

/** Return whether a project opens with this view, for those who see it. */
export function isFirst(document: unknown): boolean {
  return isObject(document) && document['first'] === true;
}

/** Return the view that a project opens with: the reader's private one before the reader's shared one before somebody else's. */
export function firstOf<V extends { own: boolean; shared: boolean; document?: unknown }>(views: readonly V[]): V | null {
  const marked = views.filter((view) => isFirst(view.document));
  return marked.find((view) => !view.shared) ?? marked.find((view) => view.own) ?? marked[0] ?? null;
}

/** Return in words how `now` differs from `saved`; empty: it does not. Looks of runs that the view does not name do not count. */
export function changesOf(saved: SavedState, now: SavedState): string[] {
  const changes: string[] = [];
  const [before, after] = [paramsOf(saved.link), paramsOf(now.link)];
  const differ = (params: readonly string[]) => params.some((param) => before.get(param) !== after.get(param));
  if (differ(['q', 'state'])) changes.push('search');
  if (differ(['col', 'heat', 'curve', 'pin', 'wide'])) changes.push('columns');
  if (differ(['sort'])) changes.push('order');
  if (differ(['by'])) changes.push('groups');
  if (differ(['runs', 'groups'])) changes.push('drawn runs');
  const others = [...new Set([...before.keys(), ...after.keys()])].filter((param) => !OF_TABLE.has(param) && param !== 'groups');
  if (differ(others) || canonical(saved.board) !== canonical(now.board)) changes.push('charts');
  if (Object.entries(saved.looks).some(([run, look]) => now.looks[run] && now.looks[run].join() !== look.join())) changes.push('colours');
  if (differ(['pane']) || (saved.split !== null && saved.split !== now.split)) changes.push('panes');
  return changes;
}

function paramsOf(link: string): Map<string, string> {
  const params = new URLSearchParams(link);
  return new Map([...new Set(params.keys())].map((param) => [param, JSON.stringify(params.getAll(param))]));
}

/** Return the same text for the same arrangement, in whatever order it was made. */
function canonical(board: BoardSettings): string {
  const { folded, shared, ...ordered } = board;
  return JSON.stringify({ ...ordered, folded: [...folded].sort(), shared: [...shared].sort() }, (_, value: unknown) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
