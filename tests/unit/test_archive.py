"""A directory in a zip: all that is in it, nothing that is not, and the same bytes for the same tree."""

from __future__ import annotations

import os
import stat
import time
import zipfile
from pathlib import Path

import pytest

from pyhectiqlab.capture import archive
from pyhectiqlab.capture.archive import Packed, zip_directory
from pyhectiqlab.capture.snapshot import ChangedError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "b" / "deep" / "x.bin").write_bytes(os.urandom(100_000))
    (folder / "a.txt").write_text("text " * 10_000)
    (folder / "none").touch()
    (folder / "é.txt").write_text("é")
    return folder


def packed(folder: Path, name: str = "out.zip") -> tuple[Path, Packed]:
    target = folder.parent / name
    return target, zip_directory(folder, target)


def test_the_tree_comes_out_as_it_went_in(tree: Path, tmp_path: Path) -> None:
    target, summary = packed(tree)
    with zipfile.ZipFile(target) as z:
        assert z.testzip() is None
        z.extractall(tmp_path / "out")
        sizes = {i.filename: (i.compress_size, i.file_size) for i in z.infolist()}
    for path in tree.rglob("*"):
        other = tmp_path / "out" / path.relative_to(tree)
        assert other.is_dir() if path.is_dir() else other.read_bytes() == path.read_bytes()
    assert summary == Packed(files=4, bytes=100_000 + 50_000 + 0 + 2)
    assert sizes["a.txt"][0] < 5_000, "text shrinks"
    assert sizes["b/deep/x.bin"] == (100_000, 100_000), "noise is stored as it is"


def test_the_same_tree_gives_the_same_bytes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = packed(tree)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    second, _ = packed(tree, "again.zip")
    assert first.read_bytes() == second.read_bytes()


def test_links_are_kept_as_links_and_nothing_outside_gets_in(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("a secret that must not leave")
    (tree / "to-file").symlink_to(outside / "secret")
    (tree / "to-folder").symlink_to(outside)
    (tree / "loop").symlink_to(tree)
    os.mkfifo(tree / "pipe")
    target, summary = packed(tree)
    assert (summary.links, summary.skipped) == (3, 1)
    with zipfile.ZipFile(target) as z:
        names = z.namelist()
        assert not any("secret" in n for n in names) and "pipe" not in names
        for name, to in (("to-file", outside / "secret"), ("to-folder", outside), ("loop", tree)):
            assert stat.S_ISLNK(z.getinfo(name).external_attr >> 16) and z.read(name).decode() == str(to)
    assert b"must not leave" not in target.read_bytes()


def test_a_large_file_is_streamed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "WHOLE_BYTES_MAX", 1000)
    target, summary = packed(tree)
    with zipfile.ZipFile(target) as z:
        assert z.testzip() is None and z.read("a.txt") == (tree / "a.txt").read_bytes()
    assert summary.files == 4


def test_a_file_that_changes_while_it_is_read_spoils_the_whole(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "WHOLE_BYTES_MAX", 1000)
    method = archive._method

    def meanwhile(sample: bytes) -> int:
        with open(tree / "a.txt", "a") as f:
            f.write("more")
        return method(sample)

    monkeypatch.setattr(archive, "_method", meanwhile)
    with pytest.raises(ChangedError, match=r"a\.txt changed"):
        packed(tree)
    assert not (tree.parent / "out.zip").exists()


def test_what_cannot_be_read_is_an_error_and_leaves_nothing(tree: Path) -> None:
    with pytest.raises(FileNotFoundError):
        packed(tree / "nowhere")
    if os.geteuid():
        (tree / "a.txt").chmod(0)
        with pytest.raises(PermissionError):
            packed(tree)
    assert [p.name for p in tree.parent.iterdir()] == ["tree"]


def test_times_that_zip_does_not_know_are_clamped(tree: Path) -> None:
    os.utime(tree / "a.txt", (0, 0))
    os.utime(tree / "none", (5e9, 5e9))
    target, _ = packed(tree)
    with zipfile.ZipFile(target) as z:
        assert z.getinfo("a.txt").date_time == (1980, 1, 1, 0, 0, 0)
        assert z.getinfo("none").date_time[0] == 2107
