"""What all PointStores have in common: legal points, the grid of buckets, which attempts are hidden. No storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from ...protocol.limits import STEP_MAX, STEP_MIN
from ..points import RANKS_MAX, Axis, Column, PointBatch, Selector, SeriesInfo

T = TypeVar("T")

TIME_MAX = 1 << 62  # µs, both ways: the year 148,000; keeps differences of times inside int64
SHIFT_MAX = 63
Window = tuple[int, int]  # lowest and highest place on an axis


def check_batch(batch: PointBatch) -> None:
    """Raise ValueError for a batch that no store can hold."""
    if not 0 < batch.first <= batch.last <= STEP_MAX:
        raise ValueError(f"batch {batch.first}…{batch.last}: wants 1 ≤ first ≤ last")
    for column in batch.columns:
        n = len(column.step)
        if not n or not (len(column.seq) == len(column.value) == len(column.time) == n):
            raise ValueError(f"columns of {column.key!r} are empty or of unequal length")


def check_times(column: Column, low: int, high: int) -> None:
    if low < -TIME_MAX or high > TIME_MAX:
        raise ValueError(f"times of {column.key!r} reach beyond ±2^62 µs")


def shift_for(low: int, high: int, n: int) -> int:
    """Return log2 of the width of buckets: of the finest grid on which the places low…high (inclusive) are in at most n
    cells.

    Two cells are allowed even for n = 1, since 0 is an edge on every grid.
    """
    shift = max(0, ((high - low) // max(n, 1)).bit_length() - 1)
    while shift < SHIFT_MAX and (high >> shift) - (low >> shift) + 1 > max(n, 1):
        shift += 1
    return shift


def apart(
    selector: Selector, series: Sequence[T], rank_of: Callable[[T], int]
) -> list[tuple[Selector, Sequence[T], int]]:
    """Return (selector, series, how many ranks there are) for each line that a selector stands for. `series`: all
    series that it stands for.
    """
    ranks = sorted({rank_of(s) for s in series})
    if selector.rank != "each":
        return [(selector, series, len(ranks))]
    return [
        (replace(selector, rank=rank), [s for s in series if rank_of(s) == rank], len(ranks))
        for rank in ranks[:RANKS_MAX]
    ]


def share_of(most: int | None, lines: int, n: int) -> int:
    """Return how many buckets each line may have: at most n, so that all lines together have at most `most`."""
    return n if most is None else max(1, min(n, most // max(1, lines)))


def shifts_for(windows: Iterable[tuple[str, Window | None]], n: int) -> dict[str, int]:
    """Return, by key, the grid for all its windows together. A window None: the line has no points, and needs no
    grid.
    """
    ends: dict[str, Window] = {}
    for key, window in windows:
        if window is not None:
            low, high = ends.get(key, window)
            ends[key] = min(low, window[0]), max(high, window[1])
    return {key: shift_for(low, high, n) for key, (low, high) in ends.items()}


def cuts(series: Sequence[SeriesInfo], attempts: Literal["newest", "all"]) -> list[int | None]:
    """Return, for each series of one key, the step from which on a newer attempt of its rank hides it; None: nowhere.

    A job restarted from a checkpoint repeats steps. The newest attempt wins, from its lowest step on, even if that step
    came late. So the answer does not depend on the order of arrival.
    """
    steps: list[int | None] = [None] * len(series)
    if attempts == "all":
        return steps
    lowest: dict[int | None, int] = {}  # rank → lowest step of all newer attempts
    for i in sorted(range(len(series)), key=lambda i: -_attempt(series[i])):
        info = series[i]
        steps[i] = lowest.get(info.rank)
        lowest[info.rank] = min(info.step_min, lowest.get(info.rank, info.step_min))
    return steps


def window_of(
    series: Iterable[tuple[SeriesInfo, int | None, int]], axis: Axis, lo: int | None, hi: int | None
) -> Window | None:
    """Return the lowest and highest place that a query looks at, of (series, cut, origin) items; None where there can
    be no point.

    If `lo` or `hi` is None, the end of the visible points counts. Steps from a cut on are not visible. Of times, all
    those of a series count, unless the whole series is hidden.
    """
    low: list[int] = []
    high: list[int] = []
    for info, cut, origin in series:
        if cut is not None and info.step_min >= cut:
            continue
        if axis == "step":
            low.append(info.step_min)
            high.append(info.step_max if cut is None else min(info.step_max, cut - 1))
        else:
            zero = origin if axis == "relative" else 0
            low.append(info.time_min - zero)
            high.append(info.time_max - zero)
    if not low:
        return None
    window = (max(STEP_MIN, min(low) if lo is None else int(lo)), min(STEP_MAX, max(high) if hi is None else int(hi)))
    return window if window[0] <= window[1] else None


def last_place(series: Iterable[tuple[SeriesInfo, int | None, int]], axis: Axis) -> int | None:
    """Return the place at which a line ends, of (series, cut, origin) items: of its series that no newer attempt hides
    in part, the highest place. On steps, it has no point behind it. None: there is no series.
    """
    places = []
    for info, cut, origin in series:
        if cut is None:
            zero = origin if axis == "relative" else 0
            places.append(info.step_max if axis == "step" else info.time_max - zero)
    return max(places, default=None)


def parse_cursor(after: str) -> tuple[int, int]:
    """Return (arrival, seq) of a cursor that `points` returned; "" is the beginning. Raises ValueError for anything
    else.
    """
    if not after:
        return -1, -1
    arrival, dot, seq = after.partition(".")
    if not (dot and arrival.isdecimal() and seq.isdecimal() and len(after) < 42):
        raise ValueError(f"cursor {after!r} is none that this store gave out")
    return int(arrival), int(seq)


def rank_of(info: SeriesInfo) -> int:
    """Return the rank of a series that is not pooled."""
    assert info.rank is not None
    return info.rank


def _attempt(info: SeriesInfo) -> int:
    assert info.attempt is not None
    return info.attempt
