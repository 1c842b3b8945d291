"""Records: an event's bytes in the queue, the spill file and the journal (FORMAT.md, section 1 and 2).

Encoding is spread over the hot path (ring/producer.py writes the two fixed shapes in place); everything else is here:
the shapes themselves, the generic event, counting
and cutting without decoding, and decoding into columns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import msgpack

from .limits import RECORD_BYTES_MAX

TAG_POINT = 1
TAG_POINT_FULL = 2
TAG_POINTS = 3
TAG_POINTS_FULL = 4
TAG_EVENT = 5
TAG_PADDING = 255

WORD = struct.Struct(">I")

# [1, series_id, step, value, time]: word, 0x95, 0x01, 0xcd id, 0xd3 | step, 0xcb | value, 0xcb | time
POINT = struct.Struct(">10sqBdBd")
POINT_BYTES = POINT.size  # 36, the word included
_POINT_READ = struct.Struct(">7xHxqxdxd")
assert _POINT_READ.size == POINT_BYTES

# [3, keys_id, step, time, bin]: word, 0x95, 0x03, 0xcd id, 0xd3 | step, 0xcb | time, 0xc6 length32 | values
POINTS_HEAD = struct.Struct(">10sqBdBI")
POINTS_HEAD_BYTES = POINTS_HEAD.size
_POINTS_READ = struct.Struct(">7xHxqxd5x")
assert _POINTS_READ.size == POINTS_HEAD_BYTES

FLOAT64 = 0xCB
BIN32 = 0xC6
IDS_MAX = 1 << 16

Keys = dict[int, "str | tuple[str, ...]"]  # the intern table: id → key, or keys of a dict form


def point_head(series_id: int) -> bytes:
    """The ten constant bytes that open a TAG_POINT record of this id."""
    return WORD.pack(TAG_POINT << 24 | POINT_BYTES - 4) + b"\x95\x01\xcd" + series_id.to_bytes(2, "big") + b"\xd3"


def points_head(keys_id: int, n: int) -> bytes:
    """The ten constant bytes that open a TAG_POINTS record of this id with n values."""
    length = POINTS_HEAD_BYTES + 8 * n - 4
    return WORD.pack(TAG_POINTS << 24 | length) + b"\x95\x03\xcd" + keys_id.to_bytes(2, "big") + b"\xd3"


def record(tag: int, payload: bytes) -> bytes:
    """Raises ValueError for a payload over RECORD_BYTES_MAX."""
    if len(payload) > RECORD_BYTES_MAX:
        raise ValueError(f"an event of {len(payload):,} bytes is too large: the limit is {RECORD_BYTES_MAX:,}")
    return WORD.pack(tag << 24 | len(payload)) + payload


def point_full(key: str, step: int, value: float, time: float) -> bytes:
    return record(TAG_POINT_FULL, msgpack.packb([TAG_POINT_FULL, key, step, value, time]))


def points_full(keys: tuple[str, ...], step: int, values: list[float], time: float) -> bytes:
    columns = struct.pack(f">{len(values)}d", *values)
    return record(TAG_POINTS_FULL, msgpack.packb([TAG_POINTS_FULL, keys, step, time, columns]))


def event(kind: str, time: float, fields: dict[str, Any]) -> bytes:
    return record(TAG_EVENT, msgpack.packb([TAG_EVENT, kind, time, fields], unicode_errors="surrogatepass"))


def intern_entry(ident: int, key: str | tuple[str, ...]) -> bytes:
    entry: bytes = msgpack.packb([ident, key])
    return WORD.pack(len(entry)) + entry


def read_interned(table: bytes) -> Keys:
    """Decodes a whole intern table, or a part of one that starts and ends at entries."""
    keys: Keys = {}
    at = 0
    while at + 4 <= len(table):
        (length,) = WORD.unpack_from(table, at)
        ident, key = msgpack.unpackb(table[at + 4 : at + 4 + length], use_list=False)
        keys[ident] = key
        at += 4 + length
    return keys


# Counting and cutting ----------------------------------------------------------------------------------------------


def _run_length(buf: bytes, at: int, size: int, most: int) -> int:
    """How many records from `at` on, `most` at the most, repeat the word at `at`. Exact by induction: where a word
    equals the first one, the next record starts `size` further on. Compares strided slices, so that a million equal
    records cost
    a few C calls; the stretch grows as it succeeds, so that alternating records stay cheap too.
    """
    word = buf[at : at + 4]
    found, stretch = 1, 8
    while found < most:
        n = min(stretch, most - found)
        start = at + found * size
        matched = n
        for i in range(4):
            column = buf[start + i : start + i + (n - 1) * size + 1 : size]
            matched = min(matched, len(column) - len(column.lstrip(word[i : i + 1])))
        found += matched
        if matched < n:
            break
        stretch *= 8
    return found


def _events_in(tag: int, buf: bytes, at: int, size: int) -> int:
    if tag == TAG_POINTS:
        return (size - POINTS_HEAD_BYTES) // 8
    if tag == TAG_POINTS_FULL:
        return len(msgpack.unpackb(buf[at + 4 : at + size])[1])
    if tag == TAG_EVENT:
        fields = msgpack.unpackb(buf[at + 4 : at + size], strict_map_key=False, unicode_errors="surrogatepass")
        return event_count(*fields[1::2])
    return 1


def event_count(kind: str, fields: dict[str, Any]) -> int:
    """How many sequence numbers an event occupies: a loss stands for as many as were given up."""
    return int(fields.get("count", 1)) if kind in ("loss", "aggregated", "skip") else 1


def runs(buf: bytes, bytes_max: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yields (tag, offset, size of one record, records) for stretches of equal records, in order.

    Stops at padding, at the end of `buf`, or before exceeding `bytes_max` (one record is always let through).
    Raises ValueError where a record would reach beyond the end of `buf`.
    """
    at, end = 0, len(buf)
    limit = end if bytes_max is None else min(end, bytes_max)
    while at + 4 <= end:
        (word,) = WORD.unpack_from(buf, at)
        tag, size = word >> 24, 4 + (word & 0xFFFFFF)
        if tag == TAG_PADDING:
            return
        if at + size > end:
            raise ValueError(f"record at {at} of {size} bytes reaches beyond the end at {end}")
        most = (limit - at) // size
        if most < 1:
            if at > 0:
                return
            most = 1
        n = _run_length(buf, at, size, most) if tag in (TAG_POINT, TAG_POINTS) and most > 1 else 1
        yield tag, at, size, n
        at += n * size


def measure(buf: bytes, bytes_max: int | None = None) -> tuple[int, int]:
    """(bytes of whole records, sequence numbers they occupy), padding excluded, at most about `bytes_max`."""
    used = count = 0
    for tag, at, size, n in runs(buf, bytes_max):
        used = at + n * size
        count += n * _events_in(tag, buf, at, size)
    return used, count


# Decoding ----------------------------------------------------------------------------------------------------------


class Columns:
    """Points of one key: parallel lists, in order. `seq` are offsets from the first number of what was decoded."""

    __slots__ = ("seq", "step", "time", "value")

    def __init__(self) -> None:
        self.seq: list[int] = []
        self.step: list[int] = []
        self.value: list[float] = []
        self.time: list[float] = []


Event = tuple[int, str, float, dict[str, Any]]  # offset, kind, time, fields


def _one_key(rows: list[tuple[int, int, float, float]], seq: int, keys: Keys, series: dict[str, Columns]) -> bool:
    """The common case of one key many times over, without a Python step per point."""
    ident = rows[0][0]
    idents, steps, values, times = zip(*rows, strict=True)
    if idents.count(ident) != len(rows):
        return False
    column = series.setdefault(keys[ident], Columns())  # type: ignore[arg-type]
    column.seq.extend(range(seq, seq + len(rows)))
    column.step.extend(steps)
    column.value.extend(values)
    column.time.extend(times)
    return True


def decode(buf: bytes, keys: Keys) -> tuple[dict[str, Columns], list[Event], int]:
    """All records of `buf` as (columns per key, events, sequence numbers occupied).

    Raises KeyError for an id that `keys` lacks, ValueError for bytes that are no records.
    """
    series: dict[str, Columns] = {}
    events: list[Event] = []
    seq = 0
    for tag, at, size, n in runs(buf):
        if tag == TAG_POINT:
            rows = list(_POINT_READ.iter_unpack(memoryview(buf)[at : at + n * size]))
            if n < 4 or not _one_key(rows, seq, keys, series):
                _mixed(rows, seq, keys, series)
            seq += n
        elif tag == TAG_POINTS:
            seq = _many(buf, at, size, n, seq, keys, series)
        else:
            seq = _single(tag, buf[at + 4 : at + size], seq, series, events)
    return series, events, seq


def _mixed(rows: Iterable[tuple[int, int, float, float]], seq: int, keys: Keys, series: dict[str, Columns]) -> None:
    into: dict[int, tuple[Any, Any, Any, Any]] = {}
    for ident, step, value, time in rows:
        appends = into.get(ident)
        if appends is None:
            column = series.setdefault(keys[ident], Columns())  # type: ignore[arg-type]
            appends = into[ident] = (column.seq.append, column.step.append, column.value.append, column.time.append)
        appends[0](seq)
        appends[1](step)
        appends[2](value)
        appends[3](time)
        seq += 1


def _many(buf: bytes, at: int, size: int, n: int, seq: int, keys: Keys, series: dict[str, Columns]) -> int:
    count = (size - POINTS_HEAD_BYTES) // 8
    values_of = struct.Struct(f">{count}d").unpack_from
    for start in range(at, at + n * size, size):
        ident, step, time = _POINTS_READ.unpack_from(buf, start)
        for key, value in zip(keys[ident], values_of(buf, start + POINTS_HEAD_BYTES), strict=True):
            _append(series, key, seq, step, value, time)
            seq += 1
    return seq


def _append(series: dict[str, Columns], key: str, seq: int, step: int, value: float, time: float) -> None:
    column = series.get(key)
    if column is None:
        column = series[key] = Columns()
    column.seq.append(seq)
    column.step.append(step)
    column.value.append(value)
    column.time.append(time)


def _single(tag: int, payload: bytes, seq: int, series: dict[str, Columns], events: list[Event]) -> int:
    if tag == TAG_POINT_FULL:
        _, key, step, value, time = msgpack.unpackb(payload)
        _append(series, key, seq, step, value, time)
        return seq + 1
    if tag == TAG_POINTS_FULL:
        _, names, step, time, packed = msgpack.unpackb(payload)
        for key, value in zip(names, struct.unpack(f">{len(names)}d", packed), strict=True):
            _append(series, key, seq, step, value, time)
            seq += 1
        return seq
    if tag == TAG_EVENT:
        _, kind, time, fields = msgpack.unpackb(payload, strict_map_key=False, unicode_errors="surrogatepass")
        events.append((seq, kind, time, fields))
        return seq + event_count(kind, fields)
    # From a newer version of ourselves: pass it on, nothing is dropped.
    events.append((seq, "unknown", 0.0, {"tag": tag, "payload": payload}))
    return seq + 1
