"""Batches made again of stored points, for many runs at once: what a move to another store appends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ..series.batches import POINT, POINTS_AT_ONCE, Place
from ..sql.column_types import kept
from . import facts, facts_series
from .reading import Reading
from .statements import listed, recent

SERIES_AT_ONCE = 50_000

_POINT = np.dtype(
    [("arrival", "<i8"), ("seq", "<i8"), ("step", "<i8"), ("value", "<f8"), ("time", "<i8"), ("series", "<u8"),
     ("writer", "<i8")]
)  # fmt: skip
_COLUMNS = "arrival, seq, step, value, time, series, writer"
_OF_ARRIVALS = np.dtype([("arrival", "<i8"), ("points", "<i8")])


class Contents(NamedTuple):
    """What is read of some runs.

    Attributes:
        places: their series, sorted. ids: their numbers, in the same order.
        parts: arrivals, from and up to, of about POINTS_AT_ONCE points each.
    """

    places: Sequence[Place]
    ids: NDArray[np.uint64]
    parts: Sequence[tuple[int, int]]


def groups(conn: Connection, runs: Sequence[str]) -> list[list[str]]:
    """Return the runs that have series, in groups of not too many series."""
    names = {kept(run): run for run in runs}
    rows = facts.all_of(
        conn,
        """SELECT r.name, count(*) FROM points_runs r JOIN points_series s ON s.run = r.id
            WHERE r.name = ANY(:runs) AND NOT r.deleted GROUP BY r.id ORDER BY r.id""",
        runs=list(names),
    )
    result: list[list[str]] = []
    size = SERIES_AT_ONCE
    for name, series in rows:
        if size + series > SERIES_AT_ONCE:
            result.append([])
            size = 0
        result[-1].append(names[name])
        size += series
    return result


def contents(reading: Reading, runs: Sequence[str]) -> Contents:
    rows = facts_series.series_of_runs(reading.conn, runs)
    rows.sort(key=lambda row: (row.run, row.key, row.rank, row.attempt))
    places = [Place(row.run, row.key, row.rank, row.attempt, row.origin) for row in rows]
    ids = np.array([row.id for row in rows], np.uint64)
    queries = _of_series(reading, "arrival", ids, "")
    query = f"SELECT arrival, toInt64(count()) FROM ({queries}) GROUP BY arrival ORDER BY arrival"
    arrivals = reading.clickhouse.rows(query, _OF_ARRIVALS)
    if (undecided := facts.undecided(reading.conn, runs)) is not None:
        arrivals = arrivals[arrivals["arrival"] < undecided]
    part = np.cumsum(arrivals["points"]) // POINTS_AT_ONCE
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    ends = np.append(starts[1:], len(part)) - 1
    both = zip(arrivals["arrival"][starts].tolist(), arrivals["arrival"][ends].tolist(), strict=True)
    return Contents(places, ids, list(both))


def points(reading: Reading, its: Contents, part: tuple[int, int]) -> tuple[NDArray[Any], dict[int, str]]:
    """Return the POINT rows of a part, and the names of their writers."""
    condition = f" AND arrival >= {part[0]} AND arrival <= {part[1]}"
    rows = reading.clickhouse.rows(_of_series(reading, _COLUMNS, its.ids, condition), _POINT)
    result = np.empty(len(rows), POINT)
    for name in _POINT.names or ():
        if name != "series":
            result[name] = rows[name]
    order = np.argsort(its.ids)
    result["place"] = order[np.searchsorted(its.ids[order], rows["series"])]
    writers = np.unique(rows["writer"]).tolist()
    query = "SELECT id, name FROM points_writers WHERE id = ANY(:ids)"
    return result, dict(map(tuple, facts.all_of(reading.conn, query, ids=writers)))


def _of_series(reading: Reading, columns: str, ids: NDArray[np.uint64], condition: str) -> str:
    """Return a query for columns of the points of some series."""
    condition = f"series IN {listed(ids.tolist())}{condition}"
    queries = [f"SELECT {columns} FROM arrived WHERE {recent(reading.counted)} AND {condition}"]
    if reading.counted.builds:
        queries.append(f"SELECT {columns} FROM stored WHERE build IN {listed(reading.counted.builds)} AND {condition}")
    return " UNION ALL ".join(queries)
