// The URL is the state of a page. People type it, mail it and edit it: a part that cannot be understood counts as its default,
// and only what differs from the defaults is written.

import type { Axis } from './axis';
import { readLayout, widthTexts, type ColumnLayout } from './columnlayout';
import { rangeWithout, SCALES, type Scale } from './boardsettings';
import { BANDS, LINES, type BandKind, type Lines } from './grouplines';
import type { Kind } from './kinds';
import { formatSmoothing, parseSmoothing, type Smoothing } from './smooth';
import { COLUMNS_MAX, parseColumn } from './tablecolumns';
import { readZooms, zoomText, type XZoom } from './xzooms';

export const POSITION_MAX = 2 ** 63 - 1024; // the greatest float64 below 2^63, which the lab takes as a step

/** What all panels of a page share. `lo`, `hi`: the zoomed range in units of the axis (steps, or µs); null: everything. */
export interface ChartView {
  axis: Axis;
  smoothing: Smoothing | null;
  scale: Scale; // the scale of y
  xScale: Scale;
  cut: number | null; // % of the values that charts leave out at either end
  lo: number | null;
  hi: number | null;
  zooms: readonly XZoom[]; // of charts whose x is not an axis of the page
  query: string; // the search for keys
  panel: string | null; // the key whose chart is enlarged
  hidden: string[]; // runs that are switched off in the legend
  rank: number | 'each' | null; // one rank; 'each': a line for each; null: all together
  of: string | null; // the run whose histograms are drawn, one run at a time; null: the first that has some
  color: string | null; // what the colour of a line means: see base/assign.ts
  dash: string | null;
  facet: string | null; // each of its values has charts of its own
  attempt: number | 'each' | null; // one attempt; 'each': a line for each; null: the newest point of each step
}

/** Which of a run's logs are shown. */
export interface LogView {
  level: string; // this level and worse; '': all
  channel: string; // '': all
  query: string;
  times: boolean;
}

export type RunTab = 'charts' | 'logs' | 'media' | 'artifacts' | 'overview';
export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const;
export const DEFAULT_LOGS: LogView = { level: '', channel: '', query: '', times: false };

/** Which projects: the active ones, the archived ones, or the deleted ones that can be restored. */
export type Shelf = 'active' | 'archived' | 'deleted';

/** Which runs of a project are drawn: these, the first of the table, or as many as there is room for. */
export type Shown = readonly string[] | 'first' | 'all';
/** What a project's page shows: the table, the charts, or both side by side. */
export type Pane = 'both' | 'table' | 'charts';

/** What stands beside the table of a project's runs. */
export type Side = 'charts' | 'differences';

export interface RunsRoute {
  page: 'runs';
  project: string;
  query: string;
  state: string;
  saved: string | null; // the saved view that is open; NO_VIEW: none, not even the one that a project opens first
  sorts: string[]; // empty: the page sorts them
  columns: string[]; // empty: the page chooses them
  heat: string[]; // columns that are shaded by their values
  curves: string[]; // columns of metrics whose cells also show the curve of the metric
  layout: ColumnLayout;
  lines: Lines; // what is drawn while runs are grouped
  band: BandKind;
  groups: Shown; // the groups that have a line
  by: string[]; // what runs are grouped by; empty: they are not
  pane: Pane;
  side: Side; // what is beside the table
  base: string | null; // the run that the others are compared with; null: the first
  alike: boolean; // also show what the runs have in common
  shown: Shown;
  solo: string | null; // the run that is drawn alone for a while
  view: ChartView;
}

export type Route =
  | { page: 'projects'; show: Shelf }
  | { page: 'login'; next: string; problem: string } // `problem`: a word that says why single sign-on was refused; '': it was not
  | { page: 'account' }
  | { page: 'admin'; tab: 'users' | 'status' | 'audit' }
  | { page: 'invite' }
  | { page: 'command'; code: string } // `code`: of a command that logs in; '': none
  | { page: 'members'; project: string }
  | { page: 'settings'; project: string }
  | RunsRoute
  | { page: 'run'; run: string; tab: RunTab; view: ChartView; logs: LogView }
  | { page: 'registry'; project: string; kind: Kind; name: string | null; version: string; after: string | null } // `version`: a number, an alias, or latest
  | { page: 'compare'; runs: string[]; view: ChartView }
  | { page: 'missing'; path: string };

export const RUNS_MAX = 100; // runs that are drawn in one chart
export const NO_VIEW = 'none';
export const FIRST_SHOWN = 10; // runs of a table that are drawn until somebody chooses
export const BY_MAX = 4; // the lab takes one more: for the ranks of each group
export const SORTS = ['started', '-started', 'created', '-created', 'name', '-name', 'state', '-state', 'duration', '-duration', 'author', '-author', 'points', '-points'] as const;
export const SORTS_MAX = 8;
export const DEFAULT_SORT = '-started';

const TABS: readonly RunTab[] = ['charts', 'logs', 'media', 'artifacts', 'overview'];
/** Return whether a text is a sort order: one of SORTS, or a value of the config or of a metric, which only the lab knows. */
const isSort = (sort: string) => (SORTS as readonly string[]).includes(sort) || /^-?(config|metric)\../.test(sort.slice(0, 2048));

const PANES: readonly Pane[] = ['both', 'table', 'charts'];
export const GROUP_FACTS = ['state', 'tag', 'author', 'group', 'host', 'rank', 'attempt'];
/** Return whether runs can be grouped by a name. Groups by rank have the points of that rank. */
export const isGroup = (name: string) => GROUP_FACTS.includes(name) || /^config\../.test(name.slice(0, 2048));

const TEXT_MAX = 1024;
const CHANNEL_MAX = 512;
const AXES: readonly Axis[] = ['step', 'time', 'relative'];

export const DEFAULT_VIEW: ChartView = {
  axis: 'step',
  smoothing: null,
  scale: 'linear',
  xScale: 'linear',
  cut: null,
  lo: null,
  hi: null,
  zooms: [],
  query: '',
  panel: null,
  hidden: [],
  rank: null,
  of: null,
  color: null,
  dash: null,
  facet: null,
  attempt: null,
};

export function parseRoute(path: string, search: string): Route {
  const parts = path.split('/').filter((p) => p !== '').map(decode);
  const params = new URLSearchParams(search);
  const [head, id] = parts;
  if (parts.length === 0 || (head === 'projects' && parts.length === 1)) {
    const show = params.get('show');
    return { page: 'projects', show: show === 'archived' || show === 'deleted' ? show : 'active' };
  }
  if (head === 'login' && parts.length === 1) {
    const problem = params.get('sso') ?? '';
    return { page: 'login', next: safeNext(params.get('next')), problem: /^[a-z_]{1,32}$/.test(problem) ? problem : '' };
  }
  if (head === 'account' && parts.length === 1) return { page: 'account' };
  if (head === 'invite' && parts.length === 1) return { page: 'invite' };
  if (head === 'command' && parts.length === 1) {
    const code = (params.get('code') ?? '').toUpperCase();
    return { page: 'command', code: /^[A-Z]{4}-[A-Z]{4}$/.test(code) ? code : '' };
  }
  if (head === 'admin' && parts.length === 2 && (id === 'users' || id === 'status' || id === 'audit')) return { page: 'admin', tab: id };
  if (head === 'projects' && id && parts.length === 3 && (parts[2] === 'members' || parts[2] === 'settings')) return { page: parts[2], project: id };
  if (head === 'compare' && parts.length === 1) return { page: 'compare', runs: parseIds(params.get('runs')), view: parseView(params) };
  if (head === 'projects' && id && parts.length === 2) {
    const sorts = params.getAll('sort').filter(isSort).slice(0, SORTS_MAX);
    return {
      page: 'runs',
      project: id,
      saved: parseIds(params.get('view'))[0] ?? null,
      query: text(params.get('q')),
      state: /^[a-z]{1,32}$/.test(params.get('state') ?? '') ? params.get('state')! : '',
      sorts,
      columns: [...new Set(params.getAll('col').filter((name) => parseColumn(name)))].slice(0, COLUMNS_MAX),
      heat: [...new Set(params.getAll('heat').filter((name) => parseColumn(name)))].slice(0, COLUMNS_MAX),
      curves: [...new Set(params.getAll('curve').filter((name) => parseColumn(name)?.kind === 'metric'))].slice(0, COLUMNS_MAX),
      layout: readLayout(params.getAll('pin'), params.getAll('wide')),
      by: [...new Set(params.getAll('by').filter(isGroup))].slice(0, BY_MAX),
      pane: PANES.includes(params.get('pane') as Pane) ? (params.get('pane') as Pane) : 'both',
      lines: LINES.find((lines) => lines === params.get('lines')) ?? 'mean',
      band: BANDS.find((band) => band === params.get('band')) ?? 'minmax',
      groups: parseNamed(params.get('groups')),
      side: params.get('side') === 'differences' ? 'differences' : 'charts',
      base: parseIds(params.get('base'))[0] ?? null,
      alike: params.get('alike') === '1',
      shown: parseShown(params),
      solo: parseIds(params.get('solo'))[0] ?? null,
      view: parseView(params, 'metrics'),
    };
  }
  const kind = parts[2];
  if (head === 'projects' && id && (kind === 'models' || kind === 'datasets') && parts.length <= 4) {
    const version = params.get('version') ?? '';
    return {
      page: 'registry',
      project: id,
      kind,
      name: parts[3] ?? null,
      version: /^[0-9a-z._-]{1,64}$/.test(version) ? version : 'latest',
      after: text(params.get('after')) || null,
    };
  }
  if (head === 'runs' && id && parts.length === 2) {
    const tab = params.get('tab');
    return { page: 'run', run: id, tab: (TABS as readonly (string | null)[]).includes(tab) ? (tab as RunTab) : 'charts', view: parseView(params), logs: parseLogs(params) };
  }
  return { page: 'missing', path };
}

export function formatRoute(route: Route): string {
  const params = new URLSearchParams();
  let path = '/';
  switch (route.page) {
    case 'projects':
      if (route.show !== 'active') params.set('show', route.show);
      break;
    case 'account':
      path = '/account';
      break;
    case 'invite':
      path = '/invite';
      break;
    case 'command':
      path = '/command';
      if (route.code) params.set('code', route.code);
      break;
    case 'admin':
      path = `/admin/${route.tab}`;
      break;
    case 'members':
    case 'settings':
      path = `/projects/${encodeURIComponent(route.project)}/${route.page}`;
      break;
    case 'login':
      path = '/login';
      if (route.problem) params.set('sso', route.problem);
      if (route.next !== '/') params.set('next', route.next);
      break;
    case 'runs':
      path = `/projects/${encodeURIComponent(route.project)}`;
      if (route.saved) params.set('view', route.saved);
      if (route.query) params.set('q', route.query);
      if (route.state) params.set('state', route.state);
      for (const sort of route.sorts) params.append('sort', sort);
      for (const column of route.columns) params.append('col', column);
      for (const column of route.heat) params.append('heat', column);
      for (const column of route.curves) params.append('curve', column);
      for (const column of route.layout.pinned) params.append('pin', column);
      for (const text of widthTexts(route.layout.widths)) params.append('wide', text);
      for (const by of route.by) params.append('by', by);
      if (route.pane !== 'both') params.set('pane', route.pane);
      if (route.lines !== 'mean') params.set('lines', route.lines);
      if (route.band !== 'minmax') params.set('band', route.band);
      if (route.groups !== 'first') params.set('groups', formatNamed(route.groups));
      if (route.side !== 'charts') params.set('side', route.side);
      if (route.base) params.set('base', route.base);
      if (route.alike) params.set('alike', '1');
      if (route.shown !== 'first') params.set('runs', formatNamed(route.shown));
      if (route.solo) params.set('solo', route.solo);
      formatView(route.view, params, 'metrics');
      break;
    case 'run':
      path = `/runs/${encodeURIComponent(route.run)}`;
      if (route.tab !== 'charts') params.set('tab', route.tab);
      formatView(route.view, params);
      formatLogs(route.logs, params);
      break;
    case 'registry':
      path = `/projects/${encodeURIComponent(route.project)}/${route.kind}${route.name === null ? '' : `/${encodeURIComponent(route.name)}`}`;
      if (route.version !== 'latest') params.set('version', route.version);
      if (route.after) params.set('after', route.after);
      break;
    case 'compare':
      path = '/compare';
      params.set('runs', route.runs.join(','));
      formatView(route.view, params);
      break;
    case 'missing':
      path = route.path;
  }
  // Commas are legal in a query, and easier to read than %2C.
  const query = params.toString().replaceAll('%2C', ',');
  return query ? `${path}?${query}` : path;
}

/** Read which runs are drawn. Old links have the runs that were picked for a comparison. */
function parseShown(params: URLSearchParams): Shown {
  return parseNamed(params.get('runs') ?? params.get('sel'));
}

function parseNamed(names: string | null): Shown {
  if (names === null || names === 'first' || names === 'all') return names ?? 'first';
  const ids = parseIds(names);
  return ids.length || names === 'none' ? ids.filter((id) => id !== 'none') : 'first';
}

function formatNamed(shown: Shown): string {
  return typeof shown === 'string' ? shown : shown.join(',') || 'none';
}

/** `query`: the name of the parameter that says which metrics are shown. */
function parseView(params: URLSearchParams, query = 'q'): ChartView {
  const axis = params.get('x') as Axis;
  let lo = position(params.get('lo'));
  let hi = position(params.get('hi'));
  if (lo === null || hi === null || lo >= hi) lo = hi = null;
  const drawn = AXES.includes(axis) ? axis : DEFAULT_VIEW.axis;
  return {
    axis: drawn,
    smoothing: parseSmoothing(params.get('smooth'), drawn),
    scale: scale(params.get('y')),
    xScale: drawn === 'time' ? 'linear' : scale(params.get('xs')), // dates have no logarithm
    cut: readCut(params.get('cut')),
    lo,
    hi,
    zooms: readZooms(params.getAll('zoom')),
    query: text(params.get(query)),
    panel: text(params.get('panel')) || null,
    hidden: parseIds(params.get('hide')),
    rank: params.get('rank') === 'each' ? 'each' : counted(params.get('rank'), 0),
    of: parseIds(params.get('of'))[0] ?? null,
    color: assigned(params.get('color')),
    dash: assigned(params.get('dash')),
    facet: assigned(params.get('facet')),
    attempt: ['each', 'all'].includes(params.get('attempt') ?? '') ? 'each' : counted(params.get('attempt'), 1), // old links have "all"
  };
}

function formatView(view: ChartView, params: URLSearchParams, query = 'q'): void {
  if (view.query) params.set(query, view.query);
  if (view.axis !== DEFAULT_VIEW.axis) params.set('x', view.axis);
  if (view.smoothing) params.set('smooth', formatSmoothing(view.smoothing));
  if (view.scale !== 'linear') params.set('y', view.scale);
  if (view.xScale !== 'linear') params.set('xs', view.xScale);
  if (view.cut !== null) params.set('cut', String(view.cut));
  if (view.lo !== null && view.hi !== null) {
    params.set('lo', String(view.lo));
    params.set('hi', String(view.hi));
  }
  for (const zoom of view.zooms) params.append('zoom', zoomText(zoom));
  if (view.panel !== null) params.set('panel', view.panel);
  if (view.hidden.length) params.set('hide', view.hidden.join(','));
  if (view.rank !== null) params.set('rank', String(view.rank));
  if (view.of !== null) params.set('of', view.of);
  for (const name of ['color', 'dash', 'facet'] as const) if (view[name] !== null) params.set(name, view[name]);
  if (view.attempt !== null) params.set('attempt', String(view.attempt));
}

function readCut(raw: string | null): number | null {
  const percent = Number(raw);
  return raw !== null && rangeWithout(percent) ? percent : null;
}

function assigned(raw: string | null): string | null {
  return raw !== null && (['run', 'metric', 'rank'].includes(raw) || isGroup(raw)) ? raw : null;
}

function scale(raw: string | null): Scale {
  return SCALES.find((s) => s === raw) ?? 'linear';
}

function parseLogs(params: URLSearchParams): LogView {
  const level = params.get('level') ?? '';
  return {
    level: (LOG_LEVELS as readonly string[]).includes(level) ? level : '',
    channel: text(params.get('channel')).slice(0, CHANNEL_MAX),
    query: text(params.get('find')),
    times: params.get('times') === '1',
  };
}

function formatLogs(logs: LogView, params: URLSearchParams): void {
  if (logs.level) params.set('level', logs.level);
  if (logs.channel) params.set('channel', logs.channel);
  if (logs.query) params.set('find', logs.query);
  if (logs.times) params.set('times', '1');
}

/** Return where to go after the login: a page of this site and nothing else. */
export function safeNext(next: string | null): string {
  if (!next || next.length > 4096) return '/';
  // To a browser, "//host" and "/\host" are other sites; it drops control characters first.
  if (!next.startsWith('/') || /^\/[/\\]/.test(next) || /[\u0000-\u001f]/.test(next)) return '/';
  return next.startsWith('/login') ? '/' : next;
}

function parseIds(list: string | null): string[] {
  const ids = (list ?? '').split(',').filter((id) => /^[0-9A-Za-z_-]{1,64}$/.test(id));
  return [...new Set(ids)].slice(0, RUNS_MAX);
}

/** Read a place on an axis: a whole number of 64 bits, as the nearest float64. */
function position(raw: string | null): number | null {
  if (raw === null || !/^-?\d{1,19}$/.test(raw)) return null;
  const value = Number(raw);
  return Math.abs(value) <= POSITION_MAX ? value : null;
}

function integer(raw: string | null): number | null {
  if (raw === null || !/^-?\d{1,16}$/.test(raw)) return null;
  const value = Number(raw);
  return Number.isSafeInteger(value) ? value : null;
}

/** Read the number of a rank or of an attempt. */
function counted(raw: string | null, least: number): number | null {
  const value = integer(raw);
  return value !== null && value >= least && value < 2 ** 31 ? value : null;
}

function text(raw: string | null): string {
  return (raw ?? '').slice(0, TEXT_MAX);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % stays as it was typed
  }
}
