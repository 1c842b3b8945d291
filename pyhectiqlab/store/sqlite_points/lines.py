"""Queries for buckets: lines as a chart draws them, also smoothed.

They are read from summaries where these are fine enough, and from points at the edges.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, Literal, TypeVar

import numpy as np

from ...protocol.limits import STEP_MAX, STEP_MIN
from ..pauses import may_pause
from ..points import Axis, Buckets, Float64s, Int64s, Selector, Smoothing
from ..series import levels
from ..series.extents import Extent
from ..series.grid import apart, cuts, last_place, rank_of, share_of, shifts_for, window_of
from ..series.smoothing import Sums, pool, reach, shift_of_cells, smoothed, smoothed_ends, value_of
from .damage import columns_of, nodes_of
from .nodes import decode_old_nodes
from .queries import Reading, Series, series_of, tree_of
from .trees import AXES, COARSER, OLD, has_old_nodes

NODES_AT_ONCE = 1 << 18  # nodes of one line in memory, 112 bytes each; more are merged
_OF_SUMS = ("start", "count", "nan", "pinf", "ninf", "sum")  # fields of nodes that smoothing needs
Name = TypeVar("Name")  # of a line
_POINTS, _NODES, _OLD_NODES = range(3)  # what a blob holds
ENDS_ROWS = 1 << 16  # rows of several runs that are smoothed together, as each call has a fixed cost
ALONE_POINTS = 1024  # blobs of fewer points are summarised together, as each call has a fixed cost


def buckets(
    reading: Reading,
    selectors: Iterable[Selector],
    axis: Axis,
    lo: int | None,
    hi: int | None,
    n: int,
    attempts: Literal["newest", "all"],
    most: int | None,
    smoothing: Smoothing | None = None,
) -> Iterator[Buckets]:
    lines = []
    for selector in selectors:
        rank = None if selector.rank == "each" else selector.rank
        meant = series_of(reading, selector.run, selector.key, rank, selector.attempt)
        for line_selector, series, ranks in apart(selector, meant, lambda s: rank_of(s.info)):
            hidden_from = cuts([s.info for s in series], attempts)
            line = Line(line_selector, list(zip(series, hidden_from, strict=True)), ranks)
            may_pause()
            lines.append((line, window_of(((s.info, cut, s.origin) for s, cut in line.series), axis, lo, hi)))
    shifts = shifts_for(((line.selector.key, ends) for line, ends in lines), share_of(most, len(lines), n))
    for line, ends in lines:
        drawn = _drawn(reading.connection, line, axis, ends, shifts.get(line.selector.key, 0))
        yield drawn if smoothing is None else _with_smoothed(reading.connection, line, axis, drawn, smoothing)


@dataclass(frozen=True)
class Line:
    """Series that are drawn as one line, each with the step from which on it is hidden. `ranks`: as in Buckets."""

    selector: Selector
    series: Sequence[tuple[Series, int | None]]
    ranks: int


def _drawn(connection: sqlite3.Connection, line: Line, axis: Axis, ends: tuple[int, int] | None, shift: int) -> Buckets:
    if ends is None:
        return levels.to_buckets(line.selector, 0, levels.EMPTY, line.ranks)
    of_attempts: dict[int, list[levels.Nodes]] = {}
    n, merged_at = 0, NODES_AT_ONCE
    for s, cut in line.series:
        attempt = s.info.attempt
        assert attempt is not None
        for nodes_found in _nodes_in(connection, s, Window(axis, *ends, cut, shift)):
            of_attempts.setdefault(attempt, []).append(nodes_found)
            n += len(nodes_found)
            may_pause()
        if n > merged_at:  # there may be thousands of ranks: do not hold all their nodes at once
            of_attempts = {a: [_merged(nodes, a, shift)] for a, nodes in of_attempts.items()}
            n = sum(len(nodes[0]) for nodes in of_attempts.values())
            merged_at = max(NODES_AT_ONCE, 2 * n)
    parts = [nodes for its in of_attempts.values() for nodes in its]
    if not parts:
        return levels.to_buckets(line.selector, shift, levels.EMPTY, line.ranks)
    attempts = [np.full(len(nodes), a, np.int64) for a, its in of_attempts.items() for nodes in its]
    merged = levels.merge(levels.concatenated(parts), np.concatenate(attempts), shift)
    return levels.to_buckets(line.selector, shift, merged, line.ranks)


def _with_smoothed(
    connection: sqlite3.Connection, line: Line, axis: Axis, drawn: Buckets, smoothing: Smoothing
) -> Buckets:
    """Return the buckets with the smoothed line beside them."""
    values, shift = _smoothed_at(connection, line, axis, drawn.last_x, smoothing)
    return replace(drawn, smoothed=value_of(values), smooth_cell=1 << shift)


def ends(
    reading: Reading, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """Yield each of the runs that has the key, and the value at the end of its smoothed line."""
    yield from _ends(
        reading, ((run, Selector(run, key), series_of(reading, run, key)) for run in runs), smoothing, axis
    )


def ends_of_ranks(
    reading: Reading, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]
) -> Iterator[tuple[tuple[str, int], float]]:
    """Yield each (run, rank) that has the key, and the value at the end of its smoothed line."""

    def meant() -> Iterator[tuple[tuple[str, int], Selector, Sequence[Series]]]:
        for run in runs:
            its = sorted(series_of(reading, run, key), key=lambda s: rank_of(s.info))
            for rank, series in groupby(its, key=lambda s: rank_of(s.info)):
                yield (run, rank), Selector(run, key, rank), list(series)

    yield from _ends(reading, meant(), smoothing, axis)


def _ends(
    reading: Reading, lines: Iterable[tuple[Name, Selector, Sequence[Series]]], smoothing: Smoothing, axis: Axis
) -> Iterator[tuple[Name, float]]:
    """Yield the name of each of the lines that has points, and the value at the end of the smoothed line."""
    names: list[Name] = []
    places: list[int] = []
    sums: list[Sums] = []
    rows = 0
    for name, selector, meant in lines:
        may_pause()
        series = list(zip(meant, cuts([s.info for s in meant], "newest"), strict=True))
        placed = [(s.info, cut, s.origin) for s, cut in series]
        place, whole = last_place(placed, axis), window_of(placed, axis, None, None)
        if place is None or whole is None:
            continue
        shift = shift_of_cells(sum(s.info.count for s, _ in series), whole, smoothing.width)
        low, high = reach(np.array([place]), smoothing, shift)
        names.append(name)
        places.append(place)
        sums.append(_sums_in(reading.connection, Line(selector, series, 0), axis, low, high, shift))
        rows += len(sums[-1].x)
        if rows > ENDS_ROWS:
            yield from zip(names, value_of(smoothed_ends(places, smoothing, sums)).tolist(), strict=True)
            names, places, sums, rows = [], [], [], 0
    yield from zip(names, value_of(smoothed_ends(places, smoothing, sums)).tolist(), strict=True)


def _smoothed_at(
    connection: sqlite3.Connection, line: Line, axis: Axis, at: Int64s, smoothing: Smoothing
) -> tuple[Float64s, int]:
    """Return the smoothed values at some places, times SUM_SCALE, and log2 of the cells that they are made of."""
    whole = window_of(((s.info, cut, s.origin) for s, cut in line.series), axis, None, None)
    shift = shift_of_cells(sum(s.info.count for s, _ in line.series), whole, smoothing.width) if whole else 0
    return smoothed(at, smoothing, shift, partial(_sums_in, connection, line, axis)), shift


def _sums_in(connection: sqlite3.Connection, line: Line, axis: Axis, low: int, high: int, shift: int) -> Sums:
    """Return the finite points of a line at the places low…high (inclusive), in cells of 2^shift."""
    none = np.empty(0, np.float64)
    parts = [(np.empty(0, np.int64), none, none)]
    for s, cut in line.series:
        for nodes in _nodes_in(connection, s, Window(axis, low, high, cut, shift), _OF_SUMS):
            finite = nodes["count"] - nodes["nan"] - nodes["pinf"] - nodes["ninf"]
            # Copy the fields: a whole node is larger, and there may be millions of them.
            parts.append((levels.cells(nodes["start"], shift), nodes["sum"].copy(), finite.astype(np.float64)))
            may_pause()
    x, total, count = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return pool(x, total, count)


def _merged(nodes: Sequence[levels.Nodes], attempt: int, shift: int) -> levels.Nodes:
    together = levels.concatenated(nodes)
    return levels.merge(together, np.full(len(together), attempt, np.int64), shift)


@dataclass(frozen=True)
class Window:
    """What a query wants of a series: its points at places low…high on the axis and at steps below `cut`, summed up in
    cells of 2^shift.
    """

    axis: Axis
    low: int
    high: int
    cut: int | None
    shift: int


def _nodes_in(
    connection: sqlite3.Connection, s: Series, w: Window, names: Sequence[str] = levels.FIELDS
) -> Iterator[levels.Nodes]:
    """Yield nodes, on grids no coarser than the window's, of exactly the points of a series that the window shows.
    `names`: the fields that are needed; there may be others.
    """
    zero = s.origin if w.axis == "relative" else 0
    # No place is beyond int64, and SQLite takes no larger number.
    low, high = (max(STEP_MIN, min(STEP_MAX, place + zero)) for place in (w.low, w.high))
    cut = STEP_MAX + 1.0 if w.cut is None else w.cut
    by = "step" if w.axis == "step" else "time"
    values = {"series": s.id, "low": low, "high": high, "cut": cut, "shift": w.shift, "axis": AXES.index(w.axis)}
    overlaps = f"{by}_max >= :low AND {by}_min <= :high AND step_min < :cut"
    # A chunk that the window shows whole is represented by its nodes, if they are fine enough; others are decoded, so
    # that no point outside lo…hi and no hidden one counts. They are few: at the window's edges, or, where their nodes
    # are too coarse, each as wide as many buckets.
    summarised = f"""{by}_min >= :low AND {by}_max <= :high AND step_max < :cut
        AND {w.axis}_shift IS NOT NULL AND {w.axis}_shift <= :shift"""
    kind_of_old, old_nodes = _POINTS, ""
    if has_old_nodes(connection):
        kind_of_old = _OLD_NODES
        old_nodes = f"WHEN {_OLD_NODES} THEN (SELECT nodes FROM node WHERE node.id = node_id)"
    rows = connection.execute(
        f"""SELECT {_POINTS} AS kind, n, data FROM head WHERE series = :series AND {overlaps} UNION ALL
            SELECT kind, n, CASE kind WHEN {_POINTS} THEN (SELECT data FROM chunk_data WHERE chunk_data.id = c.id)
                WHEN {_NODES} THEN (SELECT data FROM node_data WHERE node_data.id = node_id) {old_nodes} END
            FROM (SELECT id, n, 8 * id + 2 * :axis + ({w.axis}_shift + {COARSER} <= :shift) AS node_id,
                CASE WHEN NOT ({summarised}) THEN {_POINTS} WHEN {OLD} THEN {kind_of_old} ELSE {_NODES} END AS kind
                FROM chunk WHERE series = :series AND {tree_of(s, w.axis)} AND {overlaps}) c""",
        values,
    ).fetchall()
    if nodes := [data for kind, _, data in rows if kind == _NODES]:
        yield nodes_of(connection, s.id, nodes, w.shift, names)
    if nodes := [data for kind, _, data in rows if kind == _OLD_NODES]:
        yield decode_old_nodes(nodes)
    wanted = ("step", "seq", "arrival", "value", by)
    small = [block.some(wanted) for block in s.recent if _overlaps(block.extent, by, low, high, w.cut)]
    for n, data in [(n, data) for kind, n, data in rows if kind == _POINTS]:
        may_pause()
        columns = columns_of(connection, s.id, data, wanted)
        if n < ALONE_POINTS:
            small.append(columns)
        else:  # sorted already: together, they would have to be sorted again
            yield _summarise(columns, w, low, high, zero)
    if small:
        yield _summarise([np.concatenate(parts) for parts in zip(*small, strict=True)], w, low, high, zero)


def _overlaps(extent: Extent, by: str, low: int, high: int, cut: int | None) -> bool:
    """Return whether a window may show some of the points."""
    first, last = (extent.step_min, extent.step_max) if by == "step" else (extent.time_min, extent.time_max)
    return last >= low and first <= high and (cut is None or extent.step_min < cut)


def _summarise(columns: Sequence[Any], w: Window, low: int, high: int, zero: int) -> levels.Nodes:
    """Return nodes of those points that the window shows. low, high: the window's bounds as absolute positions; zero:
    the position of x = 0.
    """
    step, seq, arrival, value, x = columns
    shown = (x >= low) & (x <= high)
    if w.cut is not None:
        shown &= step < w.cut
    if not shown.all():
        x, step, seq, arrival, value = (a[shown] for a in (x, step, seq, arrival, value))
    return levels.summarise(x - zero if zero else x, step, seq, arrival, value, w.shift)
