"""Lines of formulas, and of one formula over another: metrics of a run, paired by their step.

A step counts where every metric of a formula has a point; other steps are left out, and nothing is interpolated. A
metric's value at a step is that of its point, or the mean of the finite ones where several were reported (by several
ranks, for example). Where none of them is finite, it is the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...store.pauses import may_pause
from ...store.points import Buckets, Float64s, Int64s, PointStore, Selector, Smoothing
from ...store.series.grid import shift_for
from ...store.series.smoothing import Sums, smoothed
from .formula import Formula, common

STEPS_MAX = 1 << 20  # steps of one metric
KEPT_STEPS_MAX = 1 << 21  # steps of lines kept in memory (32 MiB) until all lines are read; other lines are read twice


@dataclass(frozen=True)
class FormulaLine:
    """What is drawn as one line. `rank` None: the mean of all ranks. `attempt` None: the newest points of each step."""

    run: str
    formula: Formula
    text: str
    rank: int | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class Pairs:
    """One formula over another, where both have a value: arrays of one length, by ascending step. `total`: before they
    were thinned."""

    step: Int64s
    x: Float64s
    y: Float64s
    total: int


class TooLongError(ValueError):
    """A metric has more steps than are paired."""


def formula_lines(
    points: PointStore,
    lines: Sequence[FormulaLine],
    lo: int | None,
    hi: int | None,
    n: int,
    smoothing: Smoothing | None,
) -> list[Buckets]:
    """Return each line over the steps, as of PointStore.iter_buckets; those of one text share a grid. Blocks on the
    store. Raises TooLongError.
    """
    kept: dict[int, tuple[Int64s, Float64s]] = {}
    ends: dict[str, tuple[int, int]] = {}
    room = KEPT_STEPS_MAX
    for i, line in enumerate(lines):
        step, value = _values(points, line)
        if len(step):
            low, high = ends.get(line.text, (int(step[0]), int(step[-1])))
            ends[line.text] = min(low, int(step[0])), max(high, int(step[-1]))
        room -= len(step)
        if room >= 0:
            kept[i] = step, value
        may_pause()
    answers = []
    for i, line in enumerate(lines):
        step, value = kept.pop(i) if i in kept else _values(points, line)
        low, high = ends.get(line.text, (0, 0))
        low, high = max(low, low if lo is None else lo), min(high, high if hi is None else hi)
        shift = shift_for(low, max(low, high), n)
        answers.append(_buckets(line, step, value, (low, high), shift, smoothing))
        may_pause()
    return answers


def formula_pairs(
    points: PointStore,
    x: FormulaLine,
    y: FormulaLine,
    n: int,
    *,
    lo: int | None = None,
    hi: int | None = None,
    among: tuple[float, float] | None = None,
    smoothing: Smoothing | None = None,
) -> Pairs:
    """Return at most about `n` pairs. If there are more, pick pairs at even distances, and the last one. Blocks on the
    store. Raises TooLongError.

    Args:
        lo, hi: only pairs of these steps.
        among: only pairs whose x lies in this range, and the pairs before and behind each, to which its line goes.
        smoothing: y is smoothed over all of its steps, whichever of them are asked for.
    """
    steps, values = _metrics(points, [x, y])
    both = common([steps[key] for key in steps])
    at = {key: values[key][np.searchsorted(steps[key], both)] for key in steps}
    x_value, y_value = x.formula.value(at), y.formula.value(at)
    if smoothing is not None:
        own = common([steps[key] for key in y.formula.metrics])
        values_there = y.formula.value(
            {key: values[key][np.searchsorted(steps[key], own)] for key in y.formula.metrics}
        )
        y_value = _smoothed(own, values_there, both, smoothing)
    shown = np.ones(len(both), bool)
    if lo is not None:
        shown &= both >= lo
    if hi is not None:
        shown &= both <= hi
    if among is not None:
        inside = (x_value >= among[0]) & (x_value <= among[1])
        shown &= inside | np.append(inside[1:], False) | np.append(False, inside[:-1])
    both, x_value, y_value = both[shown], x_value[shown], y_value[shown]
    total = len(both)
    if total > n:
        some = np.unique(np.append(np.arange(0, total, -(-total // n)), total - 1))
        both, x_value, y_value = both[some], x_value[some], y_value[some]
    return Pairs(both, x_value, y_value, total)


def _smoothed(step: Int64s, value: Float64s, at: Int64s, smoothing: Smoothing) -> Float64s:
    """Return a line of such values, smoothed, at some places."""
    good = np.isfinite(value)
    place, total, ones = step[good], value[good], np.ones(int(good.sum()))

    def read(begin: int, end: int, _shift: int) -> Sums:
        some = slice(*np.searchsorted(place, (begin, end + 1)))
        return Sums(place[some], total[some], ones[some])

    return smoothed(at, smoothing, 0, read)


def _values(points: PointStore, line: FormulaLine) -> tuple[Int64s, Float64s]:
    steps, values = _metrics(points, [line])
    both = common([steps[key] for key in steps])
    return both, line.formula.value({key: values[key][np.searchsorted(steps[key], both)] for key in steps})


def _metrics(points: PointStore, lines: Sequence[FormulaLine]) -> tuple[dict[str, Int64s], dict[str, Float64s]]:
    """Return steps and values of each metric of lines of one run."""
    first = lines[0]
    steps, values = {}, {}
    for key in dict.fromkeys(key for line in lines for key in line.formula.metrics):
        (b,) = points.buckets([Selector(first.run, key, first.rank, first.attempt)], n=STEPS_MAX)
        if b.width > 1 and (b.count > 1).any():
            raise TooLongError(f"{key} has points over more than {STEPS_MAX:,} steps: so many are not paired.")
        finite = b.count - b.nan - b.pinf - b.ninf > 0
        steps[key], values[key] = b.last_step, np.where(finite, b.mean, b.last)
    return steps, values


def _buckets(
    line: FormulaLine,
    step: Int64s,
    value: Float64s,
    window: tuple[int, int],
    shift: int,
    smoothing: Smoothing | None,
) -> Buckets:
    inside = slice(*np.searchsorted(step, (window[0], window[1] + 1)))
    places, values = step[inside], value[inside]
    cells = places >> shift
    first = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1]))) if len(cells) else np.empty(0, np.intp)
    size = np.diff(np.append(first, len(places)))
    finite = np.isfinite(values)
    counted = _added(finite, first)
    none = counted == 0
    low, high = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
    # Divided before they are added up, so that values near 1.8e308 have a mean.
    parts = np.where(finite, values, 0.0) / np.maximum(1, np.repeat(counted, size))
    mean = np.add.reduceat(parts, first) if len(first) else np.empty(0)
    last = first + size - 1
    line_of_points = None if smoothing is None else _smoothed(step, value, places[last], smoothing)
    return Buckets(
        Selector(line.run, line.text, line.rank, line.attempt),
        1 << shift,
        cells[first] << shift,
        size.astype(np.int64),
        np.where(none, np.nan, _reduced(np.minimum, low, first)),
        np.where(none, np.nan, _reduced(np.maximum, high, first)),
        np.where(none, np.nan, mean),
        values[last],
        places[last],
        places[last],
        _added(np.isnan(values), first),
        _added(np.isposinf(values), first),
        _added(np.isneginf(values), first),
        len(places),
        1,
        line_of_points,
        None if smoothing is None else 1,
    )


def _added(flags: np.ndarray, first: np.ndarray) -> Int64s:
    return np.add.reduceat(flags.astype(np.int64), first) if len(first) else np.empty(0, np.int64)


def _reduced(how: np.ufunc, values: Float64s, first: np.ndarray) -> Float64s:
    return np.asarray(how.reduceat(values, first)) if len(first) else np.empty(0)
