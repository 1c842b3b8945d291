// What of a chart is taken along, made when somebody asks for it.

import type { BucketQuery } from '../api/columns';
import { svgOf } from './figure';
import { csvOf, pythonOf } from './give';
import type { Drawn } from './plot';

export interface Given {
  svg: () => string;
  csv: () => string;
  /** Python that gives the same; not there where there is none. */
  python?: () => string;
}

/** Of a chart of lines over the page's axis. `python`: the lab has its lines one by one. */
export function linesGiven(drawn: Drawn, query: BucketQuery, title: string, python: boolean): Given {
  const { curves, axis } = drawn.data;
  return {
    svg: () => svgOf(drawn, title),
    csv: () => csvOf(curves, axis, drawn.x),
    ...(python && !curves.some((c) => c.buckets.group) && { python: () => pythonOf(curves, query) }),
  };
}
