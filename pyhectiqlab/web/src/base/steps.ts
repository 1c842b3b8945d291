// Steps of a slider.

/** The place in `steps` (sorted, null first) of the last one that is not behind `step`; the first where all are. */
export function placeOf(steps: readonly (number | null)[], step: number | null): number {
  let at = 0;
  for (let i = 0; i < steps.length; i++) if ((steps[i] ?? -Infinity) <= (step ?? -Infinity)) at = i;
  return at;
}
