"""SqlitePointStore: every metric's history in one SQLite file. The embedded implementation of the PointStore.

One connection writes, under a lock; readers have connections of their own and never wait for it (database.py). A batch
is one row of the table `arrived`, written once (arrivals.py). Its points are kept in memory, too, where readers find
them (recent.py), until `compact` writes them as sorted chunks (flushing.py). Columns of very many points lie in an
unsorted head meanwhile. `compact` also merges sorted runs of chunks and gives them nodes (compaction.py). Each step is
a transaction so small that an append waits at most about 0.1 s for it. A SIGKILL or a power failure at any moment
leaves the last committed transaction.

`append`, `delete`, `purge` and `compact` may be called from any thread, and wait for each other; the caller runs
`compact` and `purge` again and again in its spare time.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from ...base import crashpoints
from ...errors import StoreError
from .. import space
from ..points import (
    AppendResult,
    Axis,
    Buckets,
    Column,
    PointBatch,
    Points,
    Selector,
    SeriesInfo,
    Smoothing,
    Summary,
    WorkLeft,
)
from ..series.batches import Rebuilding
from ..series.smoothed_ends import SmoothedEnds
from . import lines, rebuilt
from . import queries as read
from .append import Appender
from .arrivals import numbers_of_points
from .compaction import Compactor
from .database import BUSY_TIMEOUT_S, PointsDatabase
from .flushing import Flusher
from .loading import Loader
from .purge import purge_step
from .queries import runs_with_nan
from .recent import KeyPage, Recent
from .summaries import Summaries
from .trees import Sizes

DEFAULT_SIZES = Sizes()
RECENT_MAX = 4  # times the recent points that begin a round of flushing; beyond, whoever appends flushes first
RETRY_S = 0.0005
LOADING_S = 20.0  # a reader waits so long for the points that a store reads when it is opened


class SqlitePointStore:
    """Opens, or creates, the database `path`. `beside`: a running lab has it open, and makes the checkpoints.

    Raises NewerSchemaError for one of a newer version, StoreError where it cannot be used.
    """

    wants_few_inserts = False

    def __init__(self, path: Path | str, sizes: Sizes = DEFAULT_SIZES, beside: bool = False) -> None:
        self.path = Path(path)
        self._database = PointsDatabase(self.path, beside)
        self._lock, self._reader = self._database.lock, self._database.reader
        writer = self._database.writer
        self._sizes = sizes
        self.before_forgetting: Callable[[], None] = lambda: None
        self._recent = Recent()
        self._appender = Appender(writer, self._recent, sizes.bulk_points)
        self._loader = Loader(self._recent, self._reader, self._lock)
        self._flusher = Flusher(writer, self._recent, self._appender, sizes, self._loader.damaged)
        self._compactor = Compactor(writer, sizes)
        self._summaries = Summaries(self._reading)
        self._smoothed_ends = SmoothedEnds[str](self.summaries, self._ends, run_of=str)
        self._rank_ends = SmoothedEnds[tuple[str, int]](self.rank_summaries, self._ends_of_ranks, run_of=itemgetter(0))
        try:
            self._loader.begin()
        except BaseException:
            self._database.close()
            raise

    @classmethod
    def open(cls, path: Path | str) -> SqlitePointStore:
        return cls(path)

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        """See PointStore. Blocks for one fsync."""
        with self._lock:
            with self._transaction():
                results, added, arrived = self._appender.apply(batches)
            self._follow(partial(self._recent.add, arrived))
            self._compactor.note(added)
            # These steps forget none of the batches above: the lab has not heard of them yet.
            while self._recent.points > RECENT_MAX * self._sizes.recent_points and not self._flusher.removes_next():
                self._upkeep()
        self._summaries.note(batches)
        return results

    def cursor(self, writer: str) -> int:
        self._loader.make_sure()
        known = self._recent.cursors.get(writer)
        if known is not None:
            return known
        with self._reader() as connection:
            row = connection.execute("SELECT cursor FROM writer WHERE name = ?", (writer,)).fetchone()
        return int(row[0]) if row else 0

    def cursors(self, writers: Sequence[str]) -> dict[str, int]:
        self._loader.make_sure()
        recent = self._recent.cursors
        with self._reader() as connection:
            query = "SELECT name, cursor FROM writer WHERE name IN (SELECT value FROM json_each(?))"
            rows = connection.execute(query, (json.dumps(list(writers)),)).fetchall()
        return {name: max(cursor, recent.get(name, 0)) for name, cursor in rows}

    def late_writers(self) -> list[str]:
        self._loader.make_sure()
        return list(self._recent.cursors)

    def reach(self, cursors: Mapping[str, int]) -> dict[str, int]:
        reached = dict(cursors)
        with self._reader() as connection:
            rows = connection.execute(
                """SELECT w.name, a.last, a.id FROM arrived a CROSS JOIN writer w ON w.id = a.writer
                    WHERE w.name IN (SELECT value FROM json_each(?)) ORDER BY a.id""",
                (json.dumps(list(cursors)),),
            ).fetchall()
            for writer, last, number in rows:
                if last > reached[writer]:
                    (data,) = connection.execute("SELECT data FROM arrived WHERE id = ?", (number,)).fetchone()
                    numbers = numbers_of_points(data)
                    if numbers is not None and numbers[0] == reached[writer] + 1:
                        reached[writer] = last
        return {writer: last for writer, last in reached.items() if last > cursors[writer]}

    def keys(self, run: str, query: str = "", after: str = "", limit: int = 1000) -> list[SeriesInfo]:
        with self._reading([run], KeyPage(query, after, limit)) as reading:
            return read.keys(reading, run, query, after, limit)

    def series(self, run: str, key: str) -> list[SeriesInfo]:
        with self._reading([run], [key]) as reading:
            return [s.info for s in read.series_of(reading, run, key)]

    def origins(self, run: str, after: int = 0, limit: int = 1000) -> dict[int, int]:
        with self._reader() as connection:
            return read.origins(connection, run, after, limit)

    def last(
        self, runs: Sequence[str], keys: Sequence[str] | None = None, limit_per_run: int = 8
    ) -> dict[str, list[SeriesInfo]]:
        with self._reading(runs, KeyPage(limit=limit_per_run) if keys is None else keys) as reading:
            return read.last(reading, runs, keys, limit_per_run)

    def summaries(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        return self._summaries.of(key, runs)

    def smoothed(self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step") -> dict[str, float]:
        return self._smoothed_ends.of(key, smoothing, axis, runs)

    def _ends(self, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]) -> Iterator[tuple[str, float]]:
        with self._reading(runs, [key]) as reading:
            yield from lines.ends(reading, key, smoothing, axis, runs)

    def rank_summaries(self, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
        return self._summaries.of_ranks(key, runs)

    def rank_smoothed(
        self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step"
    ) -> dict[tuple[str, int], float]:
        return self._rank_ends.of(key, smoothing, axis, runs)

    def _ends_of_ranks(
        self, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]
    ) -> Iterator[tuple[tuple[str, int], float]]:
        with self._reading(runs, [key]) as reading:
            yield from lines.ends_of_ranks(reading, key, smoothing, axis, runs)

    def with_nan(self, runs: Sequence[str]) -> set[str]:
        if not self._recent.wait(runs, LOADING_S):
            raise StoreError(f"{self.path}: the lab still reads its newest points; try again later.")
        recent = self._recent.with_nan(runs)  # before the transaction: what a flush moves meanwhile is in both
        with self._reader() as connection:
            return runs_with_nan(connection, runs, recent)

    def key_counts(self, runs: Sequence[str], words: str = "") -> Counter[str]:
        recent = self._recent.keys_of(runs)  # before the transaction: what a flush moves meanwhile is in both
        with self._reader() as connection:
            return read.key_counts(connection, runs, words, recent)

    def points(
        self,
        run: str,
        key: str,
        rank: int | None = None,
        attempt: int | None = None,
        after: str = "",
        limit: int = 100_000,
    ) -> Points:
        with self._reading([run], [key]) as reading:
            return read.points(reading, run, key, rank, attempt, after, limit)

    def of_writer(self, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
        with self._reading([run]) as reading:
            yield from read.of_writer(reading, run, writer, rank, attempt)

    def batches_of(self, runs: Sequence[str]) -> Iterator[PointBatch]:
        rebuilding = Rebuilding()
        for run in runs:
            with self._reading([run]) as reading:
                yield from rebuilt.batches_of(reading, run, rebuilding)

    def iter_buckets(
        self,
        selectors: Iterable[Selector],
        axis: Axis = "step",
        lo: int | None = None,
        hi: int | None = None,
        n: int = 1500,
        attempts: Literal["newest", "all"] = "newest",
        most: int | None = None,
        smoothing: Smoothing | None = None,
    ) -> Iterator[Buckets]:
        wanted = list(selectors)
        with self._reading({s.run for s in wanted}, {s.key for s in wanted}) as reading:
            yield from lines.buckets(reading, wanted, axis, lo, hi, n, attempts, most, smoothing)

    def buckets(self, selectors: Iterable[Selector], *query: Any, **more: Any) -> list[Buckets]:
        return list(self.iter_buckets(selectors, *query, **more))

    def delete(self, run: str) -> None:
        self._mark(run, deleted=True)

    def undelete(self, run: str) -> None:
        self._mark(run, deleted=False)

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        if saving:
            return self.purge(seconds_max) or self._give_back_all(seconds_max)
        return self.compact(seconds_max) or self.purge(seconds_max) or self._has_surplus()

    def work_left(self) -> WorkLeft:
        """See PointStore. Reads the index of the head."""
        recent = self._recent.points_by_run()
        with self._reader() as connection:
            (to_compact,) = connection.execute("SELECT coalesce(sum(n), 0) FROM head").fetchone()
            (to_remove,) = connection.execute(
                "SELECT coalesce(sum(s.count), 0) FROM run JOIN series s ON s.run = run.id WHERE run.deleted"
            ).fetchone()
            deleted = connection.execute(
                "SELECT name FROM run WHERE deleted AND name IN (SELECT value FROM json_each(?))",
                (json.dumps(list(recent)),),
            ).fetchall()
        return WorkLeft(to_compact + sum(recent.values()), to_remove + sum(recent[run] for (run,) in deleted))

    def damage(self) -> list[str]:
        return [*self._loader.damaged.values(), *self._compactor.damaged.values()]

    def _has_surplus(self) -> bool:
        with self._lock, self._database.errors():
            return space.surplus(self._database.writer) > 0

    def _give_back_all(self, seconds_max: float) -> bool:
        """Give all free pages back, some in each transaction. Return whether there are more."""
        deadline = time.monotonic() + seconds_max
        with self._lock:
            while (more := space.surplus(self._database.writer, whole=True) > 0) and time.monotonic() < deadline:
                with self._transaction():
                    space.give_back(self._database.writer, whole=True)
                more = space.surplus(self._database.writer, whole=True) > 0
                if not more:
                    self._database.cut(surely=True)
            if not more:
                self._database.cut()
            return more

    def purge(self, seconds_max: float = 0.1) -> bool:
        """Remove some points of deleted runs, in transactions of bounded size. Return whether there are more."""
        deadline = time.monotonic() + seconds_max
        with self._lock:
            with self._transaction():
                dropped = self._flusher.drop_deleted()
            self._follow(partial(self._flusher.done, dropped))
        more = True
        while more:
            with self._transaction() as connection:
                purged, more = purge_step(connection)
                if purged:
                    self._appender.forget()
                    self._compactor.drop(purged)
                    crashpoints.passing("upkeep.purging")
            if time.monotonic() >= deadline:
                break
        return more

    def compact(self, seconds_max: float = 0.1) -> bool:
        """Write recent points and unsorted heads as sorted chunks, merge these, and build levels, where that is due.
        Return whether there is more of it to do.
        """
        deadline = time.monotonic() + seconds_max
        while more := self._upkeep():
            if time.monotonic() >= deadline:
                break
        return more

    def flush(self) -> None:
        """Write all recent points as chunks. Blocks until then."""
        self._loader.load()
        with self._lock:
            self._flusher.begin()
            while self._flusher.is_due():
                self._upkeep()

    def _upkeep(self) -> bool:
        """Take one step of upkeep, in a transaction. Return whether more is due."""
        with self._lock:
            settled = False
            if self._flusher.removes_next():
                self.before_forgetting()
            with self._transaction():
                if flushed := self._flusher.step() if self._flusher.is_due() else None:
                    self._compactor.touch(flushed.series)
                elif self._compactor.more():
                    self._compactor.step()
                elif space.surplus(self._database.writer):
                    space.give_back(self._database.writer)
                    settled = not space.surplus(self._database.writer)
                more = self._compactor.more() or space.surplus(self._database.writer) > 0
            if flushed:
                self._follow(partial(self._flusher.done, flushed))
            more = more or self._flusher.is_due()
            if settled or not more:
                self._database.cut(surely=settled)
            return more

    def close(self) -> None:
        """See PointStore. Blocks until the transaction in progress has ended. Reads that are under way go on."""
        self._loader.stop()
        self._database.close()

    def _mark(self, run: str, deleted: bool) -> None:
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO run (name) VALUES (?)", (run,))
            connection.execute("UPDATE run SET deleted = ? WHERE name = ?", (deleted, run))
        self._summaries.forget(run)
        self._smoothed_ends.forget(run)
        self._rank_ends.forget(run)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection, in a transaction, once memory is sure to agree with the disk."""
        with self._lock:
            self._loader.make_sure()
            with self._database.transaction(self._forget) as connection:
                yield connection

    def _follow(self, committed: Callable[[], None]) -> None:
        """Bring the recent points up to date with the disk by `committed`. If that fails half-way, read all of them
        again.
        """
        try:
            committed()
        except BaseException:
            self._forget()
            self._loader.again()
            raise

    def _forget(self) -> None:
        self._appender.forget()
        self._flusher.forget()
        self._compactor.forget()

    @contextmanager
    def _reading(self, runs: Collection[str], keys: Collection[str] | KeyPage | None = None) -> Iterator[read.Reading]:
        """Give one state of some keys of some runs, or of all their keys: what is on the disk, and what is recent.
        Blocks while recent points are read after an opening. Raises StoreError if they could not be read, or not again
        after an error.
        """
        if not self._recent.wait(runs, LOADING_S):
            raise StoreError(f"{self.path}: the lab still reads its newest points; try again later.")
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while time.monotonic() < deadline:
            recent = self._recent.view(runs, keys)
            with self._reader() as connection:
                # The view and the transaction may be from before and behind a flush, or the other way round.
                if connection.execute("SELECT flushes FROM arrival").fetchone() == (recent.flushes,):
                    yield read.Reading(connection, recent)
                    return
            time.sleep(RETRY_S)
        raise StoreError(f"{self.path}: its newest points cannot be read; restart the lab, its log says more.")
