"""The MetaStore on an SQL database, through SQLAlchemy Core: SQLite by default, another URL later.

On SQLite: WAL with synchronous=FULL, so that a commit survives a power failure and readers never wait for the writer.
One connection writes; readers take theirs from a pool, and read in a transaction, so that a view shows one state. A
statement of which not all rows were read, as that of a page which is full, would keep that transaction: it is closed
before its connection goes back, or the next reader would see that state, too, for as long as anybody holds the rows.

A transaction is all or nothing only while it is ours. After some errors (a full disk, a failed read) SQLite rolls back
by itself; what is executed behind that would be kept statement by statement, and the final COMMIT would succeed over
nothing. So every error of the database spoils the transaction in which it came up, whoever caught it, and before COMMIT
the connection is asked whether the transaction that we began is still open (`prove_whole`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError, TimeoutError

from ...errors import StoreError
from ..meta import Changes
from ..pauses import may_pause
from .meta_accounts import AccountsSql
from .meta_configs import ConfigsSql
from .meta_media import MediaSql
from .meta_migrations import is_current, upgrade
from .meta_notices import NoticesSql
from .meta_quotas import QuotasSql
from .meta_registry import RegistrySql
from .meta_retention import RetentionSql
from .meta_runs import RunsSql
from .meta_search import SearchSql
from .meta_totals import TotalsSql

READERS_MAX = 48  # more than the threads that serve requests
BUSY_TIMEOUT_MS = 5_000
PAUSE_INSTRUCTIONS = 10_000  # of SQLite's virtual machine between two looks at whether a reader is to pause
SPOILED = "hectiqlab_spoiled"  # key of a connection's `info`: the first error of the transaction that is open
CURSORS = "hectiqlab_cursors"  # likewise: those of a reader's statements


class SqlMeta(
    AccountsSql,
    RunsSql,
    ConfigsSql,
    SearchSql,
    MediaSql,
    RegistrySql,
    NoticesSql,
    QuotasSql,
    RetentionSql,
    TotalsSql,
):
    """MetaView and MetaTransaction over one connection."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.changes = Changes()

    def undoable(self) -> AbstractContextManager[object]:
        return self.conn.begin_nested()

    def prove_whole(self) -> None:
        _raise_where_spoiled(self.conn)
        if not self.conn.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            raise StoreError("The lab's database has rolled back by itself: nothing was changed.")


class SqlMetaStore:
    """A MetaStore in one SQLite file. Opening creates or migrates it; raises NewerSchemaError or StoreError.

    Args:
        migrate: False beside a running lab, whose database is not to change its shape: StoreError where it would.
    """

    def __init__(self, path: Path, migrate: bool = True) -> None:
        url = URL.create("sqlite+pysqlite", database=str(path))
        self._write_engine = create_engine(url, pool_size=1, max_overflow=0)
        self._read_engine = create_engine(url, pool_size=READERS_MAX, max_overflow=0)
        event.listen(self._write_engine, "connect", _writing_connection)
        event.listen(self._write_engine, "begin", _begin_immediate)
        event.listen(self._write_engine, "handle_error", _spoil)
        event.listen(self._write_engine, "before_cursor_execute", _refuse_spoiled)
        event.listen(self._read_engine, "connect", _reading_connection)
        event.listen(self._read_engine, "begin", _begin)
        event.listen(self._read_engine, "after_cursor_execute", _note_cursor)
        with self.writing() as tx:
            if not migrate and not is_current(tx.conn):
                raise StoreError("The lab that runs is of another version: restart it with this one first.")
            upgrade(tx.conn)

    @contextmanager
    def reading(self) -> Iterator[SqlMeta]:
        """Rows that were not read by its end cannot be read any more."""
        with _told_as_store_error(), self._read_engine.connect() as conn:
            cursors: list[sqlite3.Cursor] = []
            conn.info[CURSORS] = cursors
            try:
                yield SqlMeta(conn)
            finally:
                for cursor in cursors:
                    cursor.close()

    @contextmanager
    def writing(self) -> Iterator[SqlMeta]:
        with _told_as_store_error(), self._write_engine.begin() as conn:
            tx = SqlMeta(conn)
            yield tx
            tx.prove_whole()

    def close(self) -> None:
        self._read_engine.dispose()
        self._write_engine.dispose()


@contextmanager
def _told_as_store_error() -> Iterator[None]:
    try:
        yield
    except DBAPIError as e:
        raise StoreError(f"The lab's database failed: {e.orig}.") from e
    except TimeoutError:
        raise StoreError("Too many read the lab's database at once: try again later.") from None


def _writing_connection(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").close()
    _set_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864"):
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
    """Within a long statement. True ends it, as an error of the database."""
    try:
        may_pause()
    except StoreError:
        return True
    return False


def _note_cursor(conn: Connection, cursor: sqlite3.Cursor, *_: Any) -> None:
    conn.info[CURSORS].append(cursor)


def _begin(conn: Connection) -> None:
    # The driver begins none for a SELECT: each would see a state of its own. This reads nothing yet and cannot fail;
    # through SQLAlchemy it would take 20 µs.
    conn.connection.dbapi_connection.execute("BEGIN").close()  # type: ignore[union-attr]


def _begin_immediate(conn: Connection) -> None:
    # The driver's own BEGIN comes late and deferred: a savepoint would then be outside the transaction.
    conn.info.pop(SPOILED, None)
    conn.exec_driver_sql("BEGIN IMMEDIATE")


def _spoil(context: ExceptionContext) -> None:
    if context.connection is not None and isinstance(context.sqlalchemy_exception, DBAPIError):
        context.connection.info.setdefault(SPOILED, context.original_exception)


def _refuse_spoiled(conn: Connection, *_: Any) -> None:
    _raise_where_spoiled(conn)


def _raise_where_spoiled(conn: Connection) -> None:
    error = conn.info.get(SPOILED)
    if error is not None:
        raise StoreError(f"The lab's database failed: {error}.")
