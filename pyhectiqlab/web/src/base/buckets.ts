// The columns that charts are made of.

export const RANKS_MAX = 32; // lines of one key and run, where each rank has its own
export const ATTEMPTS_MAX = 32; // the same for attempts: the newest

/** One series at a screen's resolution, arrays of length m, as the lab sends it; see the PointStore's Buckets. */
export interface Buckets {
  run: string;
  key: string;
  rank: number | null; // null: of all ranks together
  attempt: number | null; // its points alone; null: the newest telling of each step
  ranks: number; // how many there are, of which at most RANKS_MAX are answered each by itself
  width: number; // of a bucket, in units of the axis (steps, or µs)
  group?: 'mean' | 'median'; // of a group of runs: its middle is `mean`, its band `min` … `max`, and `count` are runs
  total: number;
  start: Float64Array;
  count: Float64Array;
  min: Float64Array; // NaN: no finite value in the bucket
  max: Float64Array;
  mean: Float64Array;
  last: Float64Array;
  lastX: Float64Array;
  exactX: BigInt64Array | null; // lastX exactly, where it lies beyond ±2^53
  nan: Float64Array;
  pinf: Float64Array;
  ninf: Float64Array;
  smoothed: Float64Array | null; // the smoothed line at each lastX, where it was asked for; NaN: no finite point is near
}
