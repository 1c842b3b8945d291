"""ClickHousePointStore keeps the interface's promises: while all points are new, and when they are in builds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyhectiqlab.store.clickhouse import reading, recents
from pyhectiqlab.store.clickhouse.facts import Counted
from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.points import AppendResult, PointBatch, PointStore, Selector, Summary
from pyhectiqlab.testing.memory_points import MemoryPointStore

from ..clickhouse_place import TINY, ClickHousePlace
from .point_store_data import T0, Writer
from .point_store_suite import ORDERS, PointStoreSuite


class BuiltPointStore(ClickHousePointStore):
    """Tidies after every append, as far as it goes."""

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        results = super().append(batches)
        while self.maintain():
            pass
        return results


@pytest.fixture
def place() -> Iterator[ClickHousePlace]:
    place = ClickHousePlace()
    yield place
    place.remove()


class TestClickHousePointStore(PointStoreSuite):
    """The store as a lab has it: what these tests append are the newest points."""

    @pytest.fixture
    def store(self, place: ClickHousePlace) -> Iterator[PointStore]:
        store = place.open(Sizes(grace_s=0.0))
        yield store
        store.close()


class TestClickHousePointStoreBuilt(PointStoreSuite):
    @pytest.fixture
    def store(self, place: ClickHousePlace) -> Iterator[PointStore]:
        store = BuiltPointStore(place.url, place.facts_url, TINY)
        yield store
        store.close()

    # Each of these takes a quarter of a minute, because every few points become a build.
    @pytest.mark.parametrize(
        "order",
        [
            *("shuffled", "late"),
            *(pytest.param(order, marks=pytest.mark.slow) for order in ORDERS if order not in ("shuffled", "late")),
        ],
    )
    def test_every_order_of_steps_gives_the_models_answers(self, store: PointStore, order: str) -> None:
        super().test_every_order_of_steps_gives_the_models_answers(store, order)


def test_summaries_that_are_kept_follow_what_is_built_merged_and_purged(
    place: ClickHousePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LISTED_MAX", 0)  # all rows of a key are read, and kept
    model, runs = MemoryPointStore(), ["a", "b", "c"]

    def rounded(summaries: Mapping[str, Summary]) -> dict[str, Summary]:
        return {run: summary._replace(mean=round(summary.mean, 9)) for run, summary in summaries.items()}

    with contextlib.closing(place.open()) as store:
        for n in range(4):
            batches = [Writer(f"{run}{n}", run=run).batch(loss=[(n, float(n % 4), T0)] * 3) for run in runs[n % 2 :]]
            store.append(batches)
            model.append(batches)
            assert rounded(store.summaries("loss", runs)) == rounded(model.summaries("loss", runs))
            while store.maintain():
                pass
            for _ in range(2):  # read, then kept
                assert rounded(store.summaries("loss", runs)) == rounded(model.summaries("loss", runs))
        store.delete("b")
        model.delete("b")
        assert rounded(store.summaries("loss", runs)) == rounded(model.summaries("loss", runs))
        while store.maintain():
            pass
        assert list(store.summaries("loss", runs)) == ["a", "c"]


def assert_drawn_alike(store: PointStore, model: PointStore, run: str = "a") -> None:
    for axis, ends in (("step", (None, None)), ("step", (2, 9)), ("relative", (None, None))):
        asked = [Selector(run, "loss")], axis, *ends
        (its,), (wanted,) = store.buckets(*asked), model.buckets(*asked)  # type: ignore[arg-type]
        for name in ("start", "count", "min", "max", "last", "last_step"):
            assert getattr(its, name).tolist() == getattr(wanted, name).tolist(), (axis, ends, name)
    summary = model.summaries("loss", [run])[run]
    assert store.summaries("loss", [run]) == {run: summary._replace(mean=pytest.approx(summary.mean))}
    assert store.last([run], ["loss"], 1) == model.last([run], ["loss"], 1)


def test_recent_points_that_are_kept_follow_what_any_lab_appends_and_what_is_built(place: ClickHousePlace) -> None:
    model, sizes = MemoryPointStore(), Sizes(grace_s=0.0)
    with contextlib.closing(place.open(sizes)) as store, contextlib.closing(place.open(sizes)) as another:
        for n in range(6):
            batch = Writer(f"w{n}", run="a").batch(loss=[((5 * i + n) % 13, float(i), T0 + i) for i in range(n + 1)])
            (store if n % 2 else another).append([batch])
            model.append([batch])
            for its in (store, another, store):
                assert_drawn_alike(its, model)
        store._tidier._sizes = TINY
        while store.maintain():
            pass
        assert store.work_left().to_compact == 0
        batch = Writer("w7", run="a").batch(loss=[(7, 7.0, T0 + 7)])
        another.append([batch])
        model.append([batch])
        for its in (store, another):
            assert_drawn_alike(its, model)


def test_recent_points_are_read_once(place: ClickHousePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(place.open(Sizes())) as store:
        read, queries = store._clickhouse.columns, list[str]()

        def noted(query: str, *more: Any) -> Any:
            queries.append(query)
            return read(query, *more)

        monkeypatch.setattr(store._clickhouse, "columns", noted)
        for n in range(3):
            store.append([Writer(f"w{n}", run="a").batch(loss=[(n, float(n), T0 + n)])])
            asked = []
            for _ in range(3):
                queries.clear()
                assert store.summaries("loss", ["a"])["a"].points == n + 1
                assert store.last(["a"], ["loss"], 1)["a"][0].last_step == n
                asked.append(len(queries))
                assert n == 0 or all("block > " in query for query in queries)
            assert asked == [2, 0, 0]


def test_a_block_that_is_done_after_a_later_one_comes_into_a_chart_that_was_drawn_meanwhile(
    place: ClickHousePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, is_there, go_on = MemoryPointStore(), threading.Event(), threading.Event()
    slow, quick = (Writer(name, run="a").batch(loss=[(n, n, T0 + n)]) for n, name in ((1, "slow"), (2, "quick")))
    with contextlib.closing(place.open(Sizes())) as store, contextlib.closing(place.open(Sizes())) as another:
        insert = another._clickhouse.insert

        def inserted_and_not_answered(*arguments: Any) -> None:
            insert(*arguments)
            is_there.set()
            assert go_on.wait(60)

        monkeypatch.setattr(another._clickhouse, "insert", inserted_and_not_answered)
        with ThreadPoolExecutor() as threads:
            appended = threads.submit(another.append, [slow])
            assert is_there.wait(60)
            store.append([quick])
            model.append([quick])
            assert_drawn_alike(store, model)
            go_on.set()
            appended.result(60)
        model.append([slow])
        assert_drawn_alike(store, model)


def counted(windows: Sequence[int], block: int, out: Sequence[int] = ()) -> Counted:
    return Counted((), tuple(windows), block, tuple(out), 1)


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        (counted([1], 5, [4]), counted([1, 2], 7, [7]), True),
        (counted([1], 5, [4]), counted([1], 5, [4]), True),
        (counted([1], 5), counted([2], 6), False),  # the window is in a build
        (counted([1, 2], 5), counted([1], 5), False),  # the question began earlier
        (counted([1], 5), counted([1], 4), False),
        (counted([1], 5), counted([1], 5, [3]), False),
    ],
)
def test_kept_points_are_used_only_where_all_of_them_count(before: Counted, now: Counted, goes_on: bool) -> None:
    assert recents._goes_on(before, now) == goes_on
