"""Recents: points that are in no build yet, summarised as the rows of builds are.

There are few of them nearly always, of a key or of the runs on a page. Then they are read as they are and summarised
here: what ClickHouse takes to understand the query that summarises them is several times what it takes to read them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import levels
from . import statements
from .client import ClickHouse
from .facts import Counted
from .statements import ENDS, INFOS, STATS, SUMMARY

READ_MAX = 400_000  # of so many recent points of all series, some are read; else ClickHouse summarises them
_POINT = np.dtype(
    [("series", "<u8"), ("step", "<i8"), ("seq", "<i8"), ("arrival", "<i8"), ("value", "<f8"), ("time", "<i8")]
)
_COLUMNS = ", ".join(_POINT.names or ())


def summarised(clickhouse: ClickHouse, counted: Counted, condition: str, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return rows of a kind (STATS, INFOS, ENDS) of the recent points for which a condition holds."""
    if not counted.recent:
        return statements.none(kind)
    condition = f"{condition} AND {statements.recent(counted)}"
    if kind is ENDS:
        return clickhouse.rows(statements.ends_of("arrived", condition), ENDS)
    if counted.recent <= READ_MAX:
        query = f"SELECT {_COLUMNS} FROM arrived WHERE {condition} ORDER BY series, step, seq, arrival"
        return _summarised(clickhouse.rows(query, _POINT), kind)
    if kind is INFOS:
        return clickhouse.rows(statements.infos_of("arrived", condition), INFOS)
    rows = clickhouse.rows(statements.summaries_of("arrived", condition), SUMMARY)
    stats = np.empty(len(rows), STATS)
    for name in STATS.names or ():
        stats[name] = rows[name]
    return stats


def _summarised(points: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return rows of a kind: one of each series. `points`: in order of (series, step, seq, arrival)."""
    n = len(points)
    if not n:
        return statements.none(kind)
    step, value, time = (points[name].copy() for name in ("step", "value", "time"))
    groups = levels.groups_of(points["series"])
    sizes = np.diff(groups, append=n)
    last = groups + sizes - 1
    finite = np.isfinite(value)
    low = np.minimum.reduceat(np.where(finite, value + 0.0, np.inf), groups)  # + 0: there is but one 0
    high = np.maximum.reduceat(np.where(finite, value + 0.0, -np.inf), groups)
    columns = {
        "build": np.zeros(len(groups), np.int64),
        "series": points["series"][groups],
        "count": sizes,
        "nans": np.add.reduceat(np.isnan(value), groups, dtype=np.int64),
        "finite": np.add.reduceat(finite, groups, dtype=np.int64),
        "step_min": step[groups],
        "step_max": step[last],
        "time_min": np.minimum.reduceat(time, groups),
        "time_max": np.maximum.reduceat(time, groups),
        "last_time": time[last],
        "min_step": step[_first(value == np.repeat(low, sizes), groups)],
        "max_step": step[_first(value == np.repeat(high, sizes), groups)],
        "low": low,
        "high": high,
        "total": np.add.reduceat(np.where(finite, value, 0.0) * levels.SUM_SCALE, groups),
        "first": value[groups],
        "last": value[last],
    }
    for name in ("step", "seq", "arrival"):
        columns[f"first_{name}"], columns[f"last_{name}"] = points[name][groups], points[name][last]
    rows = np.empty(len(groups), kind)
    for name in kind.names or ():
        rows[name] = columns[name]
    return rows


def _first(holds: NDArray[np.bool_], groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the first row of each group for which it holds; of a group without one, any row."""
    n = len(holds)
    return np.minimum(np.minimum.reduceat(np.where(holds, np.arange(n), n), groups), n - 1)
