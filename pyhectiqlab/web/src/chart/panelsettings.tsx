// The contents of a panel's menu: its scales, its range, its size, and what can be taken along. It is loaded when a menu is
// opened.

import { useState } from 'preact/hooks';
import { LEFT_OUT_MAX, leftOut, rangeWithout, SCALE_NAMES, SCALES, type Scale } from '../base/boardsettings';
import { FONTS, readStyle, sizeOf as sizeOfFigure, WIDTHS, type FigureStyle } from '../base/figurestyle';
import { COLUMNS_MAX, resized, ROWS_MAX, ROWS_MIN, sizeOf, writeSize } from '../base/panelsize';
import { keepStyle, keptStyle } from '../state/keptstyle';
import { copy } from '../widgets/basics';
import { linesGiven } from './given';
import type { MenuProps } from './menuprops';
import { pngOf, saveFile } from './save';

export function Contents({ metric, own, place, xs, settings, onChange, drawn, outliers = 2, give }: MenuProps) {
  const [copied, setCopied] = useState(false);
  const [style, setStyle] = useState(() => readStyle(keptStyle()));
  const restyle = (change: Partial<FigureStyle>) => {
    const to = { ...style, ...change };
    setStyle(to);
    keepStyle(JSON.stringify(to));
  };
  const given = () => {
    const its = give?.() ?? null;
    return its && 'drawn' in its ? linesGiven(its) : its;
  };
  const take = (what: 'png' | 'svg' | 'csv' | 'python') => {
    const its = given();
    if (!its) return;
    const name = metric.replace(/[^\w.-]+/g, '_');
    if (what === 'csv') saveFile(`${name}.csv`, new Blob([its.csv()], { type: 'text/csv' }));
    else if (what === 'svg') saveFile(`${name}.svg`, new Blob([its.svg(sizeOfFigure(style))], { type: 'image/svg+xml' }));
    else if (what === 'png') void pngOf(its.svg(sizeOfFigure(style)), 3).then((png) => saveFile(`${name}.png`, png));
    else void copy(its.python!()).then(setCopied);
  };
  const { y } = settings;
  const hand = y === undefined || typeof y === 'string' ? null : y;
  const percent = y === undefined ? null : leftOut(y, outliers);
  const size = sizeOf(settings.size);
  const end = (at: 0 | 1, text: string) => {
    const value = text.trim() === '' ? null : Number(text);
    const range = at === 0 ? ([value, hand?.[1] ?? null] as const) : ([hand?.[0] ?? null, value] as const);
    if (value !== null && !Number.isFinite(value)) return;
    onChange({ y: range[0] === null && range[1] === null ? undefined : range });
  };
  const byHand = () => {
    const range = drawn?.();
    if (range) onChange({ y: [Number(range[0].toPrecision(3)), Number(range[1].toPrecision(3))] });
  };
  return (
    <div class="menu-box" role="group" aria-label={`Settings of ${metric}`}>
      <label class="select">
        Scale
        <select aria-label="Scale of this chart" value={settings.scale ?? ''} onChange={(e) => onChange({ scale: (e.currentTarget.value || undefined) as Scale | undefined })}>
          <option value="">As the page</option>
          {SCALES.map((s) => <option key={s} value={s}>{SCALE_NAMES[s]}</option>)}
        </select>
      </label>
      {xs && (
        <label class="select" title="What is along the horizontal axis">
          X axis
          <select aria-label="Over which metric" value={settings.x ?? xs.asked ?? ''} onChange={(e) => onChange({ x: e.currentTarget.value === (xs.asked ?? '') ? undefined : e.currentTarget.value })}>
            <option value="">As the page</option>
            {[...new Set([...(xs.asked ? [xs.asked] : []), ...(settings.x ? [settings.x] : []), ...xs.names])].map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
      )}
      {!drawn && (
        <label class="select">
          X
          <select aria-label="Horizontal scale of this chart" value={settings.xScale ?? ''} onChange={(e) => onChange({ xScale: (e.currentTarget.value || undefined) as Scale | undefined })}>
            <option value="">As the page</option>
            {SCALES.map((s) => <option key={s} value={s}>{SCALE_NAMES[s]}</option>)}
          </select>
        </label>
      )}
      {drawn && <label class="select">
        Values
        <select aria-label="Which values" value={hand ? 'hand' : percent !== null ? 'most' : y === 'all' ? 'all' : ''} onChange={(e) => (e.currentTarget.value === 'hand' ? byHand() : onChange({ y: e.currentTarget.value === 'most' ? 'most' : e.currentTarget.value === 'all' ? 'all' : undefined }))}>
          <option value="">As the page</option>
          <option value="all">All</option>
          <option value="most" title="Without the highest and the lowest">Without outliers</option>
          <option value="hand">From … to</option>
        </select>
      </label>}
      {percent !== null && (
        <label class="select" title="This share of the values is left out at the top, and as much at the bottom. The line below the chart counts these points">
          Left out at either end
          <input class="percent" type="number" min="0.01" max={LEFT_OUT_MAX} step="any" aria-label="Per cent left out at either end" value={percent} onChange={(e) => onChange({ y: rangeWithout(Number(e.currentTarget.value)) ?? 'most' })} />
          %
        </label>
      )}
      {hand && (
        <div class="menu-ends">
          <input type="number" step="any" aria-label="Lowest value" placeholder="open" value={hand[0] ?? ''} onChange={(e) => end(0, e.currentTarget.value)} />
          –
          <input type="number" step="any" aria-label="Highest value" placeholder="open" value={hand[1] ?? ''} onChange={(e) => end(1, e.currentTarget.value)} />
        </div>
      )}
      <div class="menu-ends menu-size" role="group" aria-label="Size">
        Columns
        <input type="number" min="1" max={COLUMNS_MAX} aria-label="Columns" title={`${COLUMNS_MAX}: all there are`} value={size.columns} onChange={(e) => onChange({ size: writeSize(resized({ ...size, columns: 0 }, Math.round(Number(e.currentTarget.value)), 0)) })} />
        Rows
        <input type="number" min={ROWS_MIN} max={ROWS_MAX} aria-label="Rows" value={size.rows} onChange={(e) => onChange({ size: writeSize(resized({ ...size, rows: 0 }, 0, Math.round(Number(e.currentTarget.value)))) })} />
      </div>
      {give && <details class="menu-figure">
        <summary>Figure: {style.width} px, {style.font} px {style.serif ? 'serif' : 'sans-serif'}</summary>
        <label class="select">
          Width
          <select aria-label="Width of the figure" value={style.width} onChange={(e) => restyle({ width: Number(e.currentTarget.value) })}>{WIDTHS.map((w) => <option key={w} value={w}>{w} px</option>)}</select>
        </label>
        <label class="select">
          Letters
          <select aria-label="Size of the letters" value={style.font} onChange={(e) => restyle({ font: Number(e.currentTarget.value) })}>{FONTS.map((f) => <option key={f} value={f}>{f} px</option>)}</select>
        </label>
        <label class="check"><input type="checkbox" checked={style.serif} onChange={(e) => restyle({ serif: e.currentTarget.checked })} />With serifs</label>
        <label class="check"><input type="checkbox" checked={style.legend} onChange={(e) => restyle({ legend: e.currentTarget.checked })} />Legend</label>
      </details>}
      {give && <div class="menu-own" role="group" aria-label="Take along">
        <button class="link" onClick={() => take('png')}>PNG</button>
        <button class="link" onClick={() => take('svg')}>SVG</button>
        <button class="link" onClick={() => take('csv')}>CSV</button>
        {given()?.python && <button class="link" onClick={() => take('python')}>{copied ? 'Copied' : 'Copy as Python'}</button>}
      </div>}
      {(own || place) && (
        <div class="menu-own">
          {own && <button class="link" onClick={own.edit}>Edit</button>}
          {place && <button class="link" disabled={!place.earlier} onClick={() => place.earlier?.()}>Move before</button>}
          {place && <button class="link" disabled={!place.later} onClick={() => place.later?.()}>Move behind</button>}
          {own && <button class="link" onClick={own.remove}>Remove</button>}
        </div>
      )}
    </div>
  );
}
