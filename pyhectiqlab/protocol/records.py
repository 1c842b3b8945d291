"""Records: an event's bytes in the queue, the spill file and the journal (FORMAT.md, section 1 and 2).

The hot path encodes the two fixed shapes itself (ring/producer.py writes them in place). All else is here: the shapes,
the generic event, counting and cutting without decoding, and decoding into columns.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from typing import Any

import msgpack

from ..base.texts import counted
from . import events as rules
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
    """Return the ten constant bytes that open a TAG_POINT record of this id."""
    return WORD.pack(TAG_POINT << 24 | POINT_BYTES - 4) + b"\x95\x01\xcd" + series_id.to_bytes(2, "big") + b"\xd3"


def points_head(keys_id: int, n: int) -> bytes:
    """Return the ten constant bytes that open a TAG_POINTS record of this id with n values."""
    length = POINTS_HEAD_BYTES + 8 * n - 4
    return WORD.pack(TAG_POINTS << 24 | length) + b"\x95\x03\xcd" + keys_id.to_bytes(2, "big") + b"\xd3"


def record(tag: int, payload: bytes) -> bytes:
    """Return a record. Raises ValueError for a payload over RECORD_BYTES_MAX."""
    if len(payload) > RECORD_BYTES_MAX:
        raise ValueError(f"an event of {len(payload):,} bytes is too large: the limit is {RECORD_BYTES_MAX:,}")
    return WORD.pack(tag << 24 | len(payload)) + payload


def point_full(key: str, step: int, value: float, time: float) -> bytes:
    return record(TAG_POINT_FULL, msgpack.packb([TAG_POINT_FULL, key, step, value, time]))


def points_full(keys: tuple[str, ...], step: int, values: list[float], time: float) -> bytes:
    columns = struct.pack(f">{len(values)}d", *values)
    return record(TAG_POINTS_FULL, msgpack.packb([TAG_POINTS_FULL, keys, step, time, columns]))


def event(kind: str, time: float, fields: dict[str, Any]) -> bytes:
    """Return the record of an event. Raises ValueError for an event that the lab would refuse or cut."""
    try:
        rules.check_call(kind, fields)
        payload = msgpack.packb([TAG_EVENT, kind, time, fields], unicode_errors="surrogatepass")
        rules.check_size(len(payload))
    except (ValueError, OverflowError) as e:
        raise ValueError(f"{kind}: {e}") from None
    return record(TAG_EVENT, payload)


def intern_entry(ident: int, key: str | tuple[str, ...]) -> bytes:
    entry: bytes = msgpack.packb([ident, key])
    return WORD.pack(len(entry)) + entry


def read_interned(table: bytes) -> Keys:
    """Decode a whole intern table, or a part of one that starts and ends at entries.

    Decoding stops at an entry that makes no sense. Records that need this entry, or a later one, are then reported as
    lost; the others are not.
    """
    keys: Keys = {}
    at = 0
    while at + 4 <= len(table):
        (length,) = WORD.unpack_from(table, at)
        try:
            ident, key = msgpack.unpackb(table[at + 4 : at + 4 + length], use_list=False)
        except (ValueError, TypeError):
            break
        keys[ident] = key
        at += 4 + length
    return keys


# Counting and cutting ----------------------------------------------------------------------------------------------


def _run_length(buf: bytes, at: int, size: int, most: int) -> int:
    """Return how many records from `at` on, at most `most`, repeat the word at `at`. This is exact by induction: where
    a word equals the first one, the next record starts `size` further on. Strided slices are compared, so that a
    million equal records cost a few C calls. The stretch grows after each success, so that alternating records are
    cheap, too.
    """
    word = buf[at : at + 4]
    matches, stretch = 1, 8
    while matches < most:
        n = min(stretch, most - matches)
        start = at + matches * size
        matched = n
        for i in range(4):
            column = buf[start + i : start + i + (n - 1) * size + 1 : size]
            matched = min(matched, len(column) - len(column.lstrip(word[i : i + 1])))
        matches += matched
        if matched < n:
            break
        stretch *= 8
    return matches


def _events_in(tag: int, buf: bytes, at: int, size: int) -> int:
    if tag == TAG_POINTS:
        return (size - POINTS_HEAD_BYTES) // 8
    if tag == TAG_POINTS_FULL:
        return len(msgpack.unpackb(buf[at + 4 : at + size])[1])
    if tag == TAG_EVENT:
        kind, _, fields = _event_of(buf[at + 4 : at + size])
        return event_count(kind, fields)
    return 1


COUNTED_KINDS = frozenset({"loss", "aggregated", "skip"})  # their events may occupy several sequence numbers


def event_count(kind: str, fields: dict[str, Any]) -> int:
    """Return how many sequence numbers an event occupies: a loss stands for as many as were given up."""
    return int(fields.get("count", 1)) if kind in COUNTED_KINDS else 1


def _event_of(payload: bytes) -> tuple[str, float, dict[str, Any]]:
    """Return (kind, time, fields) of an event's bytes. An event that makes no sense becomes a loss of its number, so
    that it does not hold up the events behind it.
    """
    try:
        _, kind, time, fields = msgpack.unpackb(payload, strict_map_key=False, unicode_errors="surrogatepass")
        rules.check_kind(kind)
        rules.check_fields(fields)
        if event_count(kind, fields) < 1:
            raise ValueError("a count is a number from 1")
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as e:
        return "loss", 0.0, {"reason": "unreadable", "count": 1, "detail": f"{type(e).__name__}: {e}"[:200]}
    return kind, time, fields


def runs(buf: bytes, bytes_max: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yield (tag, offset, size of one record, records) for stretches of equal records, in order.

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
    """Return (bytes of whole records, sequence numbers they occupy), padding excluded, at most about `bytes_max`."""
    used = count = 0
    for tag, at, size, n in runs(buf, bytes_max):
        used = at + n * size
        count += n * _events_in(tag, buf, at, size)
    return used, count


def closing(buf: bytes) -> bytes:
    """Return the last record if it is the event that ends a run; else b""."""
    last = b""
    for tag, at, size, _ in runs(buf):
        last = buf[at : at + size] if tag == TAG_EVENT else b""
    if not last:
        return b""
    return last if _event_of(last[4:])[0] == "end" else b""


# Decoding ----------------------------------------------------------------------------------------------------------

SMALL = 16  # shorter stretches are decoded record by record: a C call on a few bytes costs as much as the bytes


class Columns:
    """Points of one key, in order: seq uint32[n], offsets from the first number of what was decoded; step int64[n];
    value float64[n]; time float64[n], seconds since 1970 UTC."""

    __slots__ = ("seq", "step", "time", "value")

    def __init__(self) -> None:
        self.seq, self.step, self.value, self.time = array("I"), array("q"), array("d"), array("d")

    def append(self, seq: int, step: int, value: float, time: float) -> None:
        self.seq.append(seq)
        self.step.append(step)
        self.value.append(value)
        self.time.append(time)


Event = tuple[int, str, float, dict[str, Any]]  # offset, kind, time, fields


class _Series(dict[str, Columns]):
    def __missing__(self, key: str) -> Columns:
        column = self[key] = Columns()
        return column


def decode(buf: bytes, keys: Keys) -> tuple[dict[str, Columns], list[Event], int]:
    """Return all records of `buf` as (columns per key, events, sequence numbers occupied).

    Raises KeyError for an id that `keys` lacks, ValueError for bytes that are no records. The fixed shapes cost no
    Python step per point: strided slices move the fields of equal records into columns, a byte of every record at a
    time.
    """
    series = _Series()
    events: list[Event] = []
    seq = 0
    for tag, at, size, n in runs(buf):
        if tag == TAG_POINT:
            (_points_of_one if n < SMALL else _points_of_many)(buf, at, n, seq, keys, series)
            seq += n
        elif tag == TAG_POINTS:
            seq = (_dicts_of_one if n < SMALL else _dicts_of_many)(buf, at, size, n, seq, keys, series)
        else:
            seq = _single(tag, buf[at + 4 : at + size], seq, series, events)
    return series, events, seq


def _column(typecode: str, buf: bytes, start: int, stride: int, n: int) -> array[Any]:
    """Return the big-endian field at `start` of each of n records that are `stride` apart."""
    column = array(typecode)
    width = column.itemsize
    out = bytearray(n * width)
    for i in range(width):
        place = width - 1 - i if sys.byteorder == "little" else i
        out[place::width] = buf[start + i : start + i + (n - 1) * stride + 1 : stride]
    column.frombytes(out)
    return column


def _points_of_one(buf: bytes, at: int, n: int, seq: int, keys: Keys, series: _Series) -> None:
    for ident, step, value, time in _POINT_READ.iter_unpack(memoryview(buf)[at : at + n * POINT_BYTES]):
        series[keys[ident]].append(seq, step, value, time)  # type: ignore[index]
        seq += 1


def _points_of_many(buf: bytes, at: int, n: int, seq: int, keys: Keys, series: _Series) -> None:
    idents = _column("H", buf, at + 7, POINT_BYTES, n)
    used = set(idents)
    if len({keys[ident] for ident in used}) < len(used):  # a key with two ids: its numbers are in order only one by one
        return _points_of_one(buf, at, n, seq, keys, series)
    steps, values, times = (_column(code, buf, at + offset, POINT_BYTES, n) for code, offset in _POINT_FIELDS)
    for ident, places in _places(idents, n):
        column = series[keys[ident]]  # type: ignore[index]
        if isinstance(places, slice):
            column.seq.extend(range(seq + places.start, seq + n, places.step))
            column.step += steps[places]
            column.value += values[places]
            column.time += times[places]
        else:
            column.seq.extend([seq + i for i in places])
            column.step.extend([steps[i] for i in places])
            column.value.extend([values[i] for i in places])
            column.time.extend([times[i] for i in places])


_POINT_FIELDS = (("q", 10), ("d", 19), ("d", 28))


def _places(idents: array[int], n: int) -> Iterator[tuple[int, slice | list[int]]]:
    """Yield the places of each id. A loop logs the same keys in the same order at every step: then the places are a
    slice.
    """
    try:
        period = idents.index(idents[0], 1)
    except ValueError:
        period = n
    raw, width = idents.tobytes(), idents.itemsize
    first = idents[:period]
    if raw[period * width :] == raw[: -period * width] and len(set(first)) == period:
        for j, ident in enumerate(first):
            yield ident, slice(j, n, period)
        return
    by_id: dict[int, list[int]] = {}
    for i, ident in enumerate(idents):
        if ident in by_id:
            by_id[ident].append(i)
        else:
            by_id[ident] = [i]
    yield from by_id.items()


def _dicts_of_one(buf: bytes, at: int, size: int, n: int, seq: int, keys: Keys, series: _Series) -> int:
    count = (size - POINTS_HEAD_BYTES) // 8
    values_of = struct.Struct(f">{count}d").unpack_from
    for start in range(at, at + n * size, size):
        ident, step, time = _POINTS_READ.unpack_from(buf, start)
        for key, value in zip(keys[ident], values_of(buf, start + POINTS_HEAD_BYTES), strict=True):
            series[key].append(seq, step, value, time)
            seq += 1
    return seq


def _dicts_of_many(buf: bytes, at: int, size: int, n: int, seq: int, keys: Keys, series: _Series) -> int:
    count = (size - POINTS_HEAD_BYTES) // 8
    idents = _column("H", buf, at + 7, size, n)
    if idents.count(idents[0]) != n:  # dicts of the same length with other keys
        for i in range(n):
            seq = _dicts_of_one(buf, at + i * size, size, 1, seq, keys, series)
        return seq
    names = keys[idents[0]]
    if len(names) != count:
        raise ValueError(f"{counted(count, 'value')} for {counted(len(names), 'key')}")
    steps, times = _column("q", buf, at + 10, size, n), _column("d", buf, at + 19, size, n)
    for j, key in enumerate(names):
        column = series[key]
        column.seq.extend(range(seq + j, seq + n * count, count))
        column.step += steps
        column.value += _column("d", buf, at + POINTS_HEAD_BYTES + 8 * j, size, n)
        column.time += times
    return seq + n * count


def _single(tag: int, payload: bytes, seq: int, series: _Series, events: list[Event]) -> int:
    if tag == TAG_POINT_FULL:
        _, key, step, value, time = msgpack.unpackb(payload)
        series[key].append(seq, step, value, time)
        return seq + 1
    if tag == TAG_POINTS_FULL:
        _, names, step, time, packed = msgpack.unpackb(payload)
        for key, value in zip(names, struct.unpack(f">{len(names)}d", packed), strict=True):
            series[key].append(seq, step, value, time)
            seq += 1
        return seq
    if tag == TAG_EVENT:
        kind, time, fields = _event_of(payload)
        events.append((seq, kind, time, fields))
        return seq + event_count(kind, fields)
    # A record of a newer version: pass it on, so that nothing is dropped.
    events.append((seq, "unknown", 0.0, {"tag": tag, "payload": payload}))
    return seq + 1
