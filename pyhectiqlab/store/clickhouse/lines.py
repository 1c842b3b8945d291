"""Queries for buckets: lines as a chart draws them, also smoothed.

They are read from nodes where these are fine enough, and from points at their edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...protocol.limits import STEP_MAX, STEP_MIN
from ..pauses import may_pause
from ..points import Axis, Buckets, Float64s, Int64s, Selector, Smoothing
from ..series import levels
from ..series.grid import Window, apart, cuts, rank_of, share_of, shifts_for, window_of
from ..series.smoothing import Sums, pool, shift_of_cells, smoothed, value_of
from . import levels_of_builds, recents, statements
from .identities import key_number
from .reading import Part, Reading, Series
from .recents import Recents
from .statements import SERIES_NODE, SUMS, listed, number, recent

SERIES_AT_ONCE = 512  # series in one query of ClickHouse
ROWS_AT_ONCE = 1 << 17  # buckets in the answer of one query, about


@dataclass(frozen=True)
class Line:
    """Series that are drawn as one line, each with the step from which on it is hidden.

    `ranks`: as in Buckets. `place`: index of the selector that it belongs to, among those asked for.
    """

    selector: Selector
    series: Sequence[tuple[Series, int | None]]
    ranks: int
    window: Window | None
    place: int = 0


class View(NamedTuple):
    """What is wanted of a series: its points at places in a window (None: all) and at steps below `cut`, summed up in
    cells of 2^shift.
    """

    axis: Axis
    low: int | None
    high: int | None
    cut: int | None
    shift: int


@dataclass(frozen=True)
class Query:
    """What is asked of all lines."""

    axis: Axis
    lo: int | None
    hi: int | None
    n: int
    attempts: Literal["newest", "all"]
    most: int | None
    smoothing: Smoothing | None


def lines_of(reading: Reading, selectors: Iterable[Selector], query: Query) -> list[Line]:
    """Return the lines that are to be drawn."""
    wanted = list(selectors)
    by_pair = reading.series(((s.run, s.key) for s in wanted), ends=True)
    lines = []
    for place, selector in enumerate(wanted):
        meant = [
            s
            for s in by_pair.get((selector.run, selector.key), [])
            if selector.rank in (None, "each", s.row.rank) and selector.attempt in (None, s.row.attempt)
        ]
        for its, series, ranks in apart(selector, meant, lambda s: rank_of(s.info)):
            hidden_from = cuts([s.info for s in series], query.attempts)
            both = list(zip(series, hidden_from, strict=True))
            ends = ((s.info, cut, s.row.origin) for s, cut in both)
            lines.append(Line(its, both, ranks, window_of(ends, query.axis, query.lo, query.hi), place))
    return lines


def with_views(lines: Sequence[Line], query: Query) -> list[tuple[Line, View]]:
    """Return each line with what is to be read for it. All lines of a key share a grid, so pass all lines of a chart,
    even if they come from several readings.
    """
    share = share_of(query.most, len(lines), query.n)
    shifts = shifts_for(((line.selector.key, line.window) for line in lines), share)
    return [(line, _view(line, query, shifts.get(line.selector.key, 0))) for line in lines]


def drawn(reading: Reading, lines: Sequence[tuple[Line, View]], query: Query) -> Iterator[Buckets]:
    """Yield the Buckets of each line. Blocks on ClickHouse, but not on PostgreSQL."""
    for some in _groups(lines, query.n):
        for (line, view), nodes in zip(some, _nodes(reading, some), strict=True):
            may_pause()
            its = levels.to_buckets(line.selector, view.shift if line.window else 0, nodes, line.ranks)
            yield its if query.smoothing is None else _with_smoothed(reading, line, query.axis, its, query.smoothing)


def _groups(lines: Sequence[tuple[Line, View]], n: int) -> Iterator[list[tuple[Line, View]]]:
    """Yield groups of lines for one query each. In a group, no series is wanted in two ways."""
    some: list[tuple[Line, View]] = []
    ways: dict[int, View] = {}
    for line, view in lines:
        its = {s.row.id: view._replace(cut=cut) for s, cut in line.series}
        full = len(ways) + len(its) > SERIES_AT_ONCE or (len(some) + 1) * min(n, 4096) > ROWS_AT_ONCE
        if some and (full or any(ways.get(number, way) != way for number, way in its.items())):
            yield some
            some, ways = [], {}
        some.append((line, view))
        ways |= its
    if some:
        yield some


def _view(line: Line, query: Query, shift: int) -> View:
    """Return what is to be read of a line. The window is None if it holds the whole line, so that lines of many lengths
    share a query.
    """
    if line.window is None:
        return View(query.axis, 1, 0, None, shift)
    low, high = line.window
    return View(query.axis, None if query.lo is None else low, None if query.hi is None else high, None, shift)


def _nodes(reading: Reading, lines: Sequence[tuple[Line, View]]) -> list[levels.Nodes]:
    """Return the nodes of each line, one for each bucket."""
    wanted = {s.row.id: (s, view._replace(cut=cut)) for line, view in lines if line.window for s, cut in line.series}
    rows = _read(reading, list(wanted.values()), SERIES_NODE)
    rows = rows[np.argsort(rows["series"], kind="stable")]
    ids = rows["series"]
    answers = []
    for line, view in lines:
        parts, attempts = [], []
        for s, _ in line.series if line.window else ():
            low, high = np.searchsorted(ids, np.uint64(s.row.id)), np.searchsorted(ids, np.uint64(s.row.id), "right")
            if low < high:
                parts.append(_as_nodes(rows[low:high]))
                attempts.append(np.full(high - low, s.row.attempt, np.int64))
        merged = (
            levels.merge(levels.concatenated(parts), np.concatenate(attempts), view.shift) if parts else levels.EMPTY
        )
        answers.append(merged)
    return answers


def _as_nodes(rows: NDArray[Any]) -> levels.Nodes:
    words = np.ascontiguousarray(rows).view(np.int64).reshape(len(rows), -1)
    return np.ascontiguousarray(words[:, 1:]).reshape(-1).view(levels.NODE)


def _read(reading: Reading, wanted: Sequence[tuple[Series, View]], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return rows for exactly the points that the views show of their series: of SERIES_NODE, or of SUMS."""
    queries = _Queries(reading, kind is SUMS)
    for s, view in wanted:
        for part in s.parts:
            queries.add(s, part, view)
    texts = queries.texts()
    parts = [reading.clickhouse.rows(" UNION ALL ".join(texts), kind)] if texts else []
    parts += queries.of_recents()
    return levels.concatenated(parts) if parts else statements.none(kind)


class _Queries:
    """Gathers what is to be read, and reads all series at once of which the same is wanted."""

    def __init__(self, reading: Reading, sums: bool) -> None:
        self._reading, self._sums = reading, sums
        self._nodes: dict[tuple[int, Axis, int, int | None, int | None, int], list[int]] = {}
        self._points: dict[tuple[int, View], list[int]] = {}
        self._recent: dict[View, list[Recents]] = {}
        self._origins: dict[int, int] = {}
        self._keys: dict[int, int] = {}

    def add(self, s: Series, part: Part, view: View) -> None:
        low, high = _ends(part, view.axis, s.row.origin)
        if view.axis == "step" and view.cut is not None:  # then it is an end of the window
            view = view._replace(high=view.cut - 1 if view.high is None else min(view.high, view.cut - 1), cut=None)
        if view.cut is not None:
            if part.extent.step_min >= view.cut:
                return
            if part.extent.step_max < view.cut:
                view = view._replace(cut=None)
        first = low if view.low is None else max(low, view.low)
        last = high if view.high is None else min(high, view.high)
        if first > last:
            return
        # An end beyond the part's own is none.
        view = view._replace(
            low=view.low if view.low is not None and view.low > low else None,
            high=view.high if view.high is not None and view.high < high else None,
        )
        self._origins[s.row.id], self._keys[s.row.id] = s.row.origin, key_number(s.row.key)
        shift = part.shifts[view.axis]
        if shift < 0 or shift > view.shift or view.cut is not None:
            self._add_points(part, s, view)
            return
        level = levels_of_builds.level_for(shift, (low, high), view.shift)
        width = 1 << shift + level * statements.LEVEL_SHIFT
        begin = None if view.low is None else -(-view.low // width) * width
        end = None if view.high is None else (view.high + 1) // width * width
        first_node, behind_nodes = first if begin is None else begin, last + 1 if end is None else end
        if first_node >= behind_nodes:
            self._add_points(part, s, view)
        else:
            place = (part.build, view.axis, level, begin, end, view.shift)
            self._nodes.setdefault(place, []).append(s.row.id)
            if begin is not None and begin > first:
                self._add_points(part, s, view._replace(high=begin - 1))
            if end is not None and end <= last:
                self._add_points(part, s, view._replace(low=end))

    def _add_points(self, part: Part, s: Series, view: View) -> None:
        if part.points is None:
            self._points.setdefault((part.build, view), []).append(s.row.id)
        else:
            self._recent.setdefault(view, []).append(part.points)

    def of_recents(self) -> list[NDArray[Any]]:
        """Return rows of the recent points, which have been read already."""
        rows = []
        for view, points in self._recent.items():
            origins = self._origins if view.axis == "relative" else {}
            shown = recents.Shown(view.axis == "step", view.low, view.high, view.cut, view.shift)
            rows.append(recents.in_cells(points, origins, shown, self._sums))
        return rows

    def texts(self) -> list[str]:
        texts = []
        for (axis, level, begin, end, shift, series), builds in _by_build(self._nodes):
            condition = f"build IN {listed(builds)} AND series IN {listed(series)}"
            condition += f" AND axis = {statements.AXES.index(axis)} AND level = {level}"
            if begin is not None:
                condition += f" AND start >= {number(begin)}"
            if end is not None and end <= STEP_MAX:
                condition += f" AND start < {number(end)}"
            if self._sums:
                texts.append(statements.nodes_in_cells(condition, shift))
            else:
                texts.append(statements.nodes_as_nodes(condition, axis, shift))
        for (view, series), builds in _by_build(self._points):
            texts.append(self._of_points(builds, series, view))
        return texts

    def _of_points(self, builds: Sequence[int], series: Sequence[int], view: View) -> str:
        origins = {number: self._origins[number] for number in series}
        x = statements.place_on(view.axis, origins)
        table, condition = "stored", f"build IN {listed(builds)}"
        if builds == [0]:
            table, condition = "arrived", recent(self._reading.counted)
            condition += f" AND key IN {listed(sorted({self._keys[number] for number in series}))}"
        condition += f" AND series IN {listed(series)}"
        zeros = set(origins.values()) if view.axis == "relative" else {0}
        by = "step" if view.axis == "step" else "time"
        for sign, end in ((">=", view.low), ("<=", view.high)):
            if end is None:
                continue
            if len(zeros) == 1:  # then the condition is a range, which the index serves
                condition += f" AND {by} {sign} {number(max(STEP_MIN, min(STEP_MAX, end + min(zeros))))}"
            else:
                condition += f" AND {x} {sign} {number(end)}"
        if view.cut is not None:
            condition += f" AND step < {number(view.cut)}"
        if self._sums:
            return statements.points_in_cells(table, condition, x, view.shift)
        return statements.points_as_nodes(table, condition, view.axis, x, view.shift)


def _by_build(places: dict[Any, list[int]]) -> Iterator[tuple[Any, list[int]]]:
    """Yield (what is read, without its build, but with the series; the builds that it is read of)."""
    builds: dict[Any, list[int]] = {}
    for (build, *rest), series in places.items():
        builds.setdefault((*rest, tuple(sorted(series)), build == 0), []).append(build)
    for (*what, _), its in builds.items():
        yield what, its


def _ends(part: Part, axis: Axis, origin: int) -> Window:
    """Return the lowest and highest place of its points."""
    e = part.extent
    if axis == "step":
        return e.step_min, e.step_max
    zero = origin if axis == "relative" else 0
    return e.time_min - zero, e.time_max - zero


def _with_smoothed(reading: Reading, line: Line, axis: Axis, its: Buckets, smoothing: Smoothing) -> Buckets:
    """Return the buckets with the smoothed line beside them."""
    values, shift = smoothed_at(reading, line, axis, its.last_x, smoothing)
    return replace(its, smoothed=value_of(values), smooth_cell=1 << shift)


def smoothed_at(reading: Reading, line: Line, axis: Axis, at: Int64s, smoothing: Smoothing) -> tuple[Float64s, int]:
    """Return the smoothed values at some places, times SUM_SCALE, and log2 of the cells that they are made of."""

    def read(low: int, high: int, shift: int) -> Sums:
        wanted = [(s, View(axis, low, high, cut, shift)) for s, cut in line.series]
        rows = _read(reading, wanted, SUMS)
        return pool(rows["start"].copy(), rows["sum"].copy(), rows["finite"].astype(np.float64))

    whole = window_of(((s.info, cut, s.row.origin) for s, cut in line.series), axis, None, None)
    shift = shift_of_cells(sum(s.info.count for s, _ in line.series), whole, smoothing.width) if whole else 0
    return smoothed(at, smoothing, shift, read), shift
