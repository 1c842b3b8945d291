// One medium at one step: a picture, a plotly figure, a table, a text or a histogram.

import { useEffect, useRef, useState } from 'preact/hooks';
import { loadText } from '../api/media';
import { formatBytes } from '../base/format';
import { contentUrl, isImage } from '../base/links';
import { parseTable } from '../base/tabledata';
import type { ArtifactAnswer, MediaGroupAnswer, MediaItemAnswer } from '../schema/lab';
import { Bars } from './histogram';
import { TextOrMarkdown } from './markdown';
import { DataTable } from './table';

const TEXT_MAX = 64 << 10; // bytes of a long text that are shown
const FILE_MAX = 64 << 20; // bytes of a table or figure; the client sends no larger ones
const AT_ONCE_MAX = 2 << 20; // a larger file is loaded when the reader asks for it
const DRAWN = new Set(['scatter', 'bar', 'pie']); // kinds of traces that the bundled plotly.js draws

export function Medium({ kind, item, label }: { kind: MediaGroupAnswer['kind']; item: MediaItemAnswer; label: string }) {
  const { artifact, histogram, text } = item;
  if (histogram) return <Bars histogram={histogram} label={label} />;
  if (text !== null) return <TextOrMarkdown text={text} />;
  if (!artifact) return <p class="dim">There is nothing to show.</p>;
  if (isImage(artifact.name)) {
    return (
      <a href={contentUrl(artifact, true)} target="_blank" rel="noopener" class="preview">
        <img src={contentUrl(artifact, true)} alt={label} />
      </a>
    );
  }
  if (kind === 'text') {
    return (
      <Loaded artifact={artifact} bytes_max={TEXT_MAX} parse={asText} key={artifact.uuid}>
        {({ text: start, whole }) => (
          <>
            <TextOrMarkdown text={start} />
            {!whole && <p class="dim">The first {formatBytes(TEXT_MAX)} of {formatBytes(artifact.bytes)}.</p>}
          </>
        )}
      </Loaded>
    );
  }
  if (kind === 'table') {
    return (
      <Loaded artifact={artifact} bytes_max={FILE_MAX} parse={parseTable} key={artifact.uuid}>
        {(table) => <DataTable table={table} label={label} />}
      </Loaded>
    );
  }
  if (kind === 'figure' && artifact.name.endsWith('.plotly.json')) {
    return (
      <Loaded artifact={artifact} bytes_max={FILE_MAX} parse={parseFigure} key={artifact.uuid}>
        {(figure) => <Plot figure={figure} label={label} />}
      </Loaded>
    );
  }
  return <p class="dim">This file cannot be shown here.</p>;
}

const asText = (text: string, whole: boolean) => ({ text, whole });

interface LoadedProps<T> {
  artifact: ArtifactAnswer;
  bytes_max: number;
  parse: (text: string, whole: boolean) => T; // throws if the text is not of its kind
  children: (value: T) => preact.ComponentChildren;
}

/** Show a file when it is loaded; a large one is loaded on request. It may contain anything. */
function Loaded<T>({ artifact, bytes_max, parse, children }: LoadedProps<T>) {
  const [wanted, setWanted] = useState(Math.min(artifact.bytes, bytes_max) <= AT_ONCE_MAX);
  const [value, setValue] = useState<{ parsed: T } | null>(null);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    if (!wanted) return;
    const controller = new AbortController();
    loadText(artifact.uuid, bytes_max, controller.signal)
      .then(({ text, whole }) => setValue({ parsed: parse(text, whole) }))
      .catch((e: unknown) => {
        if (!controller.signal.aborted) setTrouble(e instanceof Error ? e.message : String(e));
      });
    return () => controller.abort();
  }, [wanted, artifact.uuid, bytes_max]);
  if (trouble) return <p class="dim">This file cannot be shown: {trouble}</p>;
  if (!wanted) return <p><button class="button" type="button" onClick={() => setWanted(true)}>Show {formatBytes(artifact.bytes)}</button></p>;
  if (!value) return <p class="dim">Loading…</p>;
  return <>{children(value.parsed)}</>;
}

interface Figure {
  data: { type?: unknown }[];
  layout: object;
}

/** Draw a figure. plotly.js is loaded when the first figure needs it. */
function Plot({ figure, label }: { figure: Figure; label: string }) {
  const root = useRef<HTMLDivElement>(null);
  const [trouble, setTrouble] = useState('');
  const other = figure.data.map((trace) => String(trace.type ?? 'scatter')).find((type) => !DRAWN.has(type));
  useEffect(() => {
    const place = root.current;
    if (!place) return;
    let ended = false;
    let end = () => {};
    import('plotly.js-basic-dist-min')
      .then(async ({ default: Plotly }) => {
        if (ended) return;
        end = () => Plotly.purge(place);
        await Plotly.newPlot(place, figure.data, { height: 420, ...figure.layout, width: undefined, autosize: true }, { responsive: true, displaylogo: false });
      })
      .catch((e: unknown) => setTrouble(e instanceof Error ? e.message : String(e)));
    return () => {
      ended = true;
      end();
    };
  }, [figure]);
  if (other !== undefined) return <p class="dim">Figures with {other} traces are not drawn here: download the file, and open it with plotly.</p>;
  if (trouble) return <p class="dim">This figure cannot be drawn: {trouble}</p>;
  return <div ref={root} class="plotly-figure" role="img" aria-label={label} />;
}

function parseFigure(text: string): Figure {
  const { data, layout } = JSON.parse(text) as { data?: unknown; layout?: unknown };
  if (!Array.isArray(data) || !data.every((trace) => trace !== null && typeof trace === 'object')) throw new Error('it is not a figure of plotly');
  return { data: data as { type?: unknown }[], layout: layout !== null && typeof layout === 'object' ? layout : {} };
}
