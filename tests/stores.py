"""Storage for tests: a place in which a MetaStore lies, and which several may open, as a lab and a command do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Protocol

import psycopg
import pytest
from sqlalchemy import Connection

from pyhectiqlab.store.meta import MetaStore
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.store.points import PointStore
from pyhectiqlab.store.sql.meta_schema import metadata
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

from .postgres import cluster


class MetaPlace(Protocol):
    """Attributes:
    one_writer: whoever writes keeps everybody else from writing, whatever it is about.
    """

    one_writer: bool

    def open(self) -> MetaStore:
        """Another store on the same data, with connections of its own. The caller closes it."""

    def is_waiting(self) -> bool:
        """Return whether a transaction waits for another one to end."""

    def remove(self) -> None:
        """Remove the data. All stores are closed."""


class SqlitePlace:
    one_writer = True

    def __init__(self, folder: Path, empty: bool = False) -> None:
        """`empty`: nobody has made tables in it."""
        self.path = folder / "lab.db"
        if not empty and not self.path.exists():
            shutil.copy(empty_database(), self.path)

    def open(self) -> SqlMetaStore:
        return SqlMetaStore(self.path)

    def is_waiting(self) -> bool:
        return True  # the one that began second waits from its BEGIN on

    def remove(self) -> None:
        self.path.unlink()


class PostgresPlace:
    """A database of the session's cluster. Call `needs_postgres` before."""

    one_writer = False
    _free: ClassVar[list[str]] = []  # databases without rows, of places that were removed

    def __init__(self, empty: bool = False) -> None:
        """`empty`: nobody has made tables in it."""
        self.cluster = cluster()
        self._has_tables = not empty
        if empty:
            self.database = self.cluster.make_database()
        else:
            self.database = self._free.pop() if self._free else self.cluster.make_database(postgres_template())
        self.url = self.cluster.url(self.database)
        self._watch: psycopg.Connection[tuple[bool]] | None = None

    def open(self) -> SqlMetaStore:
        return SqlMetaStore(self.url)

    def is_waiting(self) -> bool:
        if self._watch is None:
            self._watch = psycopg.connect(self.cluster.url("postgres"), autocommit=True)
        its = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock')"
        row = self._watch.execute(its, [self.database]).fetchone()
        return row is not None and row[0]

    def remove(self) -> None:
        if self._watch is not None:
            self._watch.close()
        if not self._has_tables:
            self.cluster.drop_database(self.database)
            return
        # This takes a tenth of the time that making another one takes.
        self.cluster.ask(_emptying(), database=self.database)
        self._free.append(self.database)


_folders: list[TemporaryDirectory[str]] = []  # until the tests end


@cache
def empty_database() -> Path:
    """Return an SQLite database with all tables, to copy: making them takes longer than most tests."""
    _folders.append(TemporaryDirectory(prefix="empty"))
    path = Path(_folders[-1].name) / "lab.db"
    SqlMetaStore(path).close()
    return path


@cache
def postgres_template() -> str:
    """Return the same for PostgreSQL, by its name in the session's cluster."""
    name = cluster().make_database()
    SqlMetaStore(cluster().url(name)).close()
    return name


@cache
def _emptying() -> str:
    """Return the statements that make a database like that template."""
    first = cluster().ask("SELECT key, value FROM lab", database=postgres_template())
    return "; ".join(
        [
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            "SET session_replication_role = replica",  # references are not looked at
            *(f"DELETE FROM {table}" for table in metadata.tables if table != "migrations"),
            *(f"INSERT INTO lab VALUES ('{key}', '{value}')" for key, value in first),
        ]
    )


def new_store(folder: Path) -> MetaStore:
    """Make a MetaStore on the data of a folder, for tests that work with any. It may be opened again, and by a lab."""
    return SqlitePlace(folder).open()


def new_points(folder: Path) -> PointStore:
    """Make a PointStore on the data of a folder, for tests that work with any."""
    return SqlitePointStore(folder / "points.db")


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[MetaStore]:
    """Make an empty MetaStore."""
    store = new_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def points(tmp_path: Path) -> Iterator[PointStore]:
    """Make an empty PointStore."""
    store = new_points(tmp_path)
    yield store
    store.close()


@contextmanager
def sql(data: Path) -> Iterator[Connection]:
    """Open a transaction on the MetaStore of a lab, which may run: for what no call does, such as making a
    run older.
    """
    with closing(open_beside(data)) as storage, storage.meta.writing() as tx:
        yield tx.conn
