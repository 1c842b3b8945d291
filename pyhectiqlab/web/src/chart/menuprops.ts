// What the menu of a panel is given.

import type { PanelSettings } from '../base/boardsettings';
import type { Place } from './arranging';
import type { Given, Lines } from './given';

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

export interface MenuProps {
  metric: string;
  own: OwnActions | null;
  place: Place | null;
  /** Without it, what is along x cannot be chosen. */
  xs?: XChoice | undefined;
  settings: PanelSettings;
  /** undefined: as everywhere on the page. */
  onChange: (change: { [K in keyof PanelSettings]?: PanelSettings[K] | undefined }) => void;
  /** What is in sight, to be taken along; null: nothing is. Without it there is nothing to take. */
  give?: () => Given | Lines | null;
  /** The range that is drawn, where numbers by hand begin. Without it the range cannot be chosen. */
  drawn?: () => readonly [number, number] | null;
  /** How many per cent at either end are outliers to this chart. */
  outliers?: number;
}
