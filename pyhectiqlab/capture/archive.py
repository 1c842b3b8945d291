"""Pack a directory into one zip file, streamed from disk to disk.

The same tree gives the same bytes: names in order, times in UTC, no owner. Symbolic links are kept as links and never
followed, so nothing from outside the tree gets in. Pipes, sockets and devices are left out and counted. Files that
hardly shrink (weights, images) are stored as they are: packing them would only take time.
"""

from __future__ import annotations

import os
import stat
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .snapshot import CHUNK_BYTES, COPY_TRIES, ChangedError, identity_of

SAMPLE_BYTES = 64 << 10
WHOLE_BYTES_MAX = 8 << 20  # a file up to this size is read again if it changes meanwhile
_SHRINKS = 0.9


@dataclass
class Packed:
    """What was packed, and what was left out."""

    files: int = 0
    bytes: int = 0
    links: int = 0
    skipped: int = 0  # pipes, sockets, devices


def zip_directory(folder: Path, target: Path) -> Packed:
    """Pack a directory. Blocks while the tree is read and packed. Takes a few MiB of memory for a directory of any
    size.

    Raises ChangedError if a file changes while it is read, OSError if something cannot be read or written. Nothing is
    left at `target` then.
    """
    packed = Packed()
    folder = folder.resolve()  # if the directory itself is a link, follow it
    try:
        with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for top, dirs, files, fd in os.fwalk(folder, onerror=_raise, follow_symlinks=False):
                dirs.sort()
                inside = Path(top).relative_to(folder)
                if inside.parts:
                    archive.writestr(_entry(f"{inside.as_posix()}/", os.fstat(fd)), b"")
                for name in sorted([*files, *(d for d in dirs if _is_link(d, fd))]):
                    _add(archive, packed, (inside / name).as_posix(), name, fd)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return packed


def _raise(error: OSError) -> None:
    raise error


def _is_link(name: str, dir_fd: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)


def _add(archive: zipfile.ZipFile, packed: Packed, path: str, name: str, dir_fd: int) -> None:
    about = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if stat.S_ISLNK(about.st_mode):
        packed.links += 1
        archive.writestr(_entry(path, about), os.fsencode(os.readlink(name, dir_fd=dir_fd)))
        return
    if not stat.S_ISREG(about.st_mode):
        packed.skipped += 1
        return
    # Links are not followed: the file may have become a link, or a pipe, meanwhile.
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
    with open(fd, "rb", buffering=0) as file:
        size = _add_small(archive, path, file)
        if size is None:
            size = _add_large(archive, path, file)
    packed.files += 1
    packed.bytes += size


def _add_small(archive: zipfile.ZipFile, path: str, file: IO[bytes]) -> int | None:
    """Add a small file. Return how many bytes were added; None if the file is large."""
    for _ in range(COPY_TRIES):
        before = os.fstat(file.fileno())
        if before.st_size > WHOLE_BYTES_MAX:
            return None
        file.seek(0)
        data = file.read(WHOLE_BYTES_MAX + 1)
        if len(data) == before.st_size and identity_of(os.fstat(file.fileno())) == identity_of(before):
            entry = _entry(path, before)
            archive.writestr(entry, data, _method(data[:SAMPLE_BYTES]))
            return len(data)
    raise ChangedError(f"{path} changes faster than it can be read")


def _add_large(archive: zipfile.ZipFile, path: str, file: IO[bytes]) -> int:
    before = os.fstat(file.fileno())
    entry = _entry(path, before)
    entry.file_size = before.st_size  # tells zipfile whether the entry needs zip64
    file.seek(0)
    entry.compress_type = _method(file.read(SAMPLE_BYTES))
    file.seek(0)
    with archive.open(entry, "w") as out:
        while chunk := file.read(CHUNK_BYTES):
            out.write(chunk)
            if file.tell() > before.st_size:
                break
    if identity_of(os.fstat(file.fileno())) != identity_of(before):
        raise ChangedError(f"{path} changed while it was read")
    return before.st_size


def _method(sample: bytes) -> int:
    return zipfile.ZIP_DEFLATED if len(zlib.compress(sample, 1)) < _SHRINKS * len(sample) else zipfile.ZIP_STORED


def _entry(path: str, about: os.stat_result) -> zipfile.ZipInfo:
    """Return the entry of a file; `path` ends with / for a directory. In a name that is not UTF-8, � replaces the bad
    bytes.
    """
    # The format knows no time before 1980 and none after 2107.
    when = time.gmtime(min(max(about.st_mtime, 315_532_800), 4_354_819_198))
    clean = path.encode(errors="surrogateescape").decode(errors="replace")
    entry = zipfile.ZipInfo(clean, when[:6])
    entry.create_system = 3  # Unix: the mode counts
    entry.external_attr = about.st_mode << 16 | (0x10 if path.endswith("/") else 0)
    entry.compress_type = zipfile.ZIP_STORED
    return entry
