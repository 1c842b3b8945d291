// A chart as SVG for a paper: axes with labels, lines with their bands, a legend. It is black on white, whatever the page looks
// like.

import type { Scale } from '../base/boardsettings';
import type { FigureSize } from '../base/figurestyle';
import { formatDurationTick, formatMoment, formatTicks, formatValue } from '../base/format';
import type { Drawn } from './plot';
import type { Curve } from './series';
import { thresholdOf } from './yrange';

const LEFT = 74;
const RIGHT = 16;
const TOP = 30;
const BOTTOM = 48;
const LEGEND_LINE = 18;
export const X_LABELS = { step: 'Step', time: 'Time', relative: 'Time since the start' } as const;

interface Side {
  at: (value: number) => number; // px
  ticks: readonly (readonly [value: number, label: string])[];
}

/** Return the SVG of a panel. `drawn`: everything that the panel shows. */
export function svgOf({ data, x, y }: Drawn, title: string, size: FigureSize): string {
  const { curves, axis } = data;
  const names = curves.length > 1 && size.style.legend ? curves : [];
  const height = size.height + names.length * LEGEND_LINE;
  const [right, bottom] = [size.width - RIGHT, size.height - BOTTOM];
  const seconds = axis === 'time' ? formatMoment : axis === 'relative' ? formatDurationTick : null;
  const threshold = thresholdOf(curves);
  const across = side(x, data.xScale, 1, [LEFT, right], 6, seconds);
  const up = side(y ?? [0, 1], data.scale, threshold, [bottom, TOP], 6, null);
  const grid = [
    ...across.ticks.map(([v, label]) => line(across.at(v), TOP, across.at(v), bottom) + text(across.at(v), bottom + 18, label, 'middle')),
    ...up.ticks.map(([v, label]) => line(LEFT, up.at(v), right, up.at(v)) + text(LEFT - 8, up.at(v) + 4, label, 'end')),
  ];
  const legend = names.map((c, i) => {
    const top = size.height + i * LEGEND_LINE + 4;
    return `<line x1="${LEFT}" x2="${LEFT + 28}" y1="${top}" y2="${top}" ${strokeOf(c, 2)}/>${text(LEFT + 36, top + 4, c.name, 'start')}`;
  });
  return figureOf(
    size,
    height,
    `<clipPath id="plot"><rect x="${LEFT}" y="${TOP}" width="${right - LEFT}" height="${bottom - TOP}"/></clipPath>
<g stroke="#e3e6ea">${grid.join('')}</g>
<rect x="${LEFT}" y="${TOP}" width="${right - LEFT}" height="${bottom - TOP}" fill="none" stroke="#555"/>
<g class="lines" clip-path="url(#plot)" fill="none" stroke-linejoin="round" data-x="${x.join(' ')}" data-y="${(y ?? [0, 1]).join(' ')}" data-box="${[LEFT, TOP, right, bottom].join(' ')}">
${curves.map((c) => curveOf(c, across, up, data.scale === 'log')).join('\n')}
</g>
${text((LEFT + right) / 2, size.height - 10, X_LABELS[axis], 'middle')}
${text(LEFT, 19, title, 'start', ' font-weight="bold"')}
${legend.join('\n')}`,
  );
}

/** Return the frame of a figure: black on white, in a font that papers use. */
export function figureOf({ width, unit, style }: FigureSize, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${place(width / unit)}" height="${place(height / unit)}" viewBox="0 0 ${place(width)} ${place(height)}" font-family="${style.serif ? 'Times New Roman, Times, serif' : 'Helvetica, Arial, sans-serif'}" font-size="${place(style.font * unit)}">
<rect width="100%" height="100%" fill="#fff"/>
${content}
</svg>
`;
}

function curveOf(c: Curve, across: Side, up: Side, log: boolean): string {
  const pixel = (v: number) => (log && !(v > 0) ? NaN : up.at(v));
  const path = (xs: Float64Array, ys: Float64Array) => {
    let joined = false;
    let out = '';
    for (let i = 0; i < xs.length; i++) {
      const y = pixel(ys[i]!);
      if (Number.isNaN(y)) joined = false;
      else {
        out += `${joined && !c.gap[i] ? 'L' : 'M'}${place(across.at(xs[i]!))} ${place(y)}`;
        joined = true;
      }
    }
    return out;
  };
  const { min, max } = c.buckets;
  const bars = Array.from(c.x, (x, i) => (min[i]! < max[i]! && !Number.isNaN(pixel(min[i]!)) ? `M${place(across.at(x))} ${place(pixel(min[i]!))}V${place(pixel(max[i]!))}` : ''));
  return [
    bars.some(Boolean) ? `<path class="band" d="${bars.join('')}" stroke="${c.color}" stroke-opacity="0.25"/>` : '',
    c.raw ? `<path class="raw" d="${path(c.x, c.raw)}" stroke="${c.color}" stroke-opacity="0.35"/>` : '',
    `<path class="line" d="${path(c.lineX, c.line)}" ${strokeOf(c, 1.6)}><title>${escaped(c.name)}</title></path>`,
  ].join('');
}

function strokeOf({ color, dash }: Curve, width: number): string {
  return `stroke="${color}" stroke-width="${width}"${dash.length ? ` stroke-dasharray="${dash.join(' ')}"` : ''}`;
}

function side(range: readonly [number, number], scale: Scale, threshold: number, [from, to]: readonly [number, number], count: number, format: ((v: number) => string) | null): Side {
  const by = (v: number) => (scale === 'log' ? Math.log10(v) : scale === 'symlog' ? Math.asinh(v / threshold) : v);
  const [lo, hi] = [by(range[0]), by(range[1])];
  const at = (v: number) => from + ((by(v) - lo) / (hi - lo)) * (to - from);
  if (scale !== 'linear') {
    const powers = Array.from({ length: 640 }, (_, i) => 10 ** (i - 320)).filter((v) => scale === 'log' || v >= threshold);
    const all = (scale === 'log' ? powers : [...powers.map((v) => -v), 0, ...powers]).filter((v) => v >= range[0] && v <= range[1]).sort((a, b) => a - b);
    const every = Math.ceil(all.length / 10);
    return { at, ticks: all.filter((_, i) => i % every === 0).map((v) => [v, format ? format(v) : formatValue(v, 3)] as const) };
  }
  const raw = (hi - lo) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const increment = power * ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10);
  const values = Array.from({ length: Math.floor(hi / increment) - Math.ceil(lo / increment) + 1 }, (_, i) => (Math.ceil(lo / increment) + i) * increment);
  const labels = format ? values.map(format) : formatTicks(values, increment);
  return { at, ticks: values.map((v, i) => [v, labels[i]!] as const) };
}

export const place = (v: number) => String(Math.round(v * 100) / 100);
export const line = (x1: number, y1: number, x2: number, y2: number) => `<line x1="${place(x1)}" y1="${place(y1)}" x2="${place(x2)}" y2="${place(y2)}"/>`;
export const escaped = (words: string) => words.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, ' ').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end', more = ''): string {
  return `<text x="${place(x)}" y="${place(y)}" text-anchor="${anchor}" fill="#222" stroke="none"${more}>${escaped(words)}</text>`;
}
