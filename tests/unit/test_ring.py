"""The ring and its spill file, one thing at a time: order, wraps, bounds, interning."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.protocol import records
from pyhectiqlab.ring import layout
from pyhectiqlab.ring.first_puts import NotPlainError
from pyhectiqlab.ring.producer import ForkedError, make_puts
from pyhectiqlab.ring.spill import SpillReader, frame

from .rings import PLAIN, Reader, Ring


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    ring = Ring(tmp_path, 4096)
    yield ring
    ring.close()


def event(text: str = "") -> bytes:
    return records.event("log", 0.0, {"text": text})


def test_points_come_back_as_they_were_put(ring: Ring) -> None:
    values = [0.5, -0.0, 1e308, 5e-324, math.inf, -math.inf, True, 7]
    for i, value in enumerate(values):
        ring.puts.point("loss", i - 3, value)
    items = ring.reader.read()
    assert [i[:3] for i in items] == [("point", "loss", i - 3) for i in range(len(values))]
    assert struct.pack("8d", *[i[3] for i in items]) == struct.pack("8d", *values)


def test_steps_may_be_any_int64(ring: Ring) -> None:
    for step in (-(1 << 63), (1 << 63) - 1):
        ring.puts.point("loss", step, 0.0)
        ring.puts.points({"a": 1.0}, step)
    assert [i[2] for i in ring.reader.read()] == [-(1 << 63)] * 2 + [(1 << 63) - 1] * 2


@pytest.mark.parametrize("step", [1 << 63, -(1 << 63) - 1, 1.0, "1", None])
@pytest.mark.parametrize("known", [False, True])
def test_what_is_no_int64_step_is_refused_before_and_after_the_key_is_known(
    ring: Ring, step: object, known: bool
) -> None:
    if known:
        ring.puts.point("loss", 0, 0.0)
        ring.puts.points({"a": 1.0, "b": 2.0}, 0)
        ring.reader.read_all()
    with pytest.raises(NotPlainError):
        ring.puts.point("loss", step, 0.0)  # type: ignore[arg-type]
    with pytest.raises(NotPlainError):
        ring.puts.points({"a": 1.0, "b": 2.0}, step)  # type: ignore[arg-type]
    assert ring.reader.read_all() == []


@pytest.mark.parametrize("value", ["1", None, 1j, 10**400, [1.0]])
def test_what_is_no_float64_is_refused(ring: Ring, value: object) -> None:
    for known in (False, True):
        with pytest.raises(NotPlainError):
            ring.puts.point("loss", 0, value)  # type: ignore[arg-type]
        with pytest.raises(NotPlainError):
            ring.puts.points({"a": 1.0, "b": value}, 0)  # type: ignore[dict-item]
        if not known:
            ring.puts.point("loss", 0, 1.0)
            ring.puts.points({"a": 1.0, "b": 2.0}, 0)
            ring.reader.read_all()
    assert ring.reader.read_all() == []
    ring.puts.point("loss", 0, 1.0)  # the flag was let go of
    assert len(ring.reader.read()) == 1


def test_a_dict_is_one_record_and_counts_as_many_events(ring: Ring) -> None:
    ring.puts.points({"a": 1.0, "b": 2.0, "c": 3.0}, 7)
    taken = ring.reader.consumer.take(1 << 20)
    assert taken is not None and taken.count == 3 and taken.data[0] == records.TAG_POINTS


def test_every_position_of_the_wrap_is_right(tmp_path: Path) -> None:
    """The end of the lap falls 0 to 39 bytes behind a record: padding, and the one to three bytes that hold none."""
    for offset in range(40):
        folder = tmp_path / str(offset)
        folder.mkdir()
        ring = Ring(folder, 1024)
        ring.puts.record(records.record(200, bytes(offset)))
        ring.reader.read_all()
        expected = []
        for i in range(100):
            ring.puts.point("k", i, float(i))
            expected.append(("point", "k", i, float(i)))
            assert ring.reader.read() == [expected[-1]]
        assert ring.spill.size() == 0
        ring.close()


def test_a_full_ring_spills_and_the_order_of_calls_is_kept(ring: Ring) -> None:
    for i in range(500):
        ring.puts.point("k", i, 0.0)
    assert ring.spill.size() > 0
    assert [i[2] for i in ring.reader.read_all()] == list(range(500))
    ring.puts.point("k", 500, 0.0)
    assert [i[2] for i in ring.reader.read_all()] == [500]


def test_ring_and_spill_alternate_in_the_order_of_calls(ring: Ring) -> None:
    got = []
    for i in range(2000):
        ring.puts.point("k", i, 0.0)
        if i % 7 == 0:
            got += ring.reader.read(100)
    got += ring.reader.read_all()
    assert [i[2] for i in got] == list(range(2000))


def test_a_record_spilled_right_after_another_was_published_does_not_overtake_it(ring: Ring) -> None:
    """The producer goes on between the consumer's look at the tail and its look at the spill file."""
    ring.puts.point("k", 0, 0.0)

    class Meanwhile(SpillReader):
        armed = True

        def size(self) -> int:
            if self.armed:
                self.armed = False
                step = 1
                while ring.spill.size() == 0:
                    ring.puts.point("k", step, 0.0)
                    step += 1
            return super().size()

    ring.reader.consumer.spill = Meanwhile(ring.spill.path)
    got = [i[2] for i in [*ring.reader.read(), *ring.reader.read_all()]]
    assert got == list(range(len(got))) and len(got) > 100


def test_a_record_over_a_quarter_of_the_ring_is_spilled(ring: Ring) -> None:
    ring.puts.record(event("x" * 2000))
    ring.puts.record(event("small"))
    assert ring.spill.size() > 2000
    assert [i[2]["text"] for i in ring.reader.read_all()] == ["x" * 2000, "small"]


def test_large_spilled_records_are_read_whole(ring: Ring) -> None:
    sizes = [3 << 20, 10, 1 << 20, (1 << 20) - 100, 5]
    for size in sizes:
        ring.puts.record(event("x" * size))
    assert [len(i[2]["text"]) for i in ring.reader.read_all(bytes_max=2 << 20)] == sizes


def test_a_take_is_bounded_and_lets_one_large_record_through(ring: Ring) -> None:
    for text in ("a" * 100, "b" * 900, "c" * 900):
        ring.puts.record(event(text))
    sizes = []
    while (taken := ring.reader.consumer.take(200)) is not None:
        sizes.append(taken.count)
        ring.reader.consumer.advance(taken)
        assert taken.more == (len(sizes) < 3)
    assert sizes == [1, 1, 1]


def test_a_take_without_advance_frees_nothing(ring: Ring) -> None:
    ring.puts.point("k", 1, 0.0)
    first, second = ring.reader.consumer.take(1 << 20), ring.reader.consumer.take(1 << 20)
    assert first == second and first is not None


def test_a_full_intern_table_falls_back_to_whole_keys(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1 << 16, table_bytes=64)
    names = [f"key/{i}" for i in range(40)]
    for name in names:
        ring.puts.point(name, 1, 2.0)
        ring.puts.points({name: 3.0, "b": 4.0}, 2)
    items = ring.reader.read_all()
    assert [i[1] for i in items] == [n for name in names for n in (name, name, "b")]
    assert 0 < len(ring.reader.keys) < 10
    ring.close()


def test_new_tuples_of_keys_for_ever_take_the_full_form_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyhectiqlab.ring.keys.KEYSETS_MAX", 3)
    ring = Ring(tmp_path, 1 << 16)
    for i in range(10):
        ring.puts.points({f"k{i}": 1.0}, i)
    items = ring.reader.read_all()
    assert [i[1] for i in items] == [f"k{i}" for i in range(10)]
    assert len(ring.reader.keys) == 3
    ring.close()


def test_a_bad_key_is_refused_once_asked_and_leaves_the_queue_usable(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 4096)

    def check(key: object) -> None:
        if key == "bad":
            raise ValueError("bad")

    puts = make_puts(ring.mapping, ring.spill.append, PLAIN, check_key=check)
    with pytest.raises(ValueError):
        puts.point("bad", 1, 1.0)
    with pytest.raises(ValueError):
        puts.points({"good": 1.0, "bad": 1.0}, 1)
    puts.point("good", 1, 1.0)
    assert ring.reader.read_all() == [("point", "good", 1, 1.0)]
    ring.close()


def test_text_that_is_no_unicode_passes_through(ring: Ring) -> None:
    """A file name with surrogates in a log line must not stop the uploader from counting the records around it."""
    ring.puts.record(event("caf\udce9"))
    ring.puts.point("k", 1, 1.0)
    assert [i[0] for i in ring.reader.read_all()] == ["event", "point"]


def test_a_producer_of_a_forked_child_refuses(ring: Ring) -> None:
    ring.puts.point("k", 1, 1.0)
    ring.puts.disown()
    with pytest.raises(ForkedError):
        ring.puts.point("k", 2, 1.0)
    with pytest.raises(ForkedError):
        ring.puts.point("new", 2, 1.0)
    with pytest.raises(ForkedError):
        ring.puts.points({"k": 1.0}, 2)
    with pytest.raises(ForkedError):
        ring.puts.record(event())
    assert ring.reader.read_all() == [("point", "k", 1, 1.0)]


def test_a_put_under_way_while_disowned_leaves_the_parents_ring_alone(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork from a signal handler in the middle of a put: the child goes on with the same put."""
    ring.puts.point("k", 1, 1.0)
    tail, entries = ring.mapping.words[layout.TAIL], ring.mapping.words[layout.TABLE]

    class Step:  # `__index__` runs in the middle of the put
        def __index__(self) -> int:
            ring.puts.disown()
            return 2

    ring.puts.point("k", Step(), 1.0)  # type: ignore[arg-type]
    assert (ring.mapping.words[layout.TAIL], ring.mapping.words[layout.TABLE]) == (tail, entries)
    with pytest.raises(ForkedError):
        ring.puts.point("k", 3, 1.0)


def test_silence_of_the_uploader_is_noticed_by_a_put(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhectiqlab.ring.producer.LOOK_AFTER_S", 0.01)
    heard: list[int] = []
    puts = make_puts(ring.mapping, ring.spill.append, PLAIN, on_silence=lambda: heard.append(1))
    deadline = time.monotonic() + 10
    while not heard and time.monotonic() < deadline:
        puts.record(event())
        ring.reader.read_all()
    assert heard
    ring.mapping.words[layout.ALIVE_MS] = int(time.monotonic() * 1000) + 60_000
    heard.clear()
    for _ in range(1000):
        puts.record(event())
        ring.reader.read_all()
    assert not heard


def test_a_consumer_goes_on_where_an_earlier_one_stopped(ring: Ring) -> None:
    for i in range(300):
        ring.puts.point("k", i, 0.0)
    ring.reader.read(1000)
    again = Reader.open(ring.path.parent)
    words = ring.mapping.words
    again.consumer.skip_to(words[layout.HEAD], words[layout.SPILL])
    assert [i[2] for i in again.read_all()] == list(range(ring.reader.count, 300))
    again.consumer.close()


def test_a_frame_that_a_killed_producer_left_torn_in_the_spill_file_does_not_keep_the_queue_from_emptying(
    ring: Ring,
) -> None:
    ring.puts.point("k", 1, 1.0)
    ring.spill.append(ring.puts.tail(), records.point_full("k", 2, 2.0, 0.0))
    with ring.spill.path.open("ab") as f:
        f.write(frame(ring.puts.tail(), records.point_full("k", 3, 3.0, 0.0))[:-5])
    assert [item[2] for item in ring.reader.read()] == [1, 2]
    # It may still be under way …
    assert ring.reader.read() == []
    assert ring.reader.consumer.backlog > 0
    # … until its writer is gone.
    assert ring.reader.read_all(final=True) == []
    assert ring.reader.consumer.backlog == 0
