"""Checksums of the pages of a database in WAL mode, in a file beside it: SQLite keeps none.

A page of the database changes in a checkpoint only. Whoever makes one (checkpoints.py) forgets the sums of the pages
that the log holds, durably, and notes them anew once they are all in the database. So a sum that is there is right,
whenever the power fails; a page without one is not checked.

    b"HLSUMS1\\n" · page size uint32 · busy uint32 · time int64 · for each page: crc uint32 · crc ^ 0x5A5A5A5A uint32

All numbers are little-endian. 0 and 0 mean that there is no sum. The CRC-32 is there twice, since a bit may flip here,
too: if the two differ, the page has no sum. `time` is the modification time of the database's file, in nanoseconds
since 1970; busy is 1 in the middle of a checkpoint. If busy is 0 and the times differ, another program has written or
copied the database, and no sum counts.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_HEAD = struct.Struct("<8sIIq")
_MAGIC = b"HLSUMS1\n"
_TWIN = 0x5A5A5A5A
_SUM = np.dtype([("crc", "<u4"), ("twin", "<u4")])
_AT_ONCE = 1024  # pages that are read while nobody can make a checkpoint: 4 MiB
_PAGE_SIZE_AT = 16  # in the database


def sums_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-sums")


class Sums:
    """Safe for several threads and processes: each step holds a lock on the file. Raises OSError.

    SQLite has locks on the database, and to close any descriptor of it gives up the locks of the whole process. So call
    `close` only once this process has no connection to the database.
    """

    def __init__(self, database: Path) -> None:
        self._path = sums_of(database)
        self._database = os.open(database, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._database)

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Hold the lock: nobody else makes a checkpoint, or reads or changes the sums. Makes the file if it is missing.
        Blocks while another process holds the lock.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield Held(fd, self._database)
        finally:
            os.close(fd)

    def wrong(self, go_on: Callable[[], bool] = lambda: True) -> list[int]:
        """Return the numbers of pages that hold other bytes than were written. Reads the whole database.

        Args:
            go_on: called behind each 4 MiB, while checkpoints can be made; no more is read once it returns False.
        """
        wrong: list[int] = []
        for held, pages in self._steps(go_on):
            wrong += held.wrong_of(pages)
        return wrong

    def complete(self) -> None:
        """Note the sums of pages that have none, so that they are checked from now on. Reads these pages."""
        for held, pages in self._steps():
            held.note(held.without_sum(pages))

    def _steps(self, go_on: Callable[[], bool] = lambda: True) -> Iterator[tuple[Held, Numbers]]:
        """Yield all pages, some at a time, so that others can make a checkpoint in between."""
        first, more = 1, True
        while more:
            with self.held() as held:
                pages = held.some_from(first)
                if len(pages):
                    yield held, pages
                more = len(pages) == _AT_ONCE
            first, more = first + _AT_ONCE, more and go_on()


class Held:
    """The sums, while the lock is held."""

    def __init__(self, fd: int, database: int) -> None:
        self._fd = fd
        self._database = database
        self._page_bytes = _page_bytes(database)
        head = os.pread(fd, _HEAD.size, 0)
        magic, page_bytes, busy, time = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0, 0, 0)
        if (magic, page_bytes) != (_MAGIC, self._page_bytes) or not (busy or time == self._time()):
            self.drop()
            self._write_head(busy=False)

    @property
    def _pages(self) -> int:
        return os.fstat(self._database).st_size // self._page_bytes

    def some_from(self, first: int) -> Numbers:
        """Return the numbers of the next pages of the database; none behind its end."""
        return np.arange(first, min(first + _AT_ONCE, self._pages + 1), dtype=np.int64)

    def without_sum(self, pages: Numbers) -> Numbers:
        return pages[~self._known(self._sums(pages))]

    def wrong_of(self, pages: Numbers) -> list[int]:
        """Return those of some pages in a row that differ from their sum."""
        sums = self._sums(pages)
        known = self._known(sums)
        differ = self._crcs(pages[known]) != sums["crc"][known]
        return [int(page) for page in pages[known][differ]]

    def forget(self, pages: Numbers) -> None:
        """Forget the sums of pages that are going to be written. That is durable on return."""
        pages = pages[self._known(self._sums_at(pages))]
        self._write_head(busy=True)
        for first, last in _rows(pages):
            os.pwrite(self._fd, bytes((last - first) * _SUM.itemsize), _place(int(pages[first])))
        os.fsync(self._fd)

    def drop(self) -> None:
        """Forget all sums. This needs no room on the disk: call it if `forget` failed."""
        os.ftruncate(self._fd, 0)

    def note(self, pages: Numbers) -> None:
        """Note the sums of pages that are in the database now."""
        pages = pages[pages <= self._pages]
        sums = np.empty(len(pages), _SUM)
        sums["crc"] = self._crcs(pages)
        sums["twin"] = sums["crc"] ^ np.uint32(_TWIN)
        packed = sums.tobytes()
        for first, last in _rows(pages):
            at = first * _SUM.itemsize
            os.pwrite(self._fd, packed[at : last * _SUM.itemsize], _place(int(pages[first])))

    def done(self) -> None:
        """Note that no checkpoint is in progress, and that the database stays as it is until the next one."""
        os.fsync(self._database)  # also makes its modification time durable
        self._write_head(busy=False)

    def _write_head(self, busy: bool) -> None:
        os.pwrite(self._fd, _HEAD.pack(_MAGIC, self._page_bytes, busy, self._time()), 0)

    def _time(self) -> int:
        return os.fstat(self._database).st_mtime_ns

    def _sums(self, pages: Numbers) -> NDArray[np.void]:
        """Return the sums of pages in a row."""
        size = len(pages) * _SUM.itemsize
        packed = os.pread(self._fd, size, _place(int(pages[0]))) if size else b""
        return np.frombuffer(packed.ljust(size, b"\0"), _SUM)

    def _sums_at(self, pages: Numbers) -> NDArray[np.void]:
        """Return the sums of pages anywhere; their numbers are sorted."""
        parts = [self._sums(pages[first:last]) for first, last in _rows(pages)]
        return np.concatenate(parts) if parts else np.empty(0, _SUM)

    @staticmethod
    def _known(sums: NDArray[np.void]) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = sums["twin"] == sums["crc"] ^ np.uint32(_TWIN)
        return known

    def _crcs(self, pages: Numbers) -> NDArray[np.uint32]:
        size = self._page_bytes
        crcs = np.empty(len(pages), np.uint32)
        for first, last in _rows(pages):
            block = memoryview(os.pread(self._database, (last - first) * size, (int(pages[first]) - 1) * size))
            for i in range(first, last):
                crcs[i] = zlib.crc32(block[(i - first) * size : (i - first + 1) * size])
        return crcs


def _page_bytes(database: int) -> int:
    size = int.from_bytes(os.pread(database, 2, _PAGE_SIZE_AT), "big")
    return 65536 if size == 1 else size or 4096  # 0: a new file


def _place(page: int) -> int:
    return _HEAD.size + (page - 1) * _SUM.itemsize


def _rows(pages: Numbers) -> Sequence[tuple[int, int]]:
    """Return (begin, end) of each stretch without a gap in sorted numbers; none is longer than what is read at once."""
    if not len(pages):
        return []
    begins = np.flatnonzero(np.diff(pages, prepend=pages[0] - 2) != 1)
    ends = np.append(begins[1:], len(pages))
    return [
        (at, min(at + _AT_ONCE, end))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        for at in range(begin, end, _AT_ONCE)
    ]
