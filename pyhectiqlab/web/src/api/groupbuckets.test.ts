import { encode } from '@msgpack/msgpack';
import { expect, test } from 'vitest';
import { decodeGroupLines } from './groupbuckets';

const bytes = (column: Float64Array | BigInt64Array) => new Uint8Array(column.buffer);
const line = (more = {}) => ({
  group: 1, key: 'loss', width: 4, total: 3,
  start: bytes(BigInt64Array.of(0n, 8n)), runs: bytes(BigInt64Array.of(3n, 1n)),
  middle: bytes(Float64Array.of(2, 5)), low: bytes(Float64Array.of(1, 5)), high: bytes(Float64Array.of(4, 5)),
  ...more,
});

const AB = [{ id: 'a', rank: null }, { id: 'b', rank: null }];

test('a line of a group becomes columns of a chart', () => {
  const empty = { start: bytes(new BigInt64Array()), runs: bytes(new BigInt64Array()), middle: bytes(new Float64Array()), low: bytes(new Float64Array()), high: bytes(new Float64Array()) };
  const [its, ...others] = decodeGroupLines(encode({ lines: [line(), line({ group: 0, ...empty })] }), AB, 'median');
  expect(others).toEqual([]);
  expect(its).toMatchObject({ run: 'b', key: 'loss', group: 'median', width: 4, total: 3 });
  expect([its!.start, its!.count, its!.mean, its!.min, its!.max].map((c) => [...c])).toEqual([[0, 8], [3, 1], [2, 5], [1, 5], [4, 5]]);
});

test('an answer that is not as promised is refused', () => {
  expect(() => decodeGroupLines(encode({}), [], 'mean')).toThrow(TypeError);
  expect(() => decodeGroupLines(encode({ lines: [line({ high: bytes(Float64Array.of(1)) })] }), AB, 'mean')).toThrow(RangeError);
  expect(() => decodeGroupLines(encode({ lines: [line({ group: 2 })] }), AB, 'mean')).toThrow(RangeError);
  expect(() => decodeGroupLines(encode({ lines: [line({ low: 'x' })] }), AB, 'mean')).toThrow(TypeError);
});

test('a line of one rank of a group says which, and how many there are', () => {
  const [its] = decodeGroupLines(encode({ lines: [line()] }), [AB[0]!, { id: 'a', rank: 2 }], 'mean', 4);
  expect(its).toMatchObject({ run: 'a', rank: 2, ranks: 4 });
});
