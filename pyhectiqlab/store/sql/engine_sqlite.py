"""SQLite as the database of a MetaStore.

WAL with synchronous=FULL: a commit survives a power failure, and readers never wait for the writer. Readers read in a
transaction, so that a view shows one state.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ...errors import StoreError
from .. import space
from ..pauses import may_pause
from ..sqlite_files.checkpoints import Checkpoints

BUSY_TIMEOUT_MS = 5_000
CHECKPOINT_PAGES = 1_000
PAUSE_INSTRUCTIONS = 10_000  # of SQLite's virtual machine, between two checks whether a reader is to pause


def for_writing(path: Path, **pool: Any) -> Engine:
    engine = create_engine(_url(path), **pool)
    event.listen(engine, "connect", _writing_connection)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def for_reading(path: Path, **pool: Any) -> Engine:
    engine = create_engine(_url(path), **pool)
    event.listen(engine, "connect", _reading_connection)
    event.listen(engine, "begin", _begin)
    return engine


class Log:
    """The write-ahead log of the file. Whoever writes brings its content into the file from time to time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checkpoints: Checkpoints | None = None

    def begin(self) -> None:
        """Begin, once the file is open. From here on SQLite must make no checkpoint by itself, not even when the file
        is closed.
        """
        if self._checkpoints is None:
            with suppress(OSError):  # no descriptor left: SQLite makes one when the file is closed
                self._checkpoints = Checkpoints(self._path, CHECKPOINT_PAGES)

    def after_commit(self, conn: Connection) -> None:
        connection = conn.connection.dbapi_connection
        self.begin()
        if self._checkpoints is not None and connection is not None:
            self._checkpoints.after_commit(connection)  # type: ignore[arg-type]

    def settle(self, conn: Connection, surely: bool) -> None:
        """Make the file as short as its content, outside of any transaction. It stays longer while somebody reads an
        earlier state: call this again then. `surely`: also where it is only a little longer.
        """
        connection = conn.connection.dbapi_connection
        with suppress(OSError):  # no descriptor left: the next call does it
            if self._checkpoints is not None and (surely or space.is_to_be_cut(connection, self._path)):  # type: ignore[arg-type]
                self._checkpoints.make(connection)  # type: ignore[arg-type]

    def wrong_pages(self, go_on: Callable[[], bool]) -> list[int]:
        """See Sums.wrong. From any thread, before `close`. Raises OSError."""
        return [] if self._checkpoints is None else self._checkpoints.wrong_pages(go_on)

    def before_close(self, write: Engine) -> None:
        """Call this when nobody reads or writes any more, before the connections are closed."""
        if self._checkpoints is not None:
            with suppress(SQLAlchemyError), write.connect() as conn:
                self._checkpoints.before_close(conn.connection.dbapi_connection)  # type: ignore[arg-type]

    def close(self) -> None:
        """Call this when no connection is open any more."""
        if self._checkpoints is not None:
            self._checkpoints.close()
            self._checkpoints = None


def _url(path: Path) -> URL:
    return URL.create("sqlite+pysqlite", database=str(path))


def _writing_connection(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").close()
    space.prepare(connection)  # a new file only, before the journal's mode makes it one
    _set_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=0", "journal_size_limit=67108864"):
        connection.execute(f"PRAGMA {pragma}").close()


def _set_wal(connection: sqlite3.Connection) -> None:
    """Set the journal's mode. A new file does not have it yet, and SQLite does not wait for others that use the file
    when it changes the mode: the busy timeout does not count there, so this waits for them.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as e:
            if "locked" not in str(e) or time.monotonic() > deadline:
                raise
        connection.execute("BEGIN EXCLUSIVE").close()  # waits until nobody uses the file, at most the busy timeout
        connection.execute("ROLLBACK").close()


def _reading_connection(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(_pause_or_end, PAUSE_INSTRUCTIONS)


def _pause_or_end() -> bool:
    """Pause within a long statement. True ends the statement, as an error of the database."""
    try:
        may_pause()
    except StoreError:
        return True
    return False


def _begin(conn: Connection) -> None:
    # The driver begins no transaction for a SELECT, so that each would see another state. This reads nothing yet and
    # cannot fail; through SQLAlchemy it would take 20 µs.
    conn.connection.dbapi_connection.execute("BEGIN").close()  # type: ignore[union-attr]


def _begin_immediate(conn: Connection) -> None:
    # The driver's own BEGIN is late and deferred: a savepoint would be outside the transaction.
    conn.exec_driver_sql("BEGIN IMMEDIATE")
