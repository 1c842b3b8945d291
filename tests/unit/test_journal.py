"""The journal: what is appended is found again; what was torn, damaged or refused by the disk costs no more."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhectiqlab.journal import Ack, Data, Journal, Keys, Location, Lost
from pyhectiqlab.journal import journal as journal_module
from pyhectiqlab.journal.frames import HEAD, SEGMENT_MAGIC, Damage, Frame, read_frames
from pyhectiqlab.protocol import records

from ..seeds import examples

A, B = "a" * 32, "b" * 32
TABLE = records.intern_entry(0, "loss")


def data(first: int, last: int, writer: str = A, payload: bytes = b"records") -> Data:
    return Data(writer, first, last, first, last, 0, 0, payload)


def recovered(folder: Path, report: Callable[[str], None] = lambda text: None) -> list[Frame]:
    return [frame for frame, _ in Journal(folder).recover(report)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_appended_is_recovered_in_order_and_can_be_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(data(1, 3, payload=b"one"), lambda: TABLE)
    journal.append_keys(A, records.intern_entry(1, "acc"))
    journal.append(data(1, 2, B, payload=b"two"), lambda: b"")
    journal.append_ack(A, 3)
    journal.append_lost(Lost(B, 3, 9, "spool_full"))
    journal.close()
    items = list(Journal(tmp_path).recover())
    assert [frame for frame, _ in items] == [
        Keys(A, TABLE),
        data(1, 3, payload=b"one"),
        Keys(A, records.intern_entry(1, "acc")),
        data(1, 2, B, payload=b"two"),
        Ack(A, 3),
        Lost(B, 3, 9, "spool_full"),
    ]
    assert [location.read() for _, location in items if location] == [b"one", b"two"]


def test_an_append_tells_where_the_records_are(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    locations = [journal.append(data(i, i, payload=b"%d" % i * i), lambda: TABLE) for i in range(1, 20)]
    assert [location.read() for location in locations] == [b"%d" % i * i for i in range(1, 20)]


def test_a_location_whose_segment_is_gone_or_short_raises(tmp_path: Path) -> None:
    location = Journal(tmp_path).append(data(1, 1), lambda: b"")
    with pytest.raises(OSError):
        Location(location.path, location.offset, location.size + 1).read()
    location.path.unlink()
    with pytest.raises(OSError):
        location.read()


def test_every_segment_begins_with_the_keys_of_its_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL_SEGMENT_BYTES", 400)
    journal = Journal(tmp_path)
    for i in range(1, 20):
        journal.append(data(i, i, payload=bytes(50)), lambda: TABLE)
    journal.close()
    assert len(segments(tmp_path)) > 3
    for path in segments(tmp_path):
        raw = path.read_bytes()
        frames = [f[2] for f in read_frames(lambda at, n, raw=raw: raw[at : at + n], len(raw)) if isinstance(f, tuple)]  # type: ignore[misc]
        assert frames[0] == Keys(A, TABLE) and all(isinstance(f, Data) for f in frames[1:])


def test_a_new_incarnation_writes_its_own_segments_behind_all_others(tmp_path: Path) -> None:
    for i in range(1, 4):
        journal = Journal(tmp_path)
        assert journal.incarnation == i
        assert [f.last for f in recovered(tmp_path) if isinstance(f, Data)] == list(range(1, i))
        journal.append(data(i, i), lambda: b"")
    assert len(segments(tmp_path)) == 3


def test_two_uploaders_that_began_at_once_both_can_append(tmp_path: Path) -> None:
    one, other = Journal(tmp_path), Journal(tmp_path)
    one.append(data(1, 5), lambda: b"")
    other.append(data(1, 5), lambda: b"")
    one.append(data(6, 7), lambda: b"")
    assert [(f.first, f.last) for f in recovered(tmp_path) if isinstance(f, Data)] == [(1, 5), (6, 7), (1, 5)]


# Damage ---------------------------------------------------------------------------------------------------------


def three_frames(folder: Path) -> tuple[Path, list[int]]:
    """Make a segment with three data frames. Return it, and the offsets of their ends."""
    journal = Journal(folder)
    ends = []
    for i in range(1, 4):
        journal.append(data(i, i, payload=b"x" * 40), lambda: b"")
        ends.append(segments(folder)[0].stat().st_size)
    journal.close()
    return segments(folder)[0], ends


def test_a_segment_cut_anywhere_gives_its_whole_frames_and_no_complaint(tmp_path: Path) -> None:
    path, ends = three_frames(tmp_path)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        said: list[str] = []
        assert len(recovered(tmp_path, said.append)) == sum(end <= size for end in ends)
        assert said == []


def test_any_damaged_byte_costs_one_frame_and_is_reported_unless_it_is_the_last(tmp_path: Path) -> None:
    path, ends = three_frames(tmp_path)
    whole = path.read_bytes()
    for at in range(len(SEGMENT_MAGIC), len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        said: list[str] = []
        items = [f.last for f in recovered(tmp_path, said.append) if isinstance(f, Data)]
        hit = sum(end <= at for end in ends) + 1
        assert items == [i for i in (1, 2, 3) if i != hit]
        assert len(said) == (1 if hit < 3 else 0), "nothing tells damage of the last frame from a torn one"


def test_a_file_that_is_no_segment_is_reported_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "0001-000000.seg").write_bytes(b"something else entirely")
    (tmp_path / "0001-000001.seg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not ours")
    journal = Journal(tmp_path)
    journal.append(data(1, 1), lambda: b"")
    said: list[str] = []
    assert recovered(tmp_path, said.append) == [data(1, 1)]
    assert len(said) == 1 and "0001-000000.seg" in said[0]


def test_a_length_beyond_the_file_is_no_reason_to_read_it(tmp_path: Path) -> None:
    asked: list[int] = []
    raw = SEGMENT_MAGIC + HEAD.pack(b"\xf5FRM", (1 << 32) - 1, 0, 1)

    def read(at: int, size: int) -> bytes:
        asked.append(size)
        return raw[at : at + size]

    assert list(read_frames(read, len(raw))) == []
    assert max(asked) <= 64 << 20


FRAMES = st.lists(
    st.one_of(
        st.builds(lambda n, raw: ("data", n, raw), st.integers(1, 9), st.binary(max_size=80)),
        st.builds(lambda n: ("ack", n, b""), st.integers(0, 99)),
        st.builds(lambda n: ("lost", n, b""), st.integers(1, 9)),
        st.just(("close", 0, b"")),
    ),
    max_size=25,
)


@settings(max_examples=examples(60), deadline=None)
@given(
    operations=FRAMES,
    wounds=st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), max_size=3),
    cut=st.integers(0, 200),
)
def test_any_history_survives_any_wound_but_for_what_was_hit(
    operations: list[tuple[str, int, bytes]], wounds: list[tuple[int, int]], cut: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal, cursor = Journal(folder), 0
        expected: list[tuple[Path, int, Frame]] = []  # where each frame ends

        acked = list[int]()

        def note(frame: Frame) -> None:
            path = segments(folder)[-1]
            if acked and all(path != before for before, _, _ in expected):  # a segment begins with what is acked
                known = Ack(A, max(acked))
                expected.append((path, len(SEGMENT_MAGIC) + len(known.pack()), known))
            expected.append((path, path.stat().st_size, frame))

        for what, n, raw in operations:
            if what == "data":
                item = data(cursor + 1, cursor + n, payload=raw)
                journal.append(item, lambda: b"")
                cursor += n
                note(item)
            elif what == "ack":
                journal.append_ack(A, n)
                acked.append(n)
                note(Ack(A, n))
            elif what == "lost":
                lost = Lost(A, cursor + 1, cursor + n, "reason")
                journal.append_lost(lost)
                cursor += n
                note(lost)
            else:
                journal.close()
                journal, acked = Journal(folder), []  # not recovered: it knows of no ack
        journal.close()
        assert recovered(folder) == [frame for _, _, frame in expected]
        if not expected:
            return
        # Cut the last segment, then flip bytes anywhere after the magic of any segment.
        last = segments(folder)[-1]
        size = max(len(SEGMENT_MAGIC), last.stat().st_size - cut)
        os.truncate(last, size)
        hits: set[tuple[Path, int]] = set()
        for at, mask in wounds:
            path = segments(folder)[at % len(segments(folder))]
            raw_bytes = bytearray(path.read_bytes())
            if len(raw_bytes) <= len(SEGMENT_MAGIC):
                continue
            place = len(SEGMENT_MAGIC) + at // 7 % (len(raw_bytes) - len(SEGMENT_MAGIC))
            if (path, place) not in hits:
                raw_bytes[place] ^= mask
                path.write_bytes(raw_bytes)
                hits.add((path, place))
        starts: dict[Path, int] = {}
        survivors = []
        for path, end, frame in expected:
            start = starts.get(path, len(SEGMENT_MAGIC))
            starts[path] = end
            cut_off = path == last and end > size
            if not cut_off and not any(p == path and start <= at < end for p, at in hits):
                survivors.append(frame)
        assert recovered(folder) == survivors


def test_damage_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    path, ends = three_frames(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[ends[0] + 20] ^= 1
    items = list(read_frames(lambda at, n: bytes(raw[at : at + n]), len(raw)))
    assert [f for f in items if isinstance(f, Damage)] == [Damage(ends[0], ends[1])]


# Removal --------------------------------------------------------------------------------------------------------


def filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(journal_module, "JOURNAL_SEGMENT_BYTES", 200)
    journal = Journal(folder)
    for i in range(1, 9):
        journal.append(data(i, i, payload=bytes(100)), lambda: b"")
    assert len(segments(folder)) == 8
    return journal


def test_only_acked_segments_are_removed_and_only_for_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(tmp_path, monkeypatch)
    journal.release(0, keep_s=0)
    assert len(segments(tmp_path)) == 8, "nothing is acked"
    journal.append_ack(A, 3)
    journal.release(1 << 30, keep_s=1000)
    assert len(segments(tmp_path)) == 9, "within the budget, and young"
    journal.release(journal.bytes() - 1, keep_s=1000)
    assert len(segments(tmp_path)) == 8, "one is enough"
    journal.release(0, keep_s=1000)
    assert [f.first for f in recovered(tmp_path) if isinstance(f, Data)] == [4, 5, 6, 7, 8]


def test_segments_of_an_earlier_incarnation_are_removed_once_acked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, monkeypatch).append_ack(A, 5)
    again = Journal(tmp_path)
    list(again.recover())
    again.release(0, keep_s=0)
    assert [f.first for f in recovered(tmp_path) if isinstance(f, Data)] == [6, 7, 8]
    assert not again.all_acked()


def test_a_segment_with_an_unacked_writer_stays_whatever_another_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(data(1, 5), lambda: b"")
    journal.append(data(1, 2, B), lambda: b"")
    journal.append_ack(A, 5)
    journal.close()
    again = Journal(tmp_path)
    list(again.recover())
    again.append_ack(B, 1)
    again.release(0, keep_s=0)
    assert len(segments(tmp_path)) == 2
    again.append_ack(B, 2)
    again.release(0, keep_s=0)
    assert len(segments(tmp_path)) == 1 and again.all_acked()


# Disks ----------------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], None]) -> None:
    """Run `work` in a forked child. Fail if it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_disk_that_fills_up_in_the_middle_of_a_frame_costs_that_frame_alone(tmp_path: Path) -> None:
    """A limit on file sizes gives real short writes, then real errors."""

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        journal, kept, refused = Journal(tmp_path), [], 0
        for i in range(1, 30):
            try:
                location = journal.append(data(i, i, payload=bytes([i]) * 300), lambda: TABLE)
            except OSError:
                refused += 1
            else:
                kept.append(i)
                assert location.read() == bytes([i]) * 300
        assert refused > 3 and len(kept) > 10
        said: list[str] = []
        items = [f for f in recovered(tmp_path, said.append) if isinstance(f, Data)]
        assert [f.first for f in items] == kept and said == []

    in_child(work)


def test_a_full_disk_is_not_littered_with_empty_segments(tmp_path: Path) -> None:
    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(tmp_path)
        journal.append(data(1, 1), lambda: TABLE)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        for i in range(2, 50):
            with pytest.raises(OSError):
                journal.append(data(i, i), lambda: TABLE)
            with pytest.raises(OSError):
                journal.append_ack(A, 1)
        assert len(segments(tmp_path)) == 1
        journal.release(0, keep_s=0)  # acked, though that could not be written: so there is room for what comes
        assert segments(tmp_path) == []
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        journal.append(data(50, 50), lambda: TABLE)
        assert recovered(tmp_path) == [Ack(A, 1), Keys(A, TABLE), data(50, 50)]

    in_child(work)


def test_fsync_comes_at_most_once_a_second_and_only_for_something(tmp_path: Path) -> None:
    synced: list[float] = []
    now = [0.0]
    journal = Journal(tmp_path, clock=lambda: now[0], fsync=lambda fd: synced.append(now[0]))
    for i in range(1, 41):
        now[0] = i / 8
        journal.append(data(i, i), lambda: b"")
        journal.sync()
    assert synced == [1.0, 2.0, 3.0, 4.0, 5.0]
    now[0] = 100.0
    journal.sync(force=True)
    assert len(synced) == 5, "nothing was written since"
    journal.append(data(41, 41), lambda: b"")
    journal.close()
    assert len(synced) == 6
    journal.close()


def test_an_fsync_that_fails_is_tried_again(tmp_path: Path) -> None:
    fails = [True]

    def fsync(fd: int) -> None:
        if fails[0]:
            raise OSError(5, "I/O error")

    journal = Journal(tmp_path, fsync=fsync)
    journal.append(data(1, 1), lambda: b"")
    with pytest.raises(OSError):
        journal.sync(force=True)
    fails[0] = False
    journal.sync(force=True)
    journal.close()


def test_the_folder_and_its_files_are_the_users_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").append(data(1, 1), lambda: b"")
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert segments(tmp_path / "journal")[0].stat().st_mode & 0o777 == 0o600


def test_an_ack_outlives_the_segment_that_said_it(tmp_path: Path) -> None:
    """Else what the next segment begins behind would be taken for damage, and told as a loss."""
    journal = Journal(tmp_path, segment_bytes_max=200)
    journal.append(data(1, 10), lambda: TABLE)
    journal.append_ack(A, 10)
    journal.append(data(11, 20), lambda: TABLE)
    journal.append(data(21, 30), lambda: TABLE)
    journal.release(0, keep_s=0)
    entries = recovered(tmp_path)
    assert data(1, 10) not in entries and data(11, 20) in entries
    assert Ack(A, 10) in entries
