"""The metrics cache: points of one key folded into one, as `run.set_metrics_cache_settings` asks. Pure.

A batch is folded each time it is encoded, and each time to the same points: the settings travel as an event among the
points, and hold from there on. A group never spans two batches.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..protocol.records import Columns

KIND = "metrics_cache"  # of the event
NONE, SUM, MAX, MEAN = "none", "sum", "max", "mean"
AGGREGATES = (NONE, SUM, MAX, MEAN)


@dataclass(frozen=True)
class CacheSettings:
    """How consecutive points of a key become one.

    Attributes:
        aggr: one of AGGREGATES; none: every point is kept.
        timeout_s: a group spans less than this, by the wall times of its points. None: it may span a batch, about a
            second.
        length: a group has at most so many points; None: any number.
        delay_s: a group that spans less than this is not ended by `length` or `timeout_s`.
    """

    aggr: str = NONE
    timeout_s: float | None = None
    length: int | None = None
    delay_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> CacheSettings:
        """Return the settings of an event. Where they are not understood (a newer client's), every point is kept."""
        try:
            length, timeout = raw.get("length"), raw.get("timeout_s")
            if raw["aggr"] in AGGREGATES:
                return cls(
                    raw["aggr"],
                    None if timeout is None else float(timeout),
                    None if length is None else int(length),
                    float(raw.get("delay_s") or 0.0),
                )
        except (KeyError, TypeError, ValueError):
            pass  # no settings that this version understands: points are kept as they come
        return cls()


KEEP_ALL = CacheSettings()
Change = tuple[int, CacheSettings]  # offset of the event, -1 for what holds from the start; the settings from there on


@dataclass(frozen=True)
class Folded:
    """Attributes: first: offset of the first point that was folded into another. count: how many were; 0: none."""

    columns: dict[str, Columns]
    first: int = 0
    count: int = 0


def fold(columns: dict[str, Columns], changes: Sequence[Change], skip: int = 0, end: int | None = None) -> Folded:
    """Return the points from offset `skip` on, before `end`. The points of a group become one, with step, time and
    offset of the last. Where nothing is folded, the columns are returned as they are.

    `changes` are in order, the first for offset -1. A group with a NaN becomes NaN.
    """
    if all(settings.aggr == NONE for _, settings in changes):
        return Folded(columns)
    made: dict[str, Columns] = {}
    first, count = -1, 0
    for key, column in columns.items():
        out = made[key] = Columns()
        for start, behind in _groups(column, changes, skip, end):
            settings = _holding(changes, column.seq[start])
            last = behind - 1
            value = _combined(settings.aggr, column.value[start:behind])
            out.append(column.seq[last], column.step[last], value, column.time[last])
            if last > start:
                count += last - start
                first = column.seq[start] if first < 0 else min(first, column.seq[start])
    return Folded(made, max(first, 0), count)


def _holding(changes: Sequence[Change], offset: int) -> CacheSettings:
    return next(settings for at, settings in reversed(changes) if at < offset)


def _groups(column: Columns, changes: Sequence[Change], skip: int, end: int | None) -> Iterator[tuple[int, int]]:
    """Yield (first, behind the last) of each group, by their places in the column."""
    stop = len(column.seq) if end is None else bisect_left(column.seq, end)
    starts = [min(stop, bisect_left(column.seq, max(at, skip))) for at, _ in changes]
    for (_, settings), begin, behind in zip(changes, starts, [*starts[1:], stop], strict=True):
        start = begin
        for i in range(begin + 1, behind):
            if _ends(settings, i - start, column.time[i] - column.time[start]):
                yield start, i
                start = i
        if behind > begin:
            yield start, behind


def _ends(settings: CacheSettings, length: int, span_s: float) -> bool:
    """Return whether a group is complete before a point at this distance from its first one."""
    if settings.aggr == NONE:
        return True
    full = settings.length is not None and length >= settings.length
    late = settings.timeout_s is not None and not span_s < settings.timeout_s
    return (full or late) and not span_s < settings.delay_s


def _combined(aggr: str, values: array[float]) -> float:
    if len(values) == 1:
        return values[0]
    if aggr == MAX:
        return math.nan if any(v != v for v in values) else max(values)
    total = sum(values)
    return total / len(values) if aggr == MEAN else total
