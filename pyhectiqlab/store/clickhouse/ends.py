"""Ends of smoothed lines: what is read for many runs at once, of each only the points that its kernel reaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

import numpy as np

from ...protocol.limits import STEP_MAX, STEP_MIN
from ..pauses import may_pause
from ..points import Axis, Selector, Smoothing
from ..series.grid import cuts, last_place, window_of
from ..series.smoothing import Sums, pool, reach, shift_of_cells, smoothed_ends, value_of
from . import lines, statements
from .identities import key_number
from .reading import Reading, Series
from .statements import SERIES_SUMS, listed, mapped, number, recent

SERIES_AT_ONCE = 512  # series in one query of ClickHouse


Name = TypeVar("Name")  # of a line


@dataclass(frozen=True)
class _End(Generic[Name]):
    name: Name
    series: Sequence[tuple[Series, int | None]]
    place: int
    low: int  # the lowest place that is read
    high: int
    shift: int


def ends(
    reading: Reading, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """Yield each of the runs that has the key, and the value at the end of its smoothed line."""
    by_pair = reading.series(((run, key) for run in runs), ends=True)
    its = ((run, Selector(run, key), meant) for (run, _), meant in by_pair.items())
    yield from _ends(reading, key, smoothing, axis, its)


def ends_of_ranks(
    reading: Reading, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]
) -> Iterator[tuple[tuple[str, int], float]]:
    """Yield each (run, rank) that has the key, and the value at the end of its smoothed line."""
    by_pair = reading.series(((run, key) for run in runs), ends=True)
    its = (
        ((run, rank), Selector(run, key, rank), list(series))
        for (run, _), meant in by_pair.items()
        for rank, series in groupby(meant, key=lambda s: s.row.rank)
    )
    yield from _ends(reading, key, smoothing, axis, its)


def _ends(
    reading: Reading,
    key: str,
    smoothing: Smoothing,
    axis: Axis,
    its_lines: Iterable[tuple[Name, Selector, Sequence[Series]]],
) -> Iterator[tuple[Name, float]]:
    """Yield the name of each of the lines that has points, and the value at the end of the smoothed line."""
    few: list[_End[Name]] = []
    for name, selector, meant in its_lines:
        its = list(zip(meant, cuts([s.info for s in meant], "newest"), strict=True))
        placed = [(s.info, cut, s.row.origin) for s, cut in its]
        place, whole = last_place(placed, axis), window_of(placed, axis, None, None)
        if place is None or whole is None:
            continue
        shift = shift_of_cells(sum(s.info.count for s, _ in its), whole, smoothing.width)
        end = _End(name, its, place, *reach(np.array([place]), smoothing, shift), shift)
        if shift:  # a line of more than a million points: its nodes are read
            may_pause()
            line = lines.Line(selector, its, 0, whole)
            values, _ = lines.smoothed_at(reading, line, axis, np.array([place]), smoothing)
            yield name, float(value_of(values)[0])
        else:
            few.append(end)
    few.sort(key=lambda end: end.low)  # so that the lines of one query begin near each other
    for some in _groups(few):
        may_pause()
        yield from _of_points(reading, key, smoothing, axis, some)


def _groups(its: Sequence[_End[Name]]) -> Iterator[Sequence[_End[Name]]]:
    start = size = 0
    for i, end in enumerate(its):
        if i > start and size + len(end.series) > SERIES_AT_ONCE:
            yield its[start:i]
            start, size = i, 0
        size += len(end.series)
    if its:
        yield its[start:]


def _of_points(
    reading: Reading, key: str, smoothing: Smoothing, axis: Axis, its: Sequence[_End[Name]]
) -> Iterator[tuple[Name, float]]:
    """Yield the same as `_ends` for a few lines, whose points one query reads."""
    zero = {s.row.id: s.row.origin if axis == "relative" else 0 for end in its for s, _ in end.series}
    low = {s.row.id: end.low for end in its for s, _ in end.series}
    high = {s.row.id: end.high for end in its for s, _ in end.series}
    cut = {s.row.id: STEP_MAX if its_cut is None else its_cut - 1 for end in its for s, its_cut in end.series}
    x = statements.place_on(axis, zero)
    by = "step" if axis == "step" else "time"
    least = max(STEP_MIN, min(low[its] + zero[its] for its in low))
    where = f"series IN {listed(low)} AND {by} >= {number(least)}"
    where += f" AND {x} >= {mapped('series', low)} AND {x} <= {mapped('series', high)}"
    if any(step != STEP_MAX for step in cut.values()):
        where += f" AND step <= {mapped('series', cut)}"
    builds = sorted({part.build for end in its for s, _ in end.series for part in s.parts})
    texts = []
    if 0 in builds:
        condition = f"{recent(reading.counted)} AND key = {key_number(key)} AND {where}"
        texts.append(statements.points_in_places("arrived", condition, x))
    if stored := [build for build in builds if build]:
        texts.append(statements.points_in_places("stored", f"build IN {listed(stored)} AND {where}", x))
    rows = reading.clickhouse.rows(" UNION ALL ".join(texts), SERIES_SUMS)
    rows = rows[np.argsort(rows["series"], kind="stable")]
    sums: list[Sums] = []
    for end in its:
        parts = []
        for s, _ in end.series:
            first, behind = (np.searchsorted(rows["series"], np.uint64(s.row.id), side) for side in ("left", "right"))
            parts.append(rows[first:behind])
        own = np.concatenate(parts)
        sums.append(pool(own["start"].copy(), own["sum"].copy(), own["finite"].astype(np.float64)))
    values = value_of(smoothed_ends([end.place for end in its], smoothing, sums))
    yield from zip((end.name for end in its), values.tolist(), strict=True)
