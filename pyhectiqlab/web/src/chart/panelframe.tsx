// The frame of a chart that draws no lines over x: its head with the menu, what it says if there is nothing to draw, its grip.

import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PanelSettings } from '../base/boardsettings';
import { gridRows } from '../base/panelsize';
import type { ChartView } from '../base/route';
import { NO_POINTS, noPoints } from '../state/session';
import { watchSight } from '../state/sight';
import { useStore } from '../state/store';
import { Icon } from '../widgets/icon';
import { scrollerOf } from '../widgets/split';
import type { ChartRun } from './panel';
import { Grip, useDragging, type Place } from './arranging';
import type { Given } from './given';
import type { OwnActions, XChoice } from './menuprops';
import { PanelMenu } from './panelmenu';

/** What such a chart gets, besides what it shows. */
export interface FramedProps {
  name: string;
  title: string;
  own: OwnActions | null; // null: it is the chart of a metric of the runs
  xs?: XChoice | undefined;
  place: Place | null; // null: it cannot be moved
  runs: readonly ChartRun[];
  view: ChartView;
  news: number; // grows when there are new points
  height: number;
  /** The columns of the grid that the chart takes. */
  span: number;
  settings: PanelSettings;
  onSettings: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => void;
  onEnlarge: (() => void) | null;
}

/** Return a ref for the element of the chart, and whether it is in sight. A chart out of sight asks for nothing. */
export function useSight<E extends HTMLElement>(): { root: RefObject<E | null>; visible: boolean } {
  const root = useRef<E>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => watchSight(root.current!, scrollerOf(root.current!), setVisible), []);
  return { root, visible };
}

interface Props extends FramedProps {
  root: RefObject<HTMLElement | null>;
  hint: string; // of the title
  state: 'loading' | 'empty' | 'drawn';
  error: Error | null;
  /** What is said if there is nothing to draw. */
  none: string;
  note: string;
  /** What can be taken along; null: nothing yet. */
  give: () => Given | null;
  /** Stands below the chart, also if there is nothing to draw. */
  foot?: ComponentChildren;
  /** Returns the range of values that is drawn, if it can be chosen. */
  drawn?: () => readonly [number, number] | null;
  outliers?: number;
  children: ComponentChildren;
}

export function PanelFrame({ name, title, own, xs, place, height, span, settings, onSettings, onEnlarge, root, hint, state, error, none, note, give, foot, drawn, outliers, children }: Props) {
  const drag = useDragging(name, place);
  const called = own ? title : name;
  const away = useStore(noPoints);
  return (
    <section class="panel" ref={root} {...drag.target} data-size={settings.size} style={{ '--rows': gridRows(height), ...(span > 1 && { gridColumn: `span ${span}` }) }} data-key={name} data-state={state}>
      <header class="panel-head">
        <h3 {...drag.handle} title={hint}>{title}</h3>
        <PanelMenu metric={called} own={own} place={place} xs={xs} settings={settings} onChange={onSettings} give={give} {...(drawn && { drawn })} {...(outliers && { outliers })} />
        {onEnlarge && (
          <button class="icon-button" onClick={onEnlarge} aria-label={`Enlarge ${called}`} title="Enlarge">
            <Icon name="expand" />
          </button>
        )}
      </header>
      <div class="panel-body" style={{ '--height': `${height}px` }}>
        {error || state === 'empty' || (away && state === 'loading') ? (
          <div class="panel-plot"><p class="panel-empty" role={error ? 'alert' : undefined}>{error?.message ?? (away ? NO_POINTS : none)}</p></div>
        ) : (
          children
        )}
        {foot}
        {note && <p class="panel-note" title={note}>{note}</p>}
      </div>
      {place && <Grip of={called} size={settings.size} span={span} onSize={(size) => onSettings({ size })} />}
    </section>
  );
}
