// Histograms over x, to be taken along: as SVG for a paper with the picture in it, as CSV with every bin, as Python code that
// reads the same.

import type { FigureSize } from '../base/figurestyle';
import type { Axis } from '../base/axis';
import type { Scale, YRange } from '../base/boardsettings';
import type { StepHistogram } from '../base/densities';
import { figureOf, line, text, X_LABELS } from './figure';
import { csvText } from './give';
import type { Given } from './given';
import { layOut, paint } from './heatpaint';
import { paintRidges } from './ridges';

export interface HeatFigure {
  title: string;
  run: string;
  runName: string;
  name: string; // the name of the histograms
  color: string;
  histograms: readonly StepHistogram[];
  axis: Axis;
  ridges: boolean;
  xScale: Scale;
  scale: Scale;
  y: YRange;
  zoom: readonly [number, number] | null;
  /** What the lab was asked for. */
  asked: { rank: number; steps: number; lo?: number; hi?: number };
}

const LEFT = 84;
const RIGHT = 16;
const TOP = 30;
const BOTTOM = 52;
const SHARP = 3; // pixels of the picture for each pixel of the figure

export function heatGiven(figure: HeatFigure): Given {
  return { svg: (size) => svgOf(figure, size), csv: () => csvOf(figure), python: () => pythonOf(figure) };
}

function svgOf({ title, runName, name, color, histograms, ...axes }: HeatFigure, size: FigureSize): string {
  const [right, bottom] = [size.width - RIGHT, size.height - BOTTOM];
  const [width, height] = [right - LEFT, bottom - TOP];
  const layout = layOut(histograms, { ...axes, width, height });
  if (!layout) return figureOf(size, size.height, text(LEFT, 19, title, 'start'));
  const canvas = document.createElement('canvas');
  (axes.ridges ? paintRidges : paint)(canvas, layout, color, width, height, SHARP);
  const { across, up, most } = layout;
  const middle = (TOP + bottom) / 2;
  const grid = [
    ...across.ticks.map(([v, label]) => line(LEFT + across.at(v), bottom, LEFT + across.at(v), bottom + 4) + text(LEFT + across.at(v), bottom + 18, label, 'middle')),
    ...up.ticks.map(([v, label]) => line(LEFT - 4, TOP + up.at(v), LEFT, TOP + up.at(v)) + text(LEFT - 8, TOP + up.at(v) + 4, label, 'end')),
  ];
  return figureOf(
    size,
    size.height,
    `<image x="${LEFT}" y="${TOP}" width="${width}" height="${height}" preserveAspectRatio="none" href="${canvas.toDataURL('image/png')}"/>
<g stroke="#555">${grid.join('')}</g>
<rect x="${LEFT}" y="${TOP}" width="${width}" height="${height}" fill="none" stroke="#555"/>
${text((LEFT + right) / 2, size.height - 12, X_LABELS[axes.axis], 'middle')}
${text(16, middle, name, 'middle', ` transform="rotate(-90 16 ${middle})"`)}
${text(LEFT, 19, title, 'start', ' font-weight="bold"')}
${text(right, 19, `${runName} · densest row: ${percent(most)} of a step's values`, 'end')}`,
  );
}

export const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;

/** Return a row for each bin of each step that is drawn. */
function csvOf({ run, runName, name, histograms }: HeatFigure): string {
  const head = ['run', 'name', 'histogram', 'rank', 'attempt', 'step', 'time', 'from', 'to', 'count', 'nan', 'pinf', 'ninf'];
  const rows = histograms.flatMap((h) => {
    const of = [run, runName, name, String(h.rank), String(h.attempt), String(h.step), String(h.time)];
    const outside = [h.nan, h.pinf, h.ninf].map(String);
    return h.counts.length ? h.counts.map((n, i) => [...of, String(h.edges[i]!), String(h.edges[i + 1]!), String(n), ...outside]) : [[...of, '', '', '0', ...outside]];
  });
  return csvText([head, ...rows]);
}

function pythonOf({ run, name, asked: { rank, steps, lo, hi } }: HeatFigure): string {
  const range = [lo === undefined ? '' : `, lo=${lo}`, hi === undefined ? '' : `, hi=${hi}`].join('');
  return `from pyhectiqlab import Run

for histogram in Run.existing(${JSON.stringify(run)}).histograms(${JSON.stringify(name)}, rank=${rank}, steps=${steps}${range}):
    print(histogram.step, histogram.edges, histogram.counts)  # also nan, pinf, ninf
`;
}
