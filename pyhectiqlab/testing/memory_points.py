"""MemoryPointStore: the plainest PointStore, in lists. The model that other implementations are compared with.

Everything is computed point by point, in Python, when asked for: slow, and easy to believe.
"""

from __future__ import annotations

import copy
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from sys import float_info
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import StoreError
from ..store.points import (
    AppendResult,
    Axis,
    Buckets,
    Column,
    PointBatch,
    Points,
    Selector,
    SeriesInfo,
    Smoothing,
    Summary,
    WorkLeft,
)
from ..store.series.grid import apart, check_batch, check_times, cuts, parse_cursor, share_of, shifts_for, window_of
from ..store.series.smoothing import WEIGHT_MIN


class Point(NamedTuple):
    arrival: int  # number of the batch that brought it
    seq: int
    step: int
    value: float
    time: int
    rank: int
    attempt: int
    writer: str = ""

    def place(self) -> tuple[int, ...]:
        """Return the points in an order in which the highest is the last."""
        return (self.attempt, self.step, self.seq, self.arrival)


# Of one line of a chart: (run, key, rank, attempt), points, the step they are hidden from, where relative time is 0.
Series = list[tuple[tuple[str, str, int, int], list[Point], int | None, int]]
Line = tuple[Selector, Series, int]


@dataclass
class _State:
    series: dict[tuple[str, str, int, int], list[Point]]  # in order of arrival
    cursors: dict[str, int]
    arrival: int
    origins: dict[tuple[str, int], int]  # (run, attempt) → where relative time is 0
    late: list[tuple[str, int, int, bool]]  # of each batch: writer, first, last, whether it was points alone


class MemoryPointStore:
    """Not safe for several threads. What is durable lives as long as the object: there is nothing to reopen."""

    wants_few_inserts = False

    def __init__(self) -> None:
        self._state = _State({}, {}, 0, {}, [])
        self._deleted: set[str] = set()
        self._closed = False
        self.before_forgetting: Callable[[], None] = lambda: None  # it forgets nothing

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        self._check_open()
        state = copy.copy(self._state)
        state.series = {place: list(points) for place, points in state.series.items()}
        state.cursors = dict(state.cursors)
        state.origins = dict(state.origins)
        state.late = list(state.late)
        results = [_apply(state, batch) for batch in batches]
        self._state = state  # only now: a batch that raised leaves no trace of any
        return results

    def cursor(self, writer: str) -> int:
        self._check_open()
        return self._state.cursors.get(writer, 0)

    def cursors(self, writers: Sequence[str]) -> dict[str, int]:
        self._check_open()
        return {name: self._state.cursors[name] for name in writers if name in self._state.cursors}

    def late_writers(self) -> list[str]:
        return list(self._state.cursors)

    def reach(self, cursors: Mapping[str, int]) -> dict[str, int]:
        reached = dict(cursors)
        for writer, first, last, alone in self._state.late:
            if writer in reached and alone and first == reached[writer] + 1:
                reached[writer] = last
        return {writer: last for writer, last in reached.items() if last > cursors[writer]}

    def keys(self, run: str, query: str = "", after: str = "", limit: int = 1000) -> list[SeriesInfo]:
        names = sorted({key for r, key, _, _ in self._visible(run) if r == run and key > after and query in key})
        return [self._pooled(run, key) for key in names[:limit]]

    def series(self, run: str, key: str) -> list[SeriesInfo]:
        return [_info(place, points) for place, points in self._of(run, key)]

    def origins(self, run: str, after: int = 0, limit: int = 1000) -> dict[int, int]:
        self._check_open()
        own = sorted((number, at) for (r, number), at in self._state.origins.items() if r == run and number > after)
        return {} if run in self._deleted else dict(own[:limit])

    def last(
        self, runs: Sequence[str], keys: Sequence[str] | None = None, limit_per_run: int = 8
    ) -> dict[str, list[SeriesInfo]]:
        if keys is None:
            return {run: self.keys(run, limit=limit_per_run) for run in runs}
        return {run: [self._pooled(run, key) for key in keys if self._of(run, key)] for run in runs}

    def summaries(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        return {run: self._summary(self._of(run, key)) for run in runs if self._of(run, key)}

    def rank_summaries(self, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
        own = {(run, place[2]) for run in runs for place, _ in self._of(run, key)}
        return {(run, rank): self._summary([s for s in self._of(run, key) if s[0][2] == rank]) for run, rank in own}

    def _summary(self, series: Sequence[tuple[tuple[str, str, int, int], list[Point]]]) -> Summary:
        i = _pooled([_info(*s) for s in series], [max(points, key=Point.place).place() for _, points in series])
        every = [p for _, points in series for p in points]
        first = min(every, key=Point.place)
        finite = [p for p in every if math.isfinite(p.value)]
        nans = sum(math.isnan(p.value) for p in every)
        if not finite:
            return Summary(i.count, i.last_value, i.min, i.max, math.nan, first.value, nans, None, None)
        mean = math.fsum(p.value / len(finite) for p in finite)
        steps = [min(p.step for p in finite if p.value == value) for value in (i.min, i.max)]
        return Summary(i.count, i.last_value, i.min, i.max, mean, first.value, nans, *steps)

    def smoothed(self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step") -> dict[str, float]:
        ends = {run: self._end(Selector(run, key), smoothing, axis) for run in runs}
        return {run: end for run, end in ends.items() if end is not None}

    def rank_smoothed(
        self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step"
    ) -> dict[tuple[str, int], float]:
        own = {(run, place[2]) for run in runs for place, _ in self._of(run, key)}
        ends = {(run, rank): self._end(Selector(run, key, rank), smoothing, axis) for run, rank in own}
        return {place: end for place, end in ends.items() if end is not None}

    def _end(self, selector: Selector, smoothing: Smoothing, axis: Axis) -> float | None:
        for _, series, _ in self._lines(selector, axis, "newest"):
            its = [(_place(p, axis, o), p) for _, points, cut, o in series for p in points if not _hides(cut, p)]
            ends = [_place(p, axis, o) for _, points, cut, o in series if cut is None for p in points]
            finite = [(x, p.value) for x, p in its if math.isfinite(p.value)]
            if ends:
                return _smoothed(finite, max(ends), smoothing)
        return None

    def with_nan(self, runs: Sequence[str]) -> set[str]:
        having = {place[0] for place, points in self._state.series.items() if any(math.isnan(p.value) for p in points)}
        return having & set(runs) - self._deleted

    def key_counts(self, runs: Sequence[str], words: str = "") -> Counter[str]:
        keys = {(r, k) for run in runs for r, k, _, _ in self._visible(run) if r == run and words.lower() in k.lower()}
        return Counter(key for _, key in keys)

    def points(
        self,
        run: str,
        key: str,
        rank: int | None = None,
        attempt: int | None = None,
        after: str = "",
        limit: int = 100_000,
    ) -> Points:
        behind = parse_cursor(after)
        points_after = sorted(
            p
            for (_, _, r, a), points in self._of(run, key)
            for p in points
            if (rank is None or r == rank) and (attempt is None or a == attempt) and (p.arrival, p.seq) > behind
        )[:limit]
        return Points(
            step=_int64s(p.step for p in points_after),
            value=np.array([p.value for p in points_after], np.float64),
            time=_int64s(p.time for p in points_after),
            rank=_int64s(p.rank for p in points_after),
            attempt=_int64s(p.attempt for p in points_after),
            seq=_int64s(p.seq for p in points_after),
            cursor=f"{points_after[-1].arrival}.{points_after[-1].seq}" if points_after else after,
        )

    def of_writer(self, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
        for place, points in sorted(self._visible(run).items()):
            its = sorted((p for p in points if p.writer == writer), key=lambda p: p.seq)
            if its and (place[0], *place[2:]) == (run, rank, attempt):
                seq, step, time = (_int64s(getattr(p, name) for p in its) for name in ("seq", "step", "time"))
                yield Column(place[1], seq, step, np.array([p.value for p in its]), time)

    def batches_of(self, runs: Sequence[str]) -> Iterator[PointBatch]:
        ends: dict[str, int] = {}
        for run in runs:
            its = [(p, key) for (r, key, _, _), points in self._visible(run).items() if r == run for p in points]
            its.sort(key=lambda pair: (pair[0].arrival, pair[1], pair[0].seq))
            for _, of_batch in groupby(its, key=lambda pair: pair[0].arrival):
                columns = []
                for key, pairs in groupby(of_batch, key=lambda pair: pair[1]):
                    points = [p for p, _ in pairs]
                    seq, step, time = (_int64s(getattr(p, name) for p in points) for name in ("seq", "step", "time"))
                    columns.append(Column(key, seq, step, np.array([p.value for p in points]), time))
                _, _, _, _, _, rank, attempt, writer = points[0]
                first, last = ends.get(writer, 0) + 1, max(int(column.seq[-1]) for column in columns)
                ends[writer] = last
                origin = self._state.origins[run, attempt]
                yield PointBatch(run, rank, attempt, writer, first, last, columns, origin)

    def buckets(self, selectors: Iterable[Selector], *query: Any, **more: Any) -> list[Buckets]:
        return list(self.iter_buckets(selectors, *query, **more))

    def iter_buckets(
        self,
        selectors: Iterable[Selector],
        axis: Axis = "step",
        lo: int | None = None,
        hi: int | None = None,
        n: int = 1500,
        attempts: Literal["newest", "all"] = "newest",
        most: int | None = None,
        smoothing: Smoothing | None = None,
    ) -> Iterator[Buckets]:
        lines = [line for selector in selectors for line in self._lines(selector, axis, attempts)]
        windows = [
            window_of(((_info(p, points), cut, o) for p, points, cut, o in series), axis, lo, hi)
            for _, series, _ in lines
        ]
        keys = (s.key for s, _, _ in lines)
        shifts = shifts_for(zip(keys, windows, strict=True), share_of(most, len(lines), n))
        for (selector, series, ranks), window in zip(lines, windows, strict=True):
            buckets = _buckets(selector, series, axis, window, shifts.get(selector.key, 0), ranks)
            if smoothing is not None:
                places = [(_place(p, axis, o), p) for _, points, cut, o in series for p in points if not _hides(cut, p)]
                finite = [(x, p.value) for x, p in places if math.isfinite(p.value)]
                values = [_smoothed(finite, int(x), smoothing) for x in buckets.last_x]
                buckets = replace(buckets, smoothed=np.array(values, np.float64), smooth_cell=1)
            yield buckets

    def delete(self, run: str) -> None:
        self._check_open()
        self._deleted.add(run)

    def undelete(self, run: str) -> None:
        self._check_open()
        self._deleted.discard(run)

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        self._check_open()
        kept = {place: points for place, points in self._state.series.items() if place[0] not in self._deleted}
        self._state.series = kept
        return False

    def damage(self) -> list[str]:
        return []

    def work_left(self) -> WorkLeft:
        self._check_open()
        deleted = (points for place, points in self._state.series.items() if place[0] in self._deleted)
        return WorkLeft(0, sum(map(len, deleted)))

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("this store is closed: open another one.")

    def _visible(self, run: str) -> dict[tuple[str, str, int, int], list[Point]]:
        self._check_open()
        return {} if run in self._deleted else self._state.series

    def _of(self, run: str, key: str) -> list[tuple[tuple[str, str, int, int], list[Point]]]:
        return sorted((place, points) for place, points in self._visible(run).items() if place[:2] == (run, key))

    def _pooled(self, run: str, key: str) -> SeriesInfo:
        same = self._of(run, key)
        return _pooled([_info(*s) for s in same], [max(points, key=Point.place).place() for _, points in same])

    def _lines(self, selector: Selector, axis: Axis, attempts: Literal["newest", "all"]) -> Iterator[Line]:
        meant = [
            (place, points)
            for place, points in self._of(selector.run, selector.key)
            if selector.rank in (None, "each", place[2]) and selector.attempt in (None, place[3])
        ]
        for line_selector, same, ranks in apart(selector, meant, lambda s: s[0][2]):
            hidden_from = cuts([_info(*s) for s in same], attempts)
            zeros = (self._state.origins[place[0], place[3]] for place, _ in same)
            series = [(*s, cut, zero) for s, cut, zero in zip(same, hidden_from, zeros, strict=True)]
            yield line_selector, series, ranks


def _buckets(
    selector: Selector, series: Series, axis: Axis, window: tuple[int, int] | None, shift: int, ranks: int
) -> Buckets:
    if window is None:
        return _as_buckets(selector, 0, {}, ranks)
    rows: dict[int, list[tuple[int, Point]]] = {}
    for _, points, cut, origin in series:
        for p in points:
            x = _place(p, axis, origin)
            if window[0] <= x <= window[1] and not _hides(cut, p):
                rows.setdefault(x >> shift << shift, []).append((x, p))
    return _as_buckets(selector, shift, rows, ranks)


def _place(p: Point, axis: Axis, origin: int) -> int:
    return {"step": p.step, "time": p.time, "relative": p.time - origin}[axis]


def _hides(cut: int | None, p: Point) -> bool:
    return cut is not None and p.step >= cut


def _smoothed(finite: Sequence[tuple[int, float]], at: int, smoothing: Smoothing) -> float:
    """Return the weighted mean or the median of (x, value) points, as smoothing.py defines it."""
    if smoothing.kind == "median":
        places = sorted(finite)
        means = [
            math.fsum(v for _, v in its) / len(its)
            for its in (list(group) for x, group in groupby(places, lambda p: p[0]) if abs(at - x) <= smoothing.width)
        ]
        return statistics.median(means) if means else math.nan
    weights = [_weight(at - x, smoothing) for x, _ in finite]
    if sum(weights) < WEIGHT_MIN:
        return math.nan
    # Of halves: a sum may not overflow where the mean does not.
    all_weights = math.fsum(weights)
    terms = (weight / all_weights * (value / 2) for weight, (_, value) in zip(weights, finite, strict=True))
    mean = 2 * math.fsum(terms)
    return max(-float_info.max, min(float_info.max, mean))


def _weight(distance: int, smoothing: Smoothing) -> float:
    """`distance`: from the point to where the value is wanted; below 0 where the point lies to the right."""
    widths = distance / smoothing.width
    if smoothing.kind == "exponential":
        return math.exp(-widths) if distance >= 0 else 0.0
    if smoothing.kind == "gaussian":
        return math.exp(-widths * widths / 2)
    return 1.0 if abs(distance) <= smoothing.width else 0.0


def _apply(state: _State, batch: PointBatch) -> AppendResult:
    check_batch(batch)
    cursor = state.cursors.get(batch.writer, 0)
    if batch.last <= cursor:
        return AppendResult("duplicate", cursor)
    if batch.first != cursor + 1:
        return AppendResult("conflict", cursor)
    state.arrival += 1
    if batch.columns:
        least = min(int(np.min(column.time)) for column in batch.columns)
        zero = least if batch.origin is None else batch.origin
        state.origins.setdefault((batch.run, batch.attempt), zero)
    for column in batch.columns:
        check_times(column, int(np.min(column.time)), int(np.max(column.time)))
        points = state.series.setdefault((batch.run, column.key, batch.rank, batch.attempt), [])
        columns = zip(column.seq, column.step, column.value, column.time, strict=True)
        for seq, step, value, time in columns:
            where = batch.rank, batch.attempt, batch.writer
            points.append(Point(state.arrival, int(seq), int(step), float(value), int(time), *where))
    state.cursors[batch.writer] = batch.last
    points_of = sum(len(column.seq) for column in batch.columns)
    state.late.append((batch.writer, batch.first, batch.last, points_of == batch.last - batch.first + 1))
    return AppendResult("ok", batch.last)


def _info(place: tuple[str, str, int, int], points: Sequence[Point]) -> SeriesInfo:
    run, key, rank, attempt = place
    finite = [p.value for p in points if math.isfinite(p.value)]
    last = max(points, key=Point.place)
    return SeriesInfo(
        run=run,
        key=key,
        rank=rank,
        attempt=attempt,
        count=len(points),
        step_min=min(p.step for p in points),
        step_max=max(p.step for p in points),
        time_min=min(p.time for p in points),
        time_max=max(p.time for p in points),
        last_step=last.step,
        last_value=last.value,
        last_time=last.time,
        min=min(finite, default=math.nan),
        max=max(finite, default=math.nan),
    )


def _pooled(infos: Sequence[SeriesInfo], order: Sequence[tuple[int, ...]]) -> SeriesInfo:
    """Return the union over ranks and attempts of one key.

    `order[i]` is the (attempt, step, seq, arrival) of the last point of infos[i].
    """
    newest = infos[max(range(len(infos)), key=order.__getitem__)]
    finite = [i for i in infos if i.min <= i.max]  # NaN: no finite value
    return SeriesInfo(
        run=newest.run,
        key=newest.key,
        rank=None,
        attempt=None,
        count=sum(i.count for i in infos),
        step_min=min(i.step_min for i in infos),
        step_max=max(i.step_max for i in infos),
        time_min=min(i.time_min for i in infos),
        time_max=max(i.time_max for i in infos),
        last_step=newest.last_step,
        last_value=newest.last_value,
        last_time=newest.last_time,
        min=min((i.min for i in finite), default=float("nan")),
        max=max((i.max for i in finite), default=float("nan")),
    )


def _as_buckets(selector: Selector, shift: int, rows: dict[int, list[tuple[int, Point]]], ranks: int) -> Buckets:
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("start", "count", "min", "max", "mean", "last", "last_x", "last_step", "nan", "pinf", "ninf")
    }
    for start in sorted(rows):
        for name, value in _bucket(start, rows[start]):
            columns[name].append(value)
    floats = ("min", "max", "mean", "last")
    arrays: dict[str, Any] = {
        name: np.array(c, np.float64 if name in floats else np.int64) for name, c in columns.items()
    }
    return Buckets(selector=selector, width=1 << shift, total=sum(columns["count"]), ranks=ranks, **arrays)


def _bucket(start: int, row: Sequence[tuple[int, Point]]) -> Iterator[tuple[str, Any]]:
    values = [p.value for _, p in row]
    finite = [v for v in values if math.isfinite(v)]
    last_x, last = max(row, key=lambda item: item[1].place())
    yield "start", start
    yield "count", len(row)
    yield "min", min(finite, default=math.nan)
    yield "max", max(finite, default=math.nan)
    yield "mean", float(sum(map(Fraction, finite)) / len(finite)) if finite else math.nan
    yield "last", last.value
    yield "last_x", last_x
    yield "last_step", last.step
    yield "nan", sum(map(math.isnan, values))
    yield "pinf", values.count(math.inf)
    yield "ninf", values.count(-math.inf)


def _int64s(values: Iterable[int]) -> Any:
    return np.array(list(values), np.int64)
