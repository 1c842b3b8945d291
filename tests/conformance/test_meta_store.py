"""Every MetaStore keeps the interface's promises."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store import meta
from pyhectiqlab.store.pauses import pausing
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.store.sql.meta_store import SqlMetaStore

from ..pgbouncer import PooledPlace, needs_pgbouncer
from ..postgres import needs_postgres
from ..stores import MetaPlace, PostgresPlace, SqlitePlace
from .meta_store import MetaStoreSuite

CONTRACT = Path(meta.__file__).with_name("CONTRACT.md")


def test_the_contract_names_methods_and_tests_that_exist() -> None:
    rows = [line.split("|") for line in CONTRACT.read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for _, fact, methods, _, tests, _ in rows:
        named = re.findall(r"`(\w+)`", tests)
        assert named, fact
        for name in named:
            assert hasattr(MetaStoreSuite, f"test_{name}"), name
        for name in re.findall(r"`(\w+)`", methods):
            assert hasattr(meta.MetaTransaction, name), name


class TestSqliteMetaStore(MetaStoreSuite):
    """And what is so of SQLite alone: its files, its journal, its interpreter."""

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
                opening.result(0.2)  # at least as long as failing takes
            other.execute("COMMIT")
            opening.result(20).close()

    def test_a_fresh_database_notes_its_migrations_its_id_and_its_generation(self, tmp_path: Path) -> None:
        path = tmp_path / "lab.db"
        for _ in range(2):
            with closing(SqlMetaStore(path)) as store, store.reading() as view:
                generation, lab_id = view.lab_value("generation"), view.lab_value("id")
        steps = [(version, name) for version, (name, _) in enumerate(MIGRATIONS, start=1)]
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT version, name FROM migrations").fetchall() == steps
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert generation and lab_id and len(generation) == len(lab_id) == 16 and lab_id != generation

    def test_a_long_statement_pauses_and_can_be_ended(self, store: SqlMetaStore) -> None:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
        count = text(f"{numbers} SELECT max(i) FROM n")
        paused: list[int] = []
        with store.reading() as view, pausing(lambda: paused.append(1)):
            assert view.conn.execute(count).scalar() == 300000
        assert len(paused) > 10

        def end() -> None:
            raise StoreError("The lab stops: try again later.")

        with pytest.raises(StoreError), store.reading() as view, pausing(end):
            view.conn.execute(count)
        with store.reading() as view:
            assert view.conn.execute(count).scalar() == 300000


class TestPostgresMetaStore(MetaStoreSuite):
    @pytest.fixture
    def place(self) -> Iterator[MetaPlace]:
        needs_postgres()
        place = PostgresPlace()
        yield place
        place.remove()

    @pytest.fixture
    def empty_place(self) -> Iterator[MetaPlace]:
        needs_postgres()
        place = PostgresPlace(empty=True)
        yield place
        place.remove()


@pytest.mark.slow  # tests of PostgreSQL keep the same promises, and tests/fleet/test_opening.py goes through the pooler
class TestPooledMetaStore(MetaStoreSuite):
    @pytest.fixture
    def place(self) -> Iterator[MetaPlace]:
        needs_postgres()
        needs_pgbouncer()
        place = PooledPlace()
        yield place
        place.remove()

    @pytest.fixture
    def empty_place(self) -> Iterator[MetaPlace]:
        needs_postgres()
        needs_pgbouncer()
        place = PooledPlace(empty=True)
        yield place
        place.remove()
