// The logs of a run as a terminal would have shown them: live, by level, by channel, by words.

import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError } from '../api/http';
import { formatMoment, plural } from '../base/format';
import { LOG_LEVELS, type LogView } from '../base/route';
import { isLive } from '../base/runstate';
import type { RunDetailAnswer } from '../schema/lab';
import { useLive } from '../state/live';
import { LogTail, type LogLine, type LogsShown } from '../state/logtail';
import { revival } from '../state/session';
import { useStore } from '../state/store';
import { Empty, SearchBox, Waiting } from '../widgets/basics';

interface Props {
  run: RunDetailAnswer;
  view: LogView;
  setView: (view: LogView) => void;
  onNews: () => void;
}

export function RunLogs({ run, view, setView, onNews }: Props) {
  const { shown, error, earlier } = useLogs(run, view, onNews);
  const words = view.query.toLowerCase();
  const matches = (line: LogLine) => !words || line.text.toLowerCase().includes(words);
  const blocks = useMemo(() => {
    if (!shown) return [];
    return words ? shown.blocks.map((block) => block.filter(matches)).filter((block) => block.length) : shown.blocks;
  }, [shown, words]);
  const unfinished = shown?.unfinished.filter(matches) ?? [];
  const count = blocks.reduce((n, block) => n + block.length, unfinished.length);
  const { box, onScroll, growsAbove } = useStickToEnd(blocks, [shown, view.times]);
  const channels = [...new Set([...(shown?.channels ?? []), ...(view.channel ? [view.channel] : [])])].sort();
  const look = { times: view.times, ranks: run.ranks > 1 };

  return (
    <>
      <div class="controls">
        <SearchBox value={view.query} onChange={(query) => setView({ ...view, query })} label="Find in the loaded lines" placeholder="Find in the loaded lines" />
        <label class="select">
          Level
          <select value={view.level} onChange={(e) => setView({ ...view, level: e.currentTarget.value })}>
            <option value="">All</option>
            {LOG_LEVELS.map((level) => <option key={level} value={level}>{level} and worse</option>)}
          </select>
        </label>
        <label class="select">
          Channel
          <select value={view.channel} onChange={(e) => setView({ ...view, channel: e.currentTarget.value })}>
            <option value="">All</option>
            {channels.map((channel) => <option key={channel} value={channel}>{channel}</option>)}
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={view.times} onChange={(e) => setView({ ...view, times: e.currentTarget.checked })} />
          Timestamps
        </label>
        <span class="dim" role="status">{shown ? plural(count, 'line') : ''}</span>
      </div>
      {error && <p class="problem" role="alert">{error}</p>}
      {!shown ? (
        !error && <Waiting />
      ) : count === 0 && !shown.earlier ? (
        <NoLogs filtered={view.query !== '' || view.level !== '' || view.channel !== ''} />
      ) : (
        <div class="logs" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Logs">
          {shown.earlier && <button class="button" type="button" onClick={() => (growsAbove(), earlier())}>Load earlier lines</button>}
          {blocks.map((block, i) => <Block key={i} lines={block} {...look} />)}
          <Block lines={unfinished} {...look} />
        </div>
      )}
    </>
  );
}

function NoLogs({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty title="No such line"><p>Nothing that is loaded passes the filters above.</p></Empty>
  ) : (
    <Empty title="No logs">
      <p>A script records them with <code>logger = run.start_recording_logs()</code>, and what it prints with <code>run.start_recording_logs(capture_console=True)</code>.</p>
    </Empty>
  );
}

const Block = memo(({ lines, times, ranks }: { lines: readonly LogLine[]; times: boolean; ranks: boolean }) => (
  <div class="log-block">
    {lines.map(({ text, tag, spans }, i) => (
      <div key={i} class={`log-line ${toneOf(tag.level)}`} title={`${formatMoment(tag.time, true)} · ${tag.channel}${tag.level ? ` · ${tag.level}` : ''}`}>
        {times && <time>{clock(tag.time)}</time>}
        {ranks && <b>[{tag.rank}] </b>}
        {spans ? spans.map((span, k) => (span.ink ? <span key={k} class={span.ink}>{span.text}</span> : span.text)) : text || ' '}
      </div>
    ))}
  </div>
));

function useLogs(run: RunDetailAnswer, view: LogView, onNews: () => void) {
  const [shown, setShown] = useState<LogsShown | null>(null);
  const [error, setError] = useState('');
  const tail = useRef<LogTail | null>(null);
  const life = useStore(revival);
  useEffect(() => {
    setShown(null);
    setError('');
    const mine = new LogTail(
      (params, signal) => api.logs(run.id, { ...params, level: view.level, channel: view.channel }, signal),
      (now) => {
        setShown(now);
        setError('');
      },
      (e) => e instanceof ApiError && setError(e.message),
    );
    tail.current = mine;
    return () => mine.stop();
  }, [run.id, view.level, view.channel, life]);
  const look = () => tail.current?.news();
  // A live run may have logged something between the first load and the opening of the stream.
  const missed = (first: boolean) => void ((first && !isLive(run.state)) || look());
  useLive({ runs: [run.id] }, { logs: look, points: onNews, state: onNews, run: onNews, missed });
  return { shown, error, earlier: () => tail.current?.earlier() };
}

/** Keep a box that shows its end at the end when lines are added; keep showing the same lines in one that was scrolled up. */
function useStickToEnd(blocks: readonly (readonly LogLine[])[], deps: readonly unknown[]) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const top = useRef<LogLine | null>(null); // the first line when earlier ones were asked for
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const first = top.current;
    if (!first) {
      if (atEnd.current) el.scrollTop = el.scrollHeight;
      return;
    }
    const block = blocks.findIndex((lines) => lines.some((line) => line.tag === first.tag));
    if (block === 0 && blocks[0]![0]!.tag === first.tag) return; // the earlier lines are not there yet
    top.current = null;
    const at = blocks[block]?.findIndex((line) => line.tag === first.tag) ?? -1;
    el.querySelectorAll('.log-block')[block]?.children[at]?.scrollIntoView({ block: 'start' });
  }, [blocks, ...deps]);
  return {
    box,
    onScroll: () => {
      const el = box.current!;
      atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 24;
    },
    /** Call this before earlier lines are added above. */
    growsAbove: () => {
      top.current = blocks[0]?.[0] ?? null;
    },
  };
}

function toneOf(level: string | null): string {
  if (level === 'CRITICAL' || level === 'ERROR') return 'log-bad';
  if (level === 'WARNING') return 'log-warn';
  return level === 'DEBUG' ? 'log-dim' : '';
}

function clock(time: number): string {
  return `${formatMoment(time, true)}.${String(Math.floor(time * 1000) % 1000).padStart(3, '0')}`;
}
