"""Ingest into points.db: batches → head rows, series rows, cursors, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from ..grid import check_batch, check_times
from ..points import AppendResult, Column, PointBatch
from .chunks import PLAIN_POINTS_MAX, encode_column

HEAD_ROW_POINTS_MAX = 1 << 16  # a longer column is cut into several rows: compaction takes bounded bites
_CACHED_MAX = 500_000

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

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._runs: dict[str, int] = {}
        self._series: dict[tuple[int, str, int, int], int] = {}
        self._origins: dict[tuple[int, int], int] = {}
        self._writers: dict[str, tuple[int, int]] = {}

    def forget(self) -> None:
        self._runs.clear()
        self._series.clear()
        self._origins.clear()
        self._writers.clear()

    def apply(self, batches: Sequence[PointBatch]) -> tuple[list[AppendResult], list[Added]]:
        """Inside an open transaction. Raises ValueError for a batch that no store can hold."""
        if max(len(self._series), len(self._writers), len(self._runs), len(self._origins)) > _CACHED_MAX:
            self.forget()
        (arrival,) = self._connection.execute("SELECT newest FROM arrival").fetchone()
        results: list[AppendResult] = []
        rows = _Rows()
        cursors: dict[int, int] = {}
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
            run = self._run(batch.run)
            for column in batch.columns:
                series = self._series_id(run, column, batch)
                rows.add(series, writer, arrival, column)
            cursors[writer] = int(batch.last)
            self._writers[batch.writer] = (writer, cursors[writer])
            results.append(AppendResult("ok", cursors[writer]))
        if cursors:
            execute_many = self._connection.executemany
            execute_many(_INSERT_HEAD, rows.head)
            execute_many(_WIDEN_SERIES, rows.ranges)
            execute_many(_MOVE_LAST, rows.lasts)
            execute_many("UPDATE writer SET cursor = ? WHERE id = ?", [(c, w) for w, c in cursors.items()])
            self._connection.execute("UPDATE arrival SET newest = ?", (arrival,))
        return results, rows.added

    def _writer(self, name: str) -> tuple[int | None, int]:
        """(id, cursor); (None, 0) for a writer that nothing was accepted of yet."""
        known = self._writers.get(name)
        if known is None:
            known = self._connection.execute("SELECT id, cursor FROM writer WHERE name = ?", (name,)).fetchone()
            if known is None:
                return None, 0
            self._writers[name] = known
        return known

    def _run(self, name: str) -> int:
        known = self._runs.get(name)
        if known is None:
            row = self._connection.execute("SELECT id FROM run WHERE name = ?", (name,)).fetchone()
            known = row[0] if row else self._insert("INSERT INTO run (name) VALUES (?)", (name,))
            self._runs[name] = known
        return known

    def _series_id(self, run: int, column: Column, batch: PointBatch) -> int:
        place = (run, column.key, int(batch.rank), int(batch.attempt))  # numpy's integers would not bind
        known = self._series.get(place)
        if known is None:
            row = self._connection.execute(
                "SELECT id FROM series WHERE run = ? AND key = ? AND rank = ? AND attempt = ?", place
            ).fetchone()
            if row:
                known = int(row[0])
            else:
                known = self._insert(
                    "INSERT INTO series (run, key, rank, attempt, origin) VALUES (?, ?, ?, ?, ?)",
                    (*place, self._origin(run, batch)),
                )
            self._series[place] = known
        return known

    def _origin(self, run: int, batch: PointBatch) -> int:
        """Where the relative time of the batch's attempt is 0: all its series begin at one moment."""
        place = (run, int(batch.attempt))
        known = self._origins.get(place)
        if known is None:
            row = self._connection.execute("SELECT origin FROM attempt WHERE run = ? AND number = ?", place).fetchone()
            known = row[0] if row else min(int(column.time.min()) for column in batch.columns)
            if not row:
                self._insert("INSERT INTO attempt (run, number, origin) VALUES (?, ?, ?)", (*place, known))
            self._origins[place] = known
        return known

    def _insert(self, sql: str, values: tuple[object, ...]) -> int:
        row_id = self._connection.execute(sql, values).lastrowid
        assert row_id is not None
        return row_id


class _Rows:
    """Rows of one transaction, gathered so that SQLite is called a few times and not once a series."""

    def __init__(self) -> None:
        self.head: list[tuple[object, ...]] = []
        self.ranges: list[tuple[object, ...]] = []
        self.lasts: list[tuple[object, ...]] = []
        self.added: list[Added] = []

    def add(self, series: int, writer: int, arrival: int, column: Column) -> None:
        n = len(column.step)
        if n > HEAD_ROW_POINTS_MAX:
            for i in range(0, n, HEAD_ROW_POINTS_MAX):
                part = slice(i, i + HEAD_ROW_POINTS_MAX)
                self.add(
                    series,
                    writer,
                    arrival,
                    Column(column.key, column.seq[part], column.step[part], column.value[part], column.time[part]),
                )
            return
        seq = np.ascontiguousarray(column.seq, "<i8")
        step = np.ascontiguousarray(column.step, "<i8")
        value = np.ascontiguousarray(column.value, "<f8")
        time = np.ascontiguousarray(column.time, "<i8")
        step_min, step_max, time_min, time_max, low, high, last = _extremes(step, value, time)
        check_times(column, time_min, time_max)
        data = encode_column(seq, step, time, value, arrival, writer)
        self.head.append((series, arrival, n, step_min, step_max, time_min, time_max, data))
        self.ranges.append((n, step_min, step_max, time_min, time_max, low, high, series))
        place = (step_max, int(seq[last]), arrival)
        self.lasts.append((*place, int(time[last]), float(value[last]), series, *place))
        self.added.append(Added(series, n))


def _extremes(step: np.ndarray, value: np.ndarray, time: np.ndarray) -> tuple[int, int, int, int, float, float, int]:
    """Ranges of steps, of times and of finite values, and the index of the last point of the highest step."""
    n = len(step)
    if n <= PLAIN_POINTS_MAX // 4:
        # Numpy's fixed costs would be most of a small append: hundreds of writers may send a few points each.
        steps, times = step.tolist(), time.tolist()
        finite = [v for v in value.tolist() if isfinite(v)]
        top = max(steps)
        last = n - 1 - steps[::-1].index(top)
        return min(steps), top, min(times), max(times), min(finite, default=inf), max(finite, default=-inf), last
    kept = value[np.isfinite(value)]
    low, high = (float(kept.min()), float(kept.max())) if len(kept) else (inf, -inf)
    last = n - 1 - int(step[::-1].argmax())
    return int(step.min()), int(step[last]), int(time.min()), int(time.max()), low, high, last
