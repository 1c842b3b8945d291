import { expect, test } from 'vitest';
import { exactInt64, float64s, int64Column, int64ToFloat64 } from './int64';

function unaligned(write: (view: DataView) => void, n: number): Uint8Array {
  const bytes = new Uint8Array(8 * n + 3).subarray(3);
  write(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return bytes;
}

test('integers of both signs come out exactly, at any alignment', () => {
  const wanted = [0n, 1n, -1n, 2n ** 31n, -(2n ** 31n), 2n ** 53n, -(2n ** 53n), 1_700_000_000_000_000n];
  const bytes = unaligned((v) => wanted.forEach((x, i) => v.setBigInt64(8 * i, x, true)), wanted.length);
  expect([...int64ToFloat64(bytes)]).toEqual(wanted.map(Number));
});

test('integers beyond 2^53 are rounded as Number(bigint) rounds them', () => {
  const wanted = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 9_007_199_254_740_995n, -9_007_199_254_740_995n];
  const bytes = unaligned((v) => wanted.forEach((x, i) => v.setBigInt64(8 * i, x, true)), wanted.length);
  expect([...int64ToFloat64(bytes)]).toEqual(wanted.map(Number));
});

test('floats keep NaN and the infinities', () => {
  const wanted = [0.5, NaN, Infinity, -Infinity, -0];
  const bytes = unaligned((v) => wanted.forEach((x, i) => v.setFloat64(8 * i, x, true)), wanted.length);
  expect([...float64s(bytes)]).toEqual(wanted);
});

test('a torn column is refused', () => {
  expect(() => int64ToFloat64(new Uint8Array(9))).toThrow(RangeError);
  expect(() => float64s(new Uint8Array(7))).toThrow(RangeError);
});

test('integers beyond 2^53 are there exactly, where any is', () => {
  const wanted = [1n, 2n ** 63n - 1n, -(2n ** 63n), 1_764_000_000_123_456_789n];
  const bytes = unaligned((v) => wanted.forEach((x, i) => v.setBigInt64(8 * i, x, true)), wanted.length);
  expect([...exactInt64(bytes, int64ToFloat64(bytes))!]).toEqual(wanted);
  expect(exactInt64(bytes.subarray(0, 8), int64ToFloat64(bytes.subarray(0, 8)))).toBeNull();
});

test('a column of which the first items came goes on by as much, exactly also beyond 2^53', () => {
  const begun = (...items: bigint[]) => unaligned((v) => items.forEach((x, i) => v.setBigInt64(8 * i, x, true)), items.length);
  expect([...int64Column(begun(7n), 4)]).toEqual([7, 7, 7, 7]);
  expect([...int64Column(begun(8n, -4n), 4)]).toEqual([8, -4, -16, -28]);
  expect([...int64Column(begun(8n, 9n, 3n), 3)]).toEqual([8, 9, 3]);
  const ns = begun(1_764_000_000_123_456_789n, 1_764_000_000_123_456_796n);
  const floats = int64Column(ns, 3);
  const wanted = [1_764_000_000_123_456_789n, 1_764_000_000_123_456_796n, 1_764_000_000_123_456_803n];
  expect([...floats]).toEqual(wanted.map(Number));
  expect([...exactInt64(ns, floats)!]).toEqual(wanted);
});
