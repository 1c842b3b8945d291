// Columns of buckets: one request for many series, msgpack in, typed arrays out.

import { decode } from '@msgpack/msgpack';
import { exactInt64, float64s, int64Column } from '../base/int64';
import type { Axis } from '../base/axis';
import type { ChartView } from '../base/route';
import type { Smoothing } from '../base/smooth';
import type { Buckets } from '../base/buckets';
import { request } from './http';

export const SELECTORS_MAX = 256; // in one request
export const BUCKETS_MAX = 1500; // of one series: more than a panel has pixels

export interface BucketQuery {
  axis: Axis;
  rank: ChartView['rank'];
  attempts: readonly (number | null)[]; // a line for each attempt; null: a line of the newest point of each step
  hidden?: false; // false: also points that a newer attempt logged again
  smooth: Smoothing | null;
  lo: number | null;
  hi: number | null;
  n: number;
}

export async function fetchBuckets(
  selectors: readonly { run: string; key: string }[],
  { axis, rank, attempts, hidden, smooth, lo, hi, n }: BucketQuery,
  signal: AbortSignal,
): Promise<Buckets[]> {
  const body = {
    selectors: selectors.flatMap((s) => attempts.map((attempt) => ({ ...s, rank, attempt }))),
    axis,
    n,
    short: true,
    ...(hidden === false ? { attempts: 'all' } : {}),
    ...(smooth ? { smooth } : {}),
    ...(lo === null ? {} : { lo }),
    ...(hi === null ? {} : { hi }),
  };
  const response = await request('/series/buckets', { method: 'POST', body, accept: 'application/x-msgpack', signal });
  return decodeBuckets(new Uint8Array(await response.arrayBuffer()));
}

/** Decode an answer. Throws RangeError or TypeError when the bytes are not what the API promises. */
export function decodeBuckets(bytes: Uint8Array): Buckets[] {
  const answer = decode(bytes) as { series?: unknown };
  if (!Array.isArray(answer?.series)) throw new TypeError('an answer without series');
  return answer.series.map(decodeOne);
}

function decodeOne(row: Record<string, unknown>): Buckets {
  const min = float64s(column(row, 'min'));
  const n = min.length;
  const ints = (name: string): Float64Array => int64Column(column(row, name), n);
  const lastX = ints('last_x');
  // null: the column equals `min`. Nobody changes either.
  const floats = (name: string): Float64Array => (row[name] === null ? min : float64s(column(row, name)));
  const b: Buckets = {
    run: String(row['run']),
    key: String(row['key']),
    rank: typeof row['rank'] === 'number' ? row['rank'] : null,
    attempt: typeof row['attempt'] === 'number' ? row['attempt'] : null,
    ranks: Number(row['ranks']),
    width: Number(row['width']),
    total: Number(row['total']),
    start: ints('start'),
    count: ints('count'),
    min,
    max: floats('max'),
    mean: floats('mean'),
    last: floats('last'),
    lastX,
    exactX: exactInt64(column(row, 'last_x'), lastX),
    nan: ints('nan'),
    pinf: ints('pinf'),
    ninf: ints('ninf'),
    smoothed: row['smoothed'] === undefined ? null : floats('smoothed'),
  };
  for (const c of [b.start, b.count, b.min, b.max, b.mean, b.last, b.lastX, b.nan, b.pinf, b.ninf, b.smoothed]) {
    if (c && c.length !== n) throw new RangeError(`columns of ${n} and ${c.length} buckets in one series`);
  }
  return b;
}

function column(row: Record<string, unknown>, name: string): Uint8Array {
  const bytes = row[name];
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`column ${name} is missing`);
  return bytes;
}
