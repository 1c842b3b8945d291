// All charts of one or several runs: controls, legend, groups of panels, live news.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { BUCKETS_MAX, type BucketQuery } from '../api/columns';
import { ApiError, UnreachableError } from '../api/http';
import type { Assigned } from '../state/assigned';
import { ATTEMPTS_MAX, RANKS_MAX } from '../base/buckets';
import { plural } from '../base/format';
import { matching, movedKey, movedOwn, ordered, OWN_KEYS_MAX, ownName, ownTitle, toggled, withOwn, withoutOwn, withPanel, type BoardSettings, type OwnPanel, type PanelSettings } from '../base/boardsettings';
import { Frames } from '../base/frames';
import { groupKeys, naturally } from '../base/group';
import { POSITION_MAX, type ChartView } from '../base/route';
import { heightOf, needPacking } from '../base/panelsize';
import { packed, spanOf } from '../base/sectionrows';
import { asFormula, askedAxis } from '../base/xaxes';
import { withZoom, zoomOf, type XRange } from '../base/xzooms';
import { BucketFeed, type FetchBuckets } from '../state/feed';
import { fetchLines, formulaKey } from '../state/chartlines';
import { useBoardSettings } from '../state/keptboard';
import { useKeys } from '../state/keys';
import { useAxes } from '../state/axes';
import { useLive } from '../state/live';
import { NO_POINTS, noPoints, revival } from '../state/session';
import { isStill } from '../state/still';
import { useStore } from '../state/store';
import { Waiting } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { lookOf } from '../base/looks';
import { Large, Legend, LineLegend, MoreKeys, NoKeys } from './boardparts';
import type { Place } from './arranging';
import { Controls } from './controls';
import { FacetBlock, LookKeys } from './assigning';
import { splitInto, useAssigning, type Split } from './facets';
import { lineOf } from './lines';
import type { OwnActions } from './menuprops';
import { Panel, type ChartRun, type Facet } from './panel';
import { axisScale, widened } from './series';
import { SharedRanges } from './sharedranges';
import type * as OwnKinds from './ownkinds';

interface Props {
  runs: readonly ChartRun[];
  view: ChartView;
  /** `replace`: without a new entry in the history. */
  setView: (view: ChartView, replace: boolean) => void;
  /** The largest number of ranks of any run. */
  ranks: number;
  attempts: number;
  /** One of the runs is live. */
  live: boolean;
  /** All of the runs have ended for good. */
  over: boolean;
  /** The name under which their arrangement is kept; by default that of the project. */
  name?: string;
  /** Called when something of a run itself changed, such as its state. */
  onRunNews: () => void;
  /** The project of the runs, if the page hears of all of it anyway. */
  project?: string | undefined;
  /** false: something else names the runs. */
  legend?: boolean;
  /** If these are groups of runs: loads their lines. */
  fetch?: FetchBuckets;
  /** What tells lines apart; missing: only what a line itself has. */
  assigned?: Pick<Assigned, 'assign' | 'names' | 'values' | 'keys' | 'refresh'>;
}

const FACET_HEIGHT = 170; // px
const PANEL_WIDTH_MIN = 330;
const GAP = 12;
const NO_PANEL_SETTINGS: PanelSettings = {};
const NO_IDS: string[] = [];
const PANEL_BUCKETS_MAX = 16_000; // very many lines have fewer buckets than pixels, because they hide each other anyway
const PATTERN_KEYS_MAX = 3000; // that patterns are compared with
const ZOOM_MARGIN = 0.2; // loaded on both sides of the zoomed range, so that lines reach its edges

const frames = new Frames(undefined, undefined, isStill); // for panels that are drawn again

export function Board({ runs, ranks, attempts, live, over, view: asked, setView: setAsked, onRunNews, project, name = project ?? '', legend = true, fetch = fetchLines, assigned }: Props) {
  const assigning = useAssigning(runs, ranks, asked, assigned);
  const view = assigning.view;
  const setView: Props['setView'] = (to, replace) => {
    // What cannot be told apart here, or follows from something else, stays as the reader asked for it.
    const [color, dash, facet] = (['color', 'dash', 'facet'] as const).map((way) => (to[way] === view[way] ? asked[way] : to[way])) as [string | null, string | null, string | null];
    setAsked({ ...to, color, dash, facet, rank: to.rank === view.rank ? asked.rank : to.rank }, replace);
  };
  const [settings, setSettings] = useBoardSettings(name);
  const shared = useRef(new Map<string, SharedRanges>());
  const root = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [failure, setFailure] = useState('');
  const away = useStore(noPoints);
  const shown = useMemo(() => assigning.runs.filter((r) => !view.hidden.includes(r.id)), [assigning.runs, view.hidden.join()]);
  const ids = useMemo(() => [...new Set(runs.flatMap((r) => r.members ?? [r.id]))], [runs]);
  const keys = useKeys(ids, view.query);

  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => setWidth(root.current?.clientWidth ?? 0));
    observer.observe(root.current!);
    setWidth(root.current!.clientWidth);
    return () => observer.disconnect();
  }, []);

  const groups = useMemo(
    () => groupKeys([...(keys.keys ?? [])].sort(naturally), (k) => k).map((group) => ({ ...group, items: ordered(group.items, settings.order?.[group.name]) })),
    [keys.keys, settings.order],
  );
  const [editing, setEditing] = useState<OwnPanel | null>(null);
  const ofGroups = runs.some((run) => run.members);
  const axes = useAxes(ofGroups ? NO_IDS : ids);
  const askedOf = (key: string) => (axes.left.has(key) ? null : askedAxis(axes.of, key));
  // Charts of different heights are packed, so that no room is left beside a high one. Charts that facets make have no known
  // height.
  const gridOf = (names: readonly string[]) => (assigning.assign.facet === null && needPacking(names.map((name) => settings.panels[name]?.size)) ? 'panels dense' : 'panels');
  /** Return the metric that a metric is drawn over; null: the axis of the page. */
  const overOf = (key: string): string | null => settings.panels[key]?.x ?? (view.axis === 'step' ? askedOf(key) : null);
  const anyOver = !ofGroups && (keys.keys?.some(overOf) ?? false);
  const kinds = useOwnKinds(editing !== null || anyOver || settings.own.some(({ x, runs, histogram }) => x || runs || histogram));
  const all = useAllKeys(settings.own.length || editing ? ids : NO_IDS);
  const spans = groups.map(({ name, items }) => (settings.folded.includes(name) ? Infinity : items.reduce((sum, key) => sum + spanOf(settings.panels[key]?.size), 0)));
  const fitting = Math.max(1, Math.floor((width + GAP) / (PANEL_WIDTH_MIN + GAP)));
  // Few charts take all the room.
  const columns = Math.min(fitting, Math.max(2, settings.own.length, ...groups.map((g) => g.items.length)));
  const rows = packed(spans, columns);
  const feed = useFeed(shown, view, attempts, (width - GAP * (columns - 1)) / columns, setFailure, fetch);
  const anyWide = view.panel !== null || rows.some(({ share, span }) => share > span) || Object.values(settings.panels).some((p) => p.size);
  const large = useFeed(shown, view, attempts, anyWide ? window.innerWidth : 0, setFailure, fetch); // for panels wider than a column

  const [news, setNews] = useState(0); // for charts without a feed
  const newPoints = (named: readonly string[] | null) => {
    if (anyOver || settings.own.some((own) => own.x || own.runs || (named === null && own.histogram))) setNews((n) => n + 1);
    feed.markStale(named);
    large.markStale(named);
    if (!named || named.some((k) => !keys.keys?.includes(k) && k.includes(view.query))) {
      keys.refresh();
      axes.refresh();
      all.refresh();
    }
    onRunNews();
  };
  useLive(
    project ? { project } : { runs: ids },
    {
      points: (run, named) => (fetch !== fetchLines || ids.includes(run)) && newPoints(named), // of a group, some runs are named
      state: onRunNews,
      run: (run) => {
        if (settings.own.some((own) => own.histogram) && ids.includes(run)) setNews((n) => n + 1);
        assigned?.refresh();
        onRunNews();
      },
      missed: (first) => void ((first && !live) || newPoints(null)), // nothing more happens to a run that has ended
    },
  );

  const change = useRef(setView);
  change.current = setView;
  const scale = axisScale(view.axis);
  const zoom = (lo: number, hi: number) => {
    const [least, most] = widened([lo / scale, hi / scale], 1);
    const [from, to] = [Math.floor(least), Math.ceil(most)];
    if (Math.abs(from) <= POSITION_MAX && Math.abs(to) <= POSITION_MAX) change.current({ ...view, lo: from, hi: to }, false);
  };
  const reset = () => change.current({ ...view, lo: null, hi: null }, false);
  const zoomed = (name: string, x: string) => ({
    range: zoomOf(view.zooms, name, x),
    onRange: (range: XRange | null) => change.current({ ...view, zooms: withZoom(view.zooms, name, x, range) }, false),
  });
  const arrange = useRef<(change: (held: BoardSettings) => BoardSettings) => void>(() => {});
  arrange.current = (change) => setSettings(change(settings));
  const panel = (key: string, title: string, on: BucketFeed, height: number, enlarge: boolean, ranges: SharedRanges | null = null, drawn: readonly string[] = [key], own: OwnActions | null = null, place: Place | null = null, span = 1) => {
    const split = splitOf(enlarge ? key : `large ${key}`, drawn);
    const one = (facet: Facet | undefined, runs: readonly ChartRun[]) => (
      <Panel
        key={facet ? `${key}\n${facet.label}` : key}
        metric={key}
        facet={facet}
        title={title}
        keys={facet?.keys ?? drawn}
        own={own}
        place={facet ? null : place}
        xs={facet || own || ofGroups ? undefined : xsOf(key)}
        runs={runs}
        view={view}
        feed={on}
        height={facet ? Math.min(height, FACET_HEIGHT) : height}
        span={facet ? 1 : span}
        settings={settings.panels[key] ?? NO_PANEL_SETTINGS}
        onSettings={(change) => arrange.current((held) => withPanel(held, key, change))}
        ranges={ranges ?? (split && facet ? split.ys : null)}
        onZoom={zoom}
        onReset={reset}
        onEnlarge={enlarge ? () => change.current({ ...view, panel: key }, false) : null}
      />
    );
    const x = !split && !own && !ofGroups && overOf(key);
    if (x) {
      return kinds && (
        <kinds.XyPanel
          key={`${key}\n${x}`}
          name={key}
          title={title}
          own={null}
          place={place}
          xs={xsOf(key)}
          x={asFormula(x)}
          y={asFormula(key)}
          {...zoomed(key, x)}
          xName={x}
          yName={key}
          runs={shown}
          view={view}
          news={news}
          height={height}
          span={span}
          settings={settings.panels[key] ?? NO_PANEL_SETTINGS}
          onSettings={(change) => arrange.current((held) => withPanel(held, key, change))}
          onEnlarge={enlarge ? () => change.current({ ...view, panel: key }, false) : null}
          {...(settings.panels[key]?.x ? {} : { onEmpty: () => axes.leave(key) })}
        />
      );
    }
    if (!split) return one(undefined, shown);
    return <FacetBlock key={key} name={key} title={own ? title : key} total={split.total}>{split.facets.map(({ facet, runs }) => one(facet, runs))}</FacetBlock>;
  };

  const xsOf = (key: string) => ({ asked: view.axis === 'step' ? askedOf(key) : null, names: (keys.keys ?? NO_IDS).filter((other) => other !== key) });

  const splits = useMemo(() => new Map<string, Split | null>(), [shown, assigning.assign, assigning.values, ranks]);
  const splitOf = (name: string, keys: readonly string[]) => {
    const held = splits.get(`${name}\n${keys.join('\n')}`);
    if (held !== undefined) return held;
    const split = splitInto(shown, keys, assigning.assign, assigning.values, Math.min(RANKS_MAX, ranks));
    splits.set(`${name}\n${keys.join('\n')}`, split);
    return split;
  };

  const rangesOf = (section: string): SharedRanges | null => {
    if (!settings.shared.includes(section)) return null;
    const held = shared.current.get(section) ?? new SharedRanges();
    shared.current.set(section, held);
    return held;
  };

  const ownPanel = (own: OwnPanel, on: BucketFeed | null, height: number) => {
    const name = ownName(own);
    const drawn = own.y ? [formulaKey(own.y)] : matching(all.keys, own.pattern).slice(0, OWN_KEYS_MAX);
    const { size } = settings.panels[name] ?? NO_PANEL_SETTINGS;
    const span = on === null ? Math.min(ownColumns, spanOf(size)) : 1;
    const at = settings.own.indexOf(own);
    const moveTo = (other: OwnPanel | undefined) => (other ? () => arrange.current((held) => movedOwn(held, own.id, other.id)) : null);
    const actions = { edit: () => setEditing(own), remove: () => arrange.current((held) => withoutOwn(held, own.id)) };
    const drop = (other: string) => arrange.current((held) => movedOwn(held, other.slice('own:'.length), own.id));
    const place = on === null ? { section: 'own:', earlier: moveTo(settings.own[at - 1]), later: moveTo(settings.own[at + 1]), drop } : null;
    const plain = {
      name,
      title: ownTitle(own),
      own: actions,
      place,
      runs: shown,
      view,
      news,
      height: height || heightOf(size),
      span,
      settings: settings.panels[name] ?? NO_PANEL_SETTINGS,
      onSettings: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => arrange.current((held) => withPanel(held, name, change)),
      onEnlarge: on === null ? () => change.current({ ...view, panel: name }, false) : null,
    };
    if (own.histogram) {
      const choose = (of: string) => change.current({ ...view, of }, true);
      return kinds && <kinds.HistogramPanel key={name} histogram={own.histogram} onRun={choose} onZoom={zoom} onReset={reset} {...plain} />;
    }
    if (own.runs) return kinds && <kinds.RunsPanel key={name} chart={own.runs} {...zoomed(name, own.runs.x ?? '')} {...plain} />;
    if (own.x && own.y) return kinds && <kinds.XyPanel key={name} x={own.x} y={own.y} {...zoomed(name, own.x)} {...plain} />;
    return panel(name, ownTitle(own), on ?? (span === 1 ? feed : large), height || heightOf(size), on === null, null, drawn, actions, place, span);
  };
  const own = ofGroups ? settings.own.filter(({ y, runs, histogram }) => !y && !runs && !histogram) : settings.own;
  const ownColumns = packed([own.reduce((sum, one) => sum + spanOf(settings.panels[ownName(one)]?.size), 0)], columns)[0]!.span;
  const largeOwn = view.panel === null ? undefined : own.find((one) => ownName(one) === view.panel);

  // Kept between renderings: with thousands of panels, news of the run must not touch each of them.
  const sections = useMemo(
    () =>
      groups.map((group, g) => (
        <details
          class="group"
          data-whole={rows[g]!.share === rows[g]!.of || undefined}
          style={{ '--share': rows[g]!.share, '--of': rows[g]!.of }}
          open={!settings.folded.includes(group.name)}
          key={group.name}
          onToggle={(e) => {
            const folded = !e.currentTarget.open;
            arrange.current((held) => (folded === held.folded.includes(group.name) ? held : { ...held, folded: toggled(held.folded, group.name, folded) }));
          }}
        >
          <summary>
            <Icon name="chevron" />
            <h2>{group.name || 'Metrics'}</h2>
            <span class="dim">{plural(group.items.length, 'chart')}</span>
            {group.items.length > 1 && (
              <label class="check" title="All charts of this section have one range of values">
                <input type="checkbox" checked={settings.shared.includes(group.name)} onChange={(e) => arrange.current((held) => ({ ...held, shared: toggled(held.shared, group.name, e.currentTarget.checked) }))} />
                Same range
              </label>
            )}
          </summary>
          <div class={gridOf(group.items)} style={{ gridTemplateColumns: `repeat(${rows[g]!.span}, minmax(0, 1fr))` }}>
            {group.items.map((key, at) => {
              const moveTo = (to: string | undefined) => (to === undefined ? null : () => arrange.current((held) => movedKey(held, group.name, group.items, key, to)));
              const drop = (other: string) => arrange.current((held) => movedKey(held, group.name, group.items, other, key));
              const place = { section: group.name, earlier: moveTo(group.items[at - 1]), later: moveTo(group.items[at + 1]), drop };
              const { size } = settings.panels[key] ?? NO_PANEL_SETTINGS;
              const span = Math.min(rows[g]!.span, spanOf(size));
              return panel(key, group.name ? key.slice(group.name.length + 1) : key, span === 1 && rows[g]!.share === rows[g]!.span ? feed : large, heightOf(size), true, rangesOf(group.name), [key], null, place, span);
            })}
          </div>
        </details>
      )),
    [groups, shown, view, columns, feed, settings, splits, axes.of, axes.left, kinds, anyOver && news],
  );

  return (
    <div class="board" ref={root}>
      <Controls view={view} setView={setView} onReset={reset} onAdd={() => setEditing({ id: newOwnId(), title: '', pattern: view.query })} ranks={ranks} attempts={attempts} assign={assigning.assign} names={assigned?.names ?? NO_IDS} runs={ids} grouped={ofGroups} />
      <LookKeys keys={assigning.keys} />
      {view.rank === 'each' && shown.length === 1 && !assigning.keys.length && !ofGroups && (
        <LineLegend label="Ranks" noun="rank" items={Array.from({ length: Math.min(RANKS_MAX, ranks) }, (_, rank) => rank)} look={lookOf} choose={(rank) => setView({ ...view, rank }, true)} />
      )}
      {view.attempt === 'each' && shown.length === 1 && !assigning.keys.length && (
        <LineLegend
          label="Attempts"
          noun="attempt"
          items={newestAttempts(attempts)}
          look={(attempt) => lineOf({ key: '', rank: view.rank === 'each' ? 0 : null, attempt }, shown[0]!, true).look}
          choose={(attempt) => setView({ ...view, attempt }, true)}
        />
      )}
      {view.attempt === 'each' && attempts > ATTEMPTS_MAX && <p class="dim">The newest {ATTEMPTS_MAX} of {attempts} attempts are shown.</p>}
      {legend && runs.length > 1 && <Legend runs={assigning.runs} view={view} setView={setView} />}
      {(failure || keys.error) && <p class="problem" role="alert">{failure || keys.error?.message}</p>}
      {ofGroups && own.length < settings.own.length && <p class="dim">Charts of formulas, of runs and of histograms are not drawn while runs are grouped.</p>}
      {own.length > 0 && !view.query && width > 0 && (
        <section class="group" aria-label="Charts of several metrics">
          <div class={gridOf(own.map(ownName))} style={{ gridTemplateColumns: `repeat(${ownColumns}, minmax(0, 1fr))` }}>{own.map((one) => ownPanel(one, null, 0))}</div>
        </section>
      )}
      {editing && kinds && (
        <kinds.OwnEditor panel={editing} runs={shown} keys={all.keys} some={!all.complete} onClose={() => setEditing(null)} onSave={(own) => (arrange.current((held) => withOwn(held, own)), setEditing(null))} />
      )}
      {keys.keys === null ? (
        !keys.error && (away ? <p class="empty">{NO_POINTS}</p> : <Waiting />)
      ) : keys.keys.length === 0 ? (
        <NoKeys query={view.query} over={over} several={runs.length > 1} />
      ) : (
        width > 0 && <div class="sections">{sections}</div>
      )}
      {!keys.complete && <MoreKeys onVisible={keys.more} count={keys.keys?.length ?? 0} />}
      {view.panel !== null && (
        <Large onClose={() => setView({ ...view, panel: null }, false)} title={largeOwn ? ownTitle(largeOwn) : view.panel}>
          {largeOwn ? ownPanel(largeOwn, large, largeHeight()) : panel(view.panel, view.panel, large, largeHeight(), false)}
        </Large>
      )}
    </div>
  );
}

/** Return a feed for panels of this width. It lives as long as the board. */
function useFeed(runs: readonly ChartRun[], view: ChartView, attempts: number, width: number, setFailure: (text: string) => void, fetch: FetchBuckets): BucketFeed {
  const latest = useRef(fetch);
  latest.current = fetch;
  const feed = useMemo(() => {
    const failed = (e: unknown) => {
      if (e instanceof UnreachableError) return noPoints.set(true);
      setFailure(e instanceof ApiError ? e.message : 'The lab answered something that this page does not understand. Is a page from before an upgrade open? Reload it.');
    };
    return new BucketFeed(async (selectors, query, signal) => {
      const answer = await latest.current(selectors, query, signal);
      setFailure('');
      noPoints.set(false);
      return answer;
    }, failed, undefined, (panel, tell) => frames.add(panel, tell));
  }, []);
  const life = useStore(revival);
  const query = bucketQuery(view, attempts, width, runs.length);
  useEffect(() => {
    if (width > 0) feed.configure(runs.map((r) => r.id), query);
  }, [feed, runs, JSON.stringify(query), width > 0]);
  useEffect(() => void (life && feed.markStale(null)), [life]);
  useEffect(() => feed.restart(), [fetch]);
  useEffect(() => () => feed.stop(), []);
  return feed;
}

function bucketQuery(view: ChartView, attempts: number, width: number, runs: number): BucketQuery {
  const pixels = Math.ceil((width * Math.min(window.devicePixelRatio || 1, 2)) / 128) * 128;
  let { lo, hi } = view;
  let n = Math.min(pixels, Math.ceil(PANEL_BUCKETS_MAX / runs / 64) * 64);
  if (lo !== null && hi !== null) {
    const margin = Math.ceil((hi - lo) * ZOOM_MARGIN);
    lo = Math.max(-POSITION_MAX, lo - margin);
    hi = Math.min(POSITION_MAX, hi + margin);
    n = Math.ceil(n * (1 + 2 * ZOOM_MARGIN));
  }
  const chosen = view.attempt === 'each' ? newestAttempts(attempts) : [view.attempt];
  return { axis: view.axis, rank: view.rank, attempts: chosen, smooth: view.smoothing, lo, hi, n: Math.min(BUCKETS_MAX, Math.max(128, n)) };
}

function largeHeight(): number {
  return Math.max(240, Math.min(560, window.innerHeight - 220));
}

function newOwnId(): string {
  return crypto.getRandomValues(new Uint32Array(2)).reduce((text, n) => text + n.toString(36), '');
}

let ownKinds: typeof OwnKinds | null = null;

/** null: not wanted yet, or not loaded yet. */
function useOwnKinds(wanted: boolean): typeof OwnKinds | null {
  const [kinds, setKinds] = useState(ownKinds);
  const life = useStore(revival);
  useEffect(() => {
    if (!wanted || kinds) return;
    import('./ownkinds').then(
      (loaded) => setKinds((ownKinds = loaded)),
      () => {}, // the lab is away: load them when it is back
    );
  }, [wanted, life]);
  return kinds;
}

/** Return the keys of runs, whatever the search is: as many as patterns are compared with. */
function useAllKeys(runs: readonly string[]): { keys: readonly string[]; complete: boolean; refresh: () => void } {
  const { keys, complete, more, refresh } = useKeys(runs, '');
  const count = keys?.length ?? 0;
  useEffect(() => {
    if (!complete && count > 0 && count < PATTERN_KEYS_MAX) more();
  }, [complete, count, more]);
  return { keys: useMemo(() => [...(keys ?? [])].sort(naturally), [keys]), complete, refresh };
}

function newestAttempts(attempts: number): number[] {
  const n = Math.min(ATTEMPTS_MAX, attempts);
  return Array.from({ length: n }, (_, i) => attempts - n + 1 + i);
}
