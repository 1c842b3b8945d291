"""Moments: what a table of runs shows of a series beside its extent.

They say how many values are NaN, their mean, the first value, and the steps of the lowest and the highest value.

The row of a series keeps them for its points in chunks and in the head. Those of recent points are computed when they
are asked for, so that ingest does not pay for them. A series that an earlier version began has none in its row (NULL):
they are computed from its points each time that a summary is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from math import nan
from typing import Any, NamedTuple

import numpy as np

from ..points import Float64s, Int64s
from ..series.levels import SUM_SCALE

BIG = (1 << 63) - 1
MOMENTS = """s.nan, s.finite, s.total, s.attempt, s.first_step, s.first_seq, s.first_arrival, s.first_value,
    s.value_min, s.value_max, s.min_step, s.max_step"""
NEW = f"0, 0, 0.0, {BIG}, {BIG}, {BIG}, {BIG}, {BIG}"  # of a series without points, in the order of COLUMNS
COLUMNS = "nan, finite, total, first_step, first_seq, first_arrival, min_step, max_step"

_ADD = """UPDATE series SET nan = nan + ?, finite = finite + ?, total = total + ?,
    min_step = CASE WHEN ? < value_min THEN ? WHEN ? = value_min THEN min(min_step, ?) ELSE min_step END,
    max_step = CASE WHEN ? > value_max THEN ? WHEN ? = value_max THEN min(max_step, ?) ELSE max_step END
    WHERE id = ? AND nan IS NOT NULL"""
_MOVE_FIRST = """UPDATE series SET first_step = ?, first_seq = ?, first_arrival = ?, first_value = ?
    WHERE id = ? AND nan IS NOT NULL AND (?, ?, ?) < (first_step, first_seq, first_arrival)"""


class Moments(NamedTuple):
    """Of n ≥ 0 points. `first_…` are of the point with the lowest (attempt, step, seq, arrival)."""

    nan: int
    finite: int
    total: float  # of finite values × SUM_SCALE
    first_attempt: int
    first_step: int
    first_seq: int
    first_arrival: int
    first_value: float
    low: float  # over finite values; +Infinity where there is none
    high: float
    low_step: int  # the lowest step with that value
    high_step: int

    @property
    def mean(self) -> float:
        return self.total / self.finite / SUM_SCALE if self.finite else nan


NONE = Moments(0, 0, 0.0, BIG, BIG, BIG, BIG, nan, np.inf, -np.inf, BIG, BIG)


def moments_of(step: Int64s, value: Float64s, seq: Int64s, attempt: int, arrival: Int64s) -> Moments:
    """Return the moments of the points in arrays of length n ≥ 1."""
    finite = np.isfinite(value)
    kept, steps = (value, step) if finite.all() else (value[finite], step[finite])
    bottom = step.min()
    at = np.flatnonzero(step == bottom)
    first = at[np.lexsort((arrival[at], seq[at]))[0]] if len(at) > 1 else at[0]
    place = attempt, int(bottom), int(seq[first]), int(arrival[first]), float(value[first])
    counts = int(np.isnan(value).sum()), len(kept)
    if not len(kept):
        return Moments._make((*counts, 0.0, *place, *NONE[8:]))
    low, high = kept.min(), kept.max()
    ends = int(steps[kept == low].min()), int(steps[kept == high].min())
    return Moments._make((*counts, float((kept * SUM_SCALE).sum()), *place, float(low), float(high), *ends))


def pooled(parts: Iterable[Moments]) -> Moments:
    """Return the moments of the points of all parts."""
    its = list(parts)
    if len(its) == 1:
        return its[0]
    first = min(its, key=lambda m: m[3:7], default=NONE)
    low = min(its, key=lambda m: (m.low, m.low_step), default=NONE)
    high = min(its, key=lambda m: (-m.high, m.high_step), default=NONE)
    counts = sum(m.nan for m in its), sum(m.finite for m in its), sum(m.total for m in its)
    return Moments._make((*counts, *first[3:8], low.low, high.high, low.low_step, high.high_step))


def moments_of_row(columns: Sequence[Any]) -> Moments | None:
    """Return those of the columns MOMENTS; None where an earlier version began the series."""
    if columns[0] is None:
        return None
    if None not in columns:
        return Moments._make(columns)
    return Moments._make(nan if number is None else number for number in columns)


def add(connection: sqlite3.Connection, moments: Iterable[tuple[int, Moments]]) -> None:
    """Bring rows of the table `series` up to date with points that are added. Call it before the ranges of values in
    these rows are brought up to date.
    """
    of_series: dict[int, list[Moments]] = {}
    for series, its in moments:
        of_series.setdefault(series, []).append(its)
    rows: list[tuple[object, ...]] = []
    firsts: list[tuple[object, ...]] = []
    for series, parts in of_series.items():
        m = pooled(parts)
        low, high, place = (m.low, m.low_step), (m.high, m.high_step), m[4:7]
        rows.append((*m[:3], *low, *low, *high, *high, series))
        firsts.append((*place, m.first_value, series, *place))
    connection.executemany(_ADD, rows)
    connection.executemany(_MOVE_FIRST, firsts)
