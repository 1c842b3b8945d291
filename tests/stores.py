"""Storage for tests: a place in which a MetaStore lies, and which several may open, as a lab and a command do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest
from sqlalchemy import Connection

from pyhectiqlab.store.meta import MetaStore
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.store.points import PointStore
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore


class MetaPlace(Protocol):
    """Attributes:
    one_writer: whoever writes keeps everybody else from writing, whatever it is about.
    """

    one_writer: bool

    def open(self) -> MetaStore:
        """Another store on the same data, with connections of its own. The caller closes it."""

    def is_waiting(self) -> bool:
        """Whether a transaction waits for another one to end."""


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
        return True  # whoever began second waits from its BEGIN on


_folders: list[TemporaryDirectory[str]] = []  # until the tests end


@cache
def empty_database() -> Path:
    """An SQLite database with all tables, to copy: making them takes longer than most tests."""
    _folders.append(TemporaryDirectory(prefix="empty"))
    path = Path(_folders[-1].name) / "lab.db"
    SqlMetaStore(path).close()
    return path


def new_store(folder: Path) -> MetaStore:
    """A MetaStore on the data of a folder, for tests that want any. It may be opened again, and by a lab."""
    return SqlitePlace(folder).open()


def new_points(folder: Path) -> PointStore:
    """A PointStore, likewise."""
    return SqlitePointStore(folder / "points.db")


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[MetaStore]:
    """An empty MetaStore."""
    store = new_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def points(tmp_path: Path) -> Iterator[PointStore]:
    """An empty PointStore."""
    store = new_points(tmp_path)
    yield store
    store.close()


@contextmanager
def sql(data: Path) -> Iterator[Connection]:
    """A transaction on the MetaStore of a lab, which may run: for what no call does, such as to make a run older."""
    with closing(open_beside(data)) as storage, storage.meta.writing() as tx:
        yield tx.conn
