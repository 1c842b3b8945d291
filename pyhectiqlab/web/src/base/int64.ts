// Columns of 64-bit numbers as they come inside msgpack `bin`: little-endian, at any alignment.

/**
 * int64[n] → float64[n]. Each value is rounded once, to the nearest double: exact up to ±2^53 (steps that any training
 * reaches; µs since 1970 until the year 2255). Throws RangeError when the bytes are not whole numbers.
 */
export function int64ToFloat64(bytes: Uint8Array): Float64Array {
  const n = wholeCount(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    // Two halves instead of BigInt: the high half times 2^32 is exact, so the sum rounds once, and it is much faster.
    out[i] = view.getInt32(8 * i + 4, true) * 4294967296 + view.getUint32(8 * i, true);
  }
  return out;
}

/** The same exactly, where a value lies beyond ±2^53; else null: the floats are exact. */
export function exactInt64(bytes: Uint8Array): BigInt64Array | null {
  const rounded = int64ToFloat64(bytes);
  if (rounded.every(Number.isSafeInteger)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return BigInt64Array.from(rounded, (_, i) => view.getBigInt64(8 * i, true));
}

/** All n items of an int64 column of which only the first one or two came: the others go on by as much. */
export function continued(bytes: Uint8Array, n: number): Uint8Array {
  const given = wholeCount(bytes);
  if (given >= n || given === 0 || given > 2) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getBigInt64(0, true);
  const step = given === 1 ? 0n : view.getBigInt64(8, true) - first;
  const out = new DataView(new ArrayBuffer(8 * n));
  let [value, exact] = [Number(first), first];
  if (Number.isSafeInteger(value) && Number.isSafeInteger(Number(first + step * BigInt(n)))) {
    // Two halves, as above: no BigInt an item.
    for (let i = 0; i < n; i++, value += Number(step)) {
      out.setInt32(8 * i + 4, Math.floor(value / 4294967296), true);
      out.setUint32(8 * i, value >>> 0, true);
    }
  } else for (let i = 0; i < n; i++, exact += step) out.setBigInt64(8 * i, exact, true);
  return new Uint8Array(out.buffer);
}

/** float64[n] as a typed array; copied, because the bytes may lie unaligned. Throws RangeError as above. */
export function float64s(bytes: Uint8Array): Float64Array {
  const n = wholeCount(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) out[i] = view.getFloat64(8 * i, true);
  return out;
}

function wholeCount(bytes: Uint8Array): number {
  if (bytes.byteLength % 8) throw new RangeError(`a column of ${bytes.byteLength} bytes is not made of 64-bit numbers`);
  return bytes.byteLength / 8;
}
