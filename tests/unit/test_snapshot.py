"""What is kept of a file at the call is that file or nothing, whatever happens to the original."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pyhectiqlab.capture import snapshot
from pyhectiqlab.capture.snapshot import ChangedError, Held, Source, reopened, take

LARGE = snapshot.COPY_BYTES_MAX + 1


def kept(path: Path, **how: bool) -> Held:
    with Source(path) as source:
        return take(source, path.parent / "kept", **how)


def read(held: Held) -> bytes:
    with reopened(held.path, held.size, held.identity, held.how) as fd:
        return os.pread(fd, held.size + 1, 0)


def make(folder: Path, size: int) -> Path:
    path = folder / "model.pt"
    path.write_bytes(os.urandom(1 << 10) * (size >> 10) + b"x" * (size & 1023))
    return path


def test_a_small_file_survives_writing_in_place(tmp_path: Path) -> None:
    path = make(tmp_path, 100_000)
    data = path.read_bytes()
    held = kept(path)
    path.write_bytes(b"another")
    assert held.how in ("copy", "reflink") and read(held) == data


def test_a_large_file_survives_removal_and_replacement(tmp_path: Path) -> None:
    path = make(tmp_path, LARGE)
    data = path.read_bytes()
    held = kept(path)
    assert held.size == LARGE
    (tmp_path / "new").write_bytes(b"another")
    os.replace(tmp_path / "new", path)
    assert read(held) == data
    path.unlink()
    assert read(held) == data


def test_a_large_file_that_is_written_in_place_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path, LARGE)
    held = kept(path)
    if held.how == "reflink":
        pytest.skip("this file system shares blocks: writing in place does no harm")
    assert held.how == "link"
    with open(path, "r+b") as f:  # as torch.save to the same path does; the size stays
        f.write(b"y")
    with pytest.raises(ChangedError, match="written to"):
        read(held)


def test_a_write_right_behind_the_call_is_seen_though_clocks_tick_coarsely(tmp_path: Path) -> None:
    for i in range(20):
        folder = tmp_path / str(i)
        folder.mkdir()
        path = make(folder, 4096)
        held = kept(path, may_copy=False)
        with open(path, "r+b") as f:
            f.write(b"y")
        with pytest.raises(ChangedError):
            read(held)


def test_a_file_that_cannot_be_linked_is_referred_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    path = make(tmp_path, LARGE)
    (tmp_path / "link").symlink_to(path)
    held = kept(tmp_path / "link", may_copy=False)
    assert (held.how, held.path) == ("reference", path)
    assert read(held) == path.read_bytes()
    path.unlink()
    with pytest.raises(ChangedError, match="removed"):
        read(held)


def test_a_link_is_followed_to_the_file_it_names(tmp_path: Path) -> None:
    path = make(tmp_path, LARGE)
    (tmp_path / "latest.pt").symlink_to(path)
    held = kept(tmp_path / "latest.pt", may_copy=False)
    assert held.how == "link" and not held.path.is_symlink() and read(held) == path.read_bytes()


def test_a_file_that_never_stands_still_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, 4096)
    pread = os.pread

    def meanwhile(fd: int, n: int, at: int) -> bytes:
        with open(path, "ab") as f:
            f.write(b"!")
        return pread(fd, n, at)

    monkeypatch.setattr(os, "pread", meanwhile)
    monkeypatch.setattr(snapshot, "_reflink", lambda fd, target: False)
    with pytest.raises(ChangedError, match="faster"):
        kept(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, error in (
        (tmp_path / "none", FileNotFoundError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "pipe", ValueError),
        (Path("/dev/null"), ValueError),
    ):
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        with pytest.raises(error):
            Source(path)
        assert not before or len(os.listdir("/proc/self/fd")) == before, "a descriptor leaked"


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert read(kept(tmp_path / "empty")) == b""


def test_a_folder_is_kept_with_all_below_it_and_survives_the_removal_of_its_files(tmp_path: Path) -> None:
    source = tmp_path / "staged"
    (source / "below" / "deep").mkdir(parents=True)
    for name in ("a", "below/b", "below/deep/c"):
        (source / name).write_bytes(name.encode())
    held = snapshot.take_folder(source, tmp_path / "kept")
    assert (held.how, held.size) == ("folder", sum(map(len, ("a", "below/b", "below/deep/c"))))
    for path in list(source.rglob("*")):
        if path.is_file():
            path.unlink()
            path.write_bytes(b"another")
    assert [(tmp_path / "kept" / name).read_text() for name in ("a", "below/b", "below/deep/c")] == [
        "a",
        "below/b",
        "below/deep/c",
    ]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs another file system")
@pytest.mark.parametrize(("stays", "how"), [(True, "reference"), (False, "copy")])
def test_on_another_file_system_a_large_file_that_goes_is_copied(tmp_path: Path, stays: bool, how: str) -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder:
        path = make(Path(folder), LARGE)
        if path.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("needs two file systems")
        data = path.read_bytes()
        with Source(path) as source:
            held = take(source, tmp_path / "kept", stays=stays)
    assert held.how == how
    if stays:
        with pytest.raises(ChangedError, match="removed"):
            read(held)
    else:
        assert read(held) == data
