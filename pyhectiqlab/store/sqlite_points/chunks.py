"""Bytes of points: columns of one series, packed into a blob and back. No SQL, no meaning.

A blob starts with its kind (uint8) and its number of points n (uint32); all numbers are little-endian.

    kind 0, plain:   arrival int64 · writer int64 · seq int64[n] · step int64[n] · time int64[n] · value float64[n]
    kind 1, offsets: 5 × (width uint8 · base int64 · delta int64) · value width uint8 · seq · step · time · arrival ·
                     writer · value
    kind 6, packed:  6 × length uint32 · seq · step · time · arrival · writer · value · crc uint32

New blobs are of kind 6: each column is packed by a codec of columns.py. `crc` is the CRC-32 of all bytes before it. The
number 6 differs from 0 and 1 in two bits, so that one flipped bit cannot make a blob look like one without a checksum.

Earlier versions wrote columns of batches in kinds 0 and 1, the short ones in kind 0. In kind 1, integers are packed as
the offsets of columns.py, and values are float32 if that loses nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..points import Float64s, Int64s
from .columns import pack_integers, pack_values, unpack_integers, unpack_offsets, unpack_values

PACKED = 6  # the kind of blob that `encode` makes

_START = struct.Struct("<BI")
_OFFSETS = struct.Struct("<BI" + "Bqq" * 5 + "B")
_PACKED = struct.Struct("<BI" + "I" * 6)
_CRC_OF_SOUND = 0x2144DF1C  # the CRC-32 of any bytes that are followed by their own CRC-32
_INTEGERS = ("seq", "step", "time", "arrival", "writer")
ALL = (*_INTEGERS, "value")  # as the fields of PointColumns
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
    """Return the blob of one column of a batch: arrays of length n ≥ 1, one arrival and one writer for all."""
    n = len(step)
    return encode(PointColumns(seq, step, time, np.full(n, arrival), np.full(n, writer), value), quick=True)


def encode(points: PointColumns, quick: bool = False) -> bytes:
    """Return the blob of n ≥ 1 points, of kind 6. `quick`: use codecs that take little time, for points that will soon
    be written anew.
    """
    columns = [pack_integers(getattr(points, name), quick) for name in _INTEGERS]
    columns.append(pack_values(points.value, quick))
    return with_crc(b"".join((_PACKED.pack(PACKED, len(points), *map(len, columns)), *columns)))


def with_crc(blob: bytes) -> bytes:
    return blob + zlib.crc32(blob).to_bytes(4, "little")


def is_sound(blob: bytes) -> bool:
    """Return whether a blob is as `with_crc` made it."""
    return zlib.crc32(blob) == _CRC_OF_SOUND


def decode(blob: bytes) -> PointColumns:
    """Return all columns of a blob; some of the arrays may be read-only views of it."""
    return PointColumns(*decode_some(blob, ALL))


def decode_some(blob: bytes, names: Sequence[str]) -> list[NDArray[Any]]:
    """Return the named columns of a blob, in the order of `names`: int64[n], `value` float64[n].

    Raises ValueError for bytes that are no blob of ours, or one whose checksum they do not match.
    """
    if len(blob) < _START.size:
        raise ValueError("chunk of too few bytes")
    kind, n = _START.unpack_from(blob)
    if kind == PACKED:
        return _packed(blob, n, names)
    if kind == 0:
        return _plain(blob, n, names)
    if kind != 1:
        raise ValueError(f"chunk of unknown kind {kind}")
    head = _OFFSETS.unpack_from(blob)[2:]
    at = _OFFSETS.size
    columns: dict[str, NDArray[Any]] = {}
    for i, name in enumerate(_INTEGERS):
        width, base, delta = head[3 * i : 3 * i + 3]
        if name in names:
            columns[name] = unpack_offsets(blob, at, n, width, base, delta)
        at += width * (n - 1)
    if "value" in names:
        columns["value"] = np.frombuffer(blob, f"<f{head[-1]}", n, at).astype(np.float64)
    return [columns[name] for name in names]


def _packed(blob: bytes, n: int, names: Sequence[str]) -> list[NDArray[Any]]:
    if not is_sound(blob):
        raise ValueError("chunk of other bytes than were written: its checksum is wrong")
    columns: dict[str, NDArray[Any]] = {}
    at = _PACKED.size
    for name, length in zip(ALL, _PACKED.unpack_from(blob)[2:], strict=True):
        if name in names:
            column = blob[at : at + length]
            columns[name] = unpack_values(column, n) if name == "value" else unpack_integers(column, n)
        at += length
    return [columns[name] for name in names]


def _plain(blob: bytes, n: int, names: Sequence[str]) -> list[NDArray[Any]]:
    words = np.frombuffer(blob, "<i8", 2 + 4 * n, _START.size)
    columns: list[NDArray[Any]] = []
    for name in names:
        if name in _SAME:
            at = _SAME.index(name)
            columns.append(words[at : at + 1].repeat(n))
        else:
            at = 2 + n * _EACH.index(name)
            column = words[at : at + n]
            columns.append(column.view("<f8") if name == "value" else column)
    return columns
