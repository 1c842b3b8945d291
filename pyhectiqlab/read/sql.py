"""Run SQL queries over the runs that the asking user may see.

What the query names is read from the lab into a database in memory, on the user's machine. The query runs there.

So the lab runs no SQL of its users, which could occupy its readers or find a way around permissions. Users get what
they could read anyway, and spend the time of their own machine. The price is that points are read before the query
reduces them; a project, a filter and keys limit how many.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from ..base.texts import counted
from ..protocol.search import parse
from ..transport.connecting import find_profile
from ..transport.http import LabClient, quoted
from .search import search_runs
from .shapes import asking
from .view import RunView

RUNS_MAX = 10_000
POINTS_MAX = 5_000_000
ROWS_MAX = 100_000
TIMEOUT_S = 60.0
TABLES = {
    "runs": "id TEXT, name TEXT, project TEXT, author TEXT, state TEXT, state_why TEXT, created REAL, started REAL, "
    "ended REAL, duration REAL, attempt INTEGER, ranks INTEGER, points INTEGER, note TEXT, archived REAL, url TEXT",
    "tags": "run TEXT, name TEXT",
    "config": "run TEXT, path TEXT, value",
    "metrics": "run TEXT, key TEXT, count INTEGER, last REAL, last_step INTEGER, min REAL, max REAL, step_min INTEGER, "
    "step_max INTEGER",
    "points": "run TEXT, key TEXT, step INTEGER, value REAL, nan INTEGER, time REAL, rank INTEGER, attempt INTEGER",
}
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


class Answer(NamedTuple):
    """The rows of a query. `cut`: there are more rows than these."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    cut: bool


def query(
    sql: str,
    project: str | None = None,
    filter: str | Iterable[str] = (),
    *,
    keys: Sequence[str] = (),
    rows_max: int = ROWS_MAX,
    points_max: int = POINTS_MAX,
    timeout_s: float = TIMEOUT_S,
    profile: str | None = None,
) -> Answer:
    """Run a SELECT over the tables of TABLES, filled with the runs that a search finds. Blocks on the network.

    Args:
        sql: a SELECT as SQLite takes it. Only what it names is read from the lab.
        project, filter: which runs, as for `search_runs`. With neither: all that the user may see.
        keys: the metrics whose points are read. None given: those that the query has in quotes; if it has none, all.
        rows_max: at most so many rows are returned. points_max: if there are more points to read, ValueError is raised.
        timeout_s: how long the query itself may run.

    Raises ValueError for a query that is not a SELECT, that is wrong, or that asks for too much; LabRequestError.
    """
    parse(*([filter] if isinstance(filter, str) else filter))
    named = {name for name in TABLES if re.search(rf"\b{name}\b", sql, re.IGNORECASE)}
    runs = list(search_runs(project, filter, limit=RUNS_MAX + 1, profile=profile))
    if len(runs) > RUNS_MAX:
        raise ValueError(f"more than {RUNS_MAX:,} runs: narrow them by a project or a search")
    with closing(sqlite3.connect(":memory:")) as db, asking(find_profile(profile)) as lab:
        for name, columns in TABLES.items():
            db.execute(f"CREATE TABLE {name} ({columns})")
        _fill(db, lab, runs, named, keys or _texts(sql), points_max)
        return _answer(db, sql, rows_max, timeout_s)


def _texts(sql: str) -> list[str]:
    """Return the texts that stand in quotes in a query. If it names keys of metrics, they are among these."""
    return [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", sql)]


def _fill(
    db: sqlite3.Connection, lab: LabClient, runs: list[RunView], named: set[str], keys: Sequence[str], points_max: int
) -> None:
    columns = [column.split()[0] for column in TABLES["runs"].split(", ")]
    _insert(db, "runs", ([getattr(run, name) for name in columns] for run in runs))
    if "tags" in named:
        _insert(db, "tags", ((run.id, tag) for run in runs for tag in run.tags))
    if "config" in named:
        _insert(db, "config", (row for run in runs for row in _config(lab, run)))
    if not named & {"metrics", "points"}:
        return
    infos = [(run, info) for run in runs for info in lab.pages(f"/runs/{quoted(run.id)}/keys", {"limit": 1000})]
    _insert(db, "metrics", (_metric(run, info) for run, info in infos))
    if "points" not in named:
        return
    of_keys = [(run, info) for run, info in infos if info["key"] in keys] or infos
    total = sum(info["count"] for _, info in of_keys)
    if total > points_max:
        raise ValueError(f"{counted(total, 'point')} are more than {points_max:,}: name keys, a project or a search")
    _insert(db, "points", (row for run, info in of_keys for row in _points(lab, run.id, info["key"])))
    db.execute("CREATE INDEX points_key ON points (key, run, step)")


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    marks = ", ".join("?" for _ in TABLES[table].split(", "))
    db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _config(lab: LabClient, run: RunView) -> Iterator[tuple[str, str, Any]]:
    def flat(prefix: str, values: dict[Any, Any]) -> Iterator[tuple[str, str, Any]]:
        for name, value in values.items():
            path = f"{prefix}{name}"
            if isinstance(value, dict):
                yield from flat(f"{path}.", value)
            else:
                plain = value is None or (isinstance(value, int | float | str) and not _is_large(value))
                yield run.id, path, value if plain else str(value)

    yield from flat("", lab.config(run.id))


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and not -(1 << 63) <= value < 1 << 63


def _metric(run: RunView, info: dict[str, Any]) -> tuple[Any, ...]:
    last = info["last"]
    bounds = info["min"], info["max"], info["step_min"], info["step_max"]
    return run.id, info["key"], info["count"], float(last["value"]), last["step"], *bounds


def _points(lab: LabClient, run: str, key: str) -> Iterator[tuple[Any, ...]]:
    for page in lab.points(run, key):
        for step, value, at, rank, attempt in zip(*page, strict=True):
            yield run, key, step, value, math.isnan(value), at, rank, attempt


def _answer(db: sqlite3.Connection, sql: str, rows_max: int, timeout_s: float) -> Answer:
    def allowed(action: int, *_: object) -> int:
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    until = time.monotonic() + timeout_s
    db.set_progress_handler(lambda: time.monotonic() > until, 100_000)
    db.set_authorizer(allowed)
    try:
        cursor = db.execute(sql)
        rows = cursor.fetchmany(rows_max + 1)
    except (sqlite3.Error, sqlite3.Warning) as e:
        late = f": it took more than {timeout_s:g} s" if "interrupted" in str(e) else ""
        raise ValueError(f"{e}{late}") from None
    if cursor.description is None:
        raise ValueError("give one SELECT")
    return Answer([column[0] for column in cursor.description], rows[:rows_max], len(rows) > rows_max)
