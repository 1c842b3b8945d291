"""Expressions of ClickHouse's SQL that several queries share, and the rows of numbers that they answer with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..points import Axis
from ..series.levels import FIELDS, NODE
from .facts import Counted

AXES: tuple[Axis, ...] = ("step", "time", "relative")
LEVEL_SHIFT = 2  # a node of the next level covers 2^LEVEL_SHIFT nodes of this one
TOP_NODES = 16  # a level of at most so many nodes is the coarsest

_FINITE = "isFinite(value)"
_SCALED = "value / toFloat64(18446744073709551615)"  # the literal rounds to exactly 2^64: see levels.SUM_SCALE


def _order(step: str, seq: str, arrival: str) -> str:
    """Return one number for the place of a point in its series: (step, seq, arrival), most significant first.
    ClickHouse compares it four times as fast as a tuple of the three.
    """
    high = f"bitShiftLeft(toUInt256({_unsigned(step)}), 128)"
    return f"bitOr(bitOr({high}, bitShiftLeft(toUInt256({seq}), 64)), toUInt256({arrival}))"


def _unsigned(number: str) -> str:
    """Return an int64 as the uint64 of the same order."""
    return f"bitXor(reinterpretAsUInt64({number}), 9223372036854775808)"


def _signed(number: str) -> str:
    """Return the int64 that `_unsigned` was given."""
    return f"reinterpretAsInt64(bitXor({number}, 9223372036854775808))"


def _of_order(order: str) -> tuple[str, str, str]:
    """Return (step, seq, arrival) of a number that `_order` made."""
    step = _signed(f"toUInt64(bitShiftRight({order}, 128))")
    return step, f"reinterpretAsInt64(toUInt64(bitShiftRight({order}, 64)))", f"reinterpretAsInt64(toUInt64({order}))"


def _value_order(value: str, step: str) -> str:
    """Return one number by which values are in their order, and equal ones in that of `step`, a uint64."""
    bits = f"reinterpretAsUInt64({value} + 0.)"  # + 0. makes -0.0 and 0.0 the same
    bits = f"if({value} + 0. < 0, bitNot({bits}), bitXor({bits}, 9223372036854775808))"
    return f"bitOr(bitShiftLeft(toUInt128({bits}), 64), toUInt128({step}))"


def _value_of(order: str) -> str:
    bits = f"toUInt64(bitShiftRight({order}, 64))"
    its = f"if({bits} < 9223372036854775808, bitNot({bits}), bitXor({bits}, 9223372036854775808))"
    return f"reinterpretAsFloat64({its})"


_PLACE = _order("step", "seq", "arrival")
# Of points, in the order of NODE behind `start`.
_OF_POINTS = f"""toInt64(count()) AS _0, toInt64(countIf(isNaN(value))) AS _1, toInt64(countIf(value = inf)) AS _2,
    toInt64(countIf(value = -inf)) AS _3, min(if({_FINITE}, value, inf)) AS _4, max(if({_FINITE}, value, -inf)) AS _5,
    sum(if({_FINITE}, {_SCALED}, 0.)) AS _6, max({_PLACE}) AS its_order, argMax(value, {_PLACE}) AS its_value"""
_NODE_PLACE = _order("last_step", "last_seq", "last_arrival")
_OF_NODES = f"""sum(count) AS _0, sum(nans) AS _1, sum(pinf) AS _2, sum(ninf) AS _3, min(min) AS _4, max(max) AS _5,
    sum(sum) AS _6, max({_NODE_PLACE}) AS its_order, argMax(last, {_NODE_PLACE}) AS its_value"""
LAST_NAMES = FIELDS[8:]
# A column cannot be called nan: ClickHouse reads that as a number.
NODE_COLUMNS = ", ".join("nans" if name == "nan" else name for name in FIELDS)

SERIES_NODE = np.dtype([("series", "<u8"), *((name, NODE[name]) for name in FIELDS)])
SERIES_SUMS = np.dtype([("series", "<u8"), ("start", "<i8"), ("sum", "<f8"), ("finite", "<i8")])
SUMS = np.dtype([("start", "<i8"), ("sum", "<f8"), ("finite", "<i8")])

_INTEGERS = (
    "count", "nans", "finite", "step_min", "step_max", "time_min", "time_max", "min_step", "max_step", "first_step",
    "first_seq", "first_arrival", "last_step", "last_seq", "last_arrival", "last_time", "step_shift", "time_shift",
    "relative_shift",
)  # fmt: skip
_FLOATS = ("low", "high", "total", "first", "last")
_NOT_SEARCHED = {"key", "step_min", "step_max", "time_min", "time_max", "last_time", *_INTEGERS[-3:]}
ALL_COLUMNS = ", ".join(("build", "key", "series", *_INTEGERS, *_FLOATS))  # of SUMMARY, in its order
SUMMARY = np.dtype(
    [
        ("build", "<u4"),
        ("key", "<u8"),
        ("series", "<u8"),
        *((name, "<i8") for name in _INTEGERS),
        *((name, "<f8") for name in _FLOATS),
    ]
)
# What searches compare and sort by.
STATS = np.dtype([(name, SUMMARY[name]) for name in SUMMARY.names or () if name not in _NOT_SEARCHED])
STATS_COLUMNS = ", ".join(STATS.names or ())
_ENDS = ("count", "step_min", "step_max", "time_min", "time_max", "step_shift", "time_shift", "relative_shift")
ENDS = np.dtype([("build", "<u4"), ("series", "<u8"), *((name, "<i8") for name in _ENDS)])  # what a chart has to know
ENDS_COLUMNS = ", ".join(("build", "series", *_ENDS))
_INFO_INTEGERS = (*_ENDS[:5], "last_step", "last_seq", "last_arrival", "last_time")
_INFO_FLOATS = ("low", "high", "last")
INFOS = np.dtype(  # what a list of keys shows
    [
        ("build", "<u4"),
        ("series", "<u8"),
        *((name, "<i8") for name in _INFO_INTEGERS),
        *((name, "<f8") for name in _INFO_FLOATS),
    ]
)
INFOS_COLUMNS = ", ".join(INFOS.names or ())
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


def points_as_nodes(table: str, condition: str, axis: Axis, x: str, shift: int | str) -> str:
    """Return a query for SERIES_NODE rows of points. `shift`: log2 of the cells' width, or an expression for it."""
    return _as_nodes(table, condition, _OF_POINTS, axis, x, x, _PLACE, shift)


def points_in_cells(table: str, condition: str, x: str, shift: int) -> str:
    """Return a query for SUMS of points: one row a cell, whatever the series."""
    return f"""SELECT {cell(x, f"toUInt8({shift})")} AS its_cell, sum(if({_FINITE}, {_SCALED}, 0.)),
        toInt64(countIf({_FINITE})) FROM {table} WHERE {condition} GROUP BY its_cell"""


def points_in_places(table: str, condition: str, x: str) -> str:
    """Return a query for SERIES_SUMS of points: one row for each place of each series."""
    return f"""SELECT series, {x} AS its_place, sum(if({_FINITE}, {_SCALED}, 0.)), toInt64(countIf({_FINITE}))
        FROM {table} WHERE {condition} GROUP BY series, its_place"""


def nodes_as_nodes(condition: str, axis: Axis, shift: int | str) -> str:
    """The same of nodes."""
    return _as_nodes("nodes", condition, _OF_NODES, axis, "start", "last_x", _NODE_PLACE, shift)


def _as_nodes(
    table: str, condition: str, aggregates: str, axis: Axis, x: str, last_x: str, place: str, shift: int | str
) -> str:
    step, seq, arrival = _of_order("its_order")
    its_x = step
    if axis != "step":
        aggregates, its_x = f"{aggregates}, argMax({last_x}, {place}) AS its_x", "its_x"
    last = zip((step, seq, arrival, its_x, "its_value"), LAST_NAMES, strict=True)
    columns = ", ".join(f"{its} AS of_{name}" for its, name in last)
    return f"""SELECT series, its_cell, {", ".join(f"_{i}" for i in range(7))}, {columns} FROM (
        SELECT series, {cell(x, f"toUInt8({shift})")} AS its_cell, {aggregates}
        FROM {table} WHERE {condition} GROUP BY series, its_cell)"""


def nodes_in_cells(condition: str, shift: int) -> str:
    return f"""SELECT {cell("start", f"toUInt8({shift})")} AS its_cell, sum(sum), sum(count - nans - pinf - ninf)
        FROM nodes WHERE {condition} GROUP BY its_cell"""


def summaries_of(table: str, condition: str, build: int = 0, shifts: Iterable[str] = 3 * (number(NO_SHIFT),)) -> str:
    """Return a query for SUMMARY rows of points. `shifts`: of the finest nodes on each axis."""
    step = _unsigned("step")
    first, last = ", ".join(_of_order("its_first")), ", ".join(_of_order("its_last"))
    low, high = _value_of("lowest"), _value_of("highest")
    return f"""SELECT toUInt32({build}), key, series, count, nans, finite, step_min, step_max, time_min, time_max,
            {_signed("toUInt64(lowest)")}, {_signed("bitNot(toUInt64(highest))")}, {first}, {last}, last_time,
            {", ".join(shifts)}, if(finite = 0, inf, {low}), if(finite = 0, -inf, {high}), total,
            first_value, last_value
        FROM (SELECT key, series, toInt64(count()) AS count, toInt64(countIf(isNaN(value))) AS nans,
            toInt64(countIf({_FINITE})) AS finite, min(step) AS step_min, max(step) AS step_max,
            min(time) AS time_min, max(time) AS time_max,
            minIf({_value_order("value", step)}, {_FINITE}) AS lowest,
            maxIf({_value_order("value", f"bitNot({step})")}, {_FINITE}) AS highest,
            sum(if({_FINITE}, {_SCALED}, 0.)) AS total, min({_PLACE}) AS its_first, max({_PLACE}) AS its_last,
            argMin(value, {_PLACE}) AS first_value, argMax(value, {_PLACE}) AS last_value,
            argMax(time, {_PLACE}) AS last_time
            FROM {table} WHERE {condition} GROUP BY key, series)"""


def ends_of(table: str, condition: str) -> str:
    """Return a query for ENDS rows of points that are in no build."""
    shifts = ", ".join(3 * (number(NO_SHIFT),))
    return f"""SELECT toUInt32(0), series, toInt64(count()), min(step), max(step), min(time), max(time), {shifts}
        FROM {table} WHERE {condition} GROUP BY series"""


def infos_of(table: str, condition: str) -> str:
    """Return a query for INFOS rows of points that are in no build."""
    return f"""SELECT toUInt32(0), series, count, step_min, step_max, time_min, time_max,
            {", ".join(_of_order("its_last"))}, last_time, low, high, last_value
        FROM (SELECT series, toInt64(count()) AS count, min(step) AS step_min, max(step) AS step_max,
            min(time) AS time_min, max(time) AS time_max, min(if({_FINITE}, value + 0., inf)) AS low,
            max(if({_FINITE}, value + 0., -inf)) AS high, max({_PLACE}) AS its_last,
            argMax(value, {_PLACE}) AS last_value, argMax(time, {_PLACE}) AS last_time
            FROM {table} WHERE {condition} GROUP BY series)"""


def none(kind: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    return np.empty(0, kind)
