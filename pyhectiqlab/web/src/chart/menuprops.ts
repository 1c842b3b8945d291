// What the menu of a panel gets.

import type { PanelSettings } from '../base/boardsettings';
import type { Place } from './arranging';
import type { Given, Lines } from './given';

/** The metrics that the panel may be drawn over. `asked`: the one that its run asked for. */
export interface XChoice {
  asked: string | null;
  names: readonly string[];
}

/** What can be done with a chart that somebody made. */
export interface OwnActions {
  edit: () => void;
  remove: () => void;
}

export interface MenuProps {
  metric: string;
  own: OwnActions | null;
  place: Place | null;
  /** missing: the x axis cannot be chosen. */
  xs?: XChoice | undefined;
  settings: PanelSettings;
  /** undefined: the setting of the page. */
  onChange: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => void;
  /** Returns what is in sight, to be taken along; null: nothing is. Missing: nothing can be taken. */
  give?: () => Given | Lines | null;
  /** Returns the range that is drawn, at which a range by hand begins. Missing: the range cannot be chosen. */
  drawn?: () => readonly [number, number] | null;
  /** How many per cent at either end count as outliers in this chart. */
  outliers?: number;
}
