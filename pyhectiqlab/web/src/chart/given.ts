// What of a chart is taken along, made when somebody asks for it.

import type { BucketQuery } from '../api/columns';
import type { FigureSize } from '../base/figurestyle';
import { svgOf } from './figure';
import { csvOf, pythonOf } from './give';
import type { Drawn } from './plot';

export interface Given {
  svg: (size: FigureSize) => string;
  csv: () => string;
  /** Python that gives the same; not there where there is none. */
  python?: () => string;
}

/** A chart of lines over the page's axis. `python`: the lab has its lines one by one. */
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
