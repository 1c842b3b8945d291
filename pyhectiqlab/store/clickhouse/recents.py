"""Recents: points that are in no build yet, summarised as the rows of builds are, or as a chart shows them.

A key, or the runs on a page, nearly always have few of them. Then they are read as they are and summarised here: to
understand a query that summarises them takes ClickHouse several times as long as to read them. A chart reads them once
and computes from them both where its lines end and its buckets. What was read is kept for the next question.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..series import levels
from . import statements
from .client import ClickHouse
from .facts import Counted
from .statements import ENDS, INFOS, SERIES_NODE, STATS, SUMMARY, SUMS, listed

KEPT_BYTES_MAX = 32 << 20  # memory for points that were read for charts: some 700,000 points
_ENTRY_BYTES = 1000  # memory of an entry beside its points
READ_MAX = 400_000  # recent points of all series, up to which some are read; if there are more, ClickHouse summarises
_POINT = np.dtype(
    [("series", "<u8"), ("step", "<i8"), ("seq", "<i8"), ("arrival", "<i8"), ("value", "<f8"), ("time", "<i8")]
)
_COLUMNS = ", ".join(_POINT.names or ())


class Recents(NamedTuple):
    """Points that are in no build. Those of a series lie together; apart from that they are in no order."""

    series: NDArray[Any]
    step: NDArray[Any]
    seq: NDArray[Any]
    arrival: NDArray[Any]
    value: NDArray[Any]
    time: NDArray[Any]

    def of(self, first: int, behind: int) -> Recents:
        """Return the rows from `first` to before `behind`."""
        return Recents(*(column[first:behind] for column in self))


class KeptRecents:
    """Recent points that were read, so that the next drawing or page reads what came since. Safe for several threads.

    Rows of a block never change. What came since is in later blocks, or in those that were being inserted then. When a
    window became a build, what is left is read anew.
    """

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, tuple[Counted, Recents]] = OrderedDict()  # the least recently used first
        self._bytes = 0

    def read(
        self, clickhouse: ClickHouse, counted: Counted, condition: str, name: object, in_order: bool = False
    ) -> Recents:
        """Return the recent points for which a condition holds. `name`: of the condition; `in_order`: by series, step,
        sequence number and arrival.
        """
        with self._lock:
            kept = self._kept.get(name)
        if kept is None or not _goes_on(kept[0], counted):
            points = read(clickhouse, f"{condition} AND {statements.recent(counted)}")
        else:
            before, points = kept
            newer = f"block > {before.block}"
            if late := set(before.out) - set(counted.out):
                newer += f" OR block IN {listed(sorted(late))}"
            if late or counted.block > before.block:
                came = read(clickhouse, f"{condition} AND {statements.recent(counted)} AND ({newer})")
                points = _together(points, came)
        if in_order:
            points = _in_order(points)
        self._keep(name, counted, points)
        return points

    def _keep(self, name: object, counted: Counted, points: Recents) -> None:
        with self._lock:
            its = self._kept.get(name)
            if its is not None and its[0].block > counted.block:
                return  # a thread that began later has already kept a newer state
            self._forget(name)
            self._kept[name] = counted, points
            self._bytes += _bytes_of(points)
            while self._bytes > self._bytes_max:
                self._forget(next(iter(self._kept)))

    def _forget(self, name: object) -> None:
        its = self._kept.pop(name, None)
        if its is not None:
            self._bytes -= _bytes_of(its[1])


def _goes_on(before: Counted, now: Counted) -> bool:
    """Return whether all recent points of the state `before` are recent points of the state `now`, too."""
    same_windows = now.windows[: len(before.windows)] == before.windows
    return same_windows and before.block <= now.block and {b for b in now.out if b <= before.block} <= set(before.out)


def _bytes_of(points: Recents) -> int:
    return _ENTRY_BYTES + sum(column.nbytes for column in points)


def read(clickhouse: ClickHouse, condition: str) -> Recents:
    """Return the rows of `arrived` for which a condition holds."""
    columns = clickhouse.columns(f"SELECT {_COLUMNS} FROM arrived WHERE {condition}", _POINT)
    return _by_series(Recents(**columns))


def _together(some: Recents, others: Recents) -> Recents:
    if not len(some.series) or not len(others.series):
        return some if len(some.series) else others
    return _by_series(Recents(*map(np.concatenate, zip(some, others, strict=True))))


def _in_order(points: Recents) -> Recents:
    same = points.series[1:] == points.series[:-1]
    if (same <= (points.step[1:] > points.step[:-1])).all():  # then the step alone gives the order
        return points
    order = np.lexsort((points.arrival, points.seq, points.step, points.series))
    return Recents(*(column[order] for column in points))


def _by_series(points: Recents) -> Recents:
    series = points.series
    if not (series[1:] < series[:-1]).any():
        return points
    order = np.argsort(series, kind="stable")
    return Recents(*(column[order] for column in points))


NONE = Recents(*(np.empty(0, _POINT[name]) for name in Recents._fields))


def ends_of(points: Recents) -> tuple[NDArray[Any], dict[int, Recents]]:
    """Return ENDS rows of points, and the points of each series."""
    n = len(points.series)
    if not n:
        return statements.none(ENDS), {}
    groups = levels.groups_of(points.series.view(np.int64))
    rows = np.zeros(len(groups), ENDS)
    rows["series"], rows["count"] = points.series[groups], np.diff(groups, append=n)
    for name, column in (("step", points.step), ("time", points.time)):
        rows[f"{name}_min"] = np.minimum.reduceat(column, groups)
        rows[f"{name}_max"] = np.maximum.reduceat(column, groups)
    for name in ("step_shift", "time_shift", "relative_shift"):
        rows[name] = statements.NO_SHIFT
    bounds = [*groups.tolist(), n]
    ids = rows["series"].tolist()
    return rows, {ids[i]: points.of(bounds[i], bounds[i + 1]) for i in range(len(ids))}


class Shown(NamedTuple):
    """What is wanted of some points: those at places on an axis (None: all) and at steps below `cut`, summed up in
    cells of 2^shift.
    """

    by_step: bool
    low: int | None
    high: int | None
    cut: int | None
    shift: int


def in_cells(some: Sequence[Recents], origins: Mapping[int, int], shown: Shown, sums: bool) -> NDArray[Any]:
    """Return rows of the shown points of some series: SERIES_NODE, one for each series and cell, or SUMS, of which
    several may be of one cell. `origins`: where the places of a series begin; 0 where it has none.
    """
    points = some[0] if len(some) == 1 else Recents(*map(np.concatenate, zip(*some, strict=True)))
    x = points.step if shown.by_step else points.time
    zeros = [origins.get(int(its.series[0]), 0) for its in some]
    if any(zeros):
        x = x - np.repeat(np.array(zeros, np.int64), [len(its.series) for its in some])
    holds = [x >= shown.low] if shown.low is not None else []
    holds += [x <= shown.high] if shown.high is not None else []
    holds += [points.step < shown.cut] if shown.cut is not None else []
    if holds and not (wanted := np.logical_and.reduce(holds)).all():
        x, points = x[wanted], Recents(*(column[wanted] for column in points))
    if sums:
        return _sums(x, points.value, shown.shift)
    if len(some) == 1:
        order = np.argsort(x, kind="stable")  # fast, as they come in a few parts that are sorted by step
        groups = levels.groups_of(levels.cells(x[order], shown.shift))
    else:
        cell = levels.cells(x, shown.shift)
        order = np.lexsort((cell, points.series))
        groups = levels.groups_of(points.series.view(np.int64)[order], cell[order])
    step = points.step[order]
    if (step[1:] > step[:-1]).all():  # then the step alone gives the order
        last = order[np.append(groups[1:], len(order))[: len(groups)] - 1]
    else:
        last = order[levels.last_of_groups(groups, len(order), step, points.seq[order], points.arrival[order])]
    return _nodes(points, x, levels.cells(x[last], shown.shift), points.value[order], groups, last)


def _nodes(
    points: Recents,
    x: NDArray[np.int64],
    start: NDArray[np.int64],
    value: NDArray[np.float64],
    groups: NDArray[np.intp],
    last: NDArray[np.intp],
) -> NDArray[Any]:
    """Return SERIES_NODE rows. `value`: in the order of the groups; `last`: which of the points is each group's."""
    rows = np.zeros(len(groups), SERIES_NODE)
    if not len(groups):
        return rows
    finite = np.isfinite(value)
    low = high = kept = value
    if not finite.all():
        for name, its in (("nan", np.isnan(value)), ("pinf", value == np.inf), ("ninf", value == -np.inf)):
            rows[name] = np.add.reduceat(its, groups, dtype=np.int64)
        low, high, kept = (np.where(finite, value, none) for none in (np.inf, -np.inf, 0.0))
    rows["series"], rows["start"] = points.series[last], start
    rows["count"] = np.diff(groups, append=len(value))
    rows["min"], rows["max"] = np.minimum.reduceat(low, groups), np.maximum.reduceat(high, groups)
    rows["sum"] = np.add.reduceat(kept * levels.SUM_SCALE, groups)
    rows["last_x"], rows["last"] = x[last], points.value[last]
    for name in ("step", "seq", "arrival"):
        rows[f"last_{name}"] = getattr(points, name)[last]
    return rows


def _sums(x: NDArray[np.int64], value: NDArray[np.float64], shift: int) -> NDArray[Any]:
    finite = np.isfinite(value)
    rows = np.empty(len(x), SUMS)
    rows["start"], rows["finite"] = levels.cells(x, shift), finite
    rows["sum"] = np.where(finite, value, 0.0) * levels.SUM_SCALE
    return rows


def summarised(
    kept: KeptRecents, clickhouse: ClickHouse, counted: Counted, condition: str, kind: np.dtype[Any], name: object
) -> NDArray[Any]:
    """Return rows of a kind (STATS, INFOS, ENDS) of the recent points for which a condition holds. `name`: of both."""
    if not counted.recent:
        return statements.none(kind)
    if kind is not ENDS and counted.recent <= READ_MAX:
        return _summarised(kept.read(clickhouse, counted, condition, name, in_order=True), kind)
    condition = f"{condition} AND {statements.recent(counted)}"
    if kind is ENDS:
        return clickhouse.rows(statements.ends_of("arrived", condition), ENDS)
    if kind is INFOS:
        return clickhouse.rows(statements.infos_of("arrived", condition), INFOS)
    rows = clickhouse.rows(statements.summaries_of("arrived", condition), SUMMARY)
    stats = np.empty(len(rows), STATS)
    for column in STATS.names or ():
        stats[column] = rows[column]
    return stats


def _summarised(points: Recents, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return rows of a kind: one of each series. `points`: in order of (series, step, seq, arrival)."""
    n = len(points.series)
    if not n:
        return statements.none(kind)
    step, value, time = points.step, points.value, points.time
    groups = levels.groups_of(points.series.view(np.int64))
    sizes = np.diff(groups, append=n)
    last = groups + sizes - 1
    finite = np.isfinite(value)
    low = np.minimum.reduceat(np.where(finite, value + 0.0, np.inf), groups)  # + 0: there is but one 0
    high = np.maximum.reduceat(np.where(finite, value + 0.0, -np.inf), groups)
    columns = {
        "build": np.zeros(len(groups), np.int64),
        "series": points.series[groups],
        "count": sizes,
        "nans": np.add.reduceat(np.isnan(value), groups, dtype=np.int64),
        "finite": np.add.reduceat(finite, groups, dtype=np.int64),
        "step_min": step[groups],
        "step_max": step[last],
        "time_min": np.minimum.reduceat(time, groups),
        "time_max": np.maximum.reduceat(time, groups),
        "last_time": time[last],
        "min_step": step[_first(value == np.repeat(low, sizes), groups)],
        "max_step": step[_first(value == np.repeat(high, sizes), groups)],
        "low": low,
        "high": high,
        "total": np.add.reduceat(np.where(finite, value, 0.0) * levels.SUM_SCALE, groups),
        "first": value[groups],
        "last": value[last],
    }
    for name in ("step", "seq", "arrival"):
        column = getattr(points, name)
        columns[f"first_{name}"], columns[f"last_{name}"] = column[groups], column[last]
    rows = np.empty(len(groups), kind)
    for name in kind.names or ():
        rows[name] = columns[name]
    return rows


def _first(holds: NDArray[np.bool_], groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the first row of each group for which it holds; of a group without one, any row."""
    n = len(holds)
    return np.minimum(np.minimum.reduceat(np.where(holds, np.arange(n), n), groups), n - 1)
