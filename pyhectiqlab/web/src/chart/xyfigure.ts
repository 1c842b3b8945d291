// Charts that draw no lines over the page's axis, to be taken along: points in a plane, or bars, as SVG for a paper and as CSV.

import type { Scale } from '../base/boardsettings';
import type { FigureSize } from '../base/figurestyle';
import { formatValue } from '../base/format';
import { sideOf } from '../base/ticks';
import { escaped, figureOf, line, place, text } from './figure';
import { csvText } from './give';
import type { Given } from './given';

interface Named {
  run: string;
  name: string;
  color: string;
}

interface XyFigure {
  title: string;
  series: readonly (Named & { dash: readonly number[]; x: readonly number[]; y: readonly number[] })[];
  joined: boolean;
  xName: string;
  yName: string;
  xScale: Scale;
  yScale: Scale;
  /** The steps of each series' points, if they have any. */
  steps: readonly (readonly number[])[] | null;
  legend: readonly { color: string; text: string }[];
}

const LEFT = 84;
const RIGHT = 16;
const TOP = 30;
const BOTTOM = 52;
const LEGEND_LINE = 18;
const NAMES_CHARS = 28; // characters of a run's name beside its bar

export function xyGiven(figure: XyFigure): Given {
  return { svg: (size) => xySvgOf(figure, size), csv: () => xyCsvOf(figure) };
}

export function xySvgOf({ title, series, joined, xName, yName, xScale, yScale, legend }: XyFigure, size: FigureSize): string {
  const [right, bottom] = [size.width - RIGHT, size.height - BOTTOM];
  const across = sideOf(series.flatMap((s) => s.x), xScale, [LEFT, right], 6);
  const up = sideOf(series.flatMap((s) => s.y), yScale, [bottom, TOP], 6);
  const grid = [
    ...across.ticks.map(([v, label]) => line(across.at(v), TOP, across.at(v), bottom) + text(across.at(v), bottom + 18, label, 'middle')),
    ...up.ticks.map(([v, label]) => line(LEFT, up.at(v), right, up.at(v)) + text(LEFT - 8, up.at(v) + 4, label, 'end')),
  ];
  const drawn = series.map((s) => {
    const points = s.x.map((x, i) => [across.at(x), up.at(s.y[i]!)] as const);
    const there = points.map(([x, y]) => !Number.isNaN(x) && !Number.isNaN(y));
    const path = joined ? points.map(([x, y], i) => (there[i] ? `${there[i - 1] ? 'L' : 'M'}${place(x)} ${place(y)}` : '')).join('') : '';
    const dots = points.flatMap(([x, y], i) => (there[i] && (!joined || (!there[i - 1] && !there[i + 1])) ? [`<circle cx="${place(x)}" cy="${place(y)}" r="4" fill="${s.color}"/>`] : []));
    const dash = s.dash.length ? ` stroke-dasharray="${s.dash.join(' ')}"` : '';
    return `<g><title>${escaped(s.name)}</title>${path && `<path class="line" d="${path}" stroke="${s.color}" stroke-width="1.6"${dash}/>`}${dots.join('')}</g>`;
  });
  const names = !size.style.legend ? [] : legend.length ? legend : joined && series.length > 1 ? series.map(({ color, name }) => ({ color, text: name })) : [];
  const rows = names.map(({ color, text: name }, i) => {
    const top = size.height + i * LEGEND_LINE + 4;
    return `<circle cx="${LEFT + 6}" cy="${top}" r="4" fill="${color}"/>${text(LEFT + 18, top + 4, name, 'start')}`;
  });
  const middle = (TOP + bottom) / 2;
  return figureOf(
    size,
    size.height + rows.length * LEGEND_LINE,
    `<g stroke="#e3e6ea">${grid.join('')}</g>
<rect x="${LEFT}" y="${TOP}" width="${right - LEFT}" height="${bottom - TOP}" fill="none" stroke="#555"/>
<g class="points" fill="none" stroke-linejoin="round">${drawn.join('\n')}</g>
${text((LEFT + right) / 2, size.height - 12, xName, 'middle')}
${text(16, middle, yName, 'middle', ` transform="rotate(-90 16 ${middle})"`)}
${text(LEFT, 19, title, 'start', ' font-weight="bold"')}
${rows.join('\n')}`,
  );
}

export function xyCsvOf({ series, xName, yName, steps }: XyFigure): string {
  const rows = series.flatMap((s, n) => s.x.map((x, i) => [s.run, s.name, ...(steps ? [String(steps[n]![i]!)] : []), String(x), String(s.y[i]!)]));
  return csvText([['run', 'name', ...(steps ? ['step'] : []), xName, yName], ...rows]);
}

/** Return bars that begin at 0, where those of both signs meet. */
export function barsGiven(title: string, yName: string, bars: readonly (Named & { value: number })[]): Given {
  return {
    svg: (size) => barsSvgOf(title, bars, size),
    csv: () => csvText([['run', 'name', yName], ...bars.map(({ run, name, value }) => [run, name, String(value)])]),
  };
}

export function barsSvgOf(title: string, bars: readonly (Named & { value: number })[], size: FigureSize): string {
  const [left, right, tall] = [Math.min(200, size.width * 0.4), size.width - Math.min(90, size.width * 0.2), 22];
  const [lo, hi] = [Math.min(0, ...bars.map((b) => b.value)), Math.max(0, ...bars.map((b) => b.value))];
  const at = (value: number) => left + ((value - lo) / (hi - lo || 1)) * (right - left);
  const rows = bars.map(({ name, value, color }, i) => {
    const top = TOP + 6 + i * tall;
    const [from, to] = [at(Math.min(0, value)), at(Math.max(0, value))];
    const short = name.length > NAMES_CHARS ? `${name.slice(0, NAMES_CHARS - 1)}…` : name;
    return `${text(left - 10, top + 12, short, 'end')}<rect class="bar" x="${place(from)}" y="${top}" width="${place(to - from)}" height="15" fill="${color}"/>${text(right + 8, top + 12, formatValue(value), 'start')}`;
  });
  const height = TOP + 16 + bars.length * tall;
  return figureOf(size, height, `${text(16, 19, title, 'start', ' font-weight="bold"')}\n${rows.join('\n')}\n<g stroke="#555">${line(at(0), TOP, at(0), height - 10)}</g>`);
}
