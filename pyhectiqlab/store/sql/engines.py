"""The connections of an SQL MetaStore: which database a place means, and what holds for transactions on it.

After some errors (a full disk, a failed read), SQLite rolls back by itself. Later statements would then be kept one by
one, and the final COMMIT would succeed without a transaction. PostgreSQL refuses statements after an error, unless a
savepoint came before it. So on both, every error of the database spoils its transaction, even if somebody caught the
error; and before COMMIT, the connection is asked whether our transaction is still open (`prove_whole`).

A statement whose rows were not all read, such as that of a full page, would keep SQLite's snapshot, or a cursor of
PostgreSQL's. So it is closed before its connection goes back to the pool.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError, PendingRollbackError, TimeoutError

from ...base import crashpoints
from ...errors import ConfigurationError, OutcomeUnknownError, StoreError
from .. import space
from ..engine_counts import EngineCounts
from ..sqlite_files.errors import SQLITE_ERRORS, sentence_of
from . import engine_postgresql, engine_sqlite
from .dialect import is_in_transaction

POOL_TIMEOUT_S = 30.0  # how long a thread waits for a connection
READERS_MAX = 48  # more than the threads that serve requests
SPOILED = "hectiqlab_spoiled"  # key of a connection's `info`: the first error of the transaction that is open
CURSORS = "hectiqlab_cursors"  # likewise: those of its statements


@dataclass(frozen=True)
class Engines:
    """The connections to one database. One of them writes; readers take theirs from a pool."""

    write: Engine
    read: Engine
    log: engine_sqlite.Log | None = None
    counts: EngineCounts | None = None  # of a server

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a snapshot. Rows that were not read by its end can no longer be read."""
        cursors: list[Any] = []
        with _errors_as_store_error(), _connected(self.read, {CURSORS: cursors}) as conn:
            try:
                yield conn
            finally:
                if not conn.invalidated:
                    for cursor in cursors:
                        with suppress(conn.dialect.loaded_dbapi.Error):  # a lost connection needs no closing
                            cursor.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction, which is committed when the block ends. Call `prove_whole` at its end. Raises
        OutcomeUnknownError where the connection is lost while it commits.
        """
        with _errors_as_store_error(), _connected(self.write, {SPOILED: None}) as conn:
            ends = False
            try:
                with conn.get_transaction() or conn.begin():
                    yield conn
                    ends = True
            except DBAPIError as e:
                if ends and e.connection_invalidated:
                    raise OutcomeUnknownError(
                        "The connection to the lab's database was lost while it stored this: nobody knows whether it "
                        "did. Look, then try again."
                    ) from e
                raise
            if self.log is not None:
                self.log.after_commit(conn)

    def begin(self) -> None:
        """Begin, once the database is open and before anything is written."""
        if self.log is not None:
            self.log.begin()

    def give_back(self, seconds_max: float, whole: bool) -> bool:
        """See MetaStore.maintain. PostgreSQL does it by itself."""
        if self.write.dialect.name != "sqlite":
            return False
        deadline = time.monotonic() + seconds_max
        more, gave = self._surplus(whole) > 0, False
        while more and (not gave or time.monotonic() < deadline):
            with self.writing() as conn:
                space.give_back(_raw(conn), whole)
                crashpoints.passing("upkeep.giving_back")
                prove_whole(conn)
            more, gave = self._surplus(whole) > 0, True
        if not more and self.log is not None:
            # Not only when something was given back: a reader may have stood in the way, or the process was killed.
            with _errors_as_store_error(), self.write.connect() as conn:
                self.log.settle(conn, surely=gave)
        return more

    def _surplus(self, whole: bool) -> int:
        with _errors_as_store_error(), self.write.connect() as conn:
            return space.surplus(_raw(conn), whole)

    def wrong_pages(self, go_on: Callable[[], bool]) -> list[int]:
        """Return the numbers of pages that are not as they were written; none on PostgreSQL, which has checksums of
        its own.
        """
        if self.log is None:
            return []
        try:
            return self.log.wrong_pages(go_on)
        except OSError as e:
            raise StoreError(f"The lab's database could not be read ({e.strerror}).") from e

    def close(self) -> None:
        self.read.dispose()
        if self.log is not None:
            self.log.before_close(self.write)
        self.write.dispose()
        if self.log is not None:
            self.log.close()


def _raw(conn: Connection) -> sqlite3.Connection:
    connection: Any = conn.connection.dbapi_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection


@contextmanager
def _connected(engine: Engine, info: dict[str, Any]) -> Iterator[Connection]:
    """Take a connection for a transaction, and note `info` in the connection. On PostgreSQL the transaction has begun.
    If the server ended the connection meanwhile, nothing was done on it, and another one is taken.
    """
    conn = engine.connect()
    try:
        conn.info.update(info)
        if engine.dialect.name != "sqlite":
            try:
                conn.begin()
            except DBAPIError as e:
                if not e.connection_invalidated:
                    raise
                conn.close()
                conn = engine.connect()
                conn.info.update(info)
                conn.begin()
        yield conn
    finally:
        conn.close()


def open_engines(place: Path | str, beside: bool = False, readers: int | None = None) -> Engines:
    """Return engines for a file of SQLite, or for a database of PostgreSQL by its URL, postgresql://USER@HOST/NAME.
    They connect later.

    Args:
        beside: a lab has the file open, and makes its checkpoints.
        readers: connections that read, at most.

    Raises ConfigurationError where the URL is not of a database that can hold a lab.
    """
    pool = {"pool_timeout": POOL_TIMEOUT_S, "max_overflow": 0}
    readers = readers or READERS_MAX
    if isinstance(place, Path):
        engines = Engines(
            engine_sqlite.for_writing(place, pool_size=1, **pool),
            engine_sqlite.for_reading(place, pool_size=readers, **pool),
            None if beside else engine_sqlite.Log(place),
        )
    else:
        url = checked_url(place)
        engines = Engines(
            engine_postgresql.for_writing(url, pool_size=1, **pool),
            engine_postgresql.for_reading(url, pool_size=readers, **pool),
            counts=EngineCounts(),
        )
        for engine in (engines.write, engines.read):
            _count(engine, engines.counts)
    event.listen(engines.write, "handle_error", _spoil)
    event.listen(engines.write, "before_cursor_execute", _refuse_spoiled)
    event.listen(engines.read, "after_cursor_execute", _note_cursor)
    return engines


def _count(engine: Engine, counts: EngineCounts | None) -> None:
    """Count the statements of an engine."""
    assert counts is not None

    def begin(conn: Connection, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        context.hectiqlab_began = time.perf_counter()

    def end(conn: Connection, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        counts.add(time.perf_counter() - context.hectiqlab_began)

    def fail(error: ExceptionContext) -> None:
        began = getattr(error.execution_context, "hectiqlab_began", None)
        counts.add(0.0 if began is None else time.perf_counter() - began, failed=error.is_disconnect)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def checked_url(place: str) -> URL:
    """Return the URL of a database of PostgreSQL. Raises ConfigurationError."""
    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "The address of the database is not a URL: write postgresql://USER@HOST/NAME."
        ) from None
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(f"{url!r} is not a database for a lab: name one of PostgreSQL, postgresql://….")
    return url


def prove_whole(conn: Connection) -> None:
    """Raise StoreError unless all changes so far are still part of the transaction."""
    _raise_where_spoiled(conn)
    if not is_in_transaction(conn):
        raise StoreError("The lab's database has rolled back by itself: nothing was changed.")


@contextmanager
def _errors_as_store_error() -> Iterator[None]:
    try:
        yield
    except DBAPIError as e:
        raise StoreError(f"The lab's database failed: {one_line(e.orig)}.") from e
    except SQLITE_ERRORS as e:
        raise StoreError(f"The lab's database failed: {one_line(e)}.") from e
    except PendingRollbackError as e:
        raise StoreError("The lab's database failed: the connection to it was lost.") from e
    except InvalidRequestError as e:
        if "connection is closed" not in str(e):  # each that was tried: the server ends them as they are made
            raise
        raise StoreError("The lab's database failed: the connection to it was lost.") from e
    except TimeoutError:
        raise StoreError("Too many use the lab's database at once: try again later.") from None


def one_line(error: BaseException | None) -> str:
    """Return an error of the database as a part of a message of ours."""
    return " ".join(("" if error is None else sentence_of(error)).split()).rstrip(".")


def _note_cursor(conn: Connection, cursor: Any, *_: Any) -> None:
    conn.info[CURSORS].append(cursor)


def _spoil(context: ExceptionContext) -> None:
    if context.connection is not None and isinstance(context.sqlalchemy_exception, DBAPIError):
        info = context.connection.info
        info[SPOILED] = info.get(SPOILED) or context.original_exception


def _refuse_spoiled(conn: Connection, *_: Any) -> None:
    _raise_where_spoiled(conn)


def _raise_where_spoiled(conn: Connection) -> None:
    if conn.invalidated:
        raise StoreError("The lab's database failed: the connection to it was lost.")
    error = conn.info.get(SPOILED)
    if error is not None:
        raise StoreError(f"The lab's database failed: {one_line(error)}.")
