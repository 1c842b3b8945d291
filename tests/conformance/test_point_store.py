"""Every PointStore keeps the interface's promises; the SQLite one also before, during and after compaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pyhectiqlab.store.points import AppendResult, PointBatch, PointStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.testing.memory_points import MemoryPointStore

from .point_store_data import TINY
from .point_store_suite import PointStoreSuite


class CompactedPointStore(SqlitePointStore):
    """Compacts after every append, as far as it goes."""

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        results = super().append(batches)
        while self.compact():
            pass
        return results


class TestMemoryPointStore(PointStoreSuite):
    @pytest.fixture
    def store(self) -> Iterator[PointStore]:
        yield MemoryPointStore()


class TestSqlitePointStore(PointStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[PointStore]:
        store = SqlitePointStore.open(tmp_path / "points.db")
        yield store
        store.close()


class TestSqlitePointStoreBetweenSteps(PointStoreSuite):
    """The suite with tiny chunks, while compaction is in full swing."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[PointStore]:
        store = SqlitePointStore(tmp_path / "points.db", TINY)
        yield store
        store.close()


class TestSqlitePointStoreCompacted(PointStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[PointStore]:
        store = CompactedPointStore(tmp_path / "points.db", TINY)
        yield store
        store.close()
