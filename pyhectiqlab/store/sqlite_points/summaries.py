"""Summaries of a metric in each of ten thousand runs, for searches that compare or sort by metrics.

The rows of one key lie all over points.db, since rows are kept by run, and to read a row takes some 15 µs. So what was
read of a key stays in memory, and an append only notes which runs are to be read again. An index by key would cost one
more written page for every new series, and room in every lab, while people search by few keys.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from ..points import PointBatch, Summary
from ..series.extents import Extent, pooled
from ..series.levels import SUM_SCALE
from . import moments
from .moments import MOMENTS, Moments, moments_of_row
from .queries import EXTENT, Reading, extent_of_row, stored_moments

ENTRIES_MAX = 500_000  # runs in memory, summed over all keys: some 100 MB
_NAN = float("nan")
_MOMENTS_N = MOMENTS.count(",") + 1

_NUMBERS = """SELECT run.name, run.id FROM json_each(?) wanted CROSS JOIN run ON run.name = wanted.value
    WHERE NOT run.deleted"""
# In most runs a key has one series without recent points. Then these numbers are all that a summary needs.
_ALONE = """SELECT s.run, s.count, s.last_value, s.value_min, s.value_max, s.total, s.first_value, s.nan, s.min_step,
        s.max_step, s.finite
    FROM json_each(?) wanted CROSS JOIN series s ON s.run = wanted.value WHERE s.key = ?"""
_ROWS = f"""SELECT s.run, s.rank, s.id, {MOMENTS}, {EXTENT}
    FROM json_each(?) wanted CROSS JOIN series s ON s.run = wanted.value WHERE s.key = ?"""

_Part = tuple[Extent, Moments]  # some points of one series
Reader = Callable[[Collection[str], Collection[str]], AbstractContextManager[Reading]]  # of runs and keys


class _Key:
    def __init__(self) -> None:
        self.reading = threading.Lock()  # held while rows are read: an older row must not replace a newer one
        self.known: dict[str, Summary | None] = {}  # None: the run has no such key
        self.stale: set[str] = set()  # runs to read again; guarded by Summaries._lock


class Summaries:
    """Safe for several threads. Call `forget` after a run was deleted or restored, `note` after each commit."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()  # never taken while waiting for anything else
        self._keys: OrderedDict[str, _Key] = OrderedDict()  # the least recently used first
        self._numbers: dict[str, int] = {}  # of runs, in the tables

    def of(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        with self._lock:
            kept = self._keys.setdefault(key, _Key())
            self._keys.move_to_end(key)
        with kept.reading:
            with self._lock:
                for run in kept.stale:
                    kept.known.pop(run, None)
                kept.stale.clear()
            # What is committed from here on is noted again, and read the next time.
            if missing := [run for run in runs if run not in kept.known]:
                with self._reader(missing, [key]) as reading:
                    read = _read(reading, key, self._numbers_of(reading.connection, missing))
                kept.known.update((run, read.get(run)) for run in missing)
            known = kept.known.get
            answer = {run: summary for run in runs if (summary := known(run)) is not None}
        self._shrink()
        return answer

    def of_ranks(self, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
        """Return those of each rank apart. They are read each time: few tables are grouped by rank."""
        with self._reader(runs, [key]) as reading:
            parts = _parts(reading, key, self._numbers_of(reading.connection, runs))
            with np.errstate(over="ignore"):
                return {place: _summary(its) for place, its in parts.items()}

    def note(self, batches: Iterable[PointBatch]) -> None:
        """Note that these batches were committed: their series are to be read again."""
        with self._lock:
            for batch in batches:
                for column in batch.columns:
                    kept = self._keys.get(column.key)
                    if kept is not None:
                        kept.stale.add(batch.run)

    def forget(self, run: str) -> None:
        with self._lock:
            self._numbers.pop(run, None)
            for kept in self._keys.values():
                kept.stale.add(run)

    def keys(self) -> list[str]:
        """Return the keys that were asked for, the last one last."""
        with self._lock:
            return list(self._keys)

    def _numbers_of(self, connection: sqlite3.Connection, runs: Sequence[str]) -> dict[str, int]:
        """Return the tables' numbers of the runs that have points and are not deleted."""
        with self._lock:
            numbers = {run: self._numbers[run] for run in runs if run in self._numbers}
        if unknown := [run for run in runs if run not in numbers]:
            read = dict(connection.execute(_NUMBERS, (json.dumps(unknown),)).fetchall())
            numbers |= read
            with self._lock:
                self._numbers |= read
        return numbers

    def _shrink(self) -> None:
        with self._lock:
            entries = sum(len(kept.known) for kept in self._keys.values())
            while entries > ENTRIES_MAX:
                _, dropped = self._keys.popitem(last=False)
                entries -= len(dropped.known)


def _read(reading: Reading, key: str, numbers: Mapping[str, int]) -> dict[str, Summary]:
    recent = {run for run, keys in reading.recent.runs.items() if keys.get(key)}
    summaries = _alone(reading.connection, key, {number: run for run, number in numbers.items() if run not in recent})
    others = recent.union(run for run, summary in summaries.items() if summary is None)
    if others:
        summaries |= _pooled(reading, key, {run: number for run, number in numbers.items() if run in others})
    return {run: summary for run, summary in summaries.items() if summary is not None}


def _alone(connection: sqlite3.Connection, key: str, names: Mapping[int, str]) -> dict[str, Summary | None]:
    """Return the summaries of runs that have one series of a key in the table, without recent points. A summary is None
    if the run has several series, or one whose row does not say everything.
    """
    summaries: dict[str, Summary | None] = {}
    for row in connection.execute(_ALONE, (json.dumps(list(names)), key)).fetchall():
        number, points, last, low, high, total, first, nan_count, low_step, high_step, finite = row
        run = names[number]
        if run in summaries or not finite or last is None or first is None:
            summaries[run] = None
            continue
        mean = total / finite / SUM_SCALE
        mean = low if mean < low else high if mean > high else mean  # by a rounding it may lie outside
        summaries[run] = Summary(points, last, low, high, mean, first, nan_count, low_step, high_step)
    return summaries


def _pooled(reading: Reading, key: str, numbers: Mapping[str, int]) -> dict[str, Summary]:
    parts: dict[str, list[_Part]] = {}
    for (run, _), its in _parts(reading, key, numbers).items():
        parts.setdefault(run, []).extend(its)
    with np.errstate(over="ignore"):
        return {run: _summary(its) for run, its in parts.items()}


def _parts(reading: Reading, key: str, numbers: Mapping[str, int]) -> dict[tuple[str, int], list[_Part]]:
    """Return what each rank of these runs has of a key, by (run, rank): at least one part of each."""
    names = {number: run for run, number in numbers.items()}
    parts: dict[tuple[str, int], list[_Part]] = {}
    for number, rank, series, *columns in reading.connection.execute(_ROWS, (json.dumps(list(names)), key)).fetchall():
        extent = extent_of_row(columns[_MOMENTS_N:])
        if extent.points:
            its = moments_of_row(columns[:_MOMENTS_N]) or stored_moments(reading.connection, series, extent)
            parts.setdefault((names[number], rank), []).append((extent, its))
    for run in numbers:
        for (rank, attempt), blocks in reading.recent.of(run, key).items():
            if blocks:
                its_parts = parts.setdefault((run, rank), [])
                its_parts.extend((block.extent, block.moments(attempt)) for block in blocks)
    return parts


def _summary(parts: Sequence[_Part]) -> Summary:
    (e, m), *others = parts
    if others:
        e, m = pooled(extent for extent, _ in parts), moments.pooled(its for _, its in parts)
    if not m.finite:
        return Summary(e.points, e.last_value, _NAN, _NAN, _NAN, m.first_value, m.nan, None, None)
    mean = min(max(m.mean, e.value_min), e.value_max)  # by a rounding it may lie outside
    return Summary(
        e.points, e.last_value, e.value_min, e.value_max, mean, m.first_value, m.nan, m.low_step, m.high_step
    )
