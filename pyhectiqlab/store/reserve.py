"""Room that is kept for when the disk is full: to open the databases at all, and for work that makes room."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

BALLAST_BYTES = (1 << 20, 256 << 10, 128 << 10)
RESERVE_BYTES = 16 << 20  # the logs of both databases may grow so much between two checkpoints
SLACK_BYTES = 4 << 20  # must be free beside the reserve before the reserve is taken again


class Ballast:
    """A file that takes some room of the disk, to be removed when room is needed. SQLite opens no database without
    shared memory, which is a file beside it. Without this room, a stopped lab on a full disk could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def take(self) -> None:
        """Take as much as there is room for. Raises nothing."""
        for size in BALLAST_BYTES:
            if _fill(self._path, size):
                return
            with contextlib.suppress(OSError):
                self._path.unlink()

    def give(self) -> bool:
        """Remove the file. Return whether there was one."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


class Reserve:
    """A file whose room is given up for work that makes more room: deleting and purging.

    It is made when the disk has room for it. Whoever gives it up empties it. An empty file says so to every process,
    until it is filled again: meanwhile the lab takes no data, which would take this room, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / "reserve"

    def take(self) -> bool:
        """Fill the file if the disk has room for it and some more. Return whether it is full now. Raises nothing."""
        if self._size() == RESERVE_BYTES:
            return True
        try:
            if shutil.disk_usage(self._folder).free < RESERVE_BYTES + SLACK_BYTES:
                return False
        except OSError:
            return False
        if _fill(self._path, RESERVE_BYTES):
            return True
        self._empty()
        return False

    def give(self) -> bool:
        """Empty the file if the disk is nearly full. Return whether there is more room now. Raises nothing."""
        try:
            if not self._size() or shutil.disk_usage(self._folder).free >= SLACK_BYTES:
                return False
        except OSError:
            return False
        return self._empty()

    def is_given(self) -> bool:
        """Return whether the file was emptied and not filled since. Takes a microsecond."""
        return self._size() == 0

    def _size(self) -> int | None:
        try:
            return os.stat(self._path).st_size
        except OSError:
            return None

    def _empty(self) -> bool:
        try:
            os.truncate(self._path, 0)
        except OSError:
            return False
        return True


def _fill(path: Path, size: int) -> bool:
    try:
        with path.open("ab") as file:
            if file.tell() < size:
                os.posix_fallocate(file.fileno(), 0, size)
    except (OSError, AttributeError):
        return False
    return True
