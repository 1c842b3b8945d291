// The steps of a slider.

/** Return the place in `steps` (sorted, null first) of the last one that is not after `step`; the first if all are after it. */
export function placeOf(steps: readonly (number | null)[], step: number | null): number {
  let at = 0;
  for (let i = 0; i < steps.length; i++) if ((steps[i] ?? -Infinity) <= (step ?? -Infinity)) at = i;
  return at;
}
