// Lines of groups of runs, as the columns that charts are drawn from: the mean of a bucket is the middle of the group, its
// extremes are the band.

import { decode } from '@msgpack/msgpack';
import type { Buckets } from '../base/buckets';
import { ranksApart, ranksOf, requestsOf, type BandKind, type Lines, type RunGroup } from '../base/grouplines';
import { float64s, int64ToFloat64 } from '../base/int64';
import type { BucketQuery } from './columns';
import { request } from './http';

export interface GroupStyle {
  lines: Exclude<Lines, 'runs'>;
  band: BandKind;
}

/**
 * Load the lines of all groups for each key, in the order of the groups, or of all ranks of each group. Lines without points are
 * left out.
 */
export async function fetchGroupLines(groups: readonly RunGroup[], keys: readonly string[], query: BucketQuery, { lines, band }: GroupStyle, signal: AbortSignal): Promise<Buckets[]> {
  const { axis, lo, hi, n, smooth } = query;
  const apart = query.rank === 'each';
  const ranks = apart ? ranksOf(groups) : 1;
  const answers = await Promise.all(
    requestsOf(apart ? ranksApart(groups) : groups, keys).map(async (part) => {
      const body = { groups: part.groups.map((group) => group.runs), keys: part.keys, ...(part.groups.some(({ rank }) => rank !== null) && { ranks: part.groups.map(({ rank }) => rank) }), axis, n, middle: lines, band, ...(smooth ? { smooth } : {}), ...(lo === null ? {} : { lo }), ...(hi === null ? {} : { hi }) };
      const response = await request('/series/groups', { method: 'POST', body, accept: 'application/x-msgpack', signal });
      return decodeGroupLines(new Uint8Array(await response.arrayBuffer()), part.groups.map(({ id, rank }) => ({ id, rank: apart ? rank : null })), lines, ranks);
    }),
  );
  return answers.flat();
}

/** What a line shows: a group, or one rank of it (not null). */
interface LineOf {
  id: string;
  rank: number | null;
}

/** Decode an answer. Throws RangeError or TypeError when the bytes are not what the API promises. */
export function decodeGroupLines(bytes: Uint8Array, groups: readonly LineOf[], group: GroupStyle['lines'], ranks = 1): Buckets[] {
  const answer = decode(bytes) as { lines?: unknown };
  if (!Array.isArray(answer?.lines)) throw new TypeError('an answer without lines');
  return answer.lines.map((row: Record<string, unknown>) => decodeOne(row, groups, group, ranks)).filter((line) => line.start.length > 0);
}

function decodeOne(row: Record<string, unknown>, groups: readonly LineOf[], group: GroupStyle['lines'], ranks: number): Buckets {
  const column = (name: string): Uint8Array => {
    const bytes = row[name];
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`column ${name} is missing`);
    return bytes;
  };
  const [start, count] = [int64ToFloat64(column('start')), int64ToFloat64(column('runs'))];
  const [mean, min, max] = [float64s(column('middle')), float64s(column('low')), float64s(column('high'))];
  const smoothed = row['smoothed'] === undefined ? null : float64s(column('smoothed'));
  const width = Number(row['width']);
  for (const c of [count, mean, min, max, smoothed]) if (c && c.length !== start.length) throw new RangeError(`columns of ${start.length} and ${c.length} buckets in one line`);
  const its = groups[Number(row['group'])];
  if (its === undefined) throw new RangeError(`a line of a group ${String(row['group'])} that was not asked for`);
  const none = new Float64Array(start.length);
  return {
    run: its.id,
    key: String(row['key']),
    rank: its.rank,
    attempt: null,
    ranks,
    group,
    width,
    total: Number(row['total']),
    start,
    count,
    min,
    max,
    mean,
    last: mean,
    lastX: start.map((x) => x + Math.floor((width - 1) / 2)),
    exactX: null,
    nan: none,
    pinf: none,
    ninf: none,
    smoothed,
  };
}
