"""ShardedPointStore keeps its promises on two shards, while all points are new, and when they are in builds.

What is about one run is what a ClickHousePointStore does, which has tests of its own; so these run where several runs
meet, and the others only with the slow tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.placing import chosen
from pyhectiqlab.store.clickhouse.sharded import ShardedPointStore
from pyhectiqlab.store.points import AppendResult, PointBatch, PointStore

from ..clickhouse_place import TINY
from ..sharded_place import ShardedPlace
from .point_store_suite import PointStoreSuite


class BuiltPointStore(ShardedPointStore):
    """Tidies after every append, as far as it goes."""

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        results = super().append(batches)
        while self.maintain():
            pass
        return results


@pytest.fixture(scope="module")
def place() -> Iterator[ShardedPlace]:
    place = ShardedPlace()
    place.open().close()
    place.be_quick()
    yield place
    place.remove()


def test_runs_of_these_tests_are_on_both_shards() -> None:
    assert {chosen(run, [1, 2]) for run in ("run", "other")} == {1, 2}
    assert {chosen(run, [1, 2]) for run in ("short", "long")} == {1, 2}


class RunsMeet:
    """The tests of the suite that ask about several runs at once, or in which one run must not disturb another."""

    test_last = PointStoreSuite.test_last_gives_each_run_its_infos
    test_summaries = PointStoreSuite.test_summaries_pool_ranks_and_attempts_and_follow_what_is_appended
    test_key_counts = PointStoreSuite.test_keys_are_counted_over_runs
    test_batches_of = PointStoreSuite.test_the_batches_by_which_points_came_are_told_again
    test_deleted = PointStoreSuite.test_a_deleted_run_is_hidden_until_undeleted
    test_purged = PointStoreSuite.test_purge_removes_what_was_deleted_and_only_that
    test_grids = PointStoreSuite.test_series_of_one_key_share_a_grid_and_other_keys_have_their_own
    test_empty = PointStoreSuite.test_an_empty_store_answers_with_nothing
    test_closed = PointStoreSuite.test_a_closed_store_says_so


class New:
    """The store as a lab has it: what these tests append are the newest points."""

    @pytest.fixture
    def store(self, place: ShardedPlace) -> Iterator[PointStore]:
        place.empty()
        store = place.open(Sizes(grace_s=0.0))
        yield store
        store.close()


class Built:
    @pytest.fixture
    def store(self, place: ShardedPlace) -> Iterator[PointStore]:
        place.empty()
        store = BuiltPointStore(place.places, place.facts_url, TINY)
        yield store
        store.close()


class TestRunsMeet(New, RunsMeet):
    pass


class TestRunsMeetBuilt(Built, RunsMeet):
    pass


@pytest.mark.slow
class TestShardedPointStore(New, PointStoreSuite):
    pass


@pytest.mark.slow
class TestShardedPointStoreBuilt(Built, PointStoreSuite):
    pass
