"""Smoothed values of a line, in units of x: weighted means or medians of its points, the same at any zoom.

Pure functions of arrays.

The value at x is Σ weight · value / Σ weight over the finite points of the whole line, whatever part of it is drawn:

* exponential: e^(-d / width) for points d ≥ 0 to the left of x. A gap forgets as much as its length says.
* gaussian: e^(-d² / 2 width²) for points d to either side.
* mean: 1 for points up to `width` to either side.

Or, as median, the median over the places up to `width` to either side, each of which counts once, with the mean of its
finite points: a line of one rank has one point at a place, so that this is the median of its points.

It is NaN where all weights together are below WEIGHT_MIN: no finite point is near enough.

Points at one place have one weight, so what is read of a line is a sum and a count for each place. A line of more than
POINTS_MAX points is read in cells of a grid that its whole extent and the width decide, and no zoom: at most CELLS of
them, and fewer where CELLS_OF_WIDTH of them still fit into the width. A cell counts as if all its points lay at its
left edge; so a place is wrong by at most a part in CELLS_OF_WIDTH of the width, or where that is more, by one in CELLS
of the whole line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import float_info
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...protocol.limits import STEP_MAX, STEP_MIN
from ..points import Float64s, Int64s, Smoothing
from .grid import Window, shift_for
from .levels import SUM_SCALE

POINTS_MAX = 1_000_000
CELLS = 1 << 18
CELLS_OF_WIDTH = 256
WEIGHT_MIN = 1e-9
_REACH = {
    "exponential": (40, 0),
    "gaussian": (8, 8),
    "mean": (1, 1),
    "median": (1, 1),
}  # in widths; weights beyond are below 1e-13
_SLICES = 4  # slices of a width; a Gaussian sums up the points of each slice
_PAIRS_MAX = 1 << 20  # pairs of a place and a row in its reach that are computed one by one: some 40 MB
_TERMS = (
    18  # of its series: the rest is below 2^18 / 18!, or 4e-11, of a weight at the end of the reach, and less before
)


class Sums(NamedTuple):
    """The finite points of a line, pooled by place. `x` ascends, and holds each place once."""

    x: Int64s
    total: Float64s  # sum of the values
    points: Float64s


Read = Callable[[int, int, int], Sums]


def shift_of_cells(points: int, whole: Window, width: int) -> int:
    """Return log2 of the cells that a line of so many points is smoothed over. `whole`: its ends, without any zoom."""
    if points <= POINTS_MAX:
        return 0
    return max(shift_for(*whole, CELLS), (width // CELLS_OF_WIDTH).bit_length() - 1)


def pool(x: Int64s, total: Float64s, count: Float64s) -> Sums:
    """Return sums of places in any order, which may occur several times; those without a finite point are left out."""
    kept = count > 0
    if not kept.all():
        x, total, count = x[kept], total[kept], count[kept]
    if (x[1:] <= x[:-1]).any():
        order = np.argsort(x, kind="stable")
        x, total, count = x[order], total[order], count[order]
        first = np.flatnonzero(np.concatenate(([True], x[1:] != x[:-1])))
        x, total, count = x[first], np.add.reduceat(total, first), np.add.reduceat(count, first)
    return Sums(x, total, count)


def reach(at: Int64s, smoothing: Smoothing, shift: int) -> Window:
    """Return the lowest and the highest place (inclusive) whose points smoothed values at these places are made of."""
    before, after = (min(STEP_MAX, widths * smoothing.width) for widths in _REACH[smoothing.kind])
    margin = max(1, smoothing.width // _SLICES) if smoothing.kind == "gaussian" else 0  # slices at the ends: whole
    low, high = int(at.min()) - before - margin, int(at.max()) + after + margin
    return max(STEP_MIN, low) >> shift << shift, min(STEP_MAX, high | (1 << shift) - 1)


def smoothed(at: Int64s, smoothing: Smoothing, shift: int, read: Read) -> Float64s:
    """Return the smoothed value at each place.

    `read`: returns the Sums of low…high (inclusive), in cells of 2^shift.
    """
    if not len(at):
        return np.empty(0, np.float64)
    before, after = (min(STEP_MAX, widths * smoothing.width) for widths in _REACH[smoothing.kind])
    low = np.where(at < STEP_MIN + before, STEP_MIN, at - before)
    high = np.where(at > STEP_MAX - after, STEP_MAX, at + after)
    slice_of = max(1, smoothing.width // _SLICES)
    sums = read(*reach(at, smoothing, shift), shift)
    if not len(sums.x):
        return np.full(len(at), np.nan)
    begin, end = np.searchsorted(sums.x, low >> shift << shift), np.searchsorted(sums.x, high, "right")
    if smoothing.kind == "median":
        few = len(at) * int((end - begin).max()) <= min(_PAIRS_MAX, 8 * len(sums.x))
        return (_medians_of_few if few else _medians)(sums.total / sums.points, begin, end)
    if smoothing.kind != "gaussian":
        total, weight = _decaying(sums, at, begin, end, smoothing.width if smoothing.kind == "exponential" else None)
    elif int((end - begin).sum()) <= min(_PAIRS_MAX, 2 * len(sums.x)):
        total, weight = _gaussian_of_few(sums, at, begin, end, smoothing.width)
    else:
        total, weight = _gaussian(sums, at, low // slice_of, high // slice_of, slice_of, smoothing.width)
    enough = weight >= WEIGHT_MIN
    return np.where(enough, total / np.where(enough, weight, 1.0), np.nan)


def smoothed_ends(at: Sequence[int], smoothing: Smoothing, lines: Sequence[Sums]) -> Float64s:
    """Return the smoothed value of each line at one place of its own, as `smoothed` gives it: quicker for many lines.
    `lines`: what `reach` says of each, or more.
    """
    answer = np.full(len(lines), np.nan)
    sizes = np.array([len(line.x) for line in lines], np.int64)
    some = np.flatnonzero(sizes)
    if not len(some):
        return answer
    x = np.concatenate([line.x for line in lines])
    total, points = np.concatenate([line.total for line in lines]), np.concatenate([line.points for line in lines])
    place = np.repeat(np.array(at, np.int64)[some], sizes[some])
    before, after = (widths * smoothing.width for widths in _REACH[smoothing.kind])
    away = _distance(np.maximum(place, x), np.minimum(place, x))
    near = np.where(place >= x, away <= before, away <= after)
    starts = np.concatenate(([0], np.cumsum(sizes[some])[:-1]))
    if smoothing.kind == "median":
        count = np.add.reduceat(near.astype(np.int64), starts)
        end = np.cumsum(count)
        answer[some] = _medians_of_few((total / points)[near], end - count, end)
        return answer
    widths = away / smoothing.width
    if smoothing.kind == "gaussian":
        widths = widths * widths / 2
    weight = np.where(near, 1.0 if smoothing.kind == "mean" else np.exp(-widths), 0.0)
    weights = np.add.reduceat(weight * points, starts)
    enough = weights >= WEIGHT_MIN
    answer[some] = np.where(enough, np.add.reduceat(weight * total, starts) / np.where(enough, weights, 1.0), np.nan)
    return answer


def value_of(scaled: Float64s) -> Float64s:
    """Return the values of smoothed sums, which are of value × SUM_SCALE."""
    with np.errstate(over="ignore"):  # by a rounding, at 1.8e308
        return np.clip(scaled / SUM_SCALE, -float_info.max, float_info.max)


def _distance(high: Int64s, low: Int64s) -> Float64s:
    """Return high - low ≥ 0 exactly as far as float64 goes, also where it is beyond int64."""
    return (high - low).view(np.uint64).astype(np.float64)


def _decaying(
    sums: Sums, at: Int64s, begin: NDArray[np.intp], end: NDArray[np.intp], width: int | None
) -> tuple[Float64s, Float64s]:
    """Return Σ weight · total and Σ weight · count over the rows begin…end - 1 for each place, in which a weight is
    e^(-distance / width); width None: 1.

    By a tree of sums: the error is that of a few additions within the range, however large values outside it are, which
    differences of running sums would not give.
    """
    node = np.stack([sums.total, sums.points])
    right = sums.x  # the last place of each node, to which its weights refer
    answer = np.zeros((2, len(at)))
    begin, end = begin.copy(), end.copy()
    while True:
        for odd_end in (False, True):
            chosen = np.flatnonzero(((end if odd_end else begin) & 1 == 1) & (begin < end))
            if odd_end:
                end[chosen] -= 1
            i = (end if odd_end else begin)[chosen]
            if not odd_end:
                begin[chosen] += 1
            part = node[:, i]
            if width is not None:
                part = part * np.exp(-_distance(at[chosen], right[i]) / width)
            answer[:, chosen] += part
        begin, end = begin >> 1, end >> 1
        if not (begin < end).any():
            return answer[0], answer[1]
        if len(right) % 2:
            node, right = np.pad(node, ((0, 0), (0, 1))), np.append(right, right[-1])
        left = node[:, 0::2]
        if width is not None:
            left = left * np.exp(-_distance(right[1::2], right[0::2]) / width)
        node, right = left + node[:, 1::2], right[1::2]


def _medians(values: Float64s, begin: NDArray[np.intp], end: NDArray[np.intp]) -> Float64s:
    """Return the median of the values begin…end - 1 for each place; NaN where there are none.

    The ranks of the values are sorted by one bit after the other, the highest first. How many of a range have a 0 there
    says on which side of it the value in question lies (a wavelet matrix, of which one level is kept at a time).
    """
    order = np.argsort(values)
    row = np.empty(len(values), np.int32)
    row[order] = np.arange(len(values), dtype=np.int32)
    some = np.flatnonzero(begin < end)
    size = (end - begin)[some]
    low, high = np.tile(begin[some], 2), np.tile(end[some], 2)
    nth = np.concatenate(((size - 1) // 2, size // 2))  # the two in the middle; of an odd number they are one
    rank = np.zeros(len(nth), np.int64)
    for bit in reversed(range(max(1, len(values) - 1).bit_length())):
        ones = (row >> bit & 1).astype(bool)
        zeros = np.concatenate(([0], np.cumsum(~ones, dtype=np.int32)))
        zeros_low, zeros_high = zeros[low], zeros[high]
        right = nth >= zeros_high - zeros_low
        nth = np.where(right, nth - (zeros_high - zeros_low), nth)
        low = np.where(right, zeros[-1] + low - zeros_low, zeros_low)
        high = np.where(right, zeros[-1] + high - zeros_high, zeros_high)
        rank |= right.astype(np.int64) << bit
        row = np.concatenate((row[~ones], row[ones]))
    middle = values[order[rank]]
    answer = np.full(len(begin), np.nan)
    answer[some] = middle[: len(some)] / 2 + middle[len(some) :] / 2
    return answer


def _medians_of_few(values: Float64s, begin: NDArray[np.intp], end: NDArray[np.intp]) -> Float64s:
    """Return the same as `_medians`, by sorting the values of each place: quicker where none has many."""
    answer = np.full(len(begin), np.nan)
    some = np.flatnonzero(begin < end)
    first, size = begin[some], (end - begin)[some]
    if not len(some):
        return answer
    row = np.arange(int(size.max()))
    there = row < size[:, None]
    window = np.where(there, values[np.where(there, first[:, None] + row, 0)], np.inf)
    window.sort(axis=1)
    place = np.arange(len(some))
    answer[some] = window[place, (size - 1) // 2] / 2 + window[place, size // 2] / 2
    return answer


def _gaussian_of_few(
    sums: Sums, at: Int64s, begin: NDArray[np.intp], end: NDArray[np.intp], width: int
) -> tuple[Float64s, Float64s]:
    """Return the same as `_gaussian`, of the rows begin…end - 1 for each place, one by one: quicker where few are."""
    answer = np.zeros((2, len(at)))
    some = np.flatnonzero(begin < end)
    size = (end - begin)[some]
    if not len(some):
        return answer[0], answer[1]
    starts = np.concatenate(([0], np.cumsum(size)[:-1]))
    i = np.arange(int(size.sum())) + np.repeat(begin[some] - starts, size)
    x, here = sums.x[i], np.repeat(at[some], size)
    away = _distance(np.maximum(here, x), np.minimum(here, x)) / width
    weight = np.exp(-away * away / 2)
    for k, column in enumerate((sums.total, sums.points)):
        answer[k, some] = np.add.reduceat(weight * column[i], starts)
    return answer[0], answer[1]


def _gaussian(
    sums: Sums, at: Int64s, low: Int64s, high: Int64s, slice_of: int, width: int
) -> tuple[Float64s, Float64s]:
    """Return Σ weight · total and Σ weight · count over the slices low…high for each place.

    With u from a slice's first point to the place, and v from there to another point of the slice, in widths, the
    weight e^(-(u - v)²/2) is e^(-u²/2) · Σ u^k · (e^(-v²/2) · v^k / k!). What is in brackets is summed up once for each
    slice.
    """
    slices = sums.x // slice_of
    first = np.flatnonzero(np.concatenate(([True], slices[1:] != slices[:-1])))
    slices, start = slices[first], sums.x[first]
    sizes = np.diff(np.append(first, len(sums.x)))
    v = _distance(sums.x, np.repeat(start, sizes)) / width
    term = np.stack([sums.total, sums.points]) * np.exp(-v * v / 2)
    moments = []
    for k in range(1, _TERMS + 1):
        moments.append(np.add.reduceat(term, first, axis=1))
        term *= v / k
    begin, end = np.searchsorted(slices, low), np.searchsorted(slices, high, "right")
    answer = np.zeros((2, len(at)))
    for offset in range(int((end - begin).max())):
        chosen = np.flatnonzero(begin + offset < end)
        i = begin[chosen] + offset
        sign = np.where(at[chosen] >= start[i], 1.0, -1.0)
        u = sign * _distance(np.maximum(at[chosen], start[i]), np.minimum(at[chosen], start[i])) / width
        series = np.zeros((2, len(i)))
        for moment in reversed(moments):
            series = series * u + moment[:, i]
        answer[:, chosen] += np.exp(-u * u / 2) * series
    return answer[0], answer[1]
