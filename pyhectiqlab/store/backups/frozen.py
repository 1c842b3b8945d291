"""A database's file as of one moment, page by page, while others go on writing: for backups.

In WAL mode whoever writes appends to the log beside the file. Only a checkpoint changes the file, and none may do so
while somebody reads a state that is in the file as a whole. So the log is brought into the file, under the right to
write, which takes milliseconds. Then a reading transaction begins, and the file stays as it is until that ends. Free
pages count as zeros, as their bytes are whatever was in them before.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ...errors import StoreError
from ..sqlite_files.checkpoints import Checkpoints
from ..sqlite_files.errors import SQLITE_ERRORS

BUSY_TIMEOUT_S = 30.0
FREEZE_S = 10.0  # readers of an earlier state have so long to end
PAUSE_S = 0.2
_HEADER_TRUNK = slice(32, 36)  # the first trunk page of the freelist, see SQLite's file format


class NotFrozenError(StoreError):
    """The file cannot be read as of one moment: others read an earlier state all the time, or it cannot be written."""


class Frozen:
    """The file of a database. `connection` reads the same state."""

    def __init__(self, fd: int, connection: sqlite3.Connection) -> None:
        self._fd, self.connection = fd, connection
        (self.page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        (self.pages,) = connection.execute("PRAGMA page_count").fetchone()
        self._free = self._free_pages()

    @property
    def size(self) -> int:
        return int(self.pages * self.page_bytes)

    def read(self, start: int, length: int) -> bytes:
        """Return what is there, up to the end; zeros for each page that is free. `start` is the start of a page. Raises
        OSError.
        """
        data = self._read(start, min(length, self.size - start))
        first, page_bytes = start // self.page_bytes, self.page_bytes
        free = [n for n in range(first, first + len(data) // page_bytes) if n in self._free]
        if not free:
            return data
        changed = bytearray(data)
        for n in free:
            at = (n - first) * page_bytes
            changed[at : at + page_bytes] = bytes(page_bytes)
        return bytes(changed)

    def _read(self, start: int, length: int) -> bytes:
        data = os.pread(self._fd, length, start)
        while len(data) < length:
            more = os.pread(self._fd, length - len(data), start + len(data))
            if not more:
                raise OSError(f"it ends at {start + len(data)} of {self.size} bytes")
            data += more
        return data

    def _free_pages(self) -> set[int]:
        """Return the leaves of the freelist, counted from 0. Its trunks list them, and are needed."""
        free: set[int] = set()
        trunk = int.from_bytes(self._read(0, 100)[_HEADER_TRUNK], "big")
        seen = 0
        while trunk and seen <= self.pages:  # a damaged list that leads in a circle ends, too
            page = self._read((trunk - 1) * self.page_bytes, self.page_bytes)
            trunk, count = int.from_bytes(page[:4], "big"), int.from_bytes(page[4:8], "big")
            leaves = memoryview(page)[8 : 8 + 4 * min(count, self.page_bytes // 4 - 2)]
            free.update(int.from_bytes(leaves[i : i + 4], "big") - 1 for i in range(0, len(leaves), 4))
            seen += 1
        return free


@contextlib.contextmanager
def frozen(path: Path) -> Iterator[Frozen]:
    """Give the file as it is now, until the block ends: make it short, the log grows meanwhile. Block for milliseconds,
    and up to FREEZE_S while others read an earlier state. Raises NotFrozenError, sqlite3.Error, OSError.
    """
    with contextlib.ExitStack() as stack:
        # Closed last: closing a descriptor of a file gives up all locks that SQLite has on it in this process.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        checkpoints = Checkpoints(path)
        stack.callback(checkpoints.close)
        reader, other = (stack.enter_context(contextlib.closing(_connect(path))) for _ in range(2))
        _freeze(reader, other, checkpoints)
        before = os.fstat(fd)
        yield Frozen(fd, reader)
        after = os.fstat(fd)
        if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
            raise NotFrozenError(f"{path} was changed while it was read: try again.")
        reader.execute("COMMIT")


@contextlib.contextmanager
def as_of_now(path: Path, scratch: Path) -> Iterator[Frozen]:
    """Like `frozen`. Where that is not possible (the file may not be written, say on a full disk or by another user),
    it is a copy, which SQLite makes in the folder `scratch` for that long.
    """
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(frozen(path))
        except (NotFrozenError, *SQLITE_ERRORS, OSError):
            copy = scratch / f"{path.name}.copy"
            stack.callback(_remove, copy)
            _copy(path, copy)
            database = stack.enter_context(frozen(copy))
        yield database


def _copy(path: Path, copy: Path) -> None:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as there,
        contextlib.closing(sqlite3.connect(copy)) as here,
    ):
        there.backup(here, pages=-1)  # in one step, or it would begin anew after each commit


def _remove(path: Path) -> None:
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()


def _freeze(reader: sqlite3.Connection, other: sqlite3.Connection, checkpoints: Checkpoints) -> None:
    """Begin a transaction of `reader` whose state is in the file as a whole."""
    deadline = time.monotonic() + FREEZE_S
    while True:
        checkpoints.attempt(reader)  # most of it, while others write
        other.execute("BEGIN IMMEDIATE")
        try:
            if checkpoints.attempt(reader):
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
                return
        finally:
            other.execute("ROLLBACK")
        if time.monotonic() > deadline:
            raise NotFrozenError("others read an earlier state of the database all the time: try again later.")
        time.sleep(PAUSE_S)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
