"""How a SQLite PointStore writes recent points as chunks: many series in each of its transactions, each point once."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Sizes

from .point_store_data import Writer
from .point_store_same import all_points


def transactions(path: Path) -> int:
    """Return how many transactions have moved points into chunks."""
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT flushes FROM arrival").fetchone()[0])


def test_a_transaction_flushes_as_many_series_as_it_may(tmp_path: Path) -> None:
    store = SqlitePointStore(tmp_path / "points.db", replace(Sizes(), step_series=7))
    w = Writer("w")
    store.append([w.batch(**{f"key{n}": [(n, 1.0, n)] for n in range(20)})])
    store.flush()
    assert transactions(tmp_path / "points.db") == 3  # 7, 7 and 6
    assert [info.count for n in range(20) for info in store.series("run", f"key{n}")] == [1] * 20
    store.close()


def test_blocks_of_one_series_are_flushed_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhectiqlab.store.sqlite_points.recent.BLOCK_POINTS", 4)
    store = SqlitePointStore(tmp_path / "points.db", replace(Sizes(), step_series=7))
    w = Writer("w")
    for at in range(0, 20, 2):
        store.append([w.steps(range(at, at + 2))])
        store.series("run", "loss")  # this gathers what came into blocks
    store.append([Writer("other", run="other").steps([0])])
    before = all_points(store)
    store.flush()
    assert transactions(tmp_path / "points.db") > 1
    assert all_points(store) == before and len(before) == 20
    assert [info.count for info in store.series("other", "loss")] == [1]
    store.close()
