"""Table: the order of a search's runs by several values, and the values of named columns, for a window of its rows.

A page that scrolls through ten thousand runs asks for the rows that it shows. The order of all of them is kept here for
a while, so that it is found out once, and rows neither jump nor repeat while somebody scrolls.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...protocol.search import EVERY_RUN, Field, Sort
from ...store.meta import MetaView, RunQuery
from ...store.notes import Notes
from ...store.points import PointStore, Summary
from .search import Value, find_ids, smoothed_values, value_in, values_of

KIND = "orders of tables"
SHARED_MAX = 100  # orders that several labs share
SHARED_S = 3600.0
IDS_MAX = 300_000  # in all orders that are kept: some 25 MB
COLUMNS_MAX = 64
SORTS_MAX = 8


@dataclass(frozen=True)
class Order:
    """The runs that a search matched, sorted. The search names the user who sees them."""

    query: RunQuery
    sorts: Sequence[Sort]
    ids: Sequence[str]


class Orders:
    """The orders that were used last, each by a name. Safe for several threads.

    Args:
        notes: of several labs, so that the next window of rows may be asked of another one; it blocks as they do.
    """

    def __init__(self, notes: Notes | None = None) -> None:
        self._notes = notes
        self._lock = threading.Lock()
        self._orders: OrderedDict[str, Order] = OrderedDict()  # the least recently used first
        self._ids = 0

    def add(self, order: Order) -> str:
        """Return the name to ask for it by."""
        name = secrets.token_urlsafe(9)
        self._keep(name, order)
        if self._notes is not None:
            with self._notes.of(KIND) as notes:
                notes.put(name, {"of": _of(order.query, order.sorts), "ids": list(order.ids)}, notes.now + SHARED_S)
                if notes.count() > SHARED_MAX and (oldest := notes.oldest()) is not None:
                    notes.remove(oldest)
        return name

    def _keep(self, name: str, order: Order) -> None:
        with self._lock:
            self._orders[name] = order
            self._ids += len(order.ids)
            while self._ids > IDS_MAX and len(self._orders) > 1:
                _, dropped = self._orders.popitem(last=False)
                self._ids -= len(dropped.ids)

    def get(self, name: str, query: RunQuery, sorts: Sequence[Sort]) -> Order | None:
        """Return an order of just this search and these sorts. None: there is none of that name."""
        with self._lock:
            order = self._orders.get(name)
            if order is not None:
                self._orders.move_to_end(name)
        if order is None and name and self._notes is not None:
            with self._notes.of(KIND) as notes:
                note = notes.get(name)
            if note is not None and note["of"] == _of(query, sorts):
                order = Order(query, sorts, note["ids"])
                self._keep(name, order)
        return None if order is None or (order.query, order.sorts) != (query, sorts) else order


def _of(query: RunQuery, sorts: Sequence[Sort]) -> str:
    return hashlib.sha256(repr((query, list(sorts))).encode("utf-8", "surrogatepass")).hexdigest()


def sorted_ids(view: MetaView, points: PointStore, query: RunQuery, sorts: Sequence[Sort], now: float) -> list[str]:
    """Return every run that `query` matches, by the first of the sorts, then by the others, then by id.

    Numbers come before texts, or texts first when descending. NaN comes behind them, and runs without a value come
    last, in either direction.
    """
    ids = sorted(find_ids(view, points, query, now))
    for sort in reversed(sorts):
        ids = _sorted(ids, fact_or_value(view, points, sort.field, query, ids, now), sort.downwards)
    return ids


def fact_or_value(
    view: MetaView, points: PointStore, field: Field, query: RunQuery, ids: Sequence[str], now: float
) -> Mapping[str, Value]:
    """Return a value of the runs `ids`, which `query` matches, and perhaps of others."""
    if field.kind in ("config", "metric"):
        return values_of(view, points, field, ids)
    return view.fact_values(field.kind, replace(query, terms=EVERY_RUN), now)  # one search is enough


def _sorted(ids: Sequence[str], values: Mapping[str, Value], downwards: bool) -> list[str]:
    """Sort stably: runs of equal values stay in their order."""
    numbers: list[str] = []
    texts: list[str] = []
    nans: list[str] = []
    without: list[str] = []
    for run in ids:
        value = values.get(run)
        if value is None:
            without.append(run)
        elif isinstance(value, str):
            texts.append(run)
        elif value != value:
            nans.append(run)
        else:
            numbers.append(run)
    numbers.sort(key=values.__getitem__, reverse=downwards)
    texts.sort(key=values.__getitem__, reverse=downwards)
    return [*texts, *numbers, *nans, *without] if downwards else [*numbers, *texts, *nans, *without]


def columns_of(
    view: MetaView, points: PointStore, columns: Sequence[Field], ids: Sequence[str]
) -> list[list[Value | None]]:
    """Return the values of columns (configs and metrics) in some runs: a list for each run, in the order of `ids`."""
    paths = [column.name for column in columns if column.kind == "config"]
    configs = view.some_config_values(paths, ids) if paths else {}
    smoothed = {column: its for column in columns if (its := smoothed_values(points, column, ids)) is not None}
    summarised = {column.name for column in columns if column.kind == "metric" and column not in smoothed}
    summaries: dict[str, Mapping[str, Summary]] = {key: points.summaries(key, ids) for key in summarised}

    def value(column: Field, run: str) -> Value | None:
        if column.kind == "config":
            return configs.get(run, {}).get(column.name)
        if column in smoothed:
            return smoothed[column].get(run)
        summary = summaries[column.name].get(run)
        return None if summary is None else value_in(summary, column)

    return [[value(column, run) for column in columns] for run in ids]
