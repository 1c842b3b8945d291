"""One value of each of ten thousand runs, for searches that compare or sort by metrics: kept in memory once asked for.

The rows of one key lie all over points.db, since they are kept by run: reading one takes some 15 µs. So what was read
of a key stays here, and an append only notes which runs are to be read again. An index by key would cost every new
series a page written, and every lab its size, for a few keys that anybody ever searches by.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from .points import PointBatch, Summary

ENTRIES_MAX = 500_000  # of runs, over all keys: some 100 MB
_NAN = float("nan")

_ROWS = """SELECT run.name, s.count, s.last_value, s.value_min, s.value_max,
        s.attempt, s.last_step, s.last_seq, s.last_arrival
    FROM json_each(?) wanted CROSS JOIN run ON run.name = wanted.value CROSS JOIN series s ON s.run = run.id
    WHERE NOT run.deleted AND s.key = ? ORDER BY s.run, s.attempt, s.last_step, s.last_seq, s.last_arrival"""

Reader = Callable[[], AbstractContextManager[sqlite3.Connection]]


class _Key:
    def __init__(self) -> None:
        self.reading = threading.Lock()  # held while rows are read: an older one must not replace a newer one
        self.known: dict[str, Summary | None] = {}  # None: the run has no such key
        self.stale: set[str] = set()  # runs; guarded by the lock of all


class Summaries:
    """Safe for several threads. `forget` after a delete or a purge, `note` after each commit."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()  # never taken while waiting for anything else
        self._keys: OrderedDict[str, _Key] = OrderedDict()  # the least recently used first

    def of(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        with self._lock:
            kept = self._keys.setdefault(key, _Key())
            self._keys.move_to_end(key)
        with kept.reading:
            with self._lock:
                for run in kept.stale:
                    kept.known.pop(run, None)
                kept.stale.clear()
            # From here on: what is committed later is noted later, and read the next time.
            if missing := [run for run in runs if run not in kept.known]:
                with self._reader() as connection:
                    found = _read(connection, key, missing)
                kept.known.update((run, found.get(run)) for run in missing)
            known = kept.known
            answer = {run: summary for run in runs if (summary := known[run]) is not None}
        self._shrink()
        return answer

    def note(self, batches: Iterable[PointBatch]) -> None:
        """These were committed."""
        with self._lock:
            for batch in batches:
                for column in batch.columns:
                    kept = self._keys.get(column.key)
                    if kept is not None:
                        kept.stale.add(batch.run)

    def forget(self) -> None:
        with self._lock:
            self._keys.clear()

    def _shrink(self) -> None:
        with self._lock:
            entries = sum(len(kept.known) for kept in self._keys.values())
            while entries > ENTRIES_MAX:
                _, dropped = self._keys.popitem(last=False)
                entries -= len(dropped.known)


def _read(connection: sqlite3.Connection, key: str, runs: Sequence[str]) -> dict[str, Summary]:
    found: dict[str, Summary] = {}
    rows = connection.execute(_ROWS, (json.dumps(list(runs)), key))
    for run, points, last, low, high, *_ in rows:  # of one run, the row of the last point comes last
        last = _NAN if last is None else last
        other = found.get(run)
        if other is not None:
            points, low, high = points + other.points, min(low, other.min), max(high, other.max)
        found[run] = Summary(points, last, low, high)
    # In the table, no finite value is an empty range. Only now: pooling is simple with it.
    return {run: s if s.min <= s.max else Summary(s.points, s.last, _NAN, _NAN) for run, s in found.items()}
