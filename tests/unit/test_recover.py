"""Drain and recovery: an uploader that dies between any two steps, a disk that refuses, two uploaders at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.capture.ending import Ending, as_word
from pyhectiqlab.journal import Data, Journal, Keys, Location
from pyhectiqlab.protocol import records
from pyhectiqlab.ring import layout

from ..seeds import examples
from .pipeline import Pipeline


@pytest.fixture
def line(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


class Crash(BaseException):
    pass


class Disk:
    """A disk that can be full: every write to the journal then fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        monkeypatch.setattr("pyhectiqlab.journal.journal.os.write", self._write)

    def _write(self, fd: int, data: bytes, write: Callable[[int, bytes], int] = os.write) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return write(fd, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    import types

    # Replace `os` in the journal only: the spill file and the test go on writing.
    from pyhectiqlab.journal import journal

    own = types.SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})
    monkeypatch.setattr(journal, "os", own)
    return Disk(monkeypatch)


def crash_at(target: Any, name: str, monkeypatch: pytest.MonkeyPatch, *, after: bool = False) -> None:
    real = getattr(target, name)

    def crash(*args: Any, **kwargs: Any) -> None:
        if after:
            real(*args, **kwargs)
        raise Crash

    monkeypatch.setattr(target, name, crash)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["append", "advance"])
def test_a_crash_around_the_append_and_the_move_of_the_head_doubles_and_loses_nothing(
    line: Pipeline, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    line.log_points(5)
    line.drain()
    line.log_points(5)
    target = line.journal if step == "append" else line.stream.consumer
    crash_at(target, step, monkeypatch, after=after)
    with pytest.raises(Crash):
        line.drain()
    monkeypatch.undo()
    line.start()
    line.log_points(5)
    line.deliver()
    assert line.points() == list(range(15))
    assert not line.stream.lost


def test_a_batch_keeps_its_range_over_a_crash(line: Pipeline) -> None:
    for n in (3, 4, 5):
        line.log_points(n)
        line.drain()
    before = [(b.first, b.last) for b in line.stream.pending]
    line.start()
    assert [(b.first, b.last) for b in line.stream.pending] == before == [(1, 3), (4, 7), (8, 12)]


def test_what_was_acked_and_noted_is_not_sent_again(line: Pipeline) -> None:
    line.log_points(5)
    line.deliver()
    line.drain()
    line.start()
    assert line.stream.acked == 5 and not line.stream.pending
    assert line.send() is False


def test_an_uploader_that_died_before_it_noted_the_ack_sends_again_and_doubles_nothing(line: Pipeline) -> None:
    line.log_points(5)
    line.drain()
    line.send()
    line.start()
    assert line.stream.acked == 0
    line.deliver()
    assert line.points() == list(range(5))


def test_two_uploaders_that_journal_the_same_range_give_it_the_same_numbers(line: Pipeline) -> None:
    line.log_points(6)
    other = line.session.path / "journal"
    Journal(other).append(Data(line.writer, 1, 4, 0, 4 * records.POINT_BYTES, 0, 0, _records(line, 4)), _table(line))
    line.drain()  # this uploader had read the journal before that one wrote to it
    line.start()
    line.log_points(2)
    line.deliver()
    assert line.points() == list(range(8))


def _records(line: Pipeline, n: int) -> bytes:
    return bytes(line.mapping.ring[: n * records.POINT_BYTES])


def _table(line: Pipeline) -> Callable[[], bytes]:
    return lambda: bytes(line.mapping.table[: line.mapping.words[layout.TABLE]])


# A disk that refuses ----------------------------------------------------------------------------------------------


def test_a_full_disk_has_the_queue_sent_straight_and_then_the_journal_again(line: Pipeline, disk: Disk) -> None:
    line.log_points(5)
    line.deliver()
    disk.full = True
    line.log_points(5)
    line.drain()
    assert line.stream.direct is not None
    assert line.stream.consumer is not None and line.stream.consumer.backlog > 0, "the queue keeps it until the ack"
    line.log_points(5)
    line.deliver()
    assert line.points() == list(range(15))
    disk.full = False
    line.log_points(5)
    line.deliver()
    assert line.points() == list(range(20))
    assert not line.stream.lost and len([text for text in line.log if "sending straight" in text]) == 1


def test_what_the_lab_has_makes_room_on_a_full_disk(
    line: Pipeline, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyhectiqlab.journal.journal.JOURNAL_SEGMENT_BYTES", 1000)
    for _ in range(4):
        line.log_points(20)
        line.deliver()
    folder = line.journal.folder
    before = len(list(folder.iterdir()))
    assert before > 2
    # It is full until something is removed.
    real = disk._write

    def write(fd: int, data: bytes) -> int:
        disk.full = len(list(folder.iterdir())) >= before
        return real(fd, data)

    monkeypatch.setattr("pyhectiqlab.journal.journal.os.write", write)
    line.log_points(20)
    line.drain()
    assert line.stream.direct is None and not line.log
    line.deliver()
    assert line.points() == list(range(100))


@pytest.mark.parametrize("acked", [False, True])
def test_a_crash_while_the_disk_is_full_loses_and_doubles_nothing(line: Pipeline, disk: Disk, acked: bool) -> None:
    line.log_points(5)
    line.deliver()
    disk.full = True
    line.log_points(5)
    line.drain()
    if acked:
        line.send()
    disk.full = False
    line.start()
    line.log_points(5)
    line.deliver()
    assert line.points() == list(range(15))
    assert not line.stream.lost


@pytest.mark.parametrize("noted", [False, True])
def test_numbers_that_went_straight_to_the_lab_are_given_to_no_other_event(
    line: Pipeline, disk: Disk, noted: bool
) -> None:
    """The journal ends before them; were they given out again, the lab would take what is new for what it has."""
    line.log_points(5)
    line.deliver()
    disk.full = True
    line.log_points(5)
    line.deliver()
    if noted:
        line.drain()
    disk.full = False
    line.start()
    assert line.stream.journaled == line.stream.acked == 10
    line.log_points(5)
    line.deliver()
    assert line.points() == list(range(15))
    line.start()  # now the journal has a hole, whose events the lab has
    line.log_points(1)
    line.deliver()
    assert line.points() == list(range(16))
    assert not line.stream.lost


def test_a_disk_that_has_room_again_takes_what_the_lab_has_not_yet(line: Pipeline, disk: Disk) -> None:
    """The lab is down as well: the queue must not stay blocked by one batch."""
    disk.full = True
    line.log_points(5)
    line.drain()
    disk.full = False
    line.drain()
    assert line.stream.direct is None and line.stream.journaled == 5
    line.log_points(5)
    line.drain()
    line.start()
    line.deliver()
    assert line.points() == list(range(10))


def test_losses_of_the_producer_are_told_even_if_nothing_else_comes(line: Pipeline) -> None:
    line.log_points(1)
    line.deliver()
    line.mapping.words[layout.LOST] += 7
    line.deliver()
    assert line.stored[-1] == ("loss", "queue_full")
    assert line.stream.lost == {"queue_full": 7}
    line.deliver()
    assert len(line.stored) == 2


def test_a_spool_over_its_budget_gives_up_what_is_new_and_says_so(line: Pipeline) -> None:
    line.log_points(5)
    line.drain()
    line.drain_loop._budget = 10
    line.log_points(5)
    line.drain()
    line.log_points(5)
    line.drain()
    line.drain_loop._budget = 1 << 30
    line.log_points(5)
    line.deliver()
    assert line.points() == [*range(5), *range(15, 20)]
    assert line.stored[5:15] == [("loss", "spool_full")] * 10
    assert line.stream.lost == {"spool_full": 10}


@pytest.mark.parametrize("before", [0, 5])
def test_how_a_run_ended_is_kept_past_the_budget_as_it_was_said(line: Pipeline, before: int) -> None:
    line.log_points(5)
    line.drain()
    line.drain_loop._budget = 10
    line.log_points(before)
    line.puts.record(records.event("end", 7.0, {"state": "failed", "cause": "ValueError: no"}))
    line.drain()
    line.start()
    line.deliver()
    assert line.points() == list(range(5))
    assert line.stored[5:] == [("loss", "spool_full")] * before + [
        ("event", "end", {"state": "failed", "cause": "ValueError: no"})
    ]


def test_the_end_of_a_closed_run_that_found_no_room_is_told_by_the_header_of_the_queue(line: Pipeline) -> None:
    line.log_points(5)
    line.drain()
    words = line.mapping.words
    words[layout.LOST] += 3
    words[layout.END] = as_word(Ending("failed", "ValueError: no", 1))
    line.deliver()
    assert [item[:2] for item in line.stored[5:]] == [("loss", "queue_full")], "closed by nobody yet"
    words[layout.CLOSED] = 1
    words[layout.LOST] += 1
    line.deliver()
    line.start()
    line.deliver()
    assert [item[:2] for item in line.stored[6:]] == [("event", "end"), ("loss", "queue_full")]
    fields = line.stored[6][2]
    assert (fields["state"], fields["cause"], fields["exit_code"]) == ("failed", "closed", 1)


def test_the_budget_is_kept_by_removing_what_is_acked_before_anything_is_given_up(line: Pipeline) -> None:
    line.drain_loop._budget = 4096
    for _ in range(50):
        line.log_points(20)
        line.deliver()
        line.journal._end_segment()
    assert line.points() == list(range(1000))
    assert not line.stream.lost


def test_segments_that_went_because_they_were_acked_are_no_damage_to_the_next_uploader(line: Pipeline) -> None:
    """The word that they were acked stands behind the events that follow theirs."""
    line.log_points(10)
    line.drain()
    line.journal._end_segment()
    line.log_points(5)
    line.deliver()
    line.drain()  # notes the ack
    line.journal.release(0, keep_s=0)
    line.start()
    assert line.stream.acked == 15 and not line.stream.lost
    line.log_points(5)
    line.deliver()
    assert line.points() == list(range(20)) and not line.stream.lost


# Damage --------------------------------------------------------------------------------------------------------


def test_damage_in_the_journal_becomes_a_loss_and_the_rest_arrives(line: Pipeline) -> None:
    for _ in range(3):
        line.log_points(4)
        line.drain()
    location = line.stream.pending[1].location
    assert location is not None
    _flip(location)
    line.start()
    line.log_points(4)
    line.deliver()
    assert line.points() == [*range(4), *range(8, 16)]
    assert line.stored[4:8] == [("loss", "journal_damaged")] * 4
    assert line.stream.lost == {"journal_damaged": 4}
    assert any("damaged" in text for text in line.log)


def test_damage_of_the_last_frame_is_a_loss_too(line: Pipeline) -> None:
    """Nothing follows it in the journal, but the queue's header knows how far the numbers went."""
    for _ in range(2):
        line.log_points(4)
        line.drain()
    location = line.stream.pending[1].location
    assert location is not None
    _flip(location)
    line.start()
    line.log_points(4)
    line.deliver()
    assert line.points() == [*range(4), *range(8, 12)]
    assert line.stream.lost == {"journal_damaged": 4}


def test_damaged_keys_cost_the_batches_that_need_them_unless_the_queue_still_has_them(line: Pipeline) -> None:
    line.log_points(4)
    line.drain()
    (segment,) = line.journal.folder.iterdir()
    raw = bytearray(segment.read_bytes())
    raw[8 + 13 + 16 + 5] ^= 1  # in the first frame, the keys
    segment.write_bytes(raw)
    line.start()
    line.deliver()
    assert line.points() == list(range(4))


def _flip(location: Location) -> None:
    raw = bytearray(location.path.read_bytes())
    raw[location.offset] ^= 1
    location.path.write_bytes(raw)


def test_a_segment_knows_its_keys_after_a_change_of_uploaders(line: Pipeline) -> None:
    line.log_points(2, "a")
    line.drain()
    line.start()
    line.log_points(2, "b")
    line.drain()
    frames = [frame for frame, _ in Journal(line.journal.folder).recover()]
    keys = [records.read_interned(f.table) for f in frames if isinstance(f, Keys)]
    assert keys == [{0: "a"}, {0: "a", 1: "b"}]


def test_a_queue_that_is_gone_is_said_and_the_journal_still_delivered(line: Pipeline) -> None:
    line.log_points(4)
    line.drain()
    line.mapping.path.unlink()
    line.start()
    assert line.stream.consumer is None and any("is gone" in text for text in line.log)
    line.send()
    assert line.points() == list(range(4))


def test_a_queue_that_is_no_queue_is_said(line: Pipeline) -> None:
    line.mapping.path.write_bytes(b"garbage")
    line.start()
    assert line.stream.consumer is None and any("cannot be opened" in text for text in line.log)


STEPS = st.lists(
    st.sampled_from(["log", "log", "spill", "drain", "send", "crash", "full", "room", "die"]), min_size=5, max_size=40
)


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, sizes=st.lists(st.integers(1, 50), min_size=5, max_size=5))
def test_any_crashes_and_full_disks_lose_and_double_nothing(steps: list[str], sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        full = False
        real = Journal._write

        def write(self: Journal, data: bytes) -> None:
            if full:
                raise OSError(28, "No space left on device")
            real(self, data)

        patch.setattr(Journal, "_write", write)
        line = Pipeline(Path(folder), capacity=1 << 12)
        for i, step in enumerate(steps):
            if step == "log":
                line.log_points(sizes[i % 5])
            elif step == "spill":
                line.log_points(150)
            elif step == "drain":
                line.drain()
            elif step == "send":
                line.send()
            elif step == "crash":
                line.start()
            elif step == "die" and line.stream.consumer is not None:
                with pytest.MonkeyPatch.context() as dying:
                    crash_at(line.stream.consumer, "advance", dying, after=bool(sizes[i % 5] % 2))
                    try:
                        line.drain()
                    except Crash:
                        pass
                line.start()
            else:
                full = step == "full"
        line.deliver()
        assert line.points() == list(range(line.n)) and len(line.stored) == line.n
        assert not line.stream.lost
        line.close()


def test_a_dict_without_metrics_is_nothing_and_holds_up_no_flush(line: Pipeline) -> None:
    line.puts.points({}, 1)
    line.log_points(1)
    line.puts.record(records.points_full((), 1, [], 0.0))
    line.deliver()
    line.drain()
    assert line.points() == [0]
    assert line.mapping.words[layout.ACKED_RING] == line.mapping.words[layout.TAIL]


def test_a_spilled_record_cut_short_by_a_kill_or_a_full_disk_holds_up_nobody(
    line: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyhectiqlab.ring.consumer.TORN_AFTER_S", 0.0)
    line.log_points(1)
    with open(line.spill.path, "ab") as f:
        f.write(b"\xffHQS" + bytes(10))
    line.deliver()
    line.drain()
    assert line.points() == [0]
    words = line.mapping.words
    assert words[layout.SPILL] == words[layout.ACKED_SPILL] == line.spill.path.stat().st_size
    line.spill.append(words[layout.TAIL], records.event("note", 0.0, {"text": "later"}))
    line.deliver()
    assert line.stored[-1] == ("event", "note", {"text": "later"})
