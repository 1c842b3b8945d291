"""What every PointStore promises, as a class to subclass: override `store`. Interface: pyhectiqlab/store/points.py."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.points import (
    AppendResult,
    Column,
    PointBatch,
    PointStore,
    Selector,
    Summary,
)
from pyhectiqlab.testing.memory_points import MemoryPointStore

from .point_store_data import T0, Writer
from .point_store_lines import LinesSuite
from .point_store_same import (
    all_points,
    assert_same_buckets,
)

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
NAN, INF = math.nan, math.inf


ORDERS = ("growing", "shuffled", "repeated", "backward", "epochs", "late", "sparse")


class PointStoreSuite(LinesSuite):
    """Subclass it, and give a fixture `store`."""

    @pytest.fixture
    def store(self) -> Iterator[PointStore]:
        raise NotImplementedError

    def test_an_empty_store_answers_with_nothing(self, store: PointStore) -> None:
        assert store.cursor("w") == 0
        assert store.keys("run") == store.series("run", "loss") == []
        assert store.last(["run"]) == {"run": []}
        assert all_points(store) == []
        (buckets,) = store.buckets([Selector("run", "loss")])
        assert (len(buckets.start), buckets.total, buckets.selector) == (0, 0, Selector("run", "loss"))

    def test_what_was_appended_is_answered_in_order_of_arrival(self, store: PointStore) -> None:
        w = Writer("w")
        assert store.append([w.steps([3, 1, 2]), w.steps([2, 2, -5])]) == [AppendResult("ok", 3), AppendResult("ok", 6)]
        assert store.cursor("w") == 6
        assert [p[2:4] for p in all_points(store)] == [(1, 3), (2, 1), (3, 2), (4, 2), (5, 2), (6, -5)]

    def test_a_batch_sent_again_is_a_duplicate_and_changes_nothing(self, store: PointStore) -> None:
        w = Writer("w")
        first, second = w.steps([1, 2, 3]), w.steps([4])
        store.append([first, second])
        assert store.append([first]) == [AppendResult("duplicate", 4)]
        assert store.append([second, first]) == [AppendResult("duplicate", 4)] * 2
        assert len(all_points(store)) == 4

    def test_the_same_batch_twice_in_one_append_is_applied_once(self, store: PointStore) -> None:
        batch = Writer("w").steps([1, 2])
        assert store.append([batch, batch]) == [AppendResult("ok", 2), AppendResult("duplicate", 2)]
        assert len(all_points(store)) == 2

    def test_a_gap_and_an_overlap_are_conflicts_and_change_nothing(self, store: PointStore) -> None:
        w = Writer("w")
        first, second, third = w.steps([1, 2]), w.steps([3, 4]), w.steps([5])
        store.append([first])
        overlap = PointBatch("run", 0, 1, "w", 2, 3, second.columns)
        assert store.append([third, overlap, second, third]) == [
            AppendResult("conflict", 2),
            AppendResult("conflict", 2),
            AppendResult("ok", 4),
            AppendResult("ok", 5),
        ]
        assert [p[3] for p in all_points(store)] == [1, 2, 3, 4, 5]

    def test_how_far_batches_of_points_alone_reach(self, store: PointStore) -> None:
        """Whoever is asked before the store forgets a batch, and afterwards, has noted how far it reaches."""
        w, v = Writer("w"), Writer("v")
        noted = {"w": 0, "v": 0, "x": 0}

        def note() -> None:
            noted.update(store.reach(noted))

        store.before_forgetting = note
        store.append([w.steps([1, 2]), v.steps([1]), w.steps(range(700)), w.steps([3])])
        note()
        assert noted == {"w": 703, "v": 1, "x": 0}
        more = w.steps([4])
        store.append([PointBatch("run", 0, 1, "w", 704, 705, more.columns), PointBatch("run", 0, 1, "w", 706, 706, [])])
        note()
        assert noted["w"] == 703, "705 is not a point"
        noted["w"], w.last = 706, 706
        store.append([w.steps([5])])
        note()
        assert noted["w"] == 707
        noted["w"] = 700
        note()
        assert noted["w"] == 700, "no batch begins there"

    def test_a_batch_without_points_moves_the_cursor(self, store: PointStore) -> None:
        assert store.append([PointBatch("run", 0, 1, "w", 1, 9, [])]) == [AppendResult("ok", 9)]
        assert store.cursor("w") == 9
        assert store.keys("run") == []

    @pytest.mark.parametrize(
        "bad",
        [
            PointBatch("run", 0, 1, "w", 0, 1, []),
            PointBatch("run", 0, 1, "w", 5, 4, []),
            PointBatch("run", 0, 1, "w", 2, 2, [Column("k", *[np.empty(0, np.int64)] * 4)]),  # type: ignore[arg-type]
            PointBatch("run", 0, 1, "w", 2, 2, [Column("k", *[np.ones(2, np.int64)] * 3, np.ones(1, np.int64))]),  # type: ignore[arg-type]
            Writer("v").batch(k=[(1, 1.0, INT64_MAX)]),
        ],
    )
    def test_a_batch_that_cannot_be_held_raises_and_nothing_is_applied(
        self, store: PointStore, bad: PointBatch
    ) -> None:
        good = Writer("w").steps([1])
        with pytest.raises(ValueError):
            store.append([good, bad])
        assert store.cursor("w") == 0
        assert store.keys("run") == []
        assert store.append([good]) == [AppendResult("ok", 1)]

    def test_nan_and_infinities_are_kept_and_counted_but_no_part_of_extremes(self, store: PointStore) -> None:
        store.append([Writer("w").batch(loss=[(i, v, T0) for i, v in enumerate([NAN, 2.0, INF, -INF, -1.0, NAN])])])
        assert [p[4] for p in all_points(store)] == [None, 2.0, INF, -INF, -1.0, None]
        (info,) = store.keys("run")
        assert (info.min, info.max, info.count) == (-1.0, 2.0, 6)
        assert math.isnan(info.last_value)
        (b,) = store.buckets([Selector("run", "loss")], n=2)
        assert (b.width, b.count.tolist()) == (4, [4, 2])
        assert (b.nan.tolist(), b.pinf.tolist(), b.ninf.tolist()) == ([1, 1], [1, 0], [1, 0])
        assert (b.min.tolist(), b.max.tolist(), b.mean.tolist()) == ([2.0, -1.0], [2.0, -1.0], [2.0, -1.0])
        assert b.last[0] == -INF and math.isnan(b.last[1])

    def test_a_series_without_a_finite_value_has_no_extremes(self, store: PointStore) -> None:
        store.append([Writer("w").batch(loss=[(0, NAN, T0), (1, INF, T0)])])
        (info,) = store.keys("run")
        assert math.isnan(info.min) and math.isnan(info.max)
        (b,) = store.buckets([Selector("run", "loss")])
        assert np.isnan([b.min, b.max, b.mean]).all()

    def test_huge_values_have_an_exact_mean(self, store: PointStore) -> None:
        huge, tiny = 1.7976931348623157e308, 5e-324
        store.append(
            [Writer("w").batch(a=[(0, huge, T0)] * 3, b=[(0, -huge, T0), (0, huge, T0)], c=[(0, tiny, T0)] * 3)]
        )
        means = [b.mean.tolist() for b in store.buckets([Selector("run", key) for key in "abc"])]
        assert means == [[huge], [0.0], [tiny]]

    def test_steps_reach_over_all_of_int64(self, store: PointStore) -> None:
        steps = [INT64_MAX, 0, INT64_MIN, -1, INT64_MAX, INT64_MIN]
        store.append([Writer("w").steps(steps)])
        assert [p[3] for p in all_points(store)] == steps
        (info,) = store.keys("run")
        assert (info.step_min, info.step_max, info.last_step) == (INT64_MIN, INT64_MAX, INT64_MAX)
        (b,) = store.buckets([Selector("run", "loss")], n=4)
        assert b.width == 1 << 62
        assert b.start.tolist() == [INT64_MIN, -(1 << 62), 0, 1 << 62]
        assert b.count.tolist() == [2, 1, 1, 2]
        (b,) = store.buckets([Selector("run", "loss")], n=1)
        assert (b.width, b.start.tolist(), b.count.tolist()) == (1 << 63, [INT64_MIN, 0], [3, 3])

    def test_keys_are_sorted_filtered_and_paged(self, store: PointStore) -> None:
        w = Writer("w")
        names = ["b", "a_x", "a_y", "é", "B", "%", "a"]
        store.append([w.batch(**{name: [(0, 0.0, T0)]}) for name in names])
        store.append([Writer("other", run="other").batch(z=[(0, 0.0, T0)])])
        want = sorted(name.replace("_", "/") for name in names)
        assert [i.key for i in store.keys("run")] == want
        assert [i.key for i in store.keys("run", query="a/")] == ["a/x", "a/y"]
        assert [i.key for i in store.keys("run", query="%")] == ["%"]
        assert [i.key for i in store.keys("run", limit=3)] == want[:3]
        assert [i.key for i in store.keys("run", after=want[2], limit=2)] == want[3:5]
        store.append([w.batch(a_w=[(0, 0.0, T0)])])  # a key that comes after pages were asked for
        assert [i.key for i in store.keys("run", query="a/")] == ["a/w", "a/x", "a/y"]
        assert [i.key for i in store.keys("run", after="a", limit=2)] == ["a/w", "a/x"]

    def test_last_gives_each_run_its_infos(self, store: PointStore) -> None:
        for run in ("r1", "r2"):
            w = Writer(run, run=run)
            store.append([w.batch(**{k: [(1, 0.5, T0), (2, 0.25, T0)]}) for k in "dcba"])
        first = store.last(["r1", "r2", "none"], limit_per_run=2)
        assert {run: [i.key for i in infos] for run, infos in first.items()} == {
            "r1": ["a", "b"],
            "r2": ["a", "b"],
            "none": [],
        }
        chosen = store.last(["r2"], ["c", "missing", "a"])
        assert [(i.key, i.run, i.last_value) for i in chosen["r2"]] == [("c", "r2", 0.25), ("a", "r2", 0.25)]

    def test_summaries_pool_ranks_and_attempts_and_follow_what_is_appended(self, store: PointStore) -> None:
        writers = [Writer(f"w{rank}{attempt}", rank=rank, attempt=attempt) for rank in (0, 1) for attempt in (1, 2)]
        model = MemoryPointStore()
        runs = ["none", "run", "other"]
        for n, value in enumerate([3.0, math.nan, math.inf, -2.0, 0.5]):
            mine = writers[n % 4].batch(loss=[(10 - n, value, T0 + n)])
            others = Writer(f"o{n}", run="other").batch(acc=[(n, value, T0)])
            store.append([mine, others])
            model.append([mine, others])
            for key in ("loss", "acc", "missing"):
                _assert_same_summaries(store.summaries(key, runs), model.summaries(key, runs))
                _assert_same_summaries(store.rank_summaries(key, runs), model.rank_summaries(key, runs))
            assert store.with_nan(runs) == model.with_nan(runs) == ({"run", "other"} if n else set())
            while store.maintain():
                pass
        assert {place: its.points for place, its in store.rank_summaries("loss", runs).items()} == {
            ("run", 0): 3,
            ("run", 1): 2,
        }
        store.delete("run")
        assert store.summaries("loss", runs) == store.rank_summaries("loss", runs) == {}
        store.undelete("run")
        assert store.summaries("loss", runs)["run"].points == 5
        assert store.summaries("loss", ["other"]) == {}

    def test_keys_are_counted_over_runs(self, store: PointStore) -> None:
        store.append([Writer("a").batch(loss=[(0, 1.0, T0)], Acc=[(0, 1.0, T0)])])
        while store.maintain():
            pass
        store.append(
            [
                Writer("b", run="other").batch(loss=[(0, 1.0, T0)], new=[(0, 1.0, T0)]),
                Writer("c", rank=1).batch(loss=[(0, 1.0, T0)]),
            ]
        )
        assert store.key_counts(["run", "other", "none"]) == {"loss": 2, "Acc": 1, "new": 1}
        assert store.key_counts(["run"], "aC") == {"Acc": 1} and store.key_counts(["other"], "%") == {}
        store.delete("other")
        assert store.key_counts(["run", "other"]) == {"loss": 1, "Acc": 1} and store.key_counts([]) == {}

    def test_points_page_on_behind_the_cursor_also_while_more_arrive(self, store: PointStore) -> None:
        w = Writer("w")
        store.append([w.steps([5, 4, 3])])
        page = store.points("run", "loss", limit=2)
        store.append([w.steps([1])])
        rest = store.points("run", "loss", after=page.cursor)
        assert (page.step.tolist(), rest.step.tolist()) == ([5, 4], [3, 1])
        end = store.points("run", "loss", after=rest.cursor)
        assert (len(end.step), end.cursor) == (0, rest.cursor)
        for bad in ("x", "1", "1.x", "-1.2", "9" * 60 + ".1"):
            with pytest.raises(ValueError):
                store.points("run", "loss", after=bad)

    def test_points_of_one_attempt(self, store: PointStore) -> None:
        store.append([Writer("a", attempt=1).steps([1]), Writer("b", attempt=2).steps([2])])
        assert store.points("run", "loss", attempt=2).step.tolist() == [2]
        assert store.points("run", "loss", rank=3).step.tolist() == []

    def test_the_points_of_one_writer_come_by_key_in_order_of_their_numbers(self, store: PointStore) -> None:
        one, other = Writer("one"), Writer("other")
        store.append([one.steps([3, 1]), other.steps([2])])
        store.append([one.steps([7], key="acc"), one.steps([2])])
        store.maintain(1.0)
        by_name = {c.key: (c.seq.tolist(), c.step.tolist()) for c in store.of_writer("run", "one", 0, 1)}
        assert by_name == {"acc": ([3], [7]), "loss": ([1, 2, 4], [3, 1, 2])}
        assert [c.step.tolist() for c in store.of_writer("run", "other", 0, 1)] == [[2]]
        assert not list(store.of_writer("run", "nobody", 0, 1)) and not list(store.of_writer("run", "one", 1, 1))

    def test_the_batches_by_which_points_came_are_told_again(self, store: PointStore) -> None:
        one, other, far = Writer("one"), Writer("other", rank=1, attempt=2), Writer("far", run="far")
        sent = [
            one.batch(loss=[(3, 0.5, T0 + 7), (1, math.nan, T0)], acc=[(9, 1.5, T0 + 3)]),
            far.steps([1]),
            other.steps([2, 2, 1]),
            one.steps(range(100, 0, -1)),
            other.steps([5], key="acc"),
        ]
        for batch in sent:
            store.append([batch])
        silent = PointBatch("run", 0, 1, "one", one.last + 1, one.last + 5, [])
        store.append([silent])
        one.last += 5
        sent.append(one.steps([7]))
        store.append(sent[-1:])
        again = list(store.batches_of(["run", "unknown", "far"]))
        for run, origins in (("run", {1: T0, 2: T0}), ("far", {1: T0})):
            its = [b for b in again if b.run == run]
            for got, want in zip(its, (b for b in sent if b.run == run), strict=True):
                first = silent.first if want is sent[-1] else want.first
                assert (got.writer, got.rank, got.attempt) == (want.writer, want.rank, want.attempt)
                assert (got.first, got.last, got.origin) == (first, want.last, origins[want.attempt])
                for column, its_own in zip(got.columns, sorted(want.columns, key=lambda c: c.key), strict=True):
                    assert column.key == its_own.key
                    for name in ("seq", "step", "time", "value"):
                        assert np.array_equal(getattr(column, name), getattr(its_own, name), equal_nan=True)
        store.delete("run")
        assert [b.run for b in store.batches_of(["run", "far"])] == ["far"]

    def test_where_an_attempt_begins_may_be_told(self, store: PointStore) -> None:
        store.append([replace(Writer("a").steps([1]), origin=T0 - 5), replace(Writer("b").steps([1]), origin=T0 - 9)])
        assert store.origins("run") == {1: T0 - 5}
        (b,) = store.buckets([Selector("run", "loss")], axis="relative")
        assert b.last_x.tolist() == [5]

    def test_cursors_of_many_writers(self, store: PointStore) -> None:
        a, b = Writer("a"), Writer("b")
        store.append([a.steps([1, 2]), b.steps([1])])
        store.maintain(1.0)
        store.append([a.steps([3])])
        assert store.cursors(["a", "b", "nobody"]) == {"a": 3, "b": 1}
        assert store.cursors([]) == {}

    def test_a_deleted_run_is_hidden_until_undeleted(self, store: PointStore) -> None:
        store.append([Writer("w").steps([1, 2]), Writer("x", run="kept").steps([1])])
        store.delete("run")
        store.delete("run")
        store.delete("unknown")
        assert store.keys("run") == store.series("run", "loss") == all_points(store) == []
        assert store.last(["run"], ["loss"]) == {"run": []}
        assert store.buckets([Selector("run", "loss")])[0].total == 0
        assert len(all_points(store, "kept")) == 1
        store.undelete("run")
        store.undelete("never heard of")
        assert len(all_points(store)) == 2

    def test_purge_removes_what_was_deleted_and_only_that(self, store: PointStore) -> None:
        w, kept = Writer("w"), Writer("x", run="kept")
        store.append([w.steps(range(100)), kept.steps(range(100)), w.steps(range(100), key="acc")])
        assert store.work_left().to_remove == 0
        store.delete("run")
        assert store.work_left().to_remove == 200
        while store.maintain(0.0):
            pass
        assert not store.maintain()
        assert store.work_left().to_remove == 0
        store.undelete("run")
        assert store.keys("run") == []
        assert len(all_points(store, "kept")) == 100
        assert store.append([w.steps([7])]) == [AppendResult("ok", 201)]  # the writer's cursor outlives its points
        assert [p[3] for p in all_points(store)] == [7]

    def test_points_that_arrive_for_a_deleted_run_stay_hidden(self, store: PointStore) -> None:
        w = Writer("w")
        store.append([w.steps([1])])
        store.delete("run")
        while store.maintain():
            pass
        assert store.append([w.steps([2])]) == [AppendResult("ok", 2)]
        assert store.keys("run") == []

    def test_a_closed_store_says_so(self, store: PointStore) -> None:
        store.close()
        store.close()
        for call in (lambda: store.append([]), lambda: store.keys("run"), store.maintain):
            with pytest.raises(StoreError):
                call()

    @pytest.mark.parametrize("order", ORDERS)
    def test_every_order_of_steps_gives_the_models_answers(self, store: PointStore, order: str) -> None:
        rng = np.random.default_rng(7)
        n = 600
        steps = {
            "growing": np.arange(n),
            "shuffled": rng.permutation(n),
            "repeated": np.arange(n) // 50,
            "backward": np.arange(n)[::-1],
            "epochs": np.arange(n) % 100,
            "late": np.where(np.arange(n) % 97 == 0, np.arange(n) // 2, np.arange(n)),
            "sparse": np.cumsum(2 ** rng.integers(0, 45, n)),
        }[order]
        values = rng.normal(size=n)
        values[rng.integers(0, n, 20)] = rng.choice([NAN, INF, -INF], 20)
        model = MemoryPointStore()
        writers = [Writer("a"), Writer("b")]
        for at in range(0, n, 60):
            w = writers[(at // 60) % 2]
            part = slice(at, at + 60)
            batch = w.batch(loss=list(zip(steps[part], values[part], T0 + 1000 * np.arange(at, at + 60), strict=True)))
            store.append([batch])
            model.append([batch])
            store.maintain(0.0)
        assert all_points(store, limit=100) == all_points(model, limit=1000)
        lo, hi = int(steps.min()), int(steps.max())
        for axis, low, high in (("step", lo, hi), ("time", T0, T0 + 1000 * n), ("relative", 0, 1000 * n)):
            third = (high - low) // 3
            for window in ((None, None), (low + third, high - third), (low + third, low + third + 40)):
                for width in (7, 100):
                    assert_same_buckets(
                        store, model, Selector("run", "loss"), axis=axis, lo=window[0], hi=window[1], n=width
                    )


def _assert_same_summaries(its: Mapping[Any, Summary], wanted: Mapping[Any, Summary]) -> None:
    assert its.keys() == wanted.keys()
    for name, summary in its.items():
        np.testing.assert_allclose(np.array(summary, float), np.array(wanted[name], float), rtol=1e-12, atol=0)
