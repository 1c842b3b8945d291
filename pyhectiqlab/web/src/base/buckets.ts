// The columns that charts are drawn from.

export const RANKS_MAX = 32; // lines of one key and run, if each rank has its own
export const ATTEMPTS_MAX = 32; // lines of one key and run, if each attempt has its own: the newest ones

/** One series at the resolution of a screen, as the lab sends it: arrays of one length m. See Buckets of the PointStore. */
export interface Buckets {
  run: string;
  key: string;
  rank: number | null; // null: of all ranks together
  attempt: number | null; // the points of this attempt alone; null: the newest point of each step
  ranks: number; // how many ranks there are; at most RANKS_MAX of them have lines
  width: number; // width of a bucket, in units of the axis (steps, or µs)
  group?: 'mean' | 'median'; // a line of a group of runs: its middle is `mean`, its band `min` … `max`, and `count` counts runs
  total: number;
  start: Float64Array;
  count: Float64Array;
  min: Float64Array; // NaN: the bucket has no finite value
  max: Float64Array;
  mean: Float64Array;
  last: Float64Array;
  lastX: Float64Array;
  exactX: BigInt64Array | null; // the exact lastX, if one lies beyond ±2^53
  nan: Float64Array;
  pinf: Float64Array;
  ninf: Float64Array;
  smoothed: Float64Array | null; // the smoothed line at each lastX, if it was asked for; NaN: no finite point is near
}
