"""ClickHousePointStore keeps the interface's promises: while all points are new, and when they are in builds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import pytest

from pyhectiqlab.store.clickhouse import reading
from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.points import AppendResult, PointBatch, PointStore, Summary
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
    """As a lab has it: what is in these tests are the newest points."""

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

    # Each takes a quarter of a minute, as every few points become a build.
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
