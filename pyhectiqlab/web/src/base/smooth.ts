// Smoothing that neither starts at zero nor trusts even spacing.

/**
 * Exponential moving average of y over x, debiased, weighted by distance: the weight of the past decays by `weight`
 * for each `unit` of x passed. With evenly spaced points one unit apart this is the usual average with that weight;
 * where points are scattered, a gap of ten units forgets ten times as much instead of once.
 *
 * x: float64[n], not falling; y: float64[n]. What is not finite is skipped and comes out as NaN, so it stays a gap.
 */
export function smooth(x: Float64Array, y: Float64Array, weight: number, unit: number): Float64Array {
  const n = y.length;
  const out = new Float64Array(n);
  const w = Math.min(Math.max(weight, 0), 0.999);
  let sum = 0; // Σ decay^distance · y
  let norm = 0; // Σ decay^distance: dividing by it removes the pull towards zero at the start
  let before = NaN;
  for (let i = 0; i < n; i++) {
    const value = y[i]!;
    if (!Number.isFinite(value)) {
      out[i] = NaN;
      continue;
    }
    const distance = Number.isNaN(before) || !(unit > 0) ? 1 : (x[i]! - before) / unit;
    const decay = w === 0 ? 0 : w ** Math.max(distance, 0);
    sum = sum * decay + value;
    norm = norm * decay + 1;
    out[i] = sum / norm;
    before = x[i]!;
  }
  return out;
}

/** The usual distance between neighbours: the median of the steps of x. 0 with fewer than two points. x: not falling. */
export function typicalSpacing(x: Float64Array): number {
  if (x.length < 2) return 0;
  const steps = new Float64Array(x.length - 1);
  for (let i = 1; i < x.length; i++) steps[i - 1] = x[i]! - x[i - 1]!;
  steps.sort();
  return steps[steps.length >> 1]!;
}
