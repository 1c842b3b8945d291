import { encode } from '@msgpack/msgpack';
import { expect, test } from 'vitest';
import { decodeBuckets } from './columns';

const ints = (...values: number[]) => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
const floats = (...values: number[]) => new Uint8Array(Float64Array.from(values).buffer);

function row(extra: object = {}) {
  return {
    run: 'abc', key: 'train/loss', rank: 3, attempt: null, ranks: 8, width: 4, total: 5,
    start: ints(0, 4), count: ints(4, 1), min: floats(1, NaN), max: floats(2, NaN), mean: floats(1.5, NaN),
    last: floats(2, Infinity), last_x: ints(3, 4), nan: ints(0, 0), pinf: ints(0, 1), ninf: ints(0, 0), ...extra,
  };
}

test('columns become typed arrays', () => {
  const [b] = decodeBuckets(encode({ series: [row()], added_later: 1 }));
  expect(b).toMatchObject({ run: 'abc', key: 'train/loss', rank: 3, ranks: 8, width: 4, total: 5 });
  expect([...b!.start]).toEqual([0, 4]);
  expect([...b!.max]).toEqual([2, NaN]);
  expect([...b!.lastX]).toEqual([3, 4]);
});

test('columns that go on evenly, or are as the lowest values, are filled in', () => {
  const short = row({ start: ints(0, 4), count: ints(1), min: floats(1, -0, NaN), max: null, mean: null, last: null, last_x: ints(-3), nan: ints(0, 0, 1), pinf: ints(0), ninf: ints(0) });
  const [b] = decodeBuckets(encode({ series: [short, row({ start: ints(), count: ints(), min: floats(), max: null, mean: null, last: null, last_x: ints(), nan: ints(), pinf: ints(), ninf: ints() })] }));
  expect([b!.start, b!.count, b!.lastX, b!.nan, b!.max, b!.last].map((c) => [...c])).toEqual([[0, 4, 8], [1, 1, 1], [-3, -3, -3], [0, 0, 1], [1, -0, NaN], [1, -0, NaN]]);
});

test('of a smoothed line there is one more column, of an attempt alone its number', () => {
  const [plain, smoothed] = decodeBuckets(encode({ series: [row(), row({ attempt: 2, smoothed: floats(1.25, NaN) })] }));
  expect([plain!.smoothed, plain!.attempt]).toEqual([null, null]);
  expect([[...smoothed!.smoothed!], smoothed!.attempt]).toEqual([[1.25, NaN], 2]);
});

test.each([
  ['no series', {}],
  ['columns of different lengths', { series: [row({ min: floats(1) })] }],
  ['a missing column', { series: [row({ count: undefined })] }],
  ['a smoothed column of another length', { series: [row({ smoothed: floats(1) })] }],
  ['a torn column', { series: [row({ mean: new Uint8Array(13) })] }],
])('%s is refused', (_, answer) => expect(() => decodeBuckets(encode(answer))).toThrow());
