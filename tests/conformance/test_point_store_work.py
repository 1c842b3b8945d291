"""How much the SQLite PointStore reads, counted instead of timed: long series stay cheap in any order of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.store.points import Axis, Column, PointBatch, Selector, iter_points
from pyhectiqlab.store.sqlite_points import lines, queries, recent
from pyhectiqlab.store.sqlite_points.chunks import PointColumns
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Sizes, Tree
from pyhectiqlab.testing.memory_points import MemoryPointStore

from .point_store_data import T0, TINY, Writer
from .point_store_same import assert_same_buckets

N = 60_000
SMALL = Sizes(chunk_points=256, chunk_nodes=32, node_points=64, head_points=1024, step_points=4096)
ORDERS: dict[str, Callable[[], np.ndarray]] = {
    "growing": lambda: np.arange(N),
    "shuffled": lambda: np.random.default_rng(0).permutation(N),
    "restarting": lambda: np.arange(N) % (N // 20),
    "backward": lambda: np.arange(N)[::-1],
    "jittering": lambda: np.arange(N) + np.random.default_rng(0).integers(-300, 300, N),
}


@pytest.fixture(params=ORDERS, scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePointStore]:
    """Make a store with a long series, in chunks so small that it has as many as a series of millions of points."""
    store = SqlitePointStore(tmp_path_factory.mktemp("store") / "points.db", SMALL)
    step, seq = ORDERS[request.param](), np.arange(1, N + 1)
    for at in range(0, N, 1000):
        p = slice(at, at + 1000)
        column = Column("loss", seq[p], step[p], seq[p] * 1.0, T0 + 1000 * seq[p])
        store.append([PointBatch("run", 0, 1, "w", at + 1, at + 1000, [column])])
        store.compact(0.0)
    while store.compact():
        pass
    yield store
    store.close()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets, for each blob that is decoded, its number of points."""
    counts: list[int] = []
    columns_of = queries.columns_of

    def count(*blob: Any) -> list[Any]:
        columns = columns_of(*blob)
        counts.append(len(columns[0]))
        return columns

    for module in (lines, queries):
        monkeypatch.setattr(module, "columns_of", count)
    return counts


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_a_chart_of_a_compacted_series_decodes_few_of_its_points(
    store: SqlitePointStore, decoded: list[int], axis: Axis
) -> None:
    (b,) = store.buckets([Selector("run", "loss")], axis=axis, n=200)
    assert b.total == N
    assert sum(decoded) < N / 4


def test_raw_points_are_decoded_about_once_whatever_the_order_of_steps(
    store: SqlitePointStore, decoded: list[int]
) -> None:
    pages = list(iter_points(store, "run", "loss", limit=10_000))
    np.testing.assert_array_equal(np.concatenate([p.seq for p in pages]), np.arange(1, N + 1))
    assert sum(decoded) < 3 * N


def test_many_ranks_and_attempts_are_pooled_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "NODES_AT_ONCE", 20)
    store, model, random = SqlitePointStore(tmp_path / "points.db", TINY), MemoryPointStore(), np.random.default_rng(7)
    for i in range(30):
        writer = Writer(f"w{i}", rank=i % 7, attempt=1 + i % 3)
        steps = random.integers(0, 200, 40)
        points = [writer.batch(loss=[(int(step), float(random.normal()), T0 + int(step)) for step in steps])]
        store.append(points)
        model.append(points)
    while store.compact():
        pass
    for attempts in ("newest", "all"):
        for axis in ("step", "time"):
            for n in (3, 50, 1000):
                assert_same_buckets(store, model, Selector("run", "loss"), axis=axis, n=n, attempts=attempts)
    store.close()


def test_a_page_of_keys_gathers_the_recent_points_of_its_keys_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = SqlitePointStore(tmp_path / "points.db"), Writer("w")
    for i in range(0, 1000, 100):
        store.append([writer.batch(**{f"key{i + k:03}": [(0, 1.0, T0)] for k in range(100)})])
    gathered: list[object] = []
    gather = recent._Series._gather
    monkeypatch.setattr(recent._Series, "_gather", lambda self: (gathered.append(self), gather(self)))
    assert [info.key for info in store.keys("run", after="key399", limit=5)] == [f"key{i}" for i in range(400, 405)]
    assert [info.key for info in store.keys("run", query="y77", limit=100)] == [f"key77{i}" for i in range(10)]
    assert len(store.last(["run"])["run"]) == 8
    assert len(gathered) == 5 + 10 + 8
    store.close()


def test_points_that_come_a_few_at_a_time_are_written_into_chunks_a_few_times_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, write = 0, Tree._write_chunk

    def count(tree: Tree, run: int, points: PointColumns, copied: bool, pending: bool) -> None:
        nonlocal written
        written += len(points)
        write(tree, run, points, copied, pending)

    monkeypatch.setattr(Tree, "_write_chunk", count)
    store, w = SqlitePointStore(tmp_path / "points.db"), Writer("w")
    rounds, n = 60, 20
    for at in range(rounds):
        store.append([w.steps(range(n * at, n * at + n))])
        store.flush()
        while store.compact():
            pass
    assert written < 5 * rounds * n  # writing the last chunk anew each time would be thirty times
    (chunks,) = store._database.writer.execute("SELECT count(*) FROM chunk").fetchone()
    assert chunks <= 6
    assert [p.step.tolist() for p in iter_points(store, "run", "loss", limit=5000)] == [list(range(rounds * n))]
    store.close()
