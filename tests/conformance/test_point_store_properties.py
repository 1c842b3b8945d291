"""Whatever is done to a PointStore, and in whatever order, its answers are those of the plain model."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pyhectiqlab.store.points import Axis, Column, PointBatch, PointStore, Selector, Smoothing
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.testing.memory_points import MemoryPointStore

from ..clickhouse_place import ClickHousePlace
from ..seeds import examples
from ..sharded_place import ShardedPlace
from .point_store_data import T0, TINY
from .point_store_same import all_points, assert_same_infos, assert_same_lines

RUNS = st.sampled_from(["r", "s"])
KEYS = st.sampled_from(["loss", "acc"])
RANKS = st.sampled_from([None, 0, 1])
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
STEPS = st.one_of(st.integers(0, 60), st.integers(0, 60), st.integers(-1000, 100_000), INT64)
VALUES = st.one_of(st.floats(width=32), st.floats(), st.integers(-5, 5).map(float))
TIMES = st.one_of(st.integers(T0, T0 + 10_000), st.integers(T0, T0 + 10_000), st.integers(-(1 << 62), 1 << 62))
AXES: st.SearchStrategy[Axis] = st.sampled_from(["step", "time", "relative"])


@st.composite
def columns(draw: st.DrawFn) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Return (key, steps, values, times): a few drawn points, or many in one of the orders that trainings have."""
    key = draw(KEYS)
    if draw(st.booleans()):
        points = draw(st.lists(st.tuples(STEPS, VALUES, TIMES), min_size=1, max_size=6))
        step, value, time = zip(*points, strict=True)
        return key, np.array(step, np.int64), np.array(value, np.float64), np.array(time, np.int64)
    n = draw(st.integers(7, 90))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    start = draw(st.integers(0, 200))
    step = start + draw(st.sampled_from([np.arange(n), rng.permutation(n), np.arange(n)[::-1], np.arange(n) // 20]))
    return key, step, rng.normal(size=n), T0 + 10 * start + np.sort(rng.integers(0, 1000, n))


class Stores(RuleBasedStateMachine):
    def make_place(self) -> None:
        raise NotImplementedError

    def opened(self) -> PointStore:
        """Return a store on the data of the place."""
        raise NotImplementedError

    def remove_place(self) -> None:
        raise NotImplementedError

    def upkeep(self) -> bool:
        """Do one step of upkeep. Return whether there is more."""
        return self.store.maintain(0.0)

    @initialize()
    def open_both(self) -> None:
        self.make_place()
        self.store = self.opened()
        self.model = MemoryPointStore()
        self.last: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.remove_place()

    @rule(
        stream=st.tuples(RUNS, st.integers(0, 1), st.integers(1, 2), st.integers(0, 1)),
        batches=st.lists(st.lists(columns(), max_size=3), min_size=1, max_size=3),
        shift=st.sampled_from([0, 0, 0, 0, -1, 1]),
    )
    def append(self, stream: tuple[str, int, int, int], batches: list[list[tuple]], shift: int) -> None:
        """Append consecutive batches of one writer; some begin too early or too late."""
        run, rank, attempt, _ = stream
        writer = str(stream)
        first = self.last.get(writer, 0) + 1 + shift
        made = []
        for parts in batches:
            at, batch_columns = first, []
            for key, step, value, time in parts:
                batch_columns.append(Column(key, np.arange(at, at + len(step)), step, value, time))
                at += len(step)
            last = max(at - 1, first)
            if first > 0:
                made.append(PointBatch(run, rank, attempt, writer, first, last, batch_columns))
            first = last + 1
        results = self.store.append(made)
        assert results == self.model.append(made)
        self.last[writer] = self.store.cursor(writer)
        assert self.last[writer] == self.model.cursor(writer)

    @rule(steps=st.integers(1, 6))
    def compact(self, steps: int) -> None:
        for _ in range(steps):
            self.upkeep()

    @rule()
    def compact_whole(self) -> None:
        while self.upkeep():
            pass

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.opened()

    @rule(run=RUNS)
    def delete_and_undelete(self, run: str) -> None:
        self.store.delete(run)
        assert self.store.keys(run) == []
        self.store.undelete(run)

    @rule(run=RUNS)
    def delete_and_purge(self, run: str) -> None:
        self.store.delete(run)
        self.model.delete(run)
        while self.store.maintain(0.0):
            pass
        self.model.maintain()
        self.store.undelete(run)
        self.model.undelete(run)

    @rule(run=RUNS, key=KEYS, limit=st.integers(1, 50))
    def compare_points(self, run: str, key: str, limit: int) -> None:
        assert all_points(self.store, run, key, limit) == all_points(self.model, run, key, 10_000)

    @rule(run=RUNS)
    def compare_keys(self, run: str) -> None:
        assert_same_infos(self.store.keys(run), self.model.keys(run))
        assert_same_infos(self.store.series(run, "loss"), self.model.series(run, "loss"))

    @rule(
        key=KEYS,
        kind=st.sampled_from(["exponential", "gaussian", "mean", "median"]),
        width=st.one_of(st.integers(1, 300), st.integers(1, 1 << 53)),
        axis=AXES,
    )
    def compare_ends_of_smoothed_lines(self, key: str, kind: Any, width: int, axis: Axis) -> None:
        """Compare the ends of some runs at once. Do it twice, because the second answer comes from memory."""
        runs = ["none", "r", "s"]
        wanted = self.model.smoothed(key, Smoothing(kind, width), runs, axis)
        for _ in range(2):
            its = self.store.smoothed(key, Smoothing(kind, width), runs, axis)
            assert its.keys() == wanted.keys()
            for run, summary in self.model.summaries(key, runs).items():
                # Points so far away that the kernel ignores them may be so large.
                largest = max(abs(summary.min), abs(summary.max))
                assert its[run] == pytest.approx(wanted[run], rel=1e-9, abs=1e-9 * largest, nan_ok=True)
        by_rank = self.model.rank_smoothed(key, Smoothing(kind, width), runs, axis)
        for _ in range(2):
            of_ranks = self.store.rank_smoothed(key, Smoothing(kind, width), runs, axis)
            assert of_ranks.keys() == by_rank.keys()
            for place, summary in self.model.rank_summaries(key, runs).items():
                largest = max(abs(summary.min), abs(summary.max))
                assert of_ranks[place] == pytest.approx(by_rank[place], rel=1e-9, abs=1e-9 * largest, nan_ok=True)

    @rule(
        run=RUNS,
        key=KEYS,
        rank=st.one_of(RANKS, st.just("each")),
        attempt=st.sampled_from([None, None, 1, 2, 3]),
        others=st.lists(st.builds(Selector, RUNS, KEYS, RANKS), max_size=2),
        axis=AXES,
        ends=st.one_of(
            st.just((None, None)),
            st.tuples(st.integers(-10, 300), st.integers(-10, 300)),
            st.tuples(INT64, INT64),
            st.tuples(st.just(T0 + 100), st.integers(T0, T0 + 5000)),
        ),
        n=st.integers(1, 60),
        attempts=st.sampled_from(["newest", "all"]),
    )
    def compare_buckets(
        self,
        run: str,
        key: str,
        rank: Any,
        attempt: int | None,
        others: list[Selector],
        axis: Axis,
        ends: tuple,
        n: int,
        attempts: str,
    ) -> None:
        lo, hi = ends if None in ends else sorted(ends)
        query = {"axis": axis, "lo": lo, "hi": hi, "n": n, "attempts": attempts}
        assert_same_lines(self.store, self.model, [Selector(run, key, rank, attempt), *others], **query)


class SqliteStores(Stores):
    def make_place(self) -> None:
        self.folder = Path(tempfile.mkdtemp())

    def opened(self) -> PointStore:
        return SqlitePointStore(self.folder / "points.db", TINY)

    def remove_place(self) -> None:
        shutil.rmtree(self.folder)

    def upkeep(self) -> bool:
        assert isinstance(self.store, SqlitePointStore)
        return self.store.compact(0.0)


class ClickHouseStores(Stores):
    def make_place(self) -> None:
        self.place = ClickHousePlace()

    def opened(self) -> PointStore:
        return self.place.open()

    def remove_place(self) -> None:
        self.place.remove()


class ShardedStores(Stores):
    """A store whose two runs are on two shards. One place serves all examples, because it takes seconds to make."""

    place: ClassVar[ShardedPlace]

    def make_place(self) -> None:
        if not hasattr(ShardedStores, "place"):
            ShardedStores.place = ShardedPlace()
            self.place.open().close()
            self.place.be_quick()

    def opened(self) -> PointStore:
        return self.place.open()

    def remove_place(self) -> None:
        self.place.empty()


TestSqliteStores = SqliteStores.TestCase
TestSqliteStores.settings = settings(
    max_examples=examples(60), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestClickHouseStores = ClickHouseStores.TestCase
TestClickHouseStores.settings = settings(
    max_examples=examples(6), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestShardedStores = pytest.mark.slow(ShardedStores.TestCase)
TestShardedStores.settings = settings(
    max_examples=examples(6), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
