"""Ingest into points.db: batches → rows of `arrived`, inside the caller's transaction.

A batch becomes one row behind the last one, so that a commit writes a page or two, however many keys it has. What
tables of runs and keys show of its points, and its writer's cursor, is kept in memory (recent.py) until the points are
written as chunks. Only a column of many points goes to the head by itself, and the row of its series is brought up to
date at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..points import AppendResult, Column, PointBatch
from ..series.extents import Extent, extent_of
from ..series.grid import check_batch, check_times
from . import arrivals, moments
from .arrivals import Arrival
from .chunks import encode_column
from .moments import Moments, moments_of
from .recent import Recent

HEAD_ROW_POINTS_MAX = 1 << 16  # a longer column is cut into several rows, so that each step of compaction is bounded
_CACHED_MAX = 500_000

_INSERT_SERIES = f"""INSERT INTO series (run, key, rank, attempt, origin, {moments.COLUMNS})
    VALUES (?, ?, ?, ?, (SELECT origin FROM attempt WHERE run = ? AND number = ?), {moments.NEW})"""
_INSERT_HEAD = """INSERT INTO head (series, arrival, n, step_min, step_max, time_min, time_max, data)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_WIDEN_SERIES = """UPDATE series SET count = count + ?, step_min = min(step_min, ?), step_max = max(step_max, ?),
    time_min = min(time_min, ?), time_max = max(time_max, ?),
    value_min = min(value_min, ?), value_max = max(value_max, ?) WHERE id = ?"""
_MOVE_LAST = """UPDATE series SET last_step = ?, last_seq = ?, last_arrival = ?, last_time = ?, last_value = ?
    WHERE id = ? AND (?, ?, ?) > (last_step, last_seq, last_arrival)"""


@dataclass(frozen=True)
class Added:
    """What one transaction added to a series' head."""

    series: int
    points: int


class Appender:
    """Applies batches. Remembers ids of runs, series and writers between transactions.

    After a rollback or a purge, `forget` them.

    Not safe for several threads: its caller holds the writer's lock.
    """

    def __init__(self, connection: sqlite3.Connection, recent: Recent, bulk_points: int) -> None:
        self._connection = connection
        self._recent = recent
        self._bulk_points = bulk_points
        self._runs: dict[str, int] = {}
        self._series: dict[tuple[int, str, int, int], int] = {}
        self._origins: set[tuple[int, int]] = set()  # run and attempt
        self._writers: dict[str, tuple[int, int]] = {}

    def forget(self) -> None:
        self._runs.clear()
        self._series.clear()
        self._origins.clear()
        self._writers.clear()

    def apply(self, batches: Sequence[PointBatch]) -> tuple[list[AppendResult], list[Added], list[Arrival]]:
        """Apply batches inside an open transaction. Return (results, what was added to the head, what to add to the
        recent points once the transaction is durable). Raises ValueError for a batch that no store can hold.
        """
        if max(len(self._series), len(self._writers), len(self._runs), len(self._origins)) > _CACHED_MAX:
            self.forget()
        arrival = self._recent.newest
        results: list[AppendResult] = []
        arrived: list[Arrival] = []
        rows: list[tuple[object, ...]] = []
        bulk = _Rows()
        for batch in batches:
            check_batch(batch)
            writer, cursor = self._writer(batch.writer)
            if batch.last <= cursor:
                results.append(AppendResult("duplicate", cursor))
                continue
            if batch.first != cursor + 1:
                results.append(AppendResult("conflict", cursor))
                continue
            if writer is None:
                writer = self._insert("INSERT INTO writer (name, cursor) VALUES (?, 0)", (batch.writer,))
            arrival += 1
            run, rank, attempt = self.run_id(batch.run), int(batch.rank), int(batch.attempt)
            if batch.columns:
                self._note_origin(run, batch)
            small, points = [], 0
            for column in batch.columns:
                points += len(column.step)
                if len(column.step) < self._bulk_points:
                    small.append(column)
                else:
                    bulk.add(self.series_id(run, column.key, rank, attempt), writer, arrival, attempt, column)
            first, last = int(batch.first), int(batch.last)
            rows.append((arrival, run, writer, last, arrivals.pack(rank, attempt, first, last, small, points)))
            arrived.append(Arrival(arrival, batch.run, rank, attempt, batch.writer, writer, first, last, small))
            self._writers[batch.writer] = (writer, last)
            results.append(AppendResult("ok", last))
        if rows:
            execute_many = self._connection.executemany
            execute_many("INSERT INTO arrived (id, run, writer, last, data) VALUES (?, ?, ?, ?, ?)", rows)
            execute_many(_INSERT_HEAD, bulk.head)
            moments.add(self._connection, bulk.moments)
            widen(self._connection, bulk.extents)
        return results, bulk.added, arrived

    def _writer(self, name: str) -> tuple[int | None, int]:
        """Return (id, cursor), or (None, 0) for a writer of which nothing was accepted yet."""
        known = self._writers.get(name)
        if known is None:
            known = self._connection.execute("SELECT id, cursor FROM writer WHERE name = ?", (name,)).fetchone()
            if known is None:
                return None, 0
            known = known[0], max(known[1], self._recent.cursors.get(name, 0))
            self._writers[name] = known
        return known

    def run_id(self, name: str) -> int:
        known = self._runs.get(name)
        if known is None:
            row = self._connection.execute("SELECT id FROM run WHERE name = ?", (name,)).fetchone()
            known = row[0] if row else self._insert("INSERT INTO run (name) VALUES (?)", (name,))
            self._runs[name] = known
        return known

    def series_id(self, run: int, key: str, rank: int, attempt: int) -> int:
        """Return the id of the series of a key in the run with this id. Call it after points of the attempt arrived."""
        place = (run, key, rank, attempt)
        known = self._series.get(place)
        if known is None:
            row = self._connection.execute(
                "SELECT id FROM series WHERE run = ? AND key = ? AND rank = ? AND attempt = ?", place
            ).fetchone()
            known = row[0] if row else self._insert(_INSERT_SERIES, (*place, run, attempt))
            self._series[place] = known
        return known

    def _note_origin(self, run: int, batch: PointBatch) -> None:
        """Note where the relative time of the batch's attempt is 0: the same moment for all its series."""
        place = (run, int(batch.attempt))
        if place not in self._origins:
            least = min(int(column.time.min()) for column in batch.columns)
            check_times(batch.columns[0], least, least)
            origin = least if batch.origin is None else batch.origin
            self._connection.execute(
                "INSERT OR IGNORE INTO attempt (run, number, origin) VALUES (?, ?, ?)", (*place, origin)
            )
            self._origins.add(place)

    def _insert(self, sql: str, values: tuple[object, ...]) -> int:
        row_id = self._connection.execute(sql, values).lastrowid
        assert row_id is not None
        return row_id


class _Rows:
    """Rows of one transaction, gathered so that SQLite is called a few times instead of once for each series."""

    def __init__(self) -> None:
        self.head: list[tuple[object, ...]] = []
        self.extents: list[tuple[int, Extent]] = []
        self.moments: list[tuple[int, Moments]] = []
        self.added: list[Added] = []

    def add(self, series: int, writer: int, arrival: int, attempt: int, column: Column) -> None:
        n = len(column.step)
        for at in range(0, n, HEAD_ROW_POINTS_MAX):
            part = slice(at, at + HEAD_ROW_POINTS_MAX)
            seq = np.ascontiguousarray(column.seq[part], "<i8")
            step = np.ascontiguousarray(column.step[part], "<i8")
            value = np.ascontiguousarray(column.value[part], "<f8")
            time = np.ascontiguousarray(column.time[part], "<i8")
            extent = extent_of(step, value, time, seq, attempt, np.full(len(step), arrival))
            check_times(column, extent.time_min, extent.time_max)
            data = encode_column(seq, step, time, value, arrival, writer)
            self.head.append((series, arrival, *extent[:5], data))
            self.extents.append((series, extent))
            self.moments.append((series, moments_of(step, value, seq, attempt, np.full(len(step), arrival))))
            self.added.append(Added(series, len(step)))


def widen(connection: sqlite3.Connection, extents: Sequence[tuple[int, Extent]]) -> None:
    """Bring rows of the table `series` up to date with points that were added. `extents`: of series, by their ids."""
    connection.executemany(_WIDEN_SERIES, [(*extent[:7], series) for series, extent in extents])
    lasts = []
    for series, e in extents:
        place = e.last_place[1:]
        lasts.append((*place, e.last_time, e.last_value, series, *place))
    connection.executemany(_MOVE_LAST, lasts)
