"""Storage for tests: a place in which a MetaStore lies, and which several may open, as a lab and a command do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from pyhectiqlab.store.meta import MetaStore
from pyhectiqlab.store.sql.meta_store import SqlMetaStore


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


def new_store(folder: Path) -> SqlMetaStore:
    """A MetaStore in a folder, for tests that want any."""
    return SqlitePlace(folder).open()


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[MetaStore]:
    """An empty MetaStore."""
    store = new_store(tmp_path)
    yield store
    store.close()
