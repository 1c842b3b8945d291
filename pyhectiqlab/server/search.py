"""Searches over runs: what the MetaStore knows of them and what the PointStore knows of their metrics, put together.

Values of metrics live in the other store, and those of configs are of any type: a search that compares or sorts by them
takes the runs that all other terms leave, and looks at one value of each. That is milliseconds for ten thousand runs.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..protocol.search import Field
from ..store.meta import MetaView, RunPage, RunQuery
from ..store.points import PointStore, Summary

Value = float | str


def find_runs(view: MetaView, points: PointStore, query: RunQuery, now: float) -> RunPage:
    """Return a page of what `query` matches. `now` is what ages count from and live runs last until: the same for all
    pages.
    """
    terms = [term for term in query.terms if term.field.kind == "metric"]
    by_value = query.sort.field.kind in ("metric", "config")
    if not terms and not by_value:
        return view.runs(query, now)
    ids = view.found_ids(query, now)
    summaries: dict[str, Mapping[str, Summary]] = {}
    for term in terms:
        its = _summaries(points, summaries, term.field.name, ids)
        stat, holds = _stat(term.field), term.test(now)
        ids = [run for run in ids if holds(stat(its.get(run)))]
    if not by_value:
        return view.runs(query, now, among=frozenset(ids))
    return _sorted_by_value(_values(view, points, summaries, query.sort.field, ids), ids, query)


def _summaries(
    points: PointStore, known: dict[str, Mapping[str, Summary]], key: str, ids: Sequence[str]
) -> Mapping[str, Summary]:
    if key not in known:
        known[key] = points.summaries(key, ids)
    return known[key]


def _value_of(field: Field) -> Callable[[Summary], float]:
    """Return a function that takes the value which `field` means out of a summary."""
    return operator.itemgetter(Summary._fields.index("points" if field.stat == "count" else field.stat or "last"))


def _stat(field: Field) -> Callable[[Summary | None], float | None]:
    """Return such a function for a summary that may be missing. It returns None if there is no such value."""
    value_of = _value_of(field)
    if field.stat == "last":  # may be NaN; the lowest and the highest are that only where no value is finite
        return lambda summary: None if summary is None else value_of(summary)
    return lambda summary: None if summary is None or (value := value_of(summary)) != value else value


def _values(
    view: MetaView,
    points: PointStore,
    known: dict[str, Mapping[str, Summary]],
    field: Field,
    ids: Sequence[str],
) -> dict[str, Value]:
    """Return what the runs are sorted by, and perhaps that of others. Runs that have no value, or NaN, are
    not in it.
    """
    if field.kind == "config":
        return view.config_values(field.name)
    its = _summaries(points, known, field.name, ids)
    value_of = _value_of(field)
    return {run: value for run, summary in its.items() if (value := value_of(summary)) == value}  # NaN is not


def _sorted_by_value(values: Mapping[str, Value], ids: Sequence[str], query: RunQuery) -> RunPage:
    """Return a page with numbers before texts, or texts first when descending. Runs without a value come last."""
    downwards = query.sort.downwards
    after = None if query.after is None else query.after[0]
    places: list[tuple[Any, str]] = [(value, run) for run in ids if (value := values.get(run)) is not None]
    texts = isinstance(after, str) or any(type(value) is str for value, _ in places)
    if texts:  # else spared: a call for each of ten thousand runs
        places = [(_place(value), run) for value, run in places]
    without: list[str] = sorted((run for run in ids if run not in values), reverse=downwards)
    if query.after is not None:
        value, run_id = query.after
        if value is None:
            places = []
            without = [run for run in without if (run < run_id if downwards else run > run_id)]
        else:
            behind = (_place(value) if texts else value, run_id)
            places = [place for place in places if (place < behind if downwards else place > behind)]
    first = heapq.nlargest if downwards else heapq.nsmallest
    page = [run for _, run in first(query.limit + 1, places)]
    page += without[: query.limit + 1 - len(page)]
    return RunPage([(values.get(run), run) for run in page[: query.limit]], len(page) > query.limit)


def _place(value: Value) -> tuple[int, float, str]:
    return (1, 0.0, value) if isinstance(value, str) else (0, value, "")
