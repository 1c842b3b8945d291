"""Records: counted, cut and decoded as the plainest reading of FORMAT.md says, whatever lies next to what."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhectiqlab.protocol import records

from ..seeds import examples
from .rings import naive_decode

KEYS: records.Keys = {
    0: "a",
    1: "b",
    2: "c",
    3: "a",
    4: ("a", "b"),
    5: ("c", "d", "e"),
    6: (),
    7: ("b", "a"),
    65535: "z",
}
SINGLE = [0, 1, 2, 3, 65535]
TUPLES = [4, 5, 6, 7]

int64s = st.integers(-(1 << 63), (1 << 63) - 1)
floats = st.floats(width=64)


def point(ident: int, step: int, value: float, time: float = 0.0) -> bytes:
    return records.POINT.pack(records.point_head(ident), step, 0xCB, value, 0xCB, time)


def points(ident: int, step: int, values: list[float], time: float = 0.0) -> bytes:
    n = len(values)
    head = records.POINTS_HEAD.pack(records.points_head(ident, n), step, 0xCB, time, 0xC6, 8 * n)
    return head + struct.pack(f">{n}d", *values)


@st.composite
def one(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["point", "point", "point", "points", "full", "points full", "event", "loss", "newer"]))
    if kind == "point":
        return point(draw(st.sampled_from(SINGLE)), draw(int64s), draw(floats), draw(floats))
    if kind == "points":
        ident = draw(st.sampled_from(TUPLES))
        n = len(KEYS[ident])
        return points(ident, draw(int64s), draw(st.lists(floats, min_size=n, max_size=n)))
    if kind == "full":
        return records.point_full(draw(st.text(min_size=1)), draw(int64s), draw(floats), 0.0)
    if kind == "points full":
        values = draw(st.dictionaries(st.text(min_size=1, max_size=5), floats, max_size=4))
        return records.points_full(tuple(values), draw(int64s), list(values.values()), 0.0)
    if kind == "event":
        return records.event("log", 1.5, {"text": draw(st.text())})
    if kind == "loss":
        return records.event("loss", 1.5, {"reason": "r", "count": draw(st.integers(1, 5))})
    return records.record(draw(st.integers(6, 254)), draw(st.binary(max_size=50)))


# The fast paths are about stretches of equal shape: repeat some records, with other steps.
stretches = st.builds(lambda record, n: record * n, one(), st.sampled_from([1, 1, 1, 2, 7, 8, 9, 15, 16, 17, 40, 100]))
buffers = st.lists(stretches, max_size=8).map(b"".join)


def numbered(buf: bytes) -> dict[int, Any]:
    """Return sequence number → item, read one record after another."""
    items: dict[int, Any] = {}
    seq = 0
    for item in naive_decode(buf, KEYS):
        items[seq] = item
        seq += item[2]["count"] if item[:2] == ("event", "loss") else 1
    return items


def flat(series: dict[str, records.Columns], events: list[records.Event]) -> dict[int, Any]:
    items: dict[int, Any] = {}
    for key, column in series.items():
        assert len(column.seq) == len(column.step) == len(column.value) == len(column.time) >= 1
        assert list(column.seq) == sorted(set(column.seq)), "numbers of a key grow"
        for seq, step, value in zip(column.seq, column.step, column.value, strict=True):
            assert seq not in items
            items[seq] = ("point", key, step, value)
    for seq, kind, _, fields in events:
        assert seq not in items
        items[seq] = ("event", kind, fields)
    return items


def same(a: Any, b: Any) -> bool:
    """Return whether two are equal, bit by bit for floats."""
    return repr(a) == repr(b)


@settings(max_examples=examples(250), deadline=None)
@given(buf=buffers)
def test_decoding_finds_what_a_plain_reader_finds(buf: bytes) -> None:
    series, events, count = records.decode(buf, KEYS)
    expected = numbered(buf)
    decoded = flat(series, events)
    assert same(sorted(decoded.items(), key=lambda kv: kv[0]), sorted(expected.items(), key=lambda kv: kv[0]))
    assert records.measure(buf) == (len(buf), count)


@settings(max_examples=examples(250), deadline=None)
@given(buf=buffers, bytes_max=st.integers(1, 5000))
def test_a_cut_falls_between_records_and_within_the_bound(buf: bytes, bytes_max: int) -> None:
    used, count = records.measure(buf, bytes_max)
    ends, at = [0], 0
    while at < len(buf):
        at += 4 + (struct.unpack_from(">I", buf, at)[0] & 0xFFFFFF)
        ends.append(at)
    assert used in ends
    if buf:
        assert used == max([e for e in ends if e <= bytes_max] + [ends[1]])
    assert count == records.decode(buf[:used], KEYS)[2]


@settings(max_examples=examples(300), deadline=None)
@given(
    tags=st.lists(st.sampled_from([(1, 32), (1, 32), (1, 32), (1, 33), (3, 32), (257, 32)]), min_size=1, max_size=300),
    most=st.integers(1, 400),
    filler=st.sampled_from([0, 1, 32, 255]),
)
def test_the_length_of_a_run_of_equal_records_is_exact(tags: list[tuple[int, int]], most: int, filler: int) -> None:
    """Payload bytes that look like the word itself must not count."""
    buf = b"".join(struct.pack(">I", (tag & 0xFF) << 24 | size) + bytes([filler]) * size for tag, size in tags)
    word, size = buf[:4], 4 + tags[0][1]
    expected = 0
    while expected < most and buf[expected * size : expected * size + 4] == word:
        expected += 1
    most = min(most, len(buf) // size)
    assert records._run_length(buf, 0, size, most) == min(expected, most)


def test_padding_ends_what_is_counted() -> None:
    buf = point(0, 1, 1.0)
    padded = buf + records.WORD.pack(255 << 24 | 8) + bytes(8)
    assert records.measure(padded) == (len(buf), 1)


def test_a_record_that_reaches_beyond_the_end_is_an_error() -> None:
    for buf in (point(0, 1, 1.0)[:-1], records.event("log", 0.0, {"text": "x"})[:-1]):
        with pytest.raises(ValueError):
            records.measure(buf)
        with pytest.raises(ValueError):
            records.decode(buf, KEYS)


def test_ids_that_nobody_announced_are_an_error() -> None:
    for n in (1, 40):
        with pytest.raises(KeyError):
            records.decode(point(77, 1, 1.0) * n, KEYS)
        with pytest.raises(KeyError):
            records.decode(points(77, 1, [1.0]) * n, KEYS)
        with pytest.raises(ValueError):
            records.decode(points(4, 1, [1.0]) * n, KEYS)


@pytest.mark.parametrize("n", [3, 100])
def test_one_key_with_two_ids_keeps_its_order(n: int) -> None:
    """Two threads that log a key for the first time at once may intern it twice."""
    buf = b"".join(point((0, 3)[i * i % 7 % 2], i, float(i)) for i in range(n))
    series, _, count = records.decode(buf, KEYS)
    assert count == n and list(series) == ["a"]
    assert list(series["a"].seq) == list(series["a"].step) == list(range(n))


@pytest.mark.parametrize("period", [[0, 1, 2], [0, 1, 0, 2], [0, 3, 1], [2]])
@pytest.mark.parametrize("n", [16, 17, 50, 51])
def test_keys_that_come_round_in_any_pattern(period: list[int], n: int) -> None:
    buf = b"".join(point(period[i % len(period)], i, float(i)) for i in range(n))
    series, events, _ = records.decode(buf, KEYS)
    assert flat(series, events) == numbered(buf)


def test_a_record_of_a_newer_version_is_passed_on_whole() -> None:
    buf = records.record(17, b"from the future")
    _, events, count = records.decode(buf, KEYS)
    assert (events, count) == ([(0, "unknown", 0.0, {"tag": 17, "payload": b"from the future"})], 1)


def test_the_fixed_shapes_are_plain_msgpack() -> None:
    assert msgpack.unpackb(point(7, -3, 0.5, 9.5)[4:]) == [1, 7, -3, 0.5, 9.5]
    assert msgpack.unpackb(points(7, -3, [1.0, 2.0], 9.5)[4:]) == [3, 7, -3, 9.5, struct.pack(">2d", 1.0, 2.0)]
    assert len(point(7, -3, 0.5)) == 4 + 32


def test_every_bit_of_a_value_survives() -> None:
    raw = [0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 1]
    values = [struct.unpack(">d", struct.pack(">Q", bits))[0] for bits in raw]
    for n in (1, 30):
        series, _, _ = records.decode(b"".join(point(0, i, v) for i, v in enumerate(values * n)), KEYS)
        got = [struct.unpack(">Q", struct.pack(">d", v))[0] for v in series["a"].value]
        assert got == raw * n
    assert math.isnan(values[0])


def test_fields_of_an_event_come_back_with_their_types() -> None:
    fields = {
        "n": None,
        "b": True,
        "i": -(1 << 63),
        "u": (1 << 64) - 1,
        "f": 0.1,
        "t": "é\udce9\0",
        "l": [1, {"x": {}}],
    }
    _, events, _ = records.decode(records.event("config", 1.5, fields), KEYS)
    assert events == [(0, "config", 1.5, fields)]


def test_a_record_over_its_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        records.record(5, bytes(1 << 24))


@given(keys=st.lists(st.one_of(st.text(), st.lists(st.text(), max_size=3).map(tuple)), max_size=20))
def test_an_intern_table_is_read_as_it_was_written(keys: list[str | tuple[str, ...]]) -> None:
    table = b"".join(records.intern_entry(i, key) for i, key in enumerate(keys))
    assert records.read_interned(table) == dict(enumerate(keys))


def test_a_damaged_intern_table_gives_the_entries_before_the_damage() -> None:
    whole = records.intern_entry(0, "a") + records.intern_entry(1, "b")
    assert records.read_interned(whole) == {0: "a", 1: "b"}
    assert records.read_interned(whole[:-1] + b"\xc1") == {0: "a"}
    assert records.read_interned(whole[:6] + b"\xc1\xc1\xc1" + whole[9:]) in ({}, {0: "a"})
