// The n-th smallest of many numbers, without sorting all of them.

/** Return the value that would be at `n` if `values` were sorted. It reorders them. None of them may be NaN. */
export function nth(values: Float64Array, n: number): number {
  let [lo, hi] = [0, values.length - 1];
  while (lo < hi) {
    const pivot = values[(lo + hi) >> 1]!;
    let [i, j] = [lo, hi];
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const held = values[i]!;
      values[i++] = values[j]!;
      values[j--] = held;
    }
    if (n <= j) hi = j;
    else if (n >= i) lo = i;
    else break; // all values between are the pivot
  }
  return values[n]!;
}
