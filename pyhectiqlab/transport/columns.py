"""Series as they come from the lab: columns of equal length, as arrays of the standard library."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple


class Points(NamedTuple):
    """Points of one series in order of arrival, as columns of equal length."""

    step: array[int]  # int64
    value: array[float]  # float64, NaN and ±Inf as they were logged
    time: array[float]  # float64, s since 1970 UTC; `time_us` as the lab keeps it
    rank: array[int]  # int64
    attempt: array[int]  # int64

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Points:
        """Make it from an answer. Raises KeyError, TypeError or ValueError where the answer has another shape."""
        columns = _equal(column(answer[name], "d" if name == "value" else "q") for name in cls._fields)
        step, value, time_us, rank, attempt = columns
        return cls(step, value, array("d", [us / 1e6 for us in time_us]), rank, attempt)

    @property
    def time_us(self) -> array[int]:
        """int64, µs since 1970 UTC, exactly. Computed at each access."""
        return array("q", [round(s * 1e6) for s in self.time])

    @classmethod
    def joined(cls, parts: Iterable[Points]) -> Points:
        """Return the points of all parts, one after the other."""
        whole = cls(array("q"), array("d"), array("d"), array("q"), array("q"))
        for part in parts:
            whole.step.extend(part.step)
            whole.value.extend(part.value)
            whole.time.extend(part.time)
            whole.rank.extend(part.rank)
            whole.attempt.extend(part.attempt)
        return whole


@dataclass(frozen=True)
class Buckets:
    """A series in slices of the axis, one row for each slice that is not empty, as columns of equal length.

    Slices are `width` wide, a power of two, and begin at multiples of it. `min`, `max` and `mean` are of exactly the
    finite values in the slice, NaN where there are none; `last` is of the highest (attempt, step), `last_x` its place.
    """

    start: array[int]  # int64, in units of the axis: steps, or µs
    count: array[int]  # int64; of these, `nan`, `pinf` and `ninf` are NaN, +Inf and −Inf
    min: array[float]  # float64, as the next three
    max: array[float]
    mean: array[float]
    last: array[float]
    last_x: array[int]
    nan: array[int]
    pinf: array[int]
    ninf: array[int]
    smoothed: array[float] | None = None  # float64, where it was asked for: the smoothed line at each last_x

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Buckets:
        """Make it from an answer. Raises KeyError, TypeError or ValueError where the answer has another shape."""
        floats = {"min", "max", "mean", "last", "smoothed"}
        names = [f.name for f in fields(cls) if f.name != "smoothed" or f.name in answer]
        return cls(*_equal(column(answer[name], "d" if name in floats else "q") for name in names))

    def columns(self) -> dict[str, array[Any]]:
        """Return the columns by name, as pandas.DataFrame takes them."""
        return {name: values for name, values in vars(self).items() if values is not None}


def column(raw: Any, typecode: str) -> array[Any]:
    values = array(typecode)
    values.frombytes(raw)  # ValueError: not a whole number of items
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _equal(columns: Iterable[array[Any]]) -> list[array[Any]]:
    as_list = list(columns)
    if len({len(c) for c in as_list}) != 1:
        raise ValueError("columns of different lengths")
    return as_list
