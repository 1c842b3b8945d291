"""PointsDatabase: the file points.db while it is open. One connection writes, each reader has one of its own.

Whoever writes holds `lock`. The file is in WAL mode, so readers never wait for the writer, and they see the state of
the last commit before they began.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from ...base.installing import upgrade_advice
from ...errors import NewerSchemaError, StoreError
from .. import space
from ..sqlite_files.checkpoints import Checkpoints
from ..sqlite_files.errors import SQLITE_ERRORS, sentence_of

SCHEMA_VERSION = 6
BUSY_TIMEOUT_S = 5.0
PAGE_BYTES = 4096
CHECKPOINT_PAGES = 2048  # 8 MiB of log between checkpoints: each takes tens of milliseconds
WRITER_CACHE_KIB = 64 << 10  # holds what a step of compaction changes: spilling it in between cost some 0.3 s
LOG_BYTES_KEPT = 64 << 20


class PointsDatabase:
    """Opens, or creates, the database `path`. `beside`: a running lab has it open, and makes the checkpoints.

    Raises NewerSchemaError for one of a newer version, StoreError where it cannot be used.

    Attributes:
        lock: held by whoever uses the writing connection. The thread that holds it may take it again.
        writer: the writing connection.
    """

    def __init__(self, path: Path, beside: bool = False) -> None:
        self._path = path
        self.lock = threading.RLock()
        self._pool_lock = threading.Lock()  # never taken while waiting for anything else
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._cut_at = 0.0  # monotonic seconds: when to look again whether the file is longer than its content
        with self.errors():
            self.writer = self._connect("rwc")
            try:
                self._checkpoints = None if beside else Checkpoints(path, CHECKPOINT_PAGES)
            except OSError as e:
                self.writer.close()
                raise StoreError(f"{path}: {e.strerror}.") from e
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    @contextmanager
    def transaction(self, undone: Callable[[], None]) -> Iterator[sqlite3.Connection]:
        """Give the writing connection, in a transaction that is durable at the end. An exception undoes it: `undone` is
        called to forget what memory has of it. Blocks until another transaction has ended, and for an fsync.
        """
        with self.lock, self.errors():
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield self.writer
                self._commit()
            except BaseException:
                undone()
                if self.writer.in_transaction:  # SQLite has rolled back by itself after some I/O errors
                    self.writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Give a reading connection that sees one snapshot throughout. There are as many as there were readers at once.
        Raises StoreError once the database is closed.
        """
        with self.errors():
            with self._pool_lock:
                if self._closed:
                    raise StoreError(f"{self._path} is closed: open it again.")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect("ro")
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            self._put_back(connection)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise SQLite's errors as StoreError, in a sentence for people."""
        try:
            yield
        except SQLITE_ERRORS as e:
            why = sentence_of(e)
            raise StoreError(
                f"{self._path}: {why}. Nothing was changed; see that the disk has room and the file can be written."
            ) from e

    def cut(self, surely: bool = False) -> None:
        """Make the file as short as its content, outside of any transaction. It stays longer while somebody reads an
        earlier state, or where the process is killed before: so look again each second. `surely`: do it now.
        """
        if self._checkpoints is None or not (surely or time.monotonic() >= self._cut_at):
            return
        self._cut_at = time.monotonic() + space.CUT_EVERY_S
        with suppress(OSError):  # no descriptor left: the next call does it
            if surely or space.is_to_be_cut(self.writer, self._path):
                self._checkpoints.make(self.writer)

    def close(self) -> None:
        """Close all connections. Blocks until the transaction in progress has ended. Readers that are under way end by
        themselves. Safe twice.
        """
        with self.lock, self._pool_lock:
            if self._closed:
                return
            self._closed = True
            if self._checkpoints is not None:
                self._checkpoints.before_close(self.writer)
            for connection in (*self._idle, self.writer):
                connection.close()
            self._idle.clear()
            if self._checkpoints is not None:
                self._checkpoints.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions begin where we say so
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        execute = self.writer.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise NewerSchemaError(
                f"{self._path} is of schema {version}, this version knows up to {SCHEMA_VERSION}. Upgrade it: "
                f"{upgrade_advice('server')}"
            )
        execute(f"PRAGMA page_size = {PAGE_BYTES}")
        if version == 0:
            space.prepare(self.writer)
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA fullfsync = ON")  # macOS: without it an fsync may stay in the drive's cache
        execute("PRAGMA checkpoint_fullfsync = ON")
        execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        execute("PRAGMA wal_autocheckpoint = 0")  # see checkpoints.py
        execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")
        if version < SCHEMA_VERSION:
            names = (
                [f"points-{later}.sql" for later in range(version + 1, SCHEMA_VERSION + 1)]
                if version
                else ["points.sql"]
            )
            schema = "".join(resources.files(__package__).joinpath(name).read_text("utf-8") for name in names)
            self.writer.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def _commit(self) -> None:
        if not self.writer.in_transaction:  # an error that somebody caught: what followed it was kept by itself
            raise StoreError(
                f"{self._path} has rolled back by itself: nothing was changed; see that the disk has room."
            )
        self.writer.execute("COMMIT")
        if self._checkpoints is not None:
            self._checkpoints.after_commit(self.writer)

    def _put_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)
