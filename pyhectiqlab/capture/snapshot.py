"""Keep a file as it is now, at little cost, until it is uploaded; and check then that it is still that file.

How it is kept, in this order of preference:

1. a reflink (FICLONE): it shares the blocks, costs nothing, and writing to the original does not change it; btrfs, XFS,
…; 2. a copy, up to COPY_BYTES_MAX: a few milliseconds; 3. a hard link: it outlives `os.remove` and `os.replace` of the
original, but writing to the original in place, as `torch.save` to the same path does, changes it. So its identity
(inode, size and time of the last change) is compared when it is read; 4. the path itself, with the same identity, where
no link can be made (another file system): if the original is removed or changed before it is uploaded, it is not
stored, which is reported. A file that its maker removes soon is copied instead, whatever its size.

So what is uploaded is the file as it was at the call, or nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..base.lazyclass import dataclass
from ..base.texts import counted
from . import ownership

COPY_BYTES_MAX = 8 << 20
CHUNK_BYTES = 1 << 20
COPY_TRIES = 3
TICK_NS = 20_000_000  # longer than a tick of any kernel's clock, in which two changes get the same time
_FICLONE = 0x40049409

Identity = tuple[int, int, int]  # inode, bytes, time of the last change in ns. No device: it differs by mount and host

COPY, REFLINK, LINK, REFERENCE = "copy", "reflink", "link", "reference"
FOLDER = "folder"  # a folder of files to which nobody else writes; each is a copy, a reflink or a link
OWN = frozenset({COPY, REFLINK})  # nobody else can change these bytes


class ChangedError(Exception):
    """The file is not what it was. The message says in one line what happened."""


@dataclass(frozen=True)
class Held:
    """A file that was kept. `path`: where its bytes are now. `identity`: the identity of the file there."""

    how: str
    path: Path
    size: int
    identity: Identity


class Source:
    """An open regular file that somebody wants to keep. Closed at the end of a `with`.

    Raises FileNotFoundError, IsADirectoryError, PermissionError, another OSError, or ValueError for a pipe or device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Not blocking: opening a pipe would wait for somebody to write to it.
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self.stat = os.fstat(self.fd)
            if stat.S_ISDIR(self.stat.st_mode):
                raise IsADirectoryError(errno.EISDIR, "this is a directory, and a file is needed", str(path))
            if not stat.S_ISREG(self.stat.st_mode):
                raise ValueError(f"{path} is not a regular file but a pipe, socket or device")
        except BaseException:
            os.close(self.fd)
            raise

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)


def identity_of(about: os.stat_result) -> Identity:
    return about.st_ino, about.st_size, about.st_mtime_ns


def take(source: Source, target: Path, *, may_copy: bool = True, stays: bool = True) -> Held:
    """Keep `source` as it is now at `target`, or refer to it. Blocks at most for as long as it takes to copy 8 MiB, or
    20 ms.

    Args:
        target: a path that does not exist yet.
        may_copy: False takes no more room on the disk than a link.
        stays: False means that the file is removed soon. If it cannot be linked, it is then copied whatever its size,
            which may take longer.

    Raises ChangedError if the file changes faster than it can be copied; OSError if it cannot be read.
    """
    size = source.stat.st_size
    if may_copy and _reflink(source.fd, target):
        return own(REFLINK, target)
    if may_copy and size <= COPY_BYTES_MAX:
        with contextlib.suppress(OSError):  # a full disk may still have room for a link
            _copy(source, target)
            return own(COPY, target)
    identity = _settled(source)
    if _link(source, target):
        return Held(LINK, target, identity[1], identity)
    if not stays:
        _copy(source, target)
        return own(COPY, target)
    return Held(REFERENCE, Path(os.path.realpath(source.path)), identity[1], identity)


def take_folder(source: Path, target: Path) -> Held:
    """Keep all files below a folder at `target`. Nobody may write into the folder meanwhile. Links are not followed.
    Blocks for as long as it takes to copy the files that can be neither cloned nor linked.

    Raises OSError; then `target` may hold some of the files.
    """
    size = 0
    target.mkdir(mode=0o700)
    for folder, _, names in os.walk(source):
        there = target / os.path.relpath(folder, source)
        there.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            with Source(Path(folder, name)) as file:
                if not _link(file, there / name) and not _reflink(file.fd, there / name):
                    _copy(file, there / name)
                size += file.stat.st_size
    return Held(FOLDER, target, size, identity_of(os.lstat(target)))


def own(how: str, path: Path) -> Held:
    """Return a file at `path` that we made, and that nobody else changes, as a kept file. Raises OSError."""
    about = os.lstat(path)
    return Held(how, path, about.st_size, identity_of(about))


def _reflink(fd: int, target: Path) -> bool:
    try:
        new = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.ioctl(new, _FICLONE, fd)
        return True
    except OSError:
        target.unlink(missing_ok=True)
        return False
    finally:
        os.close(new)


def _copy(source: Source, target: Path) -> None:
    """Copy a file. If it changes meanwhile, copy it again, because the copy would be a mixture."""
    for _ in range(COPY_TRIES):
        before = os.fstat(source.fd)
        copied = 0
        new = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            while chunk := os.pread(source.fd, CHUNK_BYTES, copied):
                view = memoryview(chunk)
                while view:
                    view = view[os.write(new, view) :]
                copied += len(chunk)
                if copied > before.st_size:
                    break  # it grows, perhaps as fast as it is read
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        finally:
            os.close(new)
        if identity_of(os.fstat(source.fd)) == identity_of(before) and copied == before.st_size:
            return
    target.unlink(missing_ok=True)
    raise ChangedError("it changes faster than it can be copied")


def _settled(source: Source) -> Identity:
    """Return the identity of a file, as soon as every later change is sure to get another time. Waits a few ms at
    most.
    """
    age_ns = time.time_ns() - os.fstat(source.fd).st_mtime_ns
    if 0 <= age_ns < TICK_NS:
        time.sleep((TICK_NS - age_ns) / 1e9)
    return identity_of(os.fstat(source.fd))


def _link(source: Source, target: Path) -> bool:
    try:
        os.link(os.path.realpath(source.path), target)
    except OSError:  # another file system, one without links, or another user's file
        return False
    linked, wanted = target.stat(), os.fstat(source.fd)
    if (linked.st_dev, linked.st_ino) == (wanted.st_dev, wanted.st_ino):
        return True
    target.unlink(missing_ok=True)  # replaced between opening and linking
    return False


@contextmanager
def reopened(path: Path, size: int, identity: Identity | None, how: str) -> Iterator[int]:
    """Open a file that was kept, and check that it is still the same. `how`: how it was kept. Raises ChangedError;
    OSError if it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ChangedError("it was removed before it could be uploaded") from None
    except OSError as e:
        if e.errno == errno.ELOOP:
            raise ChangedError("a link took its place before it could be uploaded") from None
        raise
    try:
        if how in OWN and not ownership.is_ours(os.fstat(fd), path.parent):
            raise ChangedError("the copy of it belongs to another user: somebody else can write to the spool")
        check(fd, size, identity, how)
        yield fd
    finally:
        os.close(fd)


def check(fd: int, size: int, identity: Identity | None, how: str) -> None:
    """Raise ChangedError if the open file is not the one that was kept."""
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        raise ChangedError("it is not a regular file any more")
    if how not in OWN:
        if identity is None:
            raise ChangedError("the request for it does not say which file it was")
        if identity_of(about) != identity:
            raise ChangedError("it was written to or replaced before it was uploaded")
        return
    # Nobody else writes to our copy, so the time of its last change is not compared; some file servers set it late.
    if about.st_size != size:
        raise ChangedError(f"the copy of it has {counted(about.st_size, 'byte')} instead of {size:,}")
    if about.st_ino != identity[0] if identity is not None else about.st_nlink != 1:
        raise ChangedError("another file took the place of the copy of it")
