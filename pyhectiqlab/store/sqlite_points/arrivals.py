"""Rows of the table `arrived` in points.db: a batch as it came, all its columns in one blob. No SQL, no meaning.

A blob is a CRC-32 of what follows it (uint32), the length of the header (uint32), the header, and one zstd frame. The
header is a msgpack list: rank, attempt, first, last, keys, points of each key, points of the batch in all (some may lie
in the head; rows of earlier versions do not say), and whether the frame is plain. In the frame lie four columns, for
the points of all keys, key by key: seq, step and time (int64) as differences to the number before, value (float64).
Each column is written byte by byte (all first bytes, all second bytes, …). All numbers are little-endian. So steps that
grow by one and times that keys share take next to nothing, and a point takes some 5 bytes. For a few points the frame
is plain: the four columns as they are, because packing them would take longer than everything else.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import msgpack
import numpy as np
import zstandard

from ...errors import StoreError
from ..points import Column, Int64s
from ..series.grid import TIME_MAX, check_times

_START = struct.Struct("<II")
_LEVEL = 1
_PLAIN_POINTS = 16  # a frame of at most so many points is plain
_INTEGER, _FLOAT = np.dtype("<i8"), np.dtype("<f8")
_NAMES = ("seq", "step", "time", "value")  # in the order of the frame
_UNREADABLE = (ValueError, TypeError, IndexError, struct.error, zstandard.ZstdError, msgpack.UnpackException)


class Arrival(NamedTuple):
    """A batch of the table. `columns` are those that its blob holds: others lie in the head."""

    number: int  # its place in the order of arrival
    run: str
    rank: int
    attempt: int
    writer_name: str
    writer: int
    first: int
    last: int
    columns: Sequence[Column]


def pack(rank: int, attempt: int, first: int, last: int, columns: Sequence[Column], points: int) -> bytes:
    """Return the blob of a batch; `columns` may be empty, and hold fewer than the batch's `points`. Raises ValueError
    for a time that no store can hold.
    """
    counts = [len(column.step) for column in columns]
    keys, n = [column.key for column in columns], sum(counts)
    is_plain = n <= _PLAIN_POINTS
    header: bytes = msgpack.packb([rank, attempt, first, last, keys, counts, points, is_plain])
    frame = b""
    if columns:
        frame = _plain(columns) if is_plain else _packed(columns, n)
    rest = struct.pack("<I", len(header)) + header + frame
    return bytes(struct.pack("<I", zlib.crc32(rest)) + rest)


def _plain(columns: Sequence[Column]) -> bytes:
    """Return the frame of a few points. Python alone takes a third of what arrays of all columns would take."""
    for column in columns:
        times = column.time.tolist()
        check_times(column, min(times), max(times))
    return b"".join(
        [
            *[column.seq.astype(_INTEGER, copy=False).tobytes() for column in columns],
            *[column.step.astype(_INTEGER, copy=False).tobytes() for column in columns],
            *[column.time.astype(_INTEGER, copy=False).tobytes() for column in columns],
            *[column.value.astype(_FLOAT, copy=False).tobytes() for column in columns],
        ]
    )


def _packed(columns: Sequence[Column], n: int) -> bytes:
    """Return the frame of n points."""
    rows = np.empty((len(_NAMES), n), _INTEGER)
    for row, name in zip(rows[:3], _NAMES, strict=False):
        np.concatenate([getattr(column, name) for column in columns], out=row)
    np.concatenate([column.value for column in columns], out=rows[3].view(_FLOAT))
    if (time := rows[2]).min() < -TIME_MAX or time.max() > TIME_MAX:
        for column in columns:
            check_times(column, int(column.time.min()), int(column.time.max()))
    rows[:3, 1:] -= rows[:3, :-1].copy()
    bytewise = rows.view(np.uint8).reshape(len(rows), -1, 8).transpose(0, 2, 1).tobytes()
    return zstandard.ZstdCompressor(level=_LEVEL).compress(bytewise)


def _unpacked(frame: bytes, n: int) -> Int64s:
    plain = zstandard.ZstdDecompressor().decompress(frame, max_output_size=8 * len(_NAMES) * n)
    bytewise = np.frombuffer(plain, np.uint8).reshape(len(_NAMES), 8, n).transpose(0, 2, 1)
    rows = bytewise.copy().reshape(len(_NAMES), -1).view("<i8")  # with one point, too, this must be a copy
    rows[:3] = np.cumsum(rows[:3], axis=1)  # wraps around at 64 bits, as the differences do
    return rows


def numbers_of_points(blob: bytes) -> tuple[int, int] | None:
    """Return the first and the last sequence number of a batch of points alone; None for another batch, for a damaged
    one, and if its row does not say.
    """
    try:
        header, _ = _header(blob)
    except _UNREADABLE:
        return None
    first, last = header[2:4]
    return (first, last) if header[6:7] == [last - first + 1] else None


def _header(blob: bytes) -> tuple[list[Any], int]:
    """Return the header and where the frame begins. Raises one of _UNREADABLE."""
    crc, length = _START.unpack_from(blob)
    if zlib.crc32(memoryview(blob)[4:]) != crc:
        raise ValueError("its checksum differs")
    at = _START.size + length
    return msgpack.unpackb(blob[_START.size : at]), at


def unpack(number: int, run: str, writer_name: str, writer: int, blob: bytes) -> Arrival:
    """Return the batch of a blob. Raises StoreError for bytes that are not what `pack` returned."""
    try:
        header, at = _header(blob)
        rank, attempt, first, last, keys, counts = header[:6]
        columns: list[Column] = []
        if keys:
            n, frame = sum(counts), blob[at:]
            is_plain = len(header) > 7 and header[7]
            rows = np.frombuffer(frame, "<i8").reshape(len(_NAMES), n) if is_plain else _unpacked(frame, n)
            (seq, step, time), value = rows[:3], rows[3].view("<f8")
            parts = (slice(end - count, end) for count, end in zip(counts, accumulate(counts), strict=True))
            columns = [Column(k, seq[p], step[p], value[p], time[p]) for k, p in zip(keys, parts, strict=True)]
    except _UNREADABLE as e:
        raise StoreError(
            f"points.db is damaged: batch {number} of the run {run} cannot be read ({e}). Restore a backup."
        ) from e
    return Arrival(number, run, rank, attempt, writer_name, writer, first, last, columns)
