"""Bytes of one column of points: the smallest of a few codecs, every bit of every number kept. No SQL, no meaning.

The first byte names the codec; all numbers are little-endian. The reader has to know n, the number of points.

    0, linear:   base · delta          int64, number i is base + i × delta; each in the fewest bytes that hold both
    1, offsets:  width uint8 · base int64 · delta int64 · unsigned integers of width bytes [n − 1]
                                       int64, number i is number i − 1 + delta + integer i
    2, pcodec:   a file of pcodec      int64, float32 or float64, as it says itself
    3, constant: float64               each number is this one
    4, narrow:   float32[n]
    5, wide:     float64[n]

Sums wrap around at 64 bits, so that any int64 survives. Floats are narrow if that loses no bit, not even of a NaN.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from ..points import Float64s, Int64s

PCODEC_POINTS_MIN = 24  # with fewer points, the head of a pcodec file would be longer than what it saves

_LINEAR, _OFFSETS, _PCODEC, _CONSTANT, _NARROW, _WIDE = range(6)
_OFFSETS_HEAD = struct.Struct("<BBqq")
_WIDTHS = (1, 2, 4)

# pcodec has 12 levels. The next higher ones save 1 to 2 % and take up to three times as long.
_OF_CURVES = ChunkConfig(5)
_OF_NOISE = ChunkConfig(5, delta_spec=DeltaSpec.no_op())
_OF_SEQUENCES = ChunkConfig(3, ModeSpec.classic(), DeltaSpec.try_consecutive(1))
_OF_INTEGERS = ChunkConfig(2, ModeSpec.classic(), DeltaSpec.no_op())


def pack_integers(column: Int64s, quick: bool = False) -> bytes:
    """Return the bytes of an int64[n ≥ 1]. `quick`: without pcodec, which takes ten times as long as the others."""
    width, base, delta, offsets = pack_offsets(column)
    if not width:
        size = max(_bytes_of(base), _bytes_of(delta))
        return b"".join((bytes((_LINEAR,)), _signed(base, size), _signed(delta, size)))
    plain = _OFFSETS_HEAD.size + len(offsets)
    if len(column) >= PCODEC_POINTS_MIN and not quick:
        config = _OF_SEQUENCES if _has_order(column) else _OF_INTEGERS
        packed: bytes = standalone.simple_compress(np.require(column, requirements=["C", "A"]), config)
        if len(packed) < plain:
            return b"\x02" + packed
    return _OFFSETS_HEAD.pack(_OFFSETS, width, base, delta) + offsets


def unpack_integers(packed: bytes, n: int) -> Int64s:
    """Return the int64[n] of its bytes. Raises ValueError for others."""
    codec = packed[0]
    if codec == _LINEAR:
        size = (len(packed) - 1) // 2
        base, delta = (int.from_bytes(packed[at : at + size], "little", signed=True) for at in (1, 1 + size))
        return unpack_offsets(b"", 0, n, 0, base, delta)
    if codec == _OFFSETS:
        _, width, base, delta = _OFFSETS_HEAD.unpack_from(packed)
        return unpack_offsets(packed, _OFFSETS_HEAD.size, n, width, base, delta)
    return _of_pcodec(packed, n)


def pack_values(column: Float64s, quick: bool = False) -> bytes:
    """Return the bytes of a float64[n ≥ 1]. `quick`: without pcodec."""
    bits = column.view(np.int64)
    if bits[0] == bits[-1] and (bits == bits[0]).all():
        return bytes((_CONSTANT,)) + column[:1].tobytes()
    narrow = narrowed(column)
    best = column if narrow is None else narrow
    if len(column) >= PCODEC_POINTS_MIN and not quick:
        config = _OF_CURVES if _has_order(column) else _OF_NOISE
        packed: bytes = standalone.simple_compress(np.require(best, requirements=["C", "A"]), config)
        if len(packed) < best.nbytes:
            return b"\x02" + packed
    return bytes((_WIDE if narrow is None else _NARROW,)) + best.tobytes()


def unpack_values(packed: bytes, n: int) -> Float64s:
    """Return the float64[n] of its bytes. Raises ValueError for others."""
    codec = packed[0]
    if codec == _CONSTANT:
        return np.frombuffer(packed, "<f8", 1, 1).repeat(n)
    if codec in (_NARROW, _WIDE):
        return np.frombuffer(packed, "<f4" if codec == _NARROW else "<f8", n, 1).astype(np.float64)
    return _of_pcodec(packed, n).astype(np.float64, copy=False)


def narrowed(column: Float64s) -> NDArray[np.float32] | None:
    """Return the column as float32[n] if the same bits come back from it, else None."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        narrow = column.astype(np.float32)
        same = narrow.astype(np.float64).view(np.int64) == column.view(np.int64)
    return narrow if same.all() else None


def pack_offsets(column: Int64s) -> tuple[int, int, int, bytes]:
    """Return (width, base, delta, bytes) of an int64[n ≥ 1]; width 0 and no bytes for one that grows by delta each
    time.
    """
    base = int(column[0])
    if len(column) == 1:
        return 0, base, 0, b""
    differences = column[1:] - column[:-1]  # wraps around: the sum that undoes it wraps back
    low, high = int(differences.min()), int(differences.max())
    if low == high:
        return 0, base, low, b""
    for width in _WIDTHS:
        if high - low < 1 << (8 * width):
            return width, base, low, (differences - low).astype(f"<u{width}").tobytes()
    return 8, base, 0, differences.astype("<i8", copy=False).tobytes()


def unpack_offsets(packed: bytes, at: int, n: int, width: int, base: int, delta: int) -> Int64s:
    """Return the int64[n] of what `pack_offsets` returned. Its bytes lie at `at` in `packed`."""
    if not width:
        if not delta:
            return np.full(n, base, np.int64)
        evenly = np.arange(n, dtype=np.int64)
        if delta != 1:
            evenly *= np.int64(delta)
        evenly += np.int64(base)
        return evenly
    column = np.empty(n, np.int64)
    column[0] = base
    offsets = np.frombuffer(packed, "<i8" if width == 8 else f"<u{width}", n - 1, at)
    np.add(offsets, np.int64(delta), out=column[1:], dtype=np.int64, casting="unsafe")
    return np.cumsum(column, out=column)


def _of_pcodec(packed: bytes, n: int) -> NDArray[Any]:
    if packed[0] != _PCODEC:
        raise ValueError(f"column of unknown codec {packed[0]}")
    try:
        column = standalone.simple_decompress(packed[1:])
    except RuntimeError as e:
        raise ValueError(f"column that pcodec does not read: {e}") from e
    if column is None or len(column) != n:
        raise ValueError("column of another length than its chunk")
    return column  # type: ignore[no-any-return]


def _has_order(column: NDArray[Any]) -> bool:
    """Return whether neighbours differ by less than the range of all numbers. In noise, or in a shuffled sequence, they
    do not.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        differences = column[1:] - column[:-1]
        return not differences.max() - differences.min() >= column.max() - column.min()  # NaN: it may have


def _bytes_of(number: int) -> int:
    return (number + (number < 0)).bit_length() // 8 + 1


def _signed(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little", signed=True)
