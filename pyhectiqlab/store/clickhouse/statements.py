"""Expressions of ClickHouse's SQL that several queries share, and the rows of numbers that they answer with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..levels import FIELDS, NODE
from ..points import Axis
from .facts import Counted

AXES: tuple[Axis, ...] = ("step", "time", "relative")
LEVEL_SHIFT = 3  # a node of the next level covers 2^3 of this one
TOP_NODES = 16  # a level of at most so many is the last

_FINITE = "isFinite(value)"
_SCALED = "value / toFloat64(18446744073709551615)"  # exactly 2^64: see levels.SUM_SCALE

# Of points, in the order of NODE behind `start`. {x}: their places on the axis.
_OF_POINTS = f"""toInt64(count()) AS _0, toInt64(countIf(isNaN(value))) AS _1, toInt64(countIf(value = inf)) AS _2,
    toInt64(countIf(value = -inf)) AS _3, min(if({_FINITE}, value, inf)) AS _4, max(if({_FINITE}, value, -inf)) AS _5,
    sum(if({_FINITE}, {_SCALED}, 0.)) AS _6, max((step, seq, arrival, {{x}}, value)) AS its_last"""
_OF_NODES = """sum(count) AS _0, sum(nans) AS _1, sum(pinf) AS _2, sum(ninf) AS _3, min(min) AS _4, max(max) AS _5,
    sum(sum) AS _6,
    max((last_step, last_seq, last_arrival, last_x, last)) AS its_last"""
LAST_NAMES = FIELDS[8:]
LAST = ", ".join(f"its_last.{i + 1} AS of_{name}" for i, name in enumerate(LAST_NAMES))
# A column cannot be called nan: ClickHouse reads that as a number.
NODE_COLUMNS = ", ".join("nans" if name == "nan" else name for name in FIELDS)

SERIES_NODE = np.dtype([("series", "<u8"), *((name, NODE[name]) for name in FIELDS)])
SUMS = np.dtype([("start", "<i8"), ("sum", "<f8"), ("finite", "<i8")])

_INTEGERS = (
    "count", "nans", "finite", "step_min", "step_max", "time_min", "time_max", "min_step", "max_step", "first_step",
    "first_seq", "first_arrival", "last_step", "last_seq", "last_arrival", "last_time", "step_shift", "time_shift",
    "relative_shift",
)  # fmt: skip
_FLOATS = ("low", "high", "total", "first", "last")
SUMMARY_COLUMNS = (*_INTEGERS, *_FLOATS)
SUMMARY = np.dtype(
    [
        ("build", "<u4"),
        ("key", "<u8"),
        ("series", "<u8"),
        *((name, "<i8") for name in _INTEGERS),
        *((name, "<f8") for name in _FLOATS),
    ]
)
NO_SHIFT = -1  # there are no nodes


def listed(numbers: Iterable[int]) -> str:
    """Return numbers as a list in SQL, also where there are none."""
    return "(" + (",".join(map(str, numbers)) or "NULL") + ")"


def number(value: int) -> str:
    return f"toInt64({value})"


def mapped(column: str, numbers: Mapping[int, int], otherwise: int = 0) -> str:
    """Return an expression that has a number of its own for each value of a column."""
    values = set(numbers.values())
    if not numbers or len(values) == 1:
        return number(values.pop() if values else otherwise)
    keys, its = ",".join(map(str, numbers)), ",".join(map(str, numbers.values()))
    return f"transform({column}, CAST([{keys}], 'Array(UInt64)'), CAST([{its}], 'Array(Int64)'), {number(otherwise)})"


def cell(x: str, shift: str) -> str:
    """Return the left edge of a place's cell."""
    return f"bitShiftLeft(bitShiftRight({x}, {shift}), {shift})"


def place_on(axis: Axis, origins: Mapping[int, int]) -> str:
    """Return a point's place. `origins`: where relative time is 0, by series."""
    return {"step": "step", "time": "time"}.get(axis) or f"(time - {mapped('series', origins)})"


def recent(counted: Counted) -> str:
    """Return the condition on rows of `arrived` that count."""
    condition = f"window IN {listed(counted.windows)} AND block <= {counted.block}"
    return condition + (f" AND block NOT IN {listed(counted.out)}" if counted.out else "")


def points_as_nodes(table: str, condition: str, x: str, shift: int | str) -> str:
    """Return a query for SERIES_NODE rows of points. `shift`: log2 of the cells' width, or an expression for it."""
    inner = _OF_POINTS.format(x=x)
    return f"""SELECT series, its_cell, {_numbered(7)}, {LAST} FROM (
        SELECT series, {cell(x, f"toUInt8({shift})")} AS its_cell, {inner}
        FROM {table} WHERE {condition} GROUP BY series, its_cell)"""


def points_in_cells(table: str, condition: str, x: str, shift: int) -> str:
    """Return a query for SUMS of points: one row a cell, whatever the series."""
    return f"""SELECT {cell(x, f"toUInt8({shift})")} AS its_cell, sum(if({_FINITE}, {_SCALED}, 0.)),
        toInt64(countIf({_FINITE})) FROM {table} WHERE {condition} GROUP BY its_cell"""


def nodes_as_nodes(condition: str, shift: int | str) -> str:
    return f"""SELECT series, its_cell, {_numbered(7)}, {LAST} FROM (
        SELECT series, {cell("start", f"toUInt8({shift})")} AS its_cell, {_OF_NODES}
        FROM nodes WHERE {condition} GROUP BY series, its_cell)"""


def nodes_in_cells(condition: str, shift: int) -> str:
    return f"""SELECT {cell("start", f"toUInt8({shift})")} AS its_cell, sum(sum), sum(count - nans - pinf - ninf)
        FROM nodes WHERE {condition} GROUP BY its_cell"""


def _numbered(n: int) -> str:
    return ", ".join(f"_{i}" for i in range(n))


def summaries_of(table: str, condition: str, build: int = 0, shifts: Iterable[str] = 3 * (number(NO_SHIFT),)) -> str:
    """Return a query for SUMMARY rows of points. `shifts`: of the finest nodes on each axis."""
    return f"""SELECT toUInt32({build}), key, series, count, nans, finite, step_min, step_max, time_min, time_max,
            lowest.2, highest.2, its_first.1, its_first.2, its_first.3, its_last.1, its_last.2, its_last.3, its_last.4,
            {", ".join(shifts)}, if(finite = 0, inf, lowest.1), if(finite = 0, -inf, -highest.1), total,
            its_first.4, its_last.5
        FROM (SELECT key, series, toInt64(count()) AS count, toInt64(countIf(isNaN(value))) AS nans,
            toInt64(countIf({_FINITE})) AS finite, min(step) AS step_min, max(step) AS step_max,
            min(time) AS time_min, max(time) AS time_max,
            minIf((value, step), {_FINITE}) AS lowest, minIf((-value, step), {_FINITE}) AS highest,
            sum(if({_FINITE}, {_SCALED}, 0.)) AS total,
            min((step, seq, arrival, value)) AS its_first, max((step, seq, arrival, time, value)) AS its_last
            FROM {table} WHERE {condition} GROUP BY key, series)"""


def none(kind: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    return np.empty(0, kind)
