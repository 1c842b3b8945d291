// The axes that a chart's x may have.

export type Axis = 'step' | 'time' | 'relative';

/** Return how many units of a query (steps, or µs) make one unit that people read (a step, or a second). */
export function unitOf(axis: Axis): number {
  return axis === 'step' ? 1 : 1_000_000;
}
