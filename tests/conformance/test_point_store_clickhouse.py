"""ClickHousePointStore keeps the interface's promises: while all points are new, and when they are in builds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.points import AppendResult, PointBatch, PointStore

from ..clickhouse_place import TINY, ClickHousePlace
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
