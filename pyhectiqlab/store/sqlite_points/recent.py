"""Recent points: those of the table `arrived`, which are in no chunk yet, kept in memory by run, key, rank and attempt.

They are read when the store is opened (loading.py). The writer adds what it has committed, and removes what it has
written as chunks. A reader takes a view of them before its transaction begins. `flushes` counts the transactions that
moved points into chunks; the table `arrival` has the same number. If a reader's transaction shows another number, a
move came between its view and its transaction, and it begins again (point_store.py). So it sees each point once, and
waits for nobody's disk.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from ..points import Column, Int64s
from ..series.extents import Extent, extent_of, pooled
from .arrivals import Arrival
from .chunks import PointColumns
from .moments import Moments, moments_of

BLOCK_POINTS = 1 << 16  # points of a block, about; a longer series is written as chunks in several steps
GATHERED_AT = 32  # columns of one series that become a block; before, each takes some 600 bytes and a few µs to read
_ROWS = ("seq", "step", "time", "arrival", "writer", "value")

Place = tuple[int, int]  # rank and attempt
SeriesKey = tuple[str, str, Place]  # run, key, place


@dataclass(frozen=True)
class Block:
    """Points of one series, in order of arrival. It never changes: a longer block takes its place, and may share its
    array.
    """

    points: Int64s  # [6, ≥ n]: one row each for _ROWS, values as their bits
    extent: Extent
    first_arrival: int

    def __len__(self) -> int:
        return self.extent.points

    def column(self, name: str) -> np.ndarray:
        row = self.points[_ROWS.index(name), : len(self)]
        return row.view(np.float64) if name == "value" else row

    def some(self, names: Sequence[str]) -> list[np.ndarray]:
        return [self.column(name) for name in names]

    def moments(self, attempt: int) -> Moments:
        """Return the moments of these points. Reads all of them."""
        step, value, seq, arrival = self.some(("step", "value", "seq", "arrival"))
        return moments_of(step, value, seq, attempt, arrival)

    def columns(self) -> PointColumns:
        return PointColumns(*(self.column(name) for name in _ROWS))

    @property
    def last_arrival(self) -> int:
        return int(self.points[3, len(self) - 1])

    def longer_by(self, points: Int64s, extent: Extent) -> Block:
        n, more = len(self), points.shape[1]
        room = self.points
        if n + more > room.shape[1]:
            room = np.empty((6, max(2 * room.shape[1], n + more)), np.int64)
            room[:, :n] = self.points[:, :n]
        room[:, n : n + more] = points
        return Block(room, pooled((self.extent, extent)), self.first_arrival)


class _Series:
    """The recent points of one series: blocks, and the columns that came since the last look at them."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.new: list[tuple[Column, int, int]] = []  # (column, arrival, writer)
        self._blocks: tuple[Block, ...] = ()
        self._nan_looked_at = 0  # how many points it has had when it was last asked for NaN
        self._has_nan = False

    @property
    def first_arrival(self) -> int:
        return self._blocks[0].first_arrival if self._blocks else self.new[0][1]

    @property
    def points(self) -> int:
        return sum(map(len, self._blocks)) + sum(len(column.step) for column, _, _ in self.new)

    def blocks(self) -> tuple[Block, ...]:
        if self.new:
            self._gather()
        return self._blocks

    def has_nan(self) -> bool:
        """Return whether a value is NaN, or was among the points that have become chunks."""
        if not self._has_nan and (points := self.points) != self._nan_looked_at:
            self._nan_looked_at = points
            values = [column.value for column, _, _ in self.new] + [block.column("value") for block in self._blocks]
            self._has_nan = any(bool(np.isnan(value).any()) for value in values)
        return self._has_nan

    def drop_oldest(self, block: Block) -> bool:
        """Drop the oldest block. Return whether any is left."""
        assert self._blocks[0] is block
        self._nan_looked_at = -1
        self._blocks = self._blocks[1:]
        return bool(self._blocks or self.new)

    def _gather(self) -> None:
        columns = [column for column, _, _ in self.new]
        sizes = [len(column.step) for column in columns]
        first = self.new[0][1]
        points = np.empty((6, sum(sizes)), np.int64)
        for row, name in enumerate(("seq", "step", "time")):
            np.concatenate([getattr(column, name) for column in columns], out=points[row])
        points[3] = np.repeat([arrival for _, arrival, _ in self.new], sizes)
        points[4] = np.repeat([writer for _, _, writer in self.new], sizes)
        np.concatenate([column.value for column in columns], out=points[5].view(np.float64))
        seq, step, at, arrival, _, bits = points
        extent = extent_of(step, bits.view(np.float64), at, seq, self.attempt, arrival)
        last = self._blocks[-1] if self._blocks else None
        # A block ends between two batches, not within one: the row of a series says up to which batch is in chunks.
        if last is None or (len(last) >= BLOCK_POINTS and last.last_arrival != first):
            self._blocks += (Block(points, extent, first),)
        else:
            self._blocks = (*self._blocks[:-1], last.longer_by(points, extent))
        self.new = []


OfKey = Mapping[Place, tuple[Block, ...]]


@dataclass(frozen=True)
class RecentView:
    """What a reader sees of the recent points: those that it asked for, by run and key."""

    flushes: int = 0
    runs: Mapping[str, Mapping[str, OfKey]] = field(default_factory=dict)

    def of(self, run: str, key: str) -> OfKey:
        return self.runs.get(run, {}).get(key, {})


@dataclass(frozen=True)
class KeyPage:
    """The first keys of a run, sorted: those > `after` that contain `query`. A run may have a hundred thousand."""

    query: str = ""
    after: str = ""
    limit: int = 1000

    def of(self, keys: Sequence[str]) -> Sequence[str]:
        """Return the keys of this page, among all keys of the run in order."""
        begin = bisect_right(keys, self.after)
        if not self.query:
            return keys[begin : begin + self.limit]
        return list(islice((key for key in islice(keys, begin, None) if self.query in key), self.limit))


class Recent:
    """The recent points of a store. Safe for several threads: one writes, any may ask for a view.

    Attributes:
        points: how many there are.
        batches: how many batches of the table may still be needed.
        cursors: writer → its last sequence number, for writers of which the table `writer` may have an earlier one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # never taken while waiting for anything else
        self._runs: dict[str, dict[str, dict[Place, _Series]]] = {}
        self._sorted: dict[str, list[str]] = {}  # keys of runs that pages were asked of, until a key comes or goes
        self._since: dict[SeriesKey, float] = {}  # monotonic seconds; the oldest first, about
        self.points = 0
        self.batches = 0
        self.flushes = 0
        self.newest = 0  # arrival
        self.newest_unread = 0  # arrival up to which the database is still to be read, while that is so
        self.cursors: dict[str, int] = {}
        self._later: list[Arrival] = []  # batches that came while the database is read
        self._unread: set[str] = set()  # runs with points that are not here yet
        self._loaded = threading.Event()
        self._loaded.set()

    @property
    def is_loaded(self) -> bool:
        """Whether all that the database had when it was opened has been read."""
        return self._loaded.is_set()

    def begin(self, newest: int, flushes: int, writers: Iterable[tuple[str, str, int, int]]) -> None:
        """Begin anew with what a look at the database tells: for each writer and run, the newest batch and the last
        sequence number. `take_over` has to follow.
        """
        with self._lock:
            self._loaded.clear()
            self._later, self._unread = [], set()
            self.newest, self.flushes, self.cursors = newest, flushes, {}
            for writer, run, number, last in writers:
                self.newest = max(self.newest, number)
                self.cursors[writer] = max(last, self.cursors.get(writer, 0))
                self._unread.add(run)
            self.newest_unread = self.newest

    def take_over(self, loaded: Recent) -> None:
        """Take over what was read from the database, and put behind it what has arrived since `begin`. The caller must
        not use `loaded` any more.
        """
        with self._lock:
            self._runs, self._since = loaded._runs, loaded._since
            self._sorted.clear()
            self.points, self.batches = loaded.points, loaded.batches
            now = time.monotonic()
            for arrival in self._later:
                self._add(arrival, now)
            self._later, self._unread = [], set()
            self._loaded.set()

    def give_up(self) -> None:
        """Wake whoever waits: the store is closed, and nothing more is read."""
        self._loaded.set()

    def wait(self, runs: Collection[str], timeout_s: float) -> bool:
        """Wait until all recent points of these runs are here, for at most `timeout_s`. Return whether they are. Nearly
        always they are, and this returns at once.
        """
        if self._loaded.is_set() or self._unread.isdisjoint(runs):
            return True
        return self._loaded.wait(timeout_s)

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Add points that are durable."""
        now = time.monotonic()
        with self._lock:
            for arrival in arrivals:
                if self._loaded.is_set():
                    self._add(arrival, now)
                else:
                    self._later.append(arrival)
                    self._unread.add(arrival.run)
                    self.newest = max(self.newest, arrival.number)
                    self.cursors[arrival.writer_name] = max(arrival.last, self.cursors.get(arrival.writer_name, 0))

    def _add(self, arrival: Arrival, now: float) -> None:
        self.newest = max(self.newest, arrival.number)
        self.batches += 1
        self.cursors[arrival.writer_name] = max(arrival.last, self.cursors.get(arrival.writer_name, 0))
        if not arrival.columns:
            return
        keys = self._runs.setdefault(arrival.run, {})
        place = (arrival.rank, arrival.attempt)
        for column in arrival.columns:
            places = keys.get(column.key)
            if places is None:
                places = keys[column.key] = {}
                self._sorted.pop(arrival.run, None)
            series = places.get(place)
            if series is None:
                series = places[place] = _Series(arrival.attempt)
                self._since[arrival.run, column.key, place] = now
            series.new.append((column, arrival.number, arrival.writer))
            self.points += len(column.step)
            if len(series.new) >= GATHERED_AT:
                series.blocks()

    def remove(self, moved: Iterable[tuple[SeriesKey, Block]], flushes: int) -> None:
        """Remove blocks that are in chunks now. Each is the oldest of its series."""
        with self._lock:
            for (run, key, place), block in moved:
                self.points -= len(block)
                if self._runs[run][key][place].drop_oldest(block):
                    continue
                del self._since[run, key, place]
                del self._runs[run][key][place]
                if not self._runs[run][key]:
                    del self._runs[run][key]
                    self._sorted.pop(run, None)
                if not self._runs[run]:
                    del self._runs[run]
            self.flushes = flushes

    def oldest_s(self) -> float:
        """Return for how long the oldest points have been here."""
        since = next(iter(self._since.values()), None)
        return 0.0 if since is None else time.monotonic() - since

    def up_to(self, arrival: int) -> list[SeriesKey]:
        """Return the series with points that came up to this arrival, run by run."""
        return [
            (run, key, place)
            for run, keys in self._runs.items()
            for key, places in keys.items()
            for place, series in places.items()
            if series.first_arrival <= arrival
        ]

    def blocks_before(self, series: SeriesKey, arrival: int) -> list[Block]:
        """Return blocks of a series, the oldest first: those that begin up to this arrival."""
        run, key, place = series
        with self._lock:
            its = self._runs.get(run, {}).get(key, {}).get(place)
            return [block for block in its.blocks() if block.first_arrival <= arrival] if its else []

    def runs(self) -> list[str]:
        return list(self._runs)

    def with_nan(self, runs: Collection[str]) -> set[str]:
        """Return those of the runs that have a NaN here, or had one among the points that have become chunks."""
        with self._lock:
            some = self._runs.keys() & set(runs)
            return {
                run
                for run in some
                if any(series.has_nan() for places in self._runs[run].values() for series in places.values())
            }

    def keys_of(self, runs: Iterable[str]) -> dict[str, list[str]]:
        with self._lock:
            return {run: list(self._runs[run]) for run in runs if run in self._runs}

    def points_by_run(self) -> dict[str, int]:
        with self._lock:
            return {
                run: sum(series.points for places in keys.values() for series in places.values())
                for run, keys in self._runs.items()
            }

    def blocks_of(self, run: str) -> list[tuple[SeriesKey, Block]]:
        """Return all blocks of a run, the oldest of each series first."""
        with self._lock:
            return [
                ((run, key, place), block)
                for key, places in self._runs.get(run, {}).items()
                for place, series in places.items()
                for block in series.blocks()
            ]

    def view(self, runs: Collection[str], keys: Collection[str] | KeyPage | None = None) -> RecentView:
        """Return a view of some runs, and of some or all of their keys."""
        with self._lock:
            some = runs if len(runs) <= len(self._runs) else self._runs.keys() & set(runs)
            return RecentView(
                self.flushes,
                {
                    run: {
                        key: {place: series.blocks() for place, series in its[key].items()}
                        for key in self._wanted(run, keys)
                        if key in its
                    }
                    for run in some
                    if (its := self._runs.get(run)) is not None
                },
            )

    def _wanted(self, run: str, keys: Collection[str] | KeyPage | None) -> Iterable[str]:
        """Return those of some keys that a run may have here. Call it with the lock held."""
        if not isinstance(keys, KeyPage):
            return self._runs[run] if keys is None else keys
        in_order = self._sorted.get(run)
        if in_order is None:
            in_order = self._sorted[run] = sorted(self._runs[run])
        return keys.of(in_order)
