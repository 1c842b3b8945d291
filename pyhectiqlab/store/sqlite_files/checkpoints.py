"""Checkpoints of a database in WAL mode: what its log holds goes into the database, with the checksums of its pages.

SQLite makes checkpoints by itself unless it is told not to, and then nobody knows which pages have changed. So whoever
opens the database for writing sets PRAGMA wal_autocheckpoint = 0, and calls `after_commit` and `before_close`. (SQLite
writes the rest of the log into the database when the last connection is closed.)
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from . import wal
from .errors import SQLITE_ERRORS, sentence_of
from .sums import Held, Sums, sums_of

log = logging.getLogger("hectiqlab.store")

_CHECKPOINT = (
    "PRAGMA wal_checkpoint(PASSIVE)"  # (whether somebody held it up, frames of the log, those of them it wrote)
)


class Checkpoints:
    """The checkpoints of one database, which has to be there. Call it from the thread that writes the database. What
    was committed is durable without a checkpoint, so only `attempt` and the constructor raise anything.

    Args:
        frames: make a checkpoint when the log has so many frames.
    """

    def __init__(self, database: Path, frames: int = 1000) -> None:
        self._database = database
        self._frames = frames
        self._due = frames
        self._sums = Sums(database)

    def after_commit(self, connection: sqlite3.Connection) -> None:
        frames = self._length()
        if frames < self._frames:
            self._due = self._frames
        elif frames >= self._due:
            self.make(connection)
            self._due = frames + self._frames // 4  # where the log was not begun anew, somebody still reads it

    def make(self, connection: sqlite3.Connection) -> None:
        """Make a checkpoint as far as readers let it. Call it outside a transaction. Raises nothing."""
        try:
            self.attempt(connection)
        except (OSError, *SQLITE_ERRORS) as e:
            why = sentence_of(e)
            log.warning("%s: its log could not be written into it (%s); it grows until it can be", self._database, why)

    def attempt(self, connection: sqlite3.Connection) -> bool:
        """Make a checkpoint. Return whether all of the log is in the database; it is not while somebody reads an
        earlier state. Raises OSError, sqlite3.Error.
        """
        try:
            with self._sums.held() as held:
                return self._make(connection, held)
        except OSError:
            if sums_of(self._database).exists():
                raise  # they would be wrong
            busy, frames, written = connection.execute(_CHECKPOINT).fetchone()
            return not busy and bool(frames == written)

    def before_close(self, connection: sqlite3.Connection) -> None:
        if self._length():
            self.make(connection)

    def wrong_pages(self, go_on: Callable[[], bool]) -> list[int]:
        """See Sums.wrong. May be called from any thread. Raises OSError."""
        return self._sums.wrong(go_on)

    def close(self) -> None:
        """Close the file of sums. Call it once this process has no connection to the database."""
        self._sums.close()

    def _length(self) -> int:
        try:
            return wal.frames(self._database)
        except OSError:  # no descriptor left, say: there will be another commit
            return 0

    def _make(self, connection: sqlite3.Connection, held: Held) -> bool:
        seen = wal.frames(self._database)
        pages = wal.pages(self._database, seen)
        try:
            held.forget(pages)
        except OSError:  # a full disk: then no page is checked
            held.drop()
            pages, seen = pages[:0], -1
        busy, frames, written = connection.execute(_CHECKPOINT).fetchone()
        if 0 <= seen < frames:  # a command beside the lab has committed meanwhile
            pages = wal.pages(self._database, frames)
            held.forget(pages)
        if busy or frames != written:
            return False
        if len(pages):
            held.note(pages)
            held.done()
        return True
