// What can be taken along of a chart. It is made when somebody asks for it.

import type { BucketQuery } from '../api/columns';
import type { FigureSize } from '../base/figurestyle';
import { svgOf } from './figure';
import { csvOf, pythonOf } from './give';
import type { Drawn } from './plot';

export interface Given {
  svg: (size: FigureSize) => string;
  csv: () => string;
  /** Python code that reads the same; missing if there is none. */
  python?: () => string;
}

/** A chart of lines over the page's axis. `python`: the lab can answer its lines one by one. */
export interface Lines {
  drawn: Drawn;
  query: BucketQuery;
  title: string;
  python: boolean;
}

export function linesGiven({ drawn, query, title, python }: Lines): Given {
  const { curves, axis } = drawn.data;
  return {
    svg: (size) => svgOf(drawn, title, size),
    csv: () => csvOf(curves, axis, drawn.x),
    ...(python && !curves.some((c) => c.buckets.group) && { python: () => pythonOf(curves, query) }),
  };
}
