"""Extent: what is kept of a series beside its points: how many there are, where they lie, the last one. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, nan
from typing import NamedTuple

import numpy as np

from ..points import Float64s, Int64s, SeriesInfo


class Extent(NamedTuple):
    """The extent of n ≥ 1 points. `last_…` are of the point with the highest (attempt, step, seq, arrival)."""

    points: int
    step_min: int
    step_max: int
    time_min: int
    time_max: int
    value_min: float  # over finite values; +Infinity where there is none
    value_max: float  # -Infinity where there is none
    last_attempt: int
    last_step: int
    last_seq: int
    last_arrival: int
    last_time: int
    last_value: float

    @property
    def last_place(self) -> tuple[int, int, int, int]:
        return self[7:11]

    def info(self, run: str, key: str, rank: int | None, attempt: int | None) -> SeriesInfo:
        none = self.value_min > self.value_max
        return SeriesInfo(
            run,
            key,
            rank,
            attempt,
            *self[:5],
            self.last_step,
            self.last_value,
            self.last_time,
            nan if none else self.value_min,
            nan if none else self.value_max,
        )


def extent_of(step: Int64s, value: Float64s, time: Int64s, seq: Int64s, attempt: int, arrival: Int64s) -> Extent:
    """Return the extent of the points in arrays of length n ≥ 1."""
    kept = value[np.isfinite(value)]
    low, high = (float(kept.min()), float(kept.max())) if len(kept) else (inf, -inf)
    top = step.max()
    at = np.flatnonzero(step == top)
    last = at[np.lexsort((arrival[at], seq[at]))[-1]] if len(at) > 1 else at[0]
    ends = int(step.min()), int(top), int(time.min()), int(time.max())
    place = attempt, int(top), int(seq[last]), int(arrival[last])
    return Extent(len(step), *ends, low, high, *place, int(time[last]), float(value[last]))


def pooled(extents: Iterable[Extent]) -> Extent:
    """Return the extent of the points of all extents; of equal last points, that of the later extent counts."""
    first, *others = extents
    for other in others:
        newest = other if other.last_place >= first.last_place else first
        first = Extent(
            first.points + other.points,
            min(first.step_min, other.step_min),
            max(first.step_max, other.step_max),
            min(first.time_min, other.time_min),
            max(first.time_max, other.time_max),
            min(first.value_min, other.value_min),
            max(first.value_max, other.value_max),
            *newest[7:],
        )
    return first
