"""Every MetaStore keeps the interface's promises."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from contextlib import closing
from pathlib import Path

import pytest

from pyhectiqlab.store.sql.meta_store import SqlMetaStore

from ..stores import MetaPlace, SqlitePlace
from .meta_store import MetaStoreSuite


class TestSqliteMetaStore(MetaStoreSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> MetaPlace:
        return SqlitePlace(tmp_path)

    @pytest.fixture
    def empty_place(self, tmp_path: Path) -> MetaPlace:
        return SqlitePlace(tmp_path, empty=True)

    def test_opening_a_new_file_waits_for_others_that_use_it(self, tmp_path: Path) -> None:
        """SQLite does not wait when it changes a new file's journal to WAL: of two labs that started at once, one
        failed with "database is locked".
        """
        path = tmp_path / "lab.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as threads:
            other.execute("CREATE TABLE kept (x)")
            other.execute("BEGIN IMMEDIATE")
            opening = threads.submit(SqlMetaStore, path)
            with pytest.raises(TimeoutError):
                opening.result(0.2)  # as long as it takes to fail, at least
            other.execute("COMMIT")
            opening.result(20).close()
