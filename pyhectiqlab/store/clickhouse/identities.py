"""Identities: the integers that stand for names in ClickHouse, kept in memory once they were looked up."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ..points import PointBatch
from . import facts_series
from .facts import Facts

KEPT_MAX = 1_000_000  # series in memory (some 200 MB), and as many runs (some 100 MB)
Place = tuple[str, str, int, int]  # run, key, rank, attempt


@lru_cache(maxsize=100_000)
def key_number(key: str) -> int:
    """Return the number by which rows of a key lie together. Two keys may share one: rows have their series, too."""
    return int.from_bytes(hashlib.blake2b(key.encode(errors="replace"), digest_size=8).digest(), "little")


class RunNumbers:
    """Numbers of runs for whoever reads. They never change. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}

    def of(self, conn: Connection, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each run, deleted or not; 0: it never had points."""
        with self._lock:
            numbers = self._of(names)
        missing = np.flatnonzero(numbers == 0).tolist()
        if missing and (its := facts_series.known_run_ids(conn, [names[i] for i in missing])):
            with self._lock:
                if len(self._known) + len(its) > KEPT_MAX:
                    self._known.clear()
                self._known |= its
            numbers[missing] = [its.get(names[i], 0) for i in missing]
        return numbers

    def _of(self, names: Sequence[str]) -> NDArray[np.int64]:
        return np.fromiter(map(self._known.get, names, itertools.repeat(0)), np.int64, len(names))


class Identities:
    """Numbers of writers, runs and series for whoever appends. A number never changes, but numbers of series and runs
    are forgotten when any lab has purged. Safe for several threads.
    """

    def __init__(self, its_facts: Facts) -> None:
        self._facts = its_facts
        self._lock = threading.Lock()
        self._writers: dict[str, int] = {}
        self._runs: dict[str, int] = {}
        self._series: dict[Place, int] = {}
        self._purges = ""

    def writers(self, names: Collection[str]) -> dict[str, int]:
        """Return the numbers of writers, which are made for new ones."""
        with self._lock:
            if len(self._writers) > KEPT_MAX:
                self._writers.clear()
            missing = [name for name in names if name not in self._writers]
        if missing:
            with self._facts.writing() as conn:
                new_ids = facts_series.writer_ids(conn, missing)
            with self._lock:
                self._writers |= new_ids
        with self._lock:
            return {name: self._writers[name] for name in names}

    def forget_where_purged(self, purges: str) -> None:
        """Forget runs and series if `purges` is not what it was."""
        with self._lock:
            if purges != self._purges or len(self._series) > KEPT_MAX:
                self._runs.clear()
                self._series.clear()
                self._purges = purges

    def of_batches(self, batches: Iterable[PointBatch]) -> tuple[dict[str, int], dict[Place, int]]:
        """Return the numbers of the runs and of the series of some batches, which are made for new ones."""
        batches = list(batches)
        names = {b.run for b in batches}
        places = {(b.run, c.key, b.rank, b.attempt) for b in batches for c in b.columns}
        with self._lock:
            new_runs = [name for name in names if name not in self._runs]
            new = [place for place in places if place not in self._series]
        if new_runs or new:
            with self._facts.writing() as conn:
                its_runs = facts_series.run_ids(conn, {*new_runs, *(place[0] for place in new)})
                wanted = {(its_runs[place[0]], *place[1:]): place for place in new}
                new_ids = facts_series.series_ids(conn, wanted) if wanted else {}
            with self._lock:
                self._runs |= its_runs
                self._series |= {wanted[its]: number for its, number in new_ids.items()}
        with self._lock:
            return {name: self._runs[name] for name in names}, {place: self._series[place] for place in places}
