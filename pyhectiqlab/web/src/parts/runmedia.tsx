// The media of a run: figures, images, tables, histograms and texts by name, each with a slider over its steps.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { MediaSource, loadGroups, type Step } from '../api/media';
import { formatInteger, plural } from '../base/format';
import { groupKeys } from '../base/group';
import { contentUrl } from '../base/links';
import { isOver } from '../base/runstate';
import { placeOf } from '../base/steps';
import type { MediaGroupAnswer, RunDetailAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { Empty, Moment, SearchBox, Snippet, Waiting } from '../widgets/basics';
import { OverSteps } from '../widgets/histogram';
import { Icon } from '../widgets/icon';
import { Medium } from '../widgets/medium';

const REFRESH_MS = 2000;

interface Props {
  run: RunDetailAnswer;
  query: string;
  setQuery: (query: string) => void;
  onNews: () => void;
}

export function RunMedia({ run, query, setQuery, onNews }: Props) {
  const { data, error, refresh } = useLoad((signal) => loadGroups(run.id, query, signal), [run.id, query], REFRESH_MS);
  const [news, setNews] = useState(0); // a counter: when it grows, panels in sight look for new items
  const look = () => {
    setNews((n) => n + 1);
    refresh();
    onNews();
  };
  useLive({ runs: [run.id] }, { run: look, state: onNews, missed: look });
  const groups = useMemo(() => groupKeys(data?.items ?? [], (group) => group.name), [data]);
  if (error) return <Empty title="The media cannot be shown"><p>{error.message}</p></Empty>;
  if (!data) return <Waiting />;
  if (!data.items.length && !query) {
    if (isOver(run.state)) return <Empty title="No media"><p>This run ended without a figure, image, table, histogram or text.</p></Empty>;
    return (
      <Empty title="No media yet">
        <p>Figures, images, tables, histograms and texts are shown by step:</p>
        <Snippet label="Python" text={'run.add_image(batch[0], "samples", step=10)\nrun.add_histogram(layer.weight, "weights/layer1", step=10)'} />
      </Empty>
    );
  }
  return (
    <div class="media">
      <div class="controls">
        <SearchBox value={query} onChange={setQuery} label="Find names" placeholder="Find names" />
        <span class="dim" role="status">{plural(data.items.length, 'name')}{!data.complete && ', the first of more'}</span>
      </div>
      {!data.items.length && <Empty title="No name matches"><p>Nothing of this run has “{query}” in its name.</p></Empty>}
      {groups.map(({ name, items }) => (
        <details class="group" key={name} open>
          <summary><Icon name="chevron" /><h2>{name || 'Media'}</h2><span class="dim">{formatInteger(items.length)}</span></summary>
          <div class="media-panels">
            {items.map((group) => <Panel key={`${group.kind} ${group.name}`} run={run.id} group={group} news={news} />)}
          </div>
        </details>
      ))}
    </div>
  );
}

/** A panel. It asks the lab for nothing until it is in sight. */
function Panel({ run, group, news }: { run: string; group: MediaGroupAnswer; news: number }) {
  const root = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState(false);
  const [rank, setRank] = useState<number | null>(null);
  const mine = rank !== null && group.ranks.includes(rank) ? rank : group.ranks[0]!;
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setSeen(entries[entries.length - 1]!.isIntersecting), { rootMargin: '200px 0px' });
    observer.observe(root.current!);
    return () => observer.disconnect();
  }, []);
  return (
    <article class="block medium" data-name={group.name} data-kind={group.kind} ref={root}>
      <div class="file-head">
        <h3 class="name" title={group.name}>{group.name}</h3>
        {group.ranks.length > 1 && (
          <label class="select">
            Rank
            <select value={mine} onChange={(e) => setRank(Number(e.currentTarget.value))}>
              {group.ranks.map((r) => <option key={r} value={r}>{r}</option>)}
            </select>
          </label>
        )}
        <span class="kind">{group.kind}</span>
      </div>
      <Steps key={mine} run={run} group={group} rank={mine} news={seen ? news : null} />
    </article>
  );
}

/** `news` null: the panel is out of sight, and stays as it is. */
function Steps({ run, group, rank, news }: { run: string; group: MediaGroupAnswer; rank: number; news: number | null }) {
  const source = useMemo(() => new MediaSource(run, group, rank), [run, group.kind, group.name, rank]);
  const [begun, setBegun] = useState(false);
  const [chosen, setChosen] = useState<Step>('newest'); // 'newest' also follows items that are still to come
  const now = useNow(true);
  const histograms = group.kind === 'histogram' && group.count > 1;
  const steps = useLoad(async (signal) => (begun ? source.steps(signal) : null), [source, begun], REFRESH_MS);
  const shown = useLoad(async (signal) => (begun ? source.at(chosen, signal) : null), [source, begun, chosen], 250);
  const heat = useLoad(async (signal) => (begun && histograms ? source.overSteps(signal) : null), [source, begun, histograms], REFRESH_MS);
  useEffect(() => {
    if (news === null) return;
    setBegun(true);
    for (const one of [steps, shown, heat]) one.refresh();
  }, [news]);
  const { data: item, error } = shown;
  if (error) return <p class="dim">{error.message}</p>;
  if (!item) return <p class="dim medium-wait">Loading…</p>;
  const all = steps.data ?? [];
  const at = placeOf(all, item.step);
  const label = `${group.name}${item.step === null ? '' : `, step ${item.step}`}`;
  return (
    <>
      <div class="medium-body">
        <Medium kind={group.kind} item={item} label={label} />
        {heat.data && heat.data.length > 1 && <OverSteps items={heat.data} chosen={item.step} onPick={setChosen} label={`${group.name} over all steps`} />}
      </div>
      <div class="medium-foot">
        {all.length > 1 ? (
          <>
            <label class="steps">
              Step
              <input
                type="number"
                class="step-field num"
                value={item.step ?? ''}
                aria-label={`Step number of ${group.name}`}
                onChange={(e) => setChosen(/^-?\d{1,15}$/.test(e.currentTarget.value) ? Number(e.currentTarget.value) : 'newest')}
              />
              <input
                type="range"
                min={0}
                max={all.length - 1}
                value={at}
                aria-label={`Step of ${group.name}`}
                aria-valuetext={item.step === null ? 'no step' : `step ${item.step}`}
                onInput={(e) => {
                  const place = Number(e.currentTarget.value);
                  setChosen(place === all.length - 1 ? 'newest' : all[place]!);
                }}
              />
            </label>
            <span class="dim">{formatInteger(group.count)} in all</span>
          </>
        ) : (
          <span class="dim">{item.step === null ? 'Without a step' : `Step ${item.step}`}</span>
        )}
        <span class="dim"><Moment time={item.time} now={now} /></span>
        {item.artifact && <a class="button" href={contentUrl(item.artifact)} download={item.artifact.name}>Download</a>}
      </div>
    </>
  );
}
