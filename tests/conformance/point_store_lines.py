"""What every PointStore promises of lines: buckets, ranks, attempts, relative time. A part of point_store_suite.py."""

from __future__ import annotations

import math

from pyhectiqlab.store.points import (
    RANKS_MAX,
    PointStore,
    Selector,
)

from .point_store_data import T0, Writer
from .point_store_same import all_points

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
NAN, INF = math.nan, math.inf


class LinesSuite:
    def test_buckets_lie_on_a_grid_of_powers_of_two_whatever_the_window(self, store: PointStore) -> None:
        store.append([Writer("w").steps(range(1000))])
        for lo, hi in ((None, None), (3, 700), (100, 101), (-5000, 5000), (999, 10**30), (-(10**30), 0)):
            (b,) = store.buckets([Selector("run", "loss")], lo=lo, hi=hi, n=10)
            assert b.width & (b.width - 1) == 0
            assert not any(start % b.width for start in b.start.tolist())
            assert 0 < len(b.start) <= 10

    def test_the_window_is_inclusive_and_exact_at_its_edges(self, store: PointStore) -> None:
        store.append([Writer("w").steps(range(1000))])
        (b,) = store.buckets([Selector("run", "loss")], lo=101, hi=799, n=20)
        assert b.total == b.count.sum() == 699
        assert (b.min[0], b.max[-1], b.last[-1]) == (101.0, 799.0, 799.0)
        (none,) = store.buckets([Selector("run", "loss")], lo=7, hi=6)
        assert none.total == 0

    def test_last_is_of_the_highest_step_then_sequence_number(self, store: PointStore) -> None:
        w = Writer("w")
        store.append([w.batch(loss=[(5, 1.0, T0), (9, 2.0, T0 + 9), (9, 3.0, T0 + 1)])])
        store.append([w.batch(loss=[(7, 4.0, T0 + 20)])])
        (info,) = store.keys("run")
        assert (info.last_step, info.last_value, info.last_time) == (9, 3.0, T0 + 1)
        (b,) = store.buckets([Selector("run", "loss")], n=1)
        assert (b.last.tolist(), b.last_x.tolist()) == ([3.0], [9])
        (b,) = store.buckets([Selector("run", "loss")], axis="relative", n=1)
        assert (b.last.tolist(), b.last_x.tolist()) == ([3.0], [1])

    def test_several_writers_feed_one_series(self, store: PointStore) -> None:
        a, b = Writer("a"), Writer("b")
        store.append([a.steps([1, 2]), b.steps([1, 2, 3])])
        store.append([b.steps([4]), a.steps([3])])
        assert [(p[2], p[3]) for p in all_points(store)] == [(1, 1), (2, 2), (1, 1), (2, 2), (3, 3), (4, 4), (3, 3)]
        assert store.series("run", "loss")[0].count == 7

    def test_ranks_are_apart_or_pooled(self, store: PointStore) -> None:
        r0, r1 = Writer("a", rank=0), Writer("b", rank=1)
        store.append([r0.steps([0, 1, 2], value=1.0), r1.steps([0, 1, 2], value=5.0)])
        one, pooled = store.buckets([Selector("run", "loss", 1), Selector("run", "loss")], n=1)
        assert (one.count.tolist(), one.min.tolist()) == ([3], [5.0])
        assert (pooled.count.tolist(), pooled.mean.tolist()) == ([6], [3.0])
        assert [(s.rank, s.attempt, s.count) for s in store.series("run", "loss")] == [(0, 1, 3), (1, 1, 3)]
        (info,) = store.keys("run")
        assert (info.rank, info.attempt, info.count, info.max) == (None, None, 6, 5.0)
        assert set(store.points("run", "loss", rank=1).rank.tolist()) == {1}

    def test_each_rank_is_a_line_of_its_own_and_all_share_one_grid(self, store: PointStore) -> None:
        store.append([Writer("a", rank=0).steps(range(100), value=1.0), Writer("b", rank=3).steps([7, 9], value=5.0)])
        lines = store.buckets([Selector("run", "loss", "each")], n=10)
        assert [(b.selector.rank, b.total, b.width, b.ranks) for b in lines] == [(0, 100, 16, 2), (3, 2, 16, 2)]
        assert store.buckets([Selector("run", "other", "each"), Selector("none", "loss", "each")]) == []
        (pooled,) = store.buckets([Selector("run", "loss")], n=10)
        assert (pooled.ranks, pooled.min[0], pooled.max[0], pooled.mean[0]) == (2, 1.0, 5.0, (16 + 2 * 5) / 18)

    def test_of_very_many_ranks_the_lowest_are_lines_and_all_are_counted(self, store: PointStore) -> None:
        store.append([Writer(f"{rank}", rank=rank).steps([rank]) for rank in range(RANKS_MAX + 5)])
        lines = store.buckets([Selector("run", "loss", "each")])
        assert [b.selector.rank for b in lines] == list(range(RANKS_MAX))
        assert {b.ranks for b in lines} == {RANKS_MAX + 5}

    def test_an_answer_has_no_more_buckets_than_it_may(self, store: PointStore) -> None:
        keys = [f"k{i:02}" for i in range(20)]
        store.append([Writer("a").batch(**{key: [(step, 1.0, T0) for step in range(1000)] for key in keys})])
        lines = store.buckets([Selector("run", key) for key in keys], n=1000, most=200)
        assert {b.width for b in lines} == {128} and {b.total for b in lines} == {1000}
        assert sum(len(b.start) for b in lines) <= 200
        assert [b.width for b in store.buckets([Selector("run", "k00")], n=1000, most=200)] == [8]
        assert [len(b.start) for b in store.iter_buckets([Selector("run", "k00")], n=10, most=200)] == [8]

    def test_series_of_one_key_share_a_grid_and_other_keys_have_their_own(self, store: PointStore) -> None:
        short, long = Writer("a", run="short"), Writer("b", run="long")
        store.append([short.steps(range(10)), long.steps(range(1000)), long.steps(range(8), key="other")])
        selectors = [Selector("short", "loss"), Selector("long", "loss"), Selector("long", "other")]
        assert [b.width for b in store.buckets(selectors, n=100)] == [16, 16, 1]
        assert store.buckets(selectors[:1], n=100)[0].width == 1

    def test_an_older_attempt_is_shown_alone_and_whole(self, store: PointStore) -> None:
        store.append([Writer("a", attempt=1).steps(range(10), value=1.0), Writer("b", attempt=2).steps([6, 7])])
        (first,) = store.buckets([Selector("run", "loss", attempt=1)])
        assert (first.total, set(first.mean.tolist())) == (10, {1.0})
        (second,) = store.buckets([Selector("run", "loss", 0, 2)])
        assert second.start.tolist() == [6, 7]
        (none,) = store.buckets([Selector("run", "loss", attempt=3)])
        assert (none.total, none.ranks) == (0, 0)

    def test_the_newest_attempt_hides_older_points_from_its_lowest_step_on(self, store: PointStore) -> None:
        one, two = Writer("a", attempt=1), Writer("b", attempt=2)
        other = Writer("c", attempt=1, rank=1)
        store.append([one.steps(range(10), value=1.0), other.steps(range(10), value=9.0)])
        store.append([two.steps([6, 5, 7], value=2.0)])
        for axis in ("step", "time", "relative"):
            (shown,) = store.buckets([Selector("run", "loss", 0)], axis=axis, n=1)  # type: ignore[arg-type]
            assert (shown.total, shown.mean[0]) == (8, 11 / 8), axis
            assert shown.last.tolist() == [2.0]
        (shown,) = store.buckets([Selector("run", "loss", 0)])
        assert shown.start.tolist() == list(range(8))
        (everything,) = store.buckets([Selector("run", "loss", 0)], attempts="all")
        assert everything.total == 13
        (pooled,) = store.buckets([Selector("run", "loss")])
        assert pooled.total == 18  # the other rank has no newer attempt
        assert [p.total for p in store.buckets([Selector("run", "loss", 1)])] == [10]
        assert store.keys("run")[0].last_step == 7  # the highest (attempt, step)
        assert len(all_points(store)) == 23

    def test_an_attempt_hidden_whole_leaves_no_trace_in_the_window(self, store: PointStore) -> None:
        store.append([Writer("a", attempt=1).steps([500, 900]), Writer("b", attempt=2).steps([1, 2])])
        (b,) = store.buckets([Selector("run", "loss")])
        assert (b.start.tolist(), b.width) == ([1, 2], 1)

    def test_relative_time_is_the_same_for_all_keys_and_ranks_of_an_attempt(self, store: PointStore) -> None:
        one, two, late = Writer("a"), Writer("b", rank=1), Writer("c", attempt=2)
        store.append([one.batch(loss=[(0, 1.0, T0 + 100)], accuracy=[(0, 0.5, T0 + 40), (1, 0.5, T0 + 90)])])
        store.append([two.batch(loss=[(0, 1.0, T0 + 200)]), one.batch(valid=[(1, 1.0, T0 + 740)])])
        store.append([late.batch(valid=[(2, 1.0, T0 + 5000)], loss=[(2, 1.0, T0 + 5007)])])
        assert store.origins("run") == {1: T0 + 40, 2: T0 + 5000}
        assert store.origins("run", after=1) == {2: T0 + 5000} and store.origins("run", limit=1) == {1: T0 + 40}
        assert store.origins("none") == {}

        def places(key: str, rank: int | None = None, attempt: int | None = None) -> list[int]:
            (b,) = store.buckets([Selector("run", key, rank, attempt)], axis="relative")
            return [int(x) for x in b.last_x]

        assert places("loss", attempt=1) == [60, 160] and places("accuracy") == [0, 50]
        assert places("loss", rank=1) == [160] and places("valid", attempt=1) == [700]
        assert places("valid", attempt=2) == [0] and places("loss", attempt=2) == [7]
        store.delete("run")
        assert store.origins("run") == {}

    def test_relative_time_starts_at_each_attempts_first_batch(self, store: PointStore) -> None:
        one, two = Writer("a", attempt=1), Writer("b", attempt=2)
        store.append([one.batch(loss=[(0, 1.0, T0 + 100), (1, 1.0, T0 + 103)])])
        store.append([one.batch(loss=[(2, 1.0, T0 + 98)])])  # its clock was set back
        store.append([two.batch(loss=[(3, 2.0, T0 + 5000), (4, 2.0, T0 + 5003)])])
        (b,) = store.buckets([Selector("run", "loss")], axis="relative")
        assert b.start.tolist() == [-2, 0, 3]
        assert b.count.tolist() == [1, 2, 2]
        (b,) = store.buckets([Selector("run", "loss")], axis="time", lo=T0 + 98, hi=T0 + 103)
        assert b.start.tolist() == [T0 + 98, T0 + 100, T0 + 103]
