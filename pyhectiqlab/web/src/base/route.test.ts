import { expect, test } from 'vitest';
import { DEFAULT_LOGS, DEFAULT_VIEW, formatRoute, parseRoute, RUNS_MAX, safeNext, type Route, type RunsRoute } from './route';

const TABLE: RunsRoute = { page: 'runs', project: 'vision', saved: null, query: '', state: '', sorts: [], columns: [], heat: [], curves: [], layout: { pinned: [], widths: {} }, by: [], lines: 'mean', band: 'minmax', groups: 'first', pane: 'both', side: 'charts', base: null, alike: false, shown: 'first', solo: null, view: DEFAULT_VIEW };
const parse = (url: string): Route => {
  const [path = '', search = ''] = url.split('?');
  return parseRoute(path, search);
};

test('every page survives being written and read again', () => {
  const view = { ...DEFAULT_VIEW, axis: 'relative', smoothing: { kind: 'gaussian', width: 60_000_000 }, scale: 'symlog', xScale: 'log', cut: 2.5, lo: -5, hi: 1000, zooms: [{ panel: 'valid/löss, %', x: 'a, b%', range: [-0.5, 2e-9] }], query: 'a&b', panel: 'train/löss %', hidden: ['b'], rank: 'each', of: 'a', color: 'config."lr"', dash: 'group', facet: 'metric', attempt: 2 } as const;
  const routes: Route[] = [
    { page: 'projects', show: 'active' },
    { page: 'projects', show: 'deleted' },
    { page: 'settings', project: 'vision/α' },
    { page: 'account' },
    { page: 'admin', tab: 'audit' },
    { page: 'admin', tab: 'status' },
    { page: 'invite' },
    { page: 'members', project: 'vision/α' },
    { page: 'login', next: '/runs/abc?x=time', problem: '' },
    { page: 'login', next: '/', problem: 'no_group' },
    { page: 'command', code: 'BCDF-GHJK' },
    { page: 'command', code: '' },
    { ...TABLE, project: 'vision/α', saved: '0123456789ab', query: 'lr=1', state: 'failed', sorts: ['name', '-metric."a, b".min'], columns: ['state', 'config."lr"'], heat: ['config."lr"'], curves: ['metric."loss".min'], layout: { pinned: ['config."lr"'], widths: { name: 300, 'config."lr"': 80 } }, by: ['tag', 'config."lr"'], pane: 'charts', shown: ['a', 'b'], solo: 'b', view: { ...view, hidden: [...view.hidden] } },
    { ...TABLE, shown: [] },
    { ...TABLE, shown: 'all', pane: 'table' },
    { ...TABLE, by: ['tag'], lines: 'median', band: 'quantiles', groups: ['g1', 'g2'] },
    { ...TABLE, side: 'differences', base: 'a', alike: true },
    TABLE,
    { page: 'run', run: '0123456789ab', tab: 'overview', view: DEFAULT_VIEW, logs: DEFAULT_LOGS },
    { page: 'run', run: '0123456789ab', tab: 'charts', view: { ...view, hidden: [...view.hidden] }, logs: DEFAULT_LOGS },
    { page: 'run', run: '0123456789ab', tab: 'logs', view: DEFAULT_VIEW, logs: { level: 'WARNING', channel: 'torch.nn', query: 'a & b', times: true } },
    { page: 'compare', runs: ['a', 'b', 'c'], view: { ...view, hidden: [...view.hidden] } },
  ];
  for (const route of routes) expect(parse(formatRoute(route))).toEqual(route);
});

test('defaults are not written', () => {
  expect(formatRoute({ page: 'run', run: 'abc', tab: 'charts', view: DEFAULT_VIEW, logs: DEFAULT_LOGS })).toBe('/runs/abc');
});

test.each([
  '/runs/abc?x=sideways&smooth=lots&y=cubic&lo=1e9&hi=;drop&hide=<b>',
  '/runs/abc?lo=10&hi=10',
  '/runs/abc?lo=99999999999999999999&hi=0',
  '/runs/abc?lo=5',
  '/runs/abc?zoom=1,2&zoom=2,1,x,y&zoom=a,b,x,y',
  '/runs/abc?smooth=NaN&tab=nonsense',
  '/runs/abc?rank=-1&attempt=0',
  '/runs/abc?color=red&dash=config.&facet=7',
  '/runs/abc?rank=every&attempt=2147483648',
])('nonsense falls back to the defaults: %s', (url) => {
  expect(parse(url)).toEqual({ page: 'run', run: 'abc', tab: 'charts', view: DEFAULT_VIEW, logs: DEFAULT_LOGS });
});

test('ranks and attempts: one, each or all of them', () => {
  expect(parse('/runs/abc?rank=0&attempt=all')).toMatchObject({ view: { rank: 0, attempt: 'each' } }); // an old link
  expect(parse('/runs/abc?rank=each&attempt=2')).toMatchObject({ view: { rank: 'each', attempt: 2 } });
});

test('a width of smoothing is in units of the axis', () => {
  expect(parse('/runs/abc?smooth=0.9')).toMatchObject({ view: { smoothing: { kind: 'exponential', width: 9 } } }); // an old link
  expect(parse('/runs/abc?smooth=0.9&x=time')).toMatchObject({ view: { smoothing: { kind: 'exponential', width: 9_000_000 } } });
});

test('runs to compare: no repeats, no oddities, not too many', () => {
  const many = Array.from({ length: 300 }, (_, i) => `r${i}`).join(',');
  const route = parse(`/compare?runs=${many}`);
  expect(route.page === 'compare' && route.runs.length).toBe(RUNS_MAX);
  expect(parse('/compare?runs=a,a,../x,<i>,b')).toMatchObject({ runs: ['a', 'b'] });
});

test('the runs that an older link compared are drawn', () => {
  expect(parse('/projects/vision?sel=a,b')).toEqual({ ...TABLE, shown: ['a', 'b'] });
  expect(parse('/projects/vision?runs=;&by=none&by=state&pane=left')).toEqual({ ...TABLE, by: ['state'] });
});

test('a broken escape is not an error', () => {
  expect(parse('/runs/100%')).toMatchObject({ page: 'run', run: '100%' });
  expect(parse('/nowhere/at/all')).toEqual({ page: 'missing', path: '/nowhere/at/all' });
});

test.each([
  [null, '/'],
  ['/runs/a?x=time', '/runs/a?x=time'],
  ['https://evil.example', '/'],
  ['//evil.example', '/'],
  ['/\\evil.example', '/'],
  ['/\t/evil.example', '/'],
  ['javascript:alert(1)', '/'],
  ['/login?next=/login', '/'],
])('after the login %s leads to %s', (next, wanted) => expect(safeNext(next)).toBe(wanted));
