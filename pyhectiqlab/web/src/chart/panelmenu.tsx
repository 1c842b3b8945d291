// What a panel has of its own: its scale, which values its y axis covers, its size.

import { useEffect, useRef, useState } from 'preact/hooks';
import { SCALES, SIZES, type PanelSettings, type Scale, type Size } from '../base/boardsettings';
import { copy, Segments } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import type { Place } from './arranging';
import type { Given } from './given';
import { pngOf, saveFile } from './save';

export const SCALE_NAMES: Record<Scale, string> = { linear: 'Linear', log: 'Log', symlog: 'Symmetric log' };

/** Which metrics it may be drawn over. `asked`: the one that its run asked for. */
export interface XChoice {
  asked: string | null;
  names: readonly string[];
}

/** What is done with a chart of one's own. */
export interface OwnActions {
  edit: () => void;
  remove: () => void;
}

interface Props {
  metric: string;
  own: OwnActions | null;
  place: Place | null;
  /** Without it, what is along x cannot be chosen. */
  xs?: XChoice | undefined;
  settings: PanelSettings;
  /** undefined: as everywhere on the page. */
  onChange: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => void;
  /** What is in sight, to be taken along; null: nothing is. Without it there is nothing to take. */
  give?: () => Given | null;
  /** The range that is drawn, where numbers by hand begin. Without it the range cannot be chosen. */
  drawn?: () => readonly [number, number] | null;
}

/** Its contents are there only while it is open: there may be hundreds of panels. */
export function PanelMenu(props: Props) {
  const root = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    const close = (e: Event) => {
      if (!root.current?.contains(e.target as Node)) root.current?.removeAttribute('open');
    };
    document.addEventListener('pointerdown', close);
    return () => document.removeEventListener('pointerdown', close);
  }, [open]);
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== 'Escape' || !root.current!.open) return;
    e.stopPropagation();
    e.preventDefault(); // an enlarged panel stays
    root.current!.removeAttribute('open');
    root.current!.querySelector('summary')!.focus();
  };
  return (
    <details class="menu" ref={root} onKeyDown={onKeyDown} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary class="icon-button" aria-label={`Settings of ${props.metric}`} title="Settings of this chart"><Icon name="more" /></summary>
      {open && <Contents {...props} />}
    </details>
  );
}

function Contents({ metric, own, place, xs, settings, onChange, drawn, give }: Props) {
  const [copied, setCopied] = useState(false);
  const take = (what: 'png' | 'svg' | 'csv' | 'python') => {
    const given = give?.();
    if (!given) return;
    const name = metric.replace(/[^\w.-]+/g, '_');
    if (what === 'csv') saveFile(`${name}.csv`, new Blob([given.csv()], { type: 'text/csv' }));
    else if (what === 'svg') saveFile(`${name}.svg`, new Blob([given.svg()], { type: 'image/svg+xml' }));
    else if (what === 'png') void pngOf(given.svg(), 3).then((png) => saveFile(`${name}.png`, png));
    else void copy(given.python!()).then(setCopied);
  };
  const { y = 'all' } = settings;
  const hand = typeof y === 'string' ? null : y;
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
          Over
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
        <select aria-label="Which values" value={hand ? 'hand' : (y as string)} onChange={(e) => (e.currentTarget.value === 'hand' ? byHand() : onChange({ y: e.currentTarget.value === 'most' ? 'most' : undefined }))}>
          <option value="all">All</option>
          <option value="most" title="Without the highest and the lowest 2 %">Without outliers</option>
          <option value="hand">From … to</option>
        </select>
      </label>}
      {hand && (
        <div class="menu-ends">
          <input type="number" step="any" aria-label="Lowest value" placeholder="open" value={hand[0] ?? ''} onChange={(e) => end(0, e.currentTarget.value)} />
          –
          <input type="number" step="any" aria-label="Highest value" placeholder="open" value={hand[1] ?? ''} onChange={(e) => end(1, e.currentTarget.value)} />
        </div>
      )}
      <Segments label="Size" options={SIZES.map((s) => [s, s] as const)} value={settings.size ?? 'S'} onChange={(size: Size) => onChange({ size: size === 'S' ? undefined : size })} />
      {give && <div class="menu-own" role="group" aria-label="Take along">
        <button class="link" onClick={() => take('png')}>PNG</button>
        <button class="link" onClick={() => take('svg')}>SVG</button>
        <button class="link" onClick={() => take('csv')}>CSV</button>
        {give()?.python && <button class="link" onClick={() => take('python')}>{copied ? 'Copied' : 'Copy as Python'}</button>}
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
