"""Queries on points.db and on recent points.

Every function takes a Reading, which shows one state, and leaves no state behind.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...protocol.limits import STEP_MAX
from ..pauses import may_pause
from ..points import Axis, Column, Int64s, Points, SeriesInfo
from ..series.extents import Extent, pooled
from ..series.grid import parse_cursor
from .damage import columns_of
from .moments import Moments, moments_of
from .moments import pooled as pooled_moments
from .recent import Block, RecentView
from .trees import BY_STEP, BY_TIME

EXTENT = """s.count, s.step_min, s.step_max, s.time_min, s.time_max, s.value_min, s.value_max,
    s.attempt, s.last_step, s.last_seq, s.last_arrival, s.last_time, s.last_value"""
_SERIES = f"""SELECT s.key, s.rank, s.attempt, s.id, s.origin, s.scattered, {EXTENT}
    FROM series s JOIN run ON run.id = s.run WHERE run.name = ? AND NOT run.deleted"""

# SQLite pools, not Python: a thousand keys of a hundred ranks are a hundred thousand rows.
_POOLED = """WITH pooled AS (
        SELECT s.run, s.key, sum(s.count) AS count, min(s.step_min) AS step_min, max(s.step_max) AS step_max,
            min(s.time_min) AS time_min, max(s.time_max) AS time_max,
            min(s.value_min) AS value_min, max(s.value_max) AS value_max
        FROM series s JOIN run ON run.id = s.run WHERE run.name = ? AND NOT run.deleted AND {}
        GROUP BY s.key ORDER BY s.key LIMIT ?)
    SELECT p.key, p.count, p.step_min, p.step_max, p.time_min, p.time_max, p.value_min, p.value_max,
        s.attempt, s.last_step, s.last_seq, s.last_arrival, s.last_time, s.last_value
    FROM pooled p JOIN series s ON s.id = (SELECT l.id FROM series l WHERE l.run = p.run AND l.key = p.key
        ORDER BY l.attempt DESC, l.last_step DESC, l.last_seq DESC, l.last_arrival DESC LIMIT 1)
    ORDER BY p.key"""


@dataclass(frozen=True)
class Reading:
    """A connection inside a read transaction, and the recent points of the same moment."""

    connection: sqlite3.Connection
    recent: RecentView

    def is_hidden(self, run: str) -> bool:
        row = self.connection.execute("SELECT deleted FROM run WHERE name = ?", (run,)).fetchone()
        return row is not None and bool(row[0])


@dataclass(frozen=True)
class Series:
    """One series: its row of the table, and its recent points. `id` 0: it has no row yet."""

    id: int
    origin: int
    scattered: bool
    info: SeriesInfo
    recent: tuple[Block, ...] = ()


def series_of(
    reading: Reading, run: str, key: str, rank: int | None = None, attempt: int | None = None
) -> list[Series]:
    """Return every series of one key, or those of one rank and attempt, sorted by (rank, attempt)."""
    sql, values = _SERIES + " AND s.key = ?", [run, key]
    recent = dict(reading.recent.of(run, key))
    for i, (name, wanted) in enumerate((("rank", rank), ("attempt", attempt))):
        if wanted is not None:
            sql += f" AND s.{name} = ?"
            values.append(wanted)  # type: ignore[arg-type]
            recent = {place: blocks for place, blocks in recent.items() if place[i] == wanted}
    rows = reading.connection.execute(sql, values).fetchall()
    its_series = [_series(run, row, recent.pop((row[1], row[2]), ())) for row in rows]
    if recent and not reading.is_hidden(run):
        begins = origins_of(reading.connection, run)
        for (its_rank, its_attempt), blocks in recent.items():
            info = pooled(block.extent for block in blocks).info(run, key, its_rank, its_attempt)
            its_series.append(Series(0, begins[its_attempt], False, info, blocks))
    return sorted(its_series, key=lambda s: (s.info.rank, s.info.attempt))


def keys(reading: Reading, run: str, query: str, after: str, limit: int) -> list[SeriesInfo]:
    its = reading.recent.runs.get(run, {})
    recent = {key for key in its if key > after and query in key}
    extents = _pooled(reading, run, "s.key > ? AND instr(s.key, ?)", (after, query, limit), recent)
    return [extents[key].info(run, key, None, None) for key in sorted(extents)[:limit]]


def _pooled(
    reading: Reading, run: str, condition: str, values: Sequence[Any], recent: Collection[str]
) -> dict[str, Extent]:
    """Return the extents of keys of a run, over ranks and attempts: of the keys that a condition finds, and of those
    with recent points.
    """
    rows = reading.connection.execute(_POOLED.format(condition), (run, *values)).fetchall()
    extents_of_keys = {row[0]: extent_of_row(row[1:]) for row in rows}
    if recent and not reading.is_hidden(run):
        for key in recent:
            extents = [block.extent for blocks in reading.recent.of(run, key).values() for block in blocks]
            if key in extents_of_keys:
                extents.insert(0, extents_of_keys[key])
            extents_of_keys[key] = pooled(extents)
    return extents_of_keys


def origins_of(connection: sqlite3.Connection, run: str) -> dict[int, int]:
    sql = "SELECT a.number, a.origin FROM attempt a JOIN run ON run.id = a.run WHERE run.name = ?"
    return dict(connection.execute(sql, (run,)).fetchall())


def origins(connection: sqlite3.Connection, run: str, after: int, limit: int) -> dict[int, int]:
    rows = connection.execute(
        """SELECT a.number, a.origin FROM attempt a JOIN run ON run.id = a.run
            WHERE run.name = ? AND NOT run.deleted AND a.number > ? ORDER BY a.number LIMIT ?""",
        (run, after, limit),
    )
    return dict(rows.fetchall())


def last(
    reading: Reading, runs: Sequence[str], wanted: Sequence[str] | None, limit_per_run: int
) -> dict[str, list[SeriesInfo]]:
    names = json.dumps(list(wanted or ()))
    place = {key: i for i, key in enumerate(wanted or ())}
    answer = {}
    for run in runs:
        may_pause()
        if wanted is None:
            answer[run] = keys(reading, run, "", "", limit_per_run)
            continue
        recent = reading.recent.runs.get(run, {})
        extents = _pooled(reading, run, "s.key IN (SELECT value FROM json_each(?))", (names, len(place)), recent)
        answer[run] = [extents[key].info(run, key, None, None) for key in sorted(extents, key=place.__getitem__)]
    return answer


def stored_moments(connection: sqlite3.Connection, series: int, extent: Extent) -> Moments:
    """Return the moments of a series' points in chunks and in the head, by reading them."""
    may_pause()
    names = ("step", "value", "seq", "arrival")
    heads = connection.execute("SELECT id FROM head WHERE series = ?", (series,)).fetchall()
    chunks = connection.execute(f"SELECT id FROM chunk WHERE series = ? AND tree = {BY_STEP}", (series,)).fetchall()
    parts = []
    for table, rows in (("head", heads), ("chunk_data", chunks)):
        for (row_id,) in rows:
            step, value, seq, arrival = _columns(connection, series, table, row_id, names)
            parts.append(moments_of(step, value, seq, extent.last_attempt, arrival))
    return pooled_moments(parts)


def runs_with_nan(connection: sqlite3.Connection, runs: Sequence[str], recent: Collection[str]) -> set[str]:
    """Return those of the runs that have NaN among the values of any metric. `recent`: those that have it among the
    recent points.
    """
    deleted = "SELECT name FROM run WHERE deleted AND name IN (SELECT value FROM json_each(?))"
    hidden = {name for (name,) in connection.execute(deleted, (json.dumps(list(recent)),))}
    having = set(recent) - hidden
    wanted = set(runs) - having
    rows = connection.execute(
        f"""SELECT run.name, s.id, s.nan, {EXTENT} FROM series s JOIN run ON run.id = s.run
            WHERE (s.nan IS NULL OR s.nan > 0) AND NOT run.deleted ORDER BY s.nan DESC"""
    )
    for run, series, nan_count, *numbers in rows.fetchall():
        if run in wanted and run not in having:
            extent = extent_of_row(numbers)
            if nan_count or (extent.points and stored_moments(connection, series, extent).nan):
                having.add(run)
    return having


def key_counts(
    connection: sqlite3.Connection, runs: Sequence[str], words: str, recent: Mapping[str, Sequence[str]]
) -> Counter[str]:
    """Return how many of the runs have each key that contains `words`. `recent`: keys with recent points, by run."""
    wanted = words.lower()
    counts: Counter[str] = Counter()
    numbers = connection.execute(
        "SELECT name, id, deleted FROM run WHERE name IN (SELECT value FROM json_each(?))", (json.dumps(list(runs)),)
    ).fetchall()
    rows = {name: (number, deleted) for name, number, deleted in numbers}
    for run in runs:
        may_pause()
        number, deleted = rows.get(run, (None, False))
        if deleted:
            continue
        own = connection.execute("SELECT DISTINCT key FROM series WHERE run = ? AND count", (number,)).fetchall()
        counts.update(key for key in {key for (key,) in own}.union(recent.get(run, ())) if wanted in key.lower())
    return counts


def points(
    reading: Reading, run: str, key: str, rank: int | None, attempt: int | None, after: str, limit: int
) -> Points:
    series = series_of(reading, run, key, rank, attempt)
    after_arrival, after_seq = parse_cursor(after)
    blocks = sorted(
        (block for s in series for block in _blocks_by_arrival(reading.connection, s, after_arrival)),
        key=lambda b: b.arrival_min,
    )
    parts: list[tuple[Stored, list[Any]]] = []
    size = 0
    bound, next_bound_at = STEP_MAX, limit  # no point of this page arrived after `bound`
    for block in blocks:
        if block.arrival_min > bound:
            break
        columns = block.read(("arrival", "seq", "step", "value", "time"))
        arrival, seq = columns[:2]
        new = (arrival > after_arrival) | ((arrival == after_arrival) & (seq > after_seq))
        new &= arrival <= bound
        parts.append((block, [c[new] for c in columns]))
        may_pause()
        size += len(parts[-1][1][0])
        if size >= next_bound_at:
            bound = int(np.partition(np.concatenate([p[1][0] for p in parts]), limit - 1)[limit - 1])
            next_bound_at = 2 * size  # and not after every block: interleaved ones would cost their square
    if not size:
        none = np.empty(0, np.int64)
        return Points(none, np.empty(0, np.float64), none, none, none, none, after)
    arrival, seq, step, value, time = (np.concatenate([p[1][j] for p in parts]) for j in range(5))
    sizes = [len(p[1][0]) for p in parts]
    ranks = np.repeat(np.array([b.series.info.rank for b, _ in parts], np.int64), sizes)
    attempts = np.repeat(np.array([b.series.info.attempt for b, _ in parts], np.int64), sizes)
    page: slice | NDArray[np.intp] = slice(limit)
    if not _is_in_order(arrival, seq):
        page = np.lexsort((seq, arrival))[:limit]
    arrival, seq = arrival[page], seq[page]
    return Points(step[page], value[page], time[page], ranks[page], attempts[page], seq, f"{arrival[-1]}.{seq[-1]}")


def _is_in_order(arrival: Int64s, seq: Int64s) -> bool:
    """Return whether points with these numbers, as they lie, are in order of arrival."""
    later = arrival[1:] > arrival[:-1]
    later |= (arrival[1:] == arrival[:-1]) & (seq[1:] >= seq[:-1])
    return bool(later.all())


def of_writer(reading: Reading, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
    row = reading.connection.execute("SELECT id FROM writer WHERE name = ?", (writer,)).fetchone()
    if row is None:
        return
    sql = """SELECT s.key FROM series s JOIN run ON run.id = s.run
        WHERE run.name = ? AND NOT run.deleted AND s.rank = ? AND s.attempt = ?"""
    names = {key for (key,) in reading.connection.execute(sql, (run, rank, attempt))}
    names.update(key for key, places in reading.recent.runs.get(run, {}).items() if (rank, attempt) in places)
    for key in sorted(names):
        parts = []
        for series in series_of(reading, run, key, rank, attempt):
            for block in _blocks_by_arrival(reading.connection, series, 0):
                columns = block.read(("writer", "seq", "step", "value", "time"))
                its = columns[0] == row[0]
                if its.any():
                    parts.append([column[its] for column in columns[1:]])
                may_pause()
        if parts:
            seq, step, value, time = (np.concatenate(column) for column in zip(*parts, strict=True))
            order = np.argsort(seq, kind="stable")
            yield Column(key, seq[order], step[order], value[order], time[order])


@dataclass(frozen=True)
class Stored:
    """Points of a series that lie together, and what is known of them without reading them."""

    series: Series
    arrival_min: int
    read: Callable[[Sequence[str]], list[Any]]  # columns by their names


def tree_of(s: Series, axis: Axis) -> str:
    """Return SQL that is true for the chunks that hold every point once, in an order fit for the axis."""
    if axis == "step" or not s.scattered:
        return f"tree = {BY_STEP}"
    return f"(tree = {BY_TIME} OR NOT copied)"


def _blocks_by_arrival(connection: sqlite3.Connection, s: Series, after: int) -> Iterator[Stored]:
    rows = connection.execute("SELECT id, arrival FROM head WHERE series = ? AND arrival >= ?", (s.id, after))
    for row_id, arrival in rows:
        yield Stored(s, arrival, partial(_columns, connection, s.id, "head", row_id))
    # Time is nearly the order of arrival, also where step is not.
    rows = connection.execute(
        f"SELECT id, arrival_min FROM chunk WHERE series = ? AND {tree_of(s, 'time')} AND arrival_max >= ?",
        (s.id, after),
    )
    for row_id, arrival in rows:
        yield Stored(s, arrival, partial(_columns, connection, s.id, "chunk_data", row_id))
    for block in s.recent:
        if block.last_arrival >= after:
            yield Stored(s, block.first_arrival, block.some)


def _columns(connection: sqlite3.Connection, series: int, table: str, row_id: int, names: Sequence[str]) -> list[Any]:
    row = connection.execute(f"SELECT data FROM {table} WHERE id = ?", (row_id,)).fetchone()
    return columns_of(connection, series, row and row[0], names)


def _series(run: str, row: Sequence[Any], recent: tuple[Block, ...]) -> Series:
    key, rank, attempt, series_id, origin, scattered, *numbers = row
    extent = extent_of_row(numbers)
    if recent:
        blocks = [block.extent for block in recent]
        extent = pooled([extent, *blocks] if extent.points else blocks)  # a row may be there before its points
    return Series(series_id, origin, bool(scattered), extent.info(run, key, rank, attempt), recent)


def extent_of_row(numbers: Sequence[Any]) -> Extent:
    """Return the extent of the columns EXTENT. SQLite holds no NaN: it is NULL there."""
    if None not in numbers:  # rows of ten thousand runs are read at once
        return Extent._make(numbers)
    return Extent._make(nan if number is None else number for number in numbers)
