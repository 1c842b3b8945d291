"""The spill file: whole frames come back, whatever a full disk left between them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhectiqlab.ring import spill as spill_module
from pyhectiqlab.ring.spill import SpillReader, SpillWriter, frame

from ..seeds import examples


def read(path: Path, start: int = 0) -> list[tuple[int, bytes]]:
    reader = SpillReader(path)
    items = [(tail, record) for tail, record, _ in reader.frames(start, reader.size())]
    reader.close()
    return items


def test_frames_come_back_with_their_tails(tmp_path: Path) -> None:
    writer = SpillWriter(tmp_path / "s")
    assert writer.size() == 0
    for i in range(10):
        writer.append(i, b"record %d" % i)
    writer.close()
    writer.close()
    assert read(tmp_path / "s") == [(i, b"record %d" % i) for i in range(10)]
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    reader = SpillReader(tmp_path / "s")
    assert reader.size() == 0 and list(reader.frames(0, 0)) == []
    reader.close()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "s").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        SpillWriter(tmp_path / "s").append(0, b"x")
    assert not (tmp_path / "elsewhere").exists()


def test_every_offset_behind_a_frame_is_a_place_to_go_on(tmp_path: Path) -> None:
    writer = SpillWriter(tmp_path / "s")
    for i in range(5):
        writer.append(i, b"x" * i)
    reader = SpillReader(tmp_path / "s")
    for n, (_, _, behind) in enumerate(reader.frames(0, reader.size()), 1):
        assert [tail for tail, _ in read(tmp_path / "s", behind)] == list(range(n, 5))


def test_a_frame_still_being_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    whole = frame(1, b"first") + frame(2, b"second record")
    for size in range(len(whole) + 1):
        (tmp_path / "s").write_bytes(whole[:size])
        reader = SpillReader(tmp_path / "s")
        frames = list(reader.frames(0, reader.size()))
        at = frames[-1][2] if frames else 0
        (tmp_path / "s").write_bytes(whole)
        frames += list(reader.frames(at, reader.size()))
        assert [f[:2] for f in frames] == [(1, b"first"), (2, b"second record")]
        reader.close()


parts = st.lists(
    st.one_of(
        st.tuples(st.just("whole"), st.binary(max_size=300)),
        st.tuples(st.just("torn"), st.binary(max_size=299).map(lambda raw: raw + b"\x01")),
        st.tuples(st.just("garbage"), st.binary(max_size=60)),
    ),
    max_size=12,
)


@settings(max_examples=examples(150), deadline=None)
@given(parts=parts, block=st.sampled_from([32, 64, 200, 1 << 20]))
def test_what_a_full_disk_cut_short_costs_no_other_frame(parts: list[tuple[str, bytes]], block: int) -> None:
    """Short writes leave the beginning of a frame; whole ones follow it. In blocks smaller than the frames, too."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill_module, "READ_BYTES", block)
        path, data, expected = Path(folder) / "s", b"", []
        for i, (kind, raw) in enumerate([*parts, ("whole", b"last")]):
            if kind == "garbage":
                data += b"\x77" + raw.replace(spill_module.MAGIC, b"")
                continue
            made = frame(i, raw)
            data += made if kind == "whole" else made[: len(made) - 1 - len(raw) // 2]
            if kind == "whole":
                expected.append((i, raw))
        path.write_bytes(data)
        assert read(path) == expected


def test_a_large_record_that_holds_a_frame_of_its_own_comes_back_whole(tmp_path: Path) -> None:
    """Somebody logs the bytes of a spill file."""
    inner = b"x" * 100 + frame(7, b"inner") + b"y" * (3 << 20)
    writer = SpillWriter(tmp_path / "s")
    writer.append(1, inner)
    writer.append(2, b"next")
    assert read(tmp_path / "s") == [(1, inner), (2, b"next")]


def test_a_write_cut_short_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SpillWriter(tmp_path / "s")
    writer.append(1, b"whole")
    real = os.write
    monkeypatch.setattr("pyhectiqlab.ring.spill.os.write", lambda fd, data: real(fd, data[:-3]))
    with pytest.raises(OSError):
        writer.append(2, b"torn")
    monkeypatch.undo()
    writer.append(3, b"whole again")
    assert read(tmp_path / "s") == [(1, b"whole"), (3, b"whole again")]


def test_drained_bytes_are_given_back_and_the_rest_stays(tmp_path: Path) -> None:
    writer = SpillWriter(tmp_path / "s")
    for i in range(12):
        writer.append(i, bytes([i]) * (1 << 20))
    reader = SpillReader(tmp_path / "s")
    ends = [behind for _, _, behind in reader.frames(0, reader.size())]
    before = (tmp_path / "s").stat().st_blocks
    reader.free(ends[7])
    after = (tmp_path / "s").stat().st_blocks
    assert after < before or before == 0, "not every file system can"
    assert [tail for tail, _, _ in reader.frames(ends[7], reader.size())] == [8, 9, 10, 11]
    reader.close()
