// What a chart's x may be.

export type Axis = 'step' | 'time' | 'relative';

/** Units of a query (steps, or µs) in one unit that people read: steps, or seconds. */
export function unitOf(axis: Axis): number {
  return axis === 'step' ? 1 : 1_000_000;
}
