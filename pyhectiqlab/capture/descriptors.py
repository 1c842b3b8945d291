"""Lead file descriptors 1 and 2 into files, to record what C libraries and child processes print.

Files, unlike a pipe, never make the writer wait. Python's own streams stay on the terminal, and stay the same objects:
the file object at their bottom gets a saved copy of the descriptor. So nothing that Python prints is delayed, and
`isatty` and `fileno` are a terminal's. What C holds in its buffer is written out before the descriptors go back.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base.fds import lifted

SAVED_AT = 64  # saved copies get numbers from here on, as some scripts count on small ones
_LINE_BUFFERED = 1  # _IOLBF


class Diversion:
    """Lead descriptors 1 and 2 into `files`, which are appended to, until `end`. Raises OSError if the descriptors are
    not open or the files cannot be made; then nothing has changed.

    Attributes:
        saved: copies of the original descriptors 1 and 2, open until `close`. Programs that are started do not inherit
            them.
    """

    def __init__(self, files: tuple[Path, Path]) -> None:
        self._pid = os.getpid()
        self._ended_with: tuple[int, int] | None = None
        self.saved: list[int] = []
        self._files: list[int] = []
        try:
            for fd in (1, 2):
                self.saved.append(_copy(fd))
            for path in files:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._files.append(lifted(os.open(path, flags, 0o600)))
        except OSError:
            self.close()
            raise
        self._is = [_identity(fd) for fd in self._files]
        for fd, saved in zip((1, 2), self.saved, strict=True):
            for raw in _raw_files(fd):
                _point(raw, saved)
        for fd, file in zip((1, 2), self._files, strict=True):
            os.dup2(file, fd)
        if os.isatty(self.saved[0]):
            _as_on_a_terminal()

    def sizes(self) -> tuple[int, int]:
        """Return how many bytes both files have, after C has written out its buffer. After `end`: how many they had at
        that time.
        """
        if self._ended_with is not None:
            return self._ended_with
        _flush_c()
        out, err = (os.fstat(fd).st_size for fd in self._files)
        return out, err

    def end(self) -> None:
        """Put both descriptors back, except one that somebody led elsewhere meanwhile. Safe twice. Does nothing in a
        forked child, whose streams write to the terminal anyway.
        """
        if self._ended_with is not None or self._pid != os.getpid():
            return
        _flush_c()
        for fd, saved, ours in zip((1, 2), self.saved, self._is, strict=True):
            with contextlib.suppress(OSError):
                if _identity(fd) == ours:
                    os.dup2(saved, fd)
            for raw in _raw_files(saved):
                _point(raw, fd)
        self._ended_with = self.sizes()
        for fd in self._files:  # the uploader waits until nobody can write to them any more
            os.close(fd)
        self._files = []

    def close(self) -> None:
        """Close the copies, too. Call it only after `end`."""
        for fd in (*self.saved, *self._files):
            os.close(fd)
        self.saved, self._files = [], []


def can_divert() -> bool:
    """Return whether both descriptors are open, and no stream of Python owns one."""
    try:
        for fd in (1, 2):
            os.fstat(fd)
            if any(raw.closefd for raw in _raw_files(fd)):
                return False
    except OSError:
        return False
    return True


def _copy(fd: int) -> int:
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SAVED_AT)
    except OSError:  # EINVAL: no process here may open so many files
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _identity(fd: int) -> tuple[int, int]:
    about = os.fstat(fd)
    return about.st_dev, about.st_ino


def _raw_files(fd: int) -> Iterator[Any]:
    """Yield the file objects at the bottom of Python's streams that write to `fd`."""
    seen = set()
    for stream in (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__):
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)
        if type(raw) is io.FileIO and id(raw) not in seen and not raw.closed and raw.fileno() == fd:
            seen.add(id(raw))
            yield raw


def _point(raw: Any, fd: int) -> None:
    """Give a file object another descriptor. The old one stays open, as the object does not own it."""
    name = raw.name
    raw.__init__(fd, "wb", closefd=False)
    raw.name = name


def _c_stdout() -> tuple[Any, Any]:
    """Return (the C library, its `stdout`). Raises OSError, ValueError, AttributeError or ImportError where there is
    none.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    return libc, ctypes.c_void_p.in_dll(libc, "__stdoutp" if sys.platform == "darwin" else "stdout")


def _as_on_a_terminal() -> None:
    """Have C write each line at once, as on a terminal; for a file it holds back 4 KiB."""
    with contextlib.suppress(OSError, ValueError, AttributeError, ImportError):
        libc, stdout = _c_stdout()
        libc.setvbuf(stdout, None, _LINE_BUFFERED, 0)


def _flush_c() -> None:
    """Flush C's stdout, and nothing else: flushing all would wait for a thread that reads from stdin."""
    with contextlib.suppress(OSError, ValueError, AttributeError, ImportError):
        libc, stdout = _c_stdout()
        libc.fflush(stdout)
