"""Points of random runs go from store to store and stay the same: batches, writers, cursors, origins."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.clickhouse import rebuilt
from pyhectiqlab.store.moving import points as moving
from pyhectiqlab.store.moving.points import Writer, copy, digests, same
from pyhectiqlab.store.points import Column, PointBatch, PointStore, iter_points
from pyhectiqlab.store.series import batches as rebuilding
from pyhectiqlab.store.sqlite_points import rebuilt as sqlite_rebuilt
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.testing.memory_points import MemoryPointStore

from ..clickhouse_place import ClickHousePlace
from ..conformance.point_store_data import TINY

RUNS = ("first", "second", "third")


def fill(store: PointStore, rng: random.Random) -> list[Writer]:
    """Append batches of several runs, ranks, attempts and forks in any order; the last ones may have no points."""
    writers = [
        Writer(f"{run}-{attempt}-{rank}-{fork}", run, rank, attempt)
        for run in RUNS
        for attempt in range(1, rng.randint(1, 2) + 1)
        for rank in range(rng.randint(1, 3))
        for fork in range(rng.choice([1, 1, 1, 2]))
    ]
    cursors = dict.fromkeys([w.name for w in writers], 0)
    clock = 1_700_000_000_000_000
    for _ in range(rng.randint(1, 80)):
        writer = rng.choice(writers)
        first = cursors[writer.name] + 1
        n = rng.randint(1, 12)
        columns = []
        for key in rng.sample(["a", "b", "c"], rng.randint(0, 3)):
            seq = np.array(sorted(rng.sample(range(first, first + n), rng.randint(1, n))), np.int64)
            step = np.array([rng.randint(0, 30) for _ in seq], np.int64)
            value = np.array([rng.choice([0.5, float("nan"), float("inf"), rng.random()]) for _ in seq])
            time = np.array([clock + rng.randint(-5, 5) for _ in seq], np.int64)
            columns.append(Column(key, seq, step, value, time))
        clock += rng.randint(0, 8)
        origin = None if rng.random() < 0.8 else clock - 100  # as a store of several labs may have it
        batch = PointBatch(writer.run, writer.rank, writer.attempt, writer.name, first, first + n - 1, columns, origin)
        (result,) = store.append([batch])
        assert result.status == "ok"
        cursors[writer.name] = result.cursor
        if rng.random() < 0.2:
            store.maintain(0.0)
    return writers


def seen(store: PointStore) -> dict[object, object]:
    """Return what everybody sees."""
    shown: dict[object, object] = {}
    for run in RUNS:
        shown[run] = store.origins(run)
        for info in store.keys(run):
            pages = list(iter_points(store, run, info.key))
            shown[run, info.key] = [
                np.concatenate([getattr(page, name) for page in pages]).tobytes()
                for name in ("seq", "step", "time", "value", "rank", "attempt")
            ]
    return shown


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages so small that a few points fill several of them."""
    for module, name in ((moving, "POINTS_AT_ONCE"), (sqlite_rebuilt, "POINTS_AT_ONCE"), (rebuilt, "POINTS_AT_ONCE")):
        monkeypatch.setattr(module, name, 20)
    monkeypatch.setattr(moving, "RUNS_AT_ONCE", 2)
    monkeypatch.setattr(moving, "WRITERS_AT_ONCE", 2)
    monkeypatch.setattr(rebuilt, "SERIES_AT_ONCE", 4)
    assert rebuilding.POINTS_AT_ONCE > 20


@pytest.fixture(params=[*(("sqlite", n) for n in range(4)), ("clickhouse", 0)])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PointStore]:
    if request.param[0] == "sqlite":
        with closing(SqlitePointStore(tmp_path / "points.db", TINY)) as store:
            yield store
        return
    place = ClickHousePlace()
    with closing(place.open()) as clickhouse:
        yield clickhouse
    place.remove()


def test_runs_are_the_same_in_another_store_and_back(rng: random.Random, other: PointStore, pages: None) -> None:
    memory, back = MemoryPointStore(), MemoryPointStore()
    writers = fill(memory, rng)
    wanted = digests(memory, RUNS)
    total = sum(count for count, _ in wanted.values())
    assert copy(RUNS, writers, memory, other) == total
    same(RUNS, writers, memory, other)
    assert seen(other) == seen(memory)
    while other.maintain():
        pass
    assert digests(other, RUNS) == wanted
    assert copy(RUNS, writers, other, back) == total
    same(RUNS, writers, other, back)
    assert seen(back) == seen(memory)
    assert copy(RUNS, writers, memory, other) == total
    same(RUNS, writers, memory, other)  # again changes nothing


def test_what_did_not_arrive_as_it_was_is_named(rng: random.Random) -> None:
    memory, other = MemoryPointStore(), MemoryPointStore()
    writers = fill(memory, rng)
    copy(RUNS[1:], writers, memory, other)
    if memory.keys("first"):
        with pytest.raises(StoreError, match=r"points of the run first did not arrive as they were \(.*, 0 points\)"):
            same(RUNS, writers, memory, other)
    step = np.array([1])
    other.append([PointBatch("second", 0, 1, "stranger", 1, 1, [Column("a", step, step, step * 0.5, step)])])
    with pytest.raises(StoreError, match="points of the run second did not arrive"):
        same(RUNS[1:], writers, memory, other)
