"""Searches over runs: what the MetaStore knows of them and what the PointStore knows of their metrics, put together.

Values of metrics live in the other store, and those of configs are of any type: a search that compares or sorts by them
takes the runs that all other terms leave, and looks at one value of each. That is milliseconds for ten thousand runs.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...protocol.search import Field, smoothed_of
from ...store.meta import MetaView, RunPage, RunQuery
from ...store.points import Axis, PointStore, Smoothing, Summary

Value = float | str


def find_runs(view: MetaView, points: PointStore, query: RunQuery, now: float) -> RunPage:
    """Return a page of what `query` matches. `now` is what ages count from and live runs last until: the same for all
    pages.
    """
    by_metric = any(term.field.kind == "metric" for term in query.terms)
    by_value = query.sort.field.kind in ("metric", "config")
    if not by_metric and not by_value:
        return view.runs(query, now)
    ids = find_ids(view, points, query, now)
    if not by_value:
        return view.runs(query, now, among=frozenset(ids))
    return _sorted_by_value(values_of(view, points, query.sort.field, ids), ids, query)


def find_ids(view: MetaView, points: PointStore, query: RunQuery, now: float) -> list[str]:
    """Return every run that `query` matches, in no order."""
    ids = view.found_ids(query, now)
    for term in query.terms:
        if term.field.kind == "metric" and not term.field.name:
            having = points.with_nan(ids)
            ids = [run for run in ids if (run in having) != term.negated]
        elif (smoothed := smoothed_values(points, term.field, ids)) is not None:
            holds = term.test(now)
            ids = [run for run in ids if holds(smoothed.get(run))]
        elif term.field.kind == "metric":
            its = points.summaries(term.field.name, ids)
            stat, holds = _stat(term.field), term.test(now)
            ids = [run for run in ids if holds(stat(its.get(run)))]
    return ids


def smoothed_values(points: PointStore, field: Field, ids: Sequence[str]) -> Mapping[str, float] | None:
    """Return where the smoothed lines of these runs end; None: the field is none of that. Raises SlowSearchError."""
    smoothing = _smoothing(field)
    return None if smoothing is None else points.smoothed(field.name, smoothing[0], ids, smoothing[1])


def _smoothing(field: Field) -> tuple[Smoothing, Axis] | None:
    smoothed = smoothed_of(field.stat) if field.kind == "metric" else None
    if smoothed is None:
        return None
    its = Smoothing(smoothed.kind, smoothed.width)  # type: ignore[arg-type]
    return its, "time" if smoothed.timed else "step"


def rank_values(points: PointStore, field: Field, ids: Sequence[str]) -> Mapping[tuple[str, int], float]:
    """Return the value of a metric in each rank of these runs, by (run, rank), and perhaps in others. Raises
    SlowSearchError.
    """
    if (smoothing := _smoothing(field)) is not None:
        return points.rank_smoothed(field.name, smoothing[0], ids, smoothing[1])
    value_of = _value_of(field)
    its = points.rank_summaries(field.name, ids).items()
    return {place: value for place, summary in its if (value := value_of(summary)) is not None}


def value_in(summary: Summary, field: Field) -> float | None:
    """Return the value of a metric that `field` means. None: there is none, as of the step of the lowest one."""
    return _value_of(field)(summary)


def _value_of(field: Field) -> Callable[[Summary], float | None]:
    """Return a function that takes that value out of a summary."""
    return operator.itemgetter(Summary._fields.index("points" if field.stat == "count" else field.stat or "last"))


def _stat(field: Field) -> Callable[[Summary | None], float | None]:
    """Return such a function for a summary that may be missing. It returns None if there is no such value."""
    value_of = _value_of(field)
    if field.stat in ("last", "first"):  # may be NaN; the others are that only where no value is finite
        return lambda summary: None if summary is None else value_of(summary)
    return lambda summary: None if summary is None or (value := value_of(summary)) != value else value


def values_of(view: MetaView, points: PointStore, field: Field, ids: Sequence[str]) -> Mapping[str, Value]:
    """Return the value of a config or of a metric in these runs, and perhaps in others. Runs without it are not in the
    answer. The value of a metric may be NaN.
    """
    if field.kind == "config":
        return view.config_values(field.name)
    if (smoothed := smoothed_values(points, field, ids)) is not None:
        return smoothed
    value_of = _value_of(field)
    its = points.summaries(field.name, ids).items()
    return {run: value for run, summary in its if (value := value_of(summary)) is not None}


def _sorted_by_value(values: Mapping[str, Value], ids: Sequence[str], query: RunQuery) -> RunPage:
    """Return a page with numbers before texts, or texts first when descending. NaN comes behind them, and runs without
    a value come last, in either direction.
    """
    downwards = query.sort.downwards
    after, after_id = query.after or (0.0, "")
    among: list[tuple[Any, str]] = [(value, run) for run in ids if (value := values.get(run)) is not None]
    nans = sorted((run for value, run in among if value != value), reverse=downwards)
    places = [place for place in among if place[0] == place[0]] if nans else among
    texts = isinstance(after, str) or any(type(value) is str for value, _ in places)
    if texts:  # else spared: a call for each of ten thousand runs
        places = [(_place(value), run) for value, run in places]
    without = sorted((run for run in ids if run not in values), reverse=downwards)

    def behind(runs: list[str]) -> list[str]:
        return [run for run in runs if (run < after_id if downwards else run > after_id)]

    if query.after is not None:
        if after is None:
            places, nans, without = [], [], behind(without)
        elif after != after:
            places, nans = [], behind(nans)
        else:
            last = (_place(after) if texts else after, after_id)
            places = [place for place in places if (place < last if downwards else place > last)]
    first = heapq.nlargest if downwards else heapq.nsmallest
    page = [run for _, run in first(query.limit + 1, places)]
    page += [*nans, *without][: query.limit + 1 - len(page)]
    return RunPage([(values.get(run), run) for run in page[: query.limit]], len(page) > query.limit)


def _place(value: Value) -> tuple[int, float, str]:
    return (1, 0.0, value) if isinstance(value, str) else (0, value, "")
