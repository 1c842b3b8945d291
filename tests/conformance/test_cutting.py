"""The databases of a lab become as short as their content, also where a reader or a kill stood in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pyhectiqlab.store import space
from pyhectiqlab.store.sql import meta_store
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

from ..waiting import eventually

Store = SqlMetaStore | SqlitePointStore
STORES = pytest.mark.parametrize("opened", [SqlMetaStore, SqlitePointStore])


@contextmanager
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


def is_long(path: Path) -> bool:
    with beside(path) as connection:
        return space.is_to_be_cut(connection, path)


@pytest.fixture(autouse=True)
def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return so few pages that no checkpoint is made because of the length of the log."""
    monkeypatch.setattr(space, "KEPT_PAGES", 16)
    monkeypatch.setattr(meta_store, "LOOK_EVERY_S", 0.0)


@contextmanager
def with_free_pages(path: Path, opened: Callable[[Path], Store]) -> Iterator[Store]:
    """Return a store whose database has 3 MB of free pages."""
    with closing(opened(path)) as store:
        with beside(path) as connection:
            connection.execute("CREATE TABLE junk (x)")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO junk VALUES (randomblob(4000))", [()] * 800)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(FULL)")
            connection.execute("DROP TABLE junk")
        yield store


@STORES
def test_a_file_that_a_reader_kept_long_is_cut_later(tmp_path: Path, opened: Callable[[Path], Store]) -> None:
    path = tmp_path / "a.db"
    with with_free_pages(path, opened) as store:
        with beside(path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
            while store.maintain():
                pass
            assert is_long(path), "the reader's state is not in the file yet"
            reader.execute("COMMIT")
        eventually(lambda: not store.maintain() and not is_long(path), what="the file is as short as its content")


@STORES
def test_a_file_that_a_kill_left_long_is_cut_by_the_next_start(tmp_path: Path, opened: Callable[[Path], Store]) -> None:
    before, path = tmp_path / "before.db", tmp_path / "a.db"
    with with_free_pages(before, opened):
        with beside(before) as connection:
            while surplus := space.surplus(connection):
                connection.execute("BEGIN IMMEDIATE")
                space.give_back(connection)
                connection.execute("COMMIT")
                assert space.surplus(connection) < surplus
        for suffix in ("", "-wal"):  # what a kill after the last commit leaves
            Path(f"{path}{suffix}").write_bytes(Path(f"{before}{suffix}").read_bytes())
    with closing(opened(path)) as store:
        eventually(lambda: not store.maintain() and not is_long(path), what="the file is as short as its content")
