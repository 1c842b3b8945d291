"""Lines of groups: the middle and the spread of a metric over the runs of each group.

All groups share one grid.

What a run contributes to a bucket is one value: the mean of its finite points there, over its ranks or of one, without
what a newer attempt hides. So each run counts once, however often it logs. A run without a finite point in a bucket
contributes nothing to it: nothing is interpolated, and `runs` says how many contribute. A smoothed line has the middle
of the runs' smoothed values beside it, each at the run's last point in the bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...store.pauses import may_pause
from ...store.points import Axis, Buckets, Float64s, Int64s, PointStore, Selector, Smoothing

RUNS_MAX = 500  # runs of one request, each counted once for each group that it is in
GROUPS_MAX = 100
KEYS_MAX = 16
LINES_MAX = 4_000  # runs × keys
BUCKETS_MAX = 1_000_000  # buckets of one key, over all runs
Middle = Literal["mean", "median"]


@dataclass(frozen=True)
class Band:
    """The spread around the middle: from the lowest to the highest value, one standard deviation to either side of the
    mean (of the sample: n - 1; 0 for one value), or between two quantiles (interpolated linearly).
    """

    kind: Literal["minmax", "std", "quantiles"]
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class GroupLine:
    """One group's line of one key: a row for each bucket to which a run contributes, arrays of one length.

    Attributes:
        group: its place among the groups.
        width: of the buckets, a power of two; the same for all groups of a key.
        start: the left edge of each, in units of the axis.
        runs: how many contribute.
        total: how many runs of the group have the key.
        smoothed: the middle of the smoothed values; None where none were asked for. NaN: no run has one there.
    """

    group: int
    key: str
    width: int
    total: int
    start: Int64s
    runs: Int64s
    middle: Float64s
    low: Float64s
    high: Float64s
    smoothed: Float64s | None = None


def group_lines(
    points: PointStore,
    groups: Sequence[Sequence[str]],
    keys: Sequence[str],
    *,
    ranks: Sequence[int | None] = (),
    axis: Axis = "step",
    lo: int | None = None,
    hi: int | None = None,
    n: int = 500,
    attempts: Literal["newest", "all"] = "newest",
    middle: Middle = "mean",
    band: Band = Band("minmax"),
    smoothing: Smoothing | None = None,
) -> Iterator[GroupLine]:
    """Yield the lines of each key, group by group, as asked for. `groups`: ids of runs. `ranks`: of each group, the one
    that counts; None: all of them. `lo`, `hi`, `n`, `attempts`,
    `smoothing`: as in PointStore.iter_buckets. Takes the memory of one group's buckets. Blocks on the store.

    Raises ValueError for a range that cannot be.
    """
    for key in keys:
        its_ranks = ranks or [None] * len(groups)
        selectors = [Selector(run, key, rank) for runs, rank in zip(groups, its_ranks, strict=True) for run in runs]
        lines = points.iter_buckets(selectors, axis, lo, hi, n, attempts, BUCKETS_MAX, smoothing)
        made = [_line(g, key, [next(lines) for _ in runs], middle, band) for g, runs in enumerate(groups)]
        width = max(line.width for line in made)
        for line in made:  # one without points knows of no grid
            yield replace(line, width=width)


def _line(group: int, key: str, lines: Sequence[Buckets], middle: Middle, band: Band) -> GroupLine:
    may_pause()
    start = np.concatenate([line.start for line in lines])
    value = np.concatenate([line.mean for line in lines])
    finite = np.isfinite(value)
    start, value = start[finite], value[finite]
    order = np.lexsort((value, start))
    start, value = start[order], value[order]
    at = np.flatnonzero(np.concatenate([[True], start[1:] != start[:-1]])) if len(start) else np.empty(0, np.int64)
    count = np.diff(np.concatenate([at, [len(start)]]))
    width = max((line.width for line in lines if line.total), default=1)
    total = sum(line.total > 0 for line in lines)
    none = np.empty(0)
    center, low, high = _middle_and_band(value, at, count, middle, band) if len(at) else (none, none, none)
    smoothed = _smoothed(lines, start[at], middle) if any(line.smoothed is not None for line in lines) else None
    return GroupLine(group, key, width, total, start[at], count.astype(np.int64), center, low, high, smoothed)


def _smoothed(lines: Sequence[Buckets], start: Int64s, middle: Middle) -> Float64s:
    """Return the middle of the smoothed values in each bucket `start`, of the runs that have a finite point there."""
    columns = [(b.start, b.mean, b.smoothed) for b in lines if b.smoothed is not None]
    place, mean, value = (np.concatenate(column) for column in zip(*columns, strict=True))
    known = np.isfinite(mean) & np.isfinite(value)
    place, value = place[known], value[known]
    order = np.lexsort((value, place))
    place, value = place[order], value[order]
    answer = np.full(len(start), np.nan)
    if len(place):
        at = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
        count = np.diff(np.concatenate([at, [len(place)]]))
        answer[np.searchsorted(start, place[at])] = _middle_and_band(value, at, count, middle, Band("minmax"))[0]
    return answer


def _middle_and_band(
    value: Float64s, at: Int64s, count: Int64s, middle: Middle, band: Band
) -> tuple[Float64s, Float64s, Float64s]:
    """Return middle, low and high of each bucket. `value`: sorted in each; `at`: where it begins; `count` ≥ 1."""
    low, high = value[at], value[at + count - 1]
    of = np.repeat(np.arange(len(at)), count)
    # Divided before they are added up, so that values near 1.8e308 have a mean; which lies within its values.
    mean = np.clip(np.add.reduceat(value / count[of], at), low, high)
    center = mean if middle == "mean" else _quantile(value, at, count, 0.5)
    if band.kind == "minmax":
        return center, low, high
    if band.kind == "quantiles":
        return center, _quantile(value, at, count, band.low), _quantile(value, at, count, band.high)
    scale = np.maximum(high / 2 - mean / 2, mean / 2 - low / 2)  # of half the distances: they cannot overflow
    scale[scale == 0] = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        apart = (value / 2 - mean[of] / 2) / scale[of]
        std = 2 * (scale * np.sqrt(np.add.reduceat(apart**2, at) / np.maximum(count - 1, 1)))
        return center, mean - std, mean + std


def _quantile(value: Float64s, at: Int64s, count: Int64s, q: float) -> Float64s:
    place = q * (count - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, count - 1)
    part = place - below
    first, second = value[at + below], value[at + above]
    between: Float64s = np.where(first == second, first, first * (1 - part) + second * part)
    return between
