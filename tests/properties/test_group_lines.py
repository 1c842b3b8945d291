"""Lines of groups against a plain model: every raw point looked at in Python; NaN, ranks, attempts."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.server.tables.grouplines import Band, group_lines
from pyhectiqlab.store.points import Column, PointBatch, PointStore, Smoothing

from ..stores import new_points

T0 = 1_700_000_000_000_000
VALUES = [0.0, 0.5, -1.0, 2.0, 1e-3, 1.7e308, math.nan, math.inf, -math.inf]
NUMBERS = itertools.count()  # of runs
QUICKLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Point = tuple[int, float]  # step and value
Series = dict[tuple[int, int], list[Point]]  # rank and attempt → points in order of arrival

points_of_series = st.lists(st.tuples(st.integers(-40, 40), st.sampled_from(VALUES)), min_size=1, max_size=12)
runs = st.dictionaries(st.tuples(st.integers(0, 1), st.integers(1, 2)), points_of_series, max_size=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PointStore]:
    store = new_points(tmp_path_factory.mktemp("lines"))
    yield store
    store.close()


def add(store: PointStore, run: str, series: Series) -> None:
    for (rank, attempt), points in series.items():
        step, value = (np.array(column) for column in zip(*points, strict=True))
        seq = np.arange(1, len(points) + 1)
        column = Column("loss", seq, step.astype(np.int64), value.astype(float), T0 + 1_000 * step.astype(np.int64))
        store.append([PointBatch(run, rank, attempt, f"{run}-{rank}-{attempt}", 1, len(points), [column])])


def seen(series: Series, attempts: str) -> list[Point]:
    """Return the points of a run that a newer attempt of their rank does not hide."""
    shown = []
    for (rank, attempt), points in series.items():
        newer = [step for (r, a), its in series.items() if r == rank and a > attempt for step, _ in its]
        hidden_from = min(newer, default=math.inf) if attempts == "newest" else math.inf
        shown += [point for point in points if point[0] < hidden_from]
    return shown


def fmean(values: list[float]) -> float:
    return math.fsum(value / len(values) for value in values)


def quantile(values: list[float], q: float) -> float:
    place = q * (len(values) - 1)
    low, high = sorted(values)[math.floor(place)], sorted(values)[math.ceil(place)]
    part = place - math.floor(place)
    return low * (1 - part) + high * part


def expected(values: list[float], middle: str, band: Band) -> tuple[float, float, float]:
    mean = fmean(values)
    center = mean if middle == "mean" else quantile(values, 0.5)
    if band.kind == "minmax":
        return center, min(values), max(values)
    if band.kind == "quantiles":
        return center, quantile(values, band.low), quantile(values, band.high)
    scaled = [value / 1e10 for value in values]
    std = 1e10 * (statistics.stdev(scaled) if len(values) > 1 else 0.0)
    return center, mean - std, mean + std


@QUICKLY
@given(
    st.lists(st.lists(runs, min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from([1, 3, 8, 500]),
    st.sampled_from(["newest", "all"]),
    st.sampled_from(
        [
            ("mean", Band("minmax")),
            ("median", Band("minmax")),
            ("mean", Band("std")),
            ("median", Band("quantiles", 0.1, 0.75)),
        ]
    ),
    st.sampled_from([None, (-10, 20)]),
    st.lists(st.sampled_from([None, 0, 1]), min_size=3, max_size=3),
)
def test_a_line_is_what_each_run_says_once(
    store: PointStore,
    groups: list[list[Series]],
    n: int,
    attempts: str,
    how: tuple[str, Band],
    window: tuple[int, int] | None,
    ranks: list[int | None],
) -> None:
    names = [[f"run {next(NUMBERS)}" for _ in group] for group in groups]
    for group, its_names in zip(groups, names, strict=True):
        for series, name in zip(group, its_names, strict=True):
            add(store, name, series)
    lo, hi = window or (None, None)
    middle, band = how
    lines = list(
        group_lines(
            store,
            names,
            ["loss"],
            ranks=ranks[: len(names)],
            n=n,
            attempts=attempts,  # type: ignore[arg-type]
            lo=lo,
            hi=hi,
            middle=middle,  # type: ignore[arg-type]
            band=band,
        )
    )
    assert [line.group for line in lines] == list(range(len(groups))) and len({line.width for line in lines}) == 1
    width = lines[0].width
    for group, line, only in zip(groups, lines, ranks, strict=False):
        buckets: dict[int, list[float]] = {}
        for series in group:
            finite: dict[int, list[float]] = {}
            its = {place: points for place, points in series.items() if only in (None, place[0])}
            for step, value in seen(its, attempts):
                if math.isfinite(value) and (window is None or window[0] <= step <= window[1]):
                    finite.setdefault(step // width * width, []).append(value)
            for start, values in finite.items():
                buckets.setdefault(start, []).append(fmean(values))
        assert line.start.tolist() == sorted(buckets)
        for row, start in enumerate(line.start.tolist()):
            assert line.runs[row] == len(buckets[start])
            middle_low_high = (line.middle[row], line.low[row], line.high[row])
            wanted = expected(buckets[start], middle, band)
            size = max(map(abs, buckets[start]))
            np.testing.assert_allclose(middle_low_high, wanted, rtol=1e-9, atol=1e-9 * min(size, 1e290))
    if n >= 500:
        assert width == 1, "as fine as steps are"


def test_runs_that_log_at_different_steps_lie_on_one_grid(store: PointStore) -> None:
    add(store, "a", {(0, 1): [(0, 1.0), (10, 3.0)]})
    add(store, "b", {(0, 1): [(1, 5.0)], (1, 1): [(1, 7.0)]})
    (line,) = group_lines(store, [["a", "b", "none"]], ["loss"], n=10)
    assert (line.width, line.total) == (2, 2)
    assert line.start.tolist() == [0, 10] and line.runs.tolist() == [2, 1]
    assert line.middle.tolist() == [3.5, 3.0], "b is the mean of its ranks, and counts once"
    (relative,) = group_lines(store, [["a", "b"]], ["loss"], n=500, axis="relative")
    assert relative.start.tolist() == [0, 10_000 // relative.width * relative.width]


@pytest.mark.parametrize("middle", ["mean", "median"])
@pytest.mark.parametrize("n", [8, 500])
def test_a_smoothed_line_is_the_middle_of_the_smoothed_values_of_the_runs(
    store: PointStore, middle: Literal["mean", "median"], n: int
) -> None:
    rng, width = np.random.default_rng(n), 6
    runs: dict[str, dict[int, float]] = {}
    for _ in range(5):
        name, steps = f"run {next(NUMBERS)}", np.sort(rng.choice(120, 60, replace=False))
        values = np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60))
        add(store, name, {(0, 1): list(zip(steps.tolist(), values.tolist(), strict=True))})
        runs[name] = dict(zip(steps.tolist(), values.tolist(), strict=True))
    (line,) = group_lines(store, [[*runs]], ["loss"], n=n, middle=middle, smoothing=Smoothing("mean", width))
    assert line.smoothed is not None
    for start, count, smoothed in zip(line.start.tolist(), line.runs.tolist(), line.smoothed.tolist(), strict=True):
        its = []
        for points in runs.values():
            here = [step for step in points if start <= step < start + line.width]
            if any(math.isfinite(points[step]) for step in here):
                near = [v for step, v in points.items() if abs(step - max(here)) <= width and math.isfinite(v)]
                its.append(fmean(near))
        assert len(its) == count
        assert smoothed == pytest.approx(fmean(its) if middle == "mean" else quantile(its, 0.5))
