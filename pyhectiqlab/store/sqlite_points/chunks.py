"""Bytes of points: columns of one series, packed into a blob and back. No SQL, no meaning.

A blob starts with its kind (uint8) and its number of points n (uint32); all numbers are little-endian.

    kind 0, plain:   arrival int64 · writer int64 · seq int64[n] · step int64[n] · time int64[n] · value float64[n]
    kind 1, packed:  5 × (width uint8 · base int64 · delta int64) · value width uint8 · seq · step · time · arrival ·
    writer · value

A packed integer column is its first value `base` and n − 1 differences, each as `difference − delta` in an unsigned
integer of `width` bytes, where `delta` is the smallest difference: a column of steps that grow by 10 takes no byte at
all (width 0), one of jittering times about 2 to 4 bytes a point. Differences wrap around at 64 bits, so that any int64
survives. Values are float32 where that loses nothing, else float64.

Columns of few points are plain: packing would cost more time than it saves bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..points import Float64s, Int64s

PLAIN_POINTS_MAX = 64

_PLAIN = struct.Struct("<BIqq")
_START = struct.Struct("<BI")
_PACKED = struct.Struct("<BI" + "Bqq" * 5 + "B")
_WIDTHS = (1, 2, 4)
_INTEGERS = ("seq", "step", "time", "arrival", "writer")
_SAME = ("arrival", "writer")  # of a plain column, in the order of its bytes
_EACH = ("seq", "step", "time", "value")


@dataclass(frozen=True)
class PointColumns:
    """Points of one series, arrays of length n.

    `arrival` numbers the batch that brought a point, `writer` is an interned writer.
    """

    seq: Int64s
    step: Int64s
    time: Int64s
    arrival: Int64s
    writer: Int64s
    value: Float64s

    def __len__(self) -> int:
        return len(self.step)

    def take(self, index: NDArray[np.intp] | slice) -> PointColumns:
        return PointColumns(
            self.seq[index],
            self.step[index],
            self.time[index],
            self.arrival[index],
            self.writer[index],
            self.value[index],
        )


def concatenate(parts: Sequence[PointColumns]) -> PointColumns:
    if len(parts) == 1:
        return parts[0]
    return PointColumns(
        np.concatenate([p.seq for p in parts]),
        np.concatenate([p.step for p in parts]),
        np.concatenate([p.time for p in parts]),
        np.concatenate([p.arrival for p in parts]),
        np.concatenate([p.writer for p in parts]),
        np.concatenate([p.value for p in parts]),
    )


def encode_column(seq: Int64s, step: Int64s, time: Int64s, value: Float64s, arrival: int, writer: int) -> bytes:
    """Blob of one column of a batch: arrays of length n ≥ 1, one arrival and one writer for all."""
    n = len(step)
    if n > PLAIN_POINTS_MAX:
        same = ((0, number, 0, b"") for number in (arrival, writer))  # as _pack has a column of equal numbers
        return _packed([_pack(seq), _pack(step), _pack(time), *same], value)
    return b"".join(
        (_PLAIN.pack(0, n, arrival, writer), seq.tobytes(), step.tobytes(), time.tobytes(), value.tobytes())
    )


def encode(points: PointColumns) -> bytes:
    """Blob of n ≥ 1 points."""
    return _packed([_pack(getattr(points, name)) for name in _INTEGERS], points.value)


def _packed(integers: Sequence[tuple[int, int, int, bytes]], value: Float64s) -> bytes:
    """Blob of kind 1, of the packed columns in the order of _INTEGERS."""
    head: list[int] = [1, len(value)]
    body = []
    for width, base, delta, packed in integers:
        head += (width, base, delta)
        body.append(packed)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = value.astype("<f4")
        same = narrow == value
    lossless = bool(same.all()) or bool((same | np.isnan(value)).all())
    head.append(4 if lossless else 8)
    body.append(narrow.tobytes() if lossless else value.astype("<f8", copy=False).tobytes())
    return _PACKED.pack(*head) + b"".join(body)


def decode(blob: bytes) -> PointColumns:
    """All columns of a blob; some of the arrays may be read-only views of it."""
    seq, step, time, arrival, writer, value = decode_some(blob, (*_INTEGERS, "value"))
    return PointColumns(seq, step, time, arrival, writer, value)


def decode_some(blob: bytes, names: Sequence[str]) -> list[NDArray[Any]]:
    """The named columns of a blob, in the order of `names`: int64[n], `value` float64[n].

    Raises ValueError for bytes that are no blob of ours.
    """
    kind, n = _START.unpack_from(blob)
    if kind == 0:
        return _plain(blob, n, names)
    if kind != 1:
        raise ValueError(f"chunk of unknown kind {kind}")
    head = _PACKED.unpack_from(blob)[2:]
    at = _PACKED.size
    found: dict[str, NDArray[Any]] = {}
    for i, name in enumerate(_INTEGERS):
        width, base, delta = head[3 * i : 3 * i + 3]
        if name in names:
            found[name] = _unpack(blob, at, n, width, base, delta)
        at += width * (n - 1)
    if "value" in names:
        found["value"] = np.frombuffer(blob, f"<f{head[-1]}", n, at).astype(np.float64)
    return [found[name] for name in names]


def _plain(blob: bytes, n: int, names: Sequence[str]) -> list[NDArray[Any]]:
    words = np.frombuffer(blob, "<i8", 2 + 4 * n, _START.size)
    found: list[NDArray[Any]] = []
    for name in names:
        if name in _SAME:
            at = _SAME.index(name)
            found.append(words[at : at + 1].repeat(n))
        else:
            at = 2 + n * _EACH.index(name)
            column = words[at : at + n]
            found.append(column.view("<f8") if name == "value" else column)
    return found


def _pack(column: Int64s) -> tuple[int, int, int, bytes]:
    """(width, base, delta, bytes) of an int64[n ≥ 1]."""
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


def _unpack(blob: bytes, at: int, n: int, width: int, base: int, delta: int) -> Int64s:
    column = np.empty(n, np.int64)
    column[0] = base
    if width:
        packed = np.frombuffer(blob, "<i8" if width == 8 else f"<u{width}", n - 1, at)
        np.add(packed, np.int64(delta), out=column[1:], dtype=np.int64, casting="unsafe")
    else:
        column[1:] = delta
    return np.cumsum(column, out=column)
