"""Databases in parts: how a snapshot keeps a file, most of which the snapshot before it has already.

The folder `lab.db.parts` stands for the file `lab.db`, in parts of equal size, larger
ones where it is large:

    list.json    {"bytes": of the file, "part_bytes": …, "parts": [SHA-256 of each; "": nothing but zeros]}
    000/000000   the first part; the folder is the number by thousands. A part of zeros has no file

A part that the snapshot before has is linked, not copied, so each snapshot is whole, and whoever removes one frees what
no other needs. Blocks of zeros within a part are holes, where the file system knows of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...base import crashpoints

PART_BYTES = 64 << 10  # at least; if a page has changed, so much is copied
PARTS_MAX = 65_536  # about so many parts of a database at most, as each is a file
FOLDER_PARTS = 1000
SYNCED_EACH_MAX = 64
BLOCK = 4096  # so many zeros in a row are left out of the file
SUFFIX = ".parts"
LIST = "list.json"
WRONG = "other bytes than those that were stored"
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class PartList:
    bytes: int
    part_bytes: int
    parts: Sequence[str]


@dataclass(frozen=True)
class Stored:
    """What was stored. `digest`: of the list, and so of everything. `bytes`: without blocks of zeros. `copied`: bytes
    that `before` did not have.
    """

    digest: str
    bytes: int
    copied: int


def folder_of(snapshot: Path, name: str) -> Path:
    return snapshot / f"{name}{SUFFIX}"


def store(read: Read, size: int, folder: Path, before: Path | None) -> Stored:
    """Store `size` bytes, which `read(start, length)` gives, as parts in the new folder `folder`.

    Args:
        before: the same of an earlier snapshot, if it has it. Each of its parts is read before it is linked.

    Durable when it returns. Raises OSError.
    """
    earlier = _list_of(before)
    part_bytes = _part_bytes(size, earlier)
    known = earlier.parts if earlier is not None and earlier.part_bytes == part_bytes else ()
    folder.mkdir(mode=0o700)
    digests, new = [], []
    held = copied = 0
    for i, start in enumerate(range(0, size, part_bytes)):
        data = read(start, part_bytes)
        runs = _runs(data)
        if not runs:
            digests.append("")
            continue
        digests.append(hashlib.sha256(data).hexdigest())
        length = sum(end - begin for begin, end in runs)
        held += length
        path = _path(folder, i)
        if i % FOLDER_PARTS == 0 or not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
        if not _link(before, known, i, data, digests[-1], path):
            _write(path, data, runs)
            new.append(path)
            copied += length
        crashpoints.passing("upkeep.part_stored")
    content = json.dumps(asdict(PartList(size, part_bytes, digests))).encode()
    (folder / LIST).write_bytes(content)
    _sync_all(folder, [*new, folder / LIST, *(path for path in folder.iterdir() if path.is_dir()), folder])
    return Stored(hashlib.sha256(content).hexdigest(), held, copied)


def assemble(folder: Path, digest: str | None, target: Path) -> list[str]:
    """Make the file `target` of parts, each of which is compared with its digest. Return what is wrong, a sentence
    each; there the file has zeros. `digest`: of the list; None: it is not known. Raises OSError where `target` cannot
    be written.
    """
    try:
        content = (folder / LIST).read_bytes()
        its = PartList(**json.loads(content))
        paths = [_path(folder, i) for i in range(len(its.parts))]
    except (OSError, ValueError, TypeError) as e:
        return [f"{LIST} cannot be read ({type(e).__name__}: {e})"]
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        return [f"{LIST}: {WRONG}"]
    wrong = []
    with target.open("wb") as file:
        file.truncate(its.bytes)
        for i, (path, part) in enumerate(zip(paths, its.parts, strict=True)):
            if not part:
                continue
            length = min(its.part_bytes, its.bytes - i * its.part_bytes)
            try:
                data = path.read_bytes()
            except OSError as e:
                wrong.append(f"part {i}: {e.strerror}")
                continue
            if len(data) != length or hashlib.sha256(data).hexdigest() != part:
                wrong.append(f"part {i}: {WRONG}")
                continue
            for begin, end in _runs(data):
                file.seek(i * its.part_bytes + begin)
                file.write(data[begin:end])
    return wrong


def _list_of(before: Path | None) -> PartList | None:
    """Return an earlier list; None where it cannot be read."""
    if before is None:
        return None
    try:
        return PartList(**json.loads((before / LIST).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _part_bytes(size: int, earlier: PartList | None) -> int:
    """Return the size of parts: that of the earlier snapshot while it about fits, so that parts can be linked."""
    fits = PART_BYTES
    while size > PARTS_MAX * fits:
        fits *= 4
    if earlier is not None and fits // 4 <= earlier.part_bytes <= fits * 4 and earlier.part_bytes % PART_BYTES == 0:
        return max(PART_BYTES, earlier.part_bytes)
    return fits


def _link(before: Path | None, known: Sequence[str], i: int, data: bytes, digest: str, path: Path) -> bool:
    """Return whether the earlier part was these bytes, and is linked."""
    if before is None or i >= len(known) or known[i] != digest:
        return False
    try:
        if _path(before, i).read_bytes() != data:  # it was damaged since
            return False
        os.link(_path(before, i), path)
    except OSError:  # it is gone, or has too many links, or there are none on this file system
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return False
    return True


def _write(path: Path, data: bytes, runs: Sequence[tuple[int, int]]) -> None:
    with path.open("xb") as file:
        file.truncate(len(data))
        for begin, end in runs:
            file.seek(begin)
            file.write(data[begin:end])
    path.chmod(0o400)


def _runs(data: bytes) -> list[tuple[int, int]]:
    """Return where blocks are that are not all zeros: (begin, end), those beside each other as one."""
    zeros = bytes(BLOCK)
    runs: list[tuple[int, int]] = []
    for begin in range(0, len(data), BLOCK):
        block = data[begin : begin + BLOCK]
        if block == zeros[: len(block)]:
            continue
        if runs and runs[-1][1] == begin:
            runs[-1] = (runs[-1][0], begin + len(block))
        else:
            runs.append((begin, begin + len(block)))
    return runs


def _path(folder: Path, i: int) -> Path:
    return folder / f"{i // FOLDER_PARTS:03d}" / f"{i:06d}"


def _sync_all(folder: Path, paths: Sequence[Path]) -> None:
    """Wait until the disk has these files: all at once if the system can, as one by one would take a minute."""
    if len(paths) < SYNCED_EACH_MAX or not _sync_file_system(folder):
        for path in paths:
            _sync(path)


def _sync_file_system(folder: Path) -> bool:
    """Sync the file system. Return whether the system can do so. Raises OSError if the disk could not take all."""
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return False
    fd = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(fd)
    return True


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
