// Columns of 64-bit numbers as they come inside msgpack `bin`: little-endian, as the machine of every browser is, at any
// alignment.

/**
 * Turn int64[n] into float64[n]. Each value is rounded once, to the nearest double: it is exact up to ±2^53 (more steps than any
 * training reaches; µs since 1970 until the year 2255). Throws RangeError when the bytes are not whole numbers.
 */
export function int64ToFloat64(bytes: Uint8Array): Float64Array {
  const out = new Float64Array(wholeCount(bytes));
  const { buffer } = bytes.slice(); // aligned
  const [lows, highs] = [new Uint32Array(buffer), new Int32Array(buffer)];
  // Two halves are much faster than BigInt. The high half times 2^32 is exact, so the sum rounds once.
  for (let i = 0; i < out.length; i++) out[i] = highs[2 * i + 1]! * 4294967296 + lows[2 * i]!;
  return out;
}

/** Return n items of a column of which only the first one or two may have come: the others continue at the same distance. */
export function int64Column(bytes: Uint8Array, n: number): Float64Array {
  const given = int64ToFloat64(bytes);
  if (!isBegun(given.length, n)) return given;
  const first = given[0]!;
  const step = (given[1] ?? first) - first;
  if (![first, first + step, first + step * n].every(Number.isSafeInteger)) return int64ToFloat64(continued(bytes, n));
  return evenColumn(first, step, n);
}

const EVEN_MAX = 64;
const even = new Map<string, Float64Array>();

/** Return one array for all lines with the same column, such as those of one grid. Nobody changes it. */
function evenColumn(first: number, step: number, n: number): Float64Array {
  const name = `${first} ${step} ${n}`;
  const known = even.get(name);
  if (known) return known;
  if (even.size >= EVEN_MAX) even.clear();
  const out = new Float64Array(n).fill(first);
  if (step) for (let i = 1; i < n; i++) out[i] = first + step * i;
  even.set(name, out);
  return out;
}

/** Return `floats` exactly if a value lies beyond ±2^53; null: they are exact already. They came as `bytes`. */
export function exactInt64(bytes: Uint8Array, floats: Float64Array): BigInt64Array | null {
  if (floats.every(Number.isSafeInteger)) return null;
  return new BigInt64Array(continued(bytes, floats.length).slice().buffer);
}

function continued(bytes: Uint8Array, n: number): Uint8Array {
  const given = new BigInt64Array(bytes.slice().buffer);
  if (!isBegun(given.length, n)) return bytes;
  const first = given[0]!;
  const step = (given[1] ?? first) - first;
  return new Uint8Array(BigInt64Array.from({ length: n }, (_, i) => first + step * BigInt(i)).buffer);
}

const isBegun = (given: number, n: number) => given < n && given > 0 && given <= 2;

/** Return float64[n] as a typed array. It is a copy, because the bytes may be unaligned. Throws RangeError as above. */
export function float64s(bytes: Uint8Array): Float64Array {
  wholeCount(bytes);
  return new Float64Array(bytes.slice().buffer);
}

function wholeCount(bytes: Uint8Array): number {
  if (bytes.byteLength % 8) throw new RangeError(`a column of ${bytes.byteLength} bytes is not made of 64-bit numbers`);
  return bytes.byteLength / 8;
}
