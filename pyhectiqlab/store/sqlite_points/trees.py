"""One tree of one series in points.db: sorted runs of chunks with their nodes, and how runs grow and merge.

A tree holds every point of its series once, sorted by step or by time. Chunks of one sorted run do not overlap, except
that borders may be equal; chunks of different runs may overlap. Chunks marked pending are still to be merged into their
run: they may overlap any others, and answer queries like all others.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..points import Axis, Int64s
from ..series import levels
from ..series.grid import SHIFT_MAX, shift_for
from .chunks import ALL, PACKED, PointColumns, concatenate, encode
from .damage import DamagedSeriesError, columns_of
from .nodes import encode_nodes

BY_STEP, BY_TIME = 0, 1
AXES: tuple[Axis, ...] = ("step", "time", "relative")
OLD = f"form < {PACKED}"  # chunks of an earlier version; the same words as in the partial index that finds them
TAIL_CHUNKS = 16  # last chunks of a run that may be small, each longer than all behind it together
COARSER = 3  # a chunk's coarse nodes cover 2^3 fine ones


@dataclass(frozen=True)
class Sizes:
    """Bounds of compaction. The defaults are for real data; tests take tiny ones, to see every path with few points."""

    chunk_points: int = 8192
    chunk_nodes: int = 128  # the most fine nodes of a chunk for one axis
    node_points: int = 4096  # a chunk with at most this many points has no nodes: readers decode it
    head_points: int = 32_768  # a head with this many points, or head_rows rows, is flattened
    head_rows: int = 32
    step_points: int = 1 << 17  # about how many points one transaction reads and writes, in less than 0.1 s
    fan_in: int = 4  # how many runs of about the same size are merged into one
    merged_points_max: int = 1 << 24  # longer runs stay as they are: their nodes are fine, and to mark them takes long
    scattered_chunks: int = 32  # a shorter series is cheap enough without a tree by time
    cold_s: float = 60.0  # a small head that nothing was added to for this long is flattened too
    bulk_points: int = 512  # a column of so many points goes to the head; others are recent points at first
    recent_points: int = 1 << 20  # flush at this many recent points (48 bytes of memory each),
    recent_batches: int = 20_000  # or at this many batches (a lab that starts reads them all),
    recent_s: float = 600.0  # or when the oldest is this old
    step_series: int = 256  # how many series one transaction flushes


@dataclass(frozen=True)
class SeriesState:
    """What compaction knows of a series."""

    id: int
    origin: int
    scattered: bool
    time_span: int

    @classmethod
    def read(cls, connection: sqlite3.Connection, series: int) -> SeriesState:
        row = connection.execute(
            "SELECT id, origin, scattered, time_max, time_min FROM series WHERE id = ?", (series,)
        ).fetchone()
        return cls(row[0], row[1], bool(row[2]), row[3] - row[4])


@dataclass(frozen=True)
class Run:
    id: int
    n: int
    high: int  # its highest place by the tree's order


class Tree:
    """Reads and writes one tree, inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, state: SeriesState, tree: int, sizes: Sizes) -> None:
        self._connection = connection
        self._state = state
        self._tree = tree
        self._sizes = sizes
        self._by = ("step", "time")[tree]
        # A scattered series has a second tree, by time. Its tree by step needs no nodes of time.
        by_step, by_time = AXES[:1], AXES[1:]
        self._axes = by_time if tree == BY_TIME else by_step if state.scattered else AXES

    def lay(self, columns: PointColumns) -> None:
        """Append points to runs that end before them. Points that begin before the end of all runs become a new run."""
        columns = self._sorted(columns)
        for run in sorted(self._runs(), key=lambda r: -r.high):
            try:
                ids, low, rest = self._tail(run, columns)
            except DamagedSeriesError:
                continue  # new points go on being written
            at = int(np.searchsorted(self._places(columns), low))
            if at == len(columns) or 4 * at > 3 * len(columns):
                continue  # too few points to write a chunk for
            tail = columns.take(slice(at, None))
            if rest:
                tail = self._sorted(concatenate([*rest, tail]))
                self._remove(ids)
            self._write(run.id, tail)
            columns = columns.take(slice(at))
            if not at:
                return
        self._write(self._next_run(), columns)

    def _tail(self, run: Run, columns: PointColumns) -> tuple[list[int], int, list[PointColumns]]:
        """Return the last chunks of a run, which are written again together with the new points; the lowest place that
        these chunks leave free; and the points of these chunks.

        A chunk is written again only if the new points are about as many as its own, or lie between them. Otherwise a
        series that gets a hundred points at a time would have its last chunk, of up to 8,192 points, written each time.
        """
        places = self._places(columns)
        rows = self._connection.execute(
            f"""SELECT id, n, {self._by}_min, copied FROM chunk WHERE series = ? AND tree = ? AND sorted_run = ?
                ORDER BY {self._by}_min DESC, {self._by}_max DESC LIMIT ?""",
            (self._state.id, self._tree, run.id, TAIL_CHUNKS),
        )
        ids: list[int] = []
        low, points = run.high, len(columns)
        for chunk, n, its_low, copied in rows:
            reached = not ids and places[0] < run.high and places[-1] >= its_low
            if copied or n >= self._sizes.chunk_points or (n > points and not reached):
                break
            ids.insert(0, chunk)
            low, points = its_low, points + n
        return ids, low, [self.read([chunk]) for chunk in ids]

    def mark_pending(self) -> bool:
        """Begin to merge runs of about the same size, where there are enough of them. Return whether there are."""
        tiers: dict[int, list[Run]] = {}
        for run in self._runs():
            if run.n <= self._sizes.merged_points_max:
                tier = int(math.log(max(1.0, run.n / self._sizes.head_points), self._sizes.fan_in))
                tiers.setdefault(tier, []).append(run)
        for _, runs in sorted(tiers.items()):
            if len(runs) >= self._sizes.fan_in:
                target = self._next_run()
                self._connection.executemany(
                    "UPDATE chunk SET sorted_run = ?, pending = 1 WHERE series = ? AND tree = ? AND sorted_run = ?",
                    [(target, self._state.id, self._tree, run.id) for run in runs[: 2 * self._sizes.fan_in]],
                )
                return True
        return False

    def merge_slice(self) -> bool:
        """Merge the lowest pending chunks, up to where the next pending chunk begins. Return False if no chunk is
        pending.
        """
        rows = self._connection.execute(
            f"""SELECT id, n, {self._by}_min, sorted_run FROM chunk WHERE series = ? AND tree = ? AND pending
                ORDER BY sorted_run, {self._by}_min""",
            (self._state.id, self._tree),
        ).fetchall()
        if not rows:
            return False
        run = rows[0][3]
        rows = [row for row in rows if row[3] == run]
        taken = points = 0
        while taken < len(rows) and points < self._sizes.step_points:
            points += rows[taken][1]
            taken += 1
        ids = [row[0] for row in rows[:taken]]
        columns = self._sorted(self.read(ids))
        done = len(columns)
        if taken < len(rows):
            done = int(np.searchsorted(self._places(columns), rows[taken][2], side="right"))
            done = done - done % self._sizes.chunk_points or done  # full chunks; the rest goes with the next slice
        self._remove(ids)
        copied = self._tree == BY_STEP and self._state.scattered  # copying comes before merging
        self._write(run, columns.take(slice(done)), copied=copied)
        self._write(run, columns.take(slice(done, None)), copied=copied, pending=True)
        return True

    def renew(self, chunk: int, run: int, copied: bool, pending: bool) -> None:
        """Write a chunk of an earlier version anew."""
        points = self.read([chunk])
        self._remove([chunk])
        self._write_chunk(run, points, copied, pending)

    def read(self, ids: Sequence[int]) -> PointColumns:
        """Return the points of some chunks, in that order. Raises DamagedSeriesError."""
        return concatenate([self._read_chunk(chunk) for chunk in ids])

    def _read_chunk(self, chunk: int) -> PointColumns:
        row = self._connection.execute("SELECT data FROM chunk_data WHERE id = ?", (chunk,)).fetchone()
        return PointColumns(*columns_of(self._connection, self._state.id, row and row[0], ALL))

    def _runs(self) -> list[Run]:
        """Return the sorted runs that nothing is being merged into."""
        rows = self._connection.execute(
            f"""SELECT sorted_run, sum(n), max({self._by}_max) FROM chunk WHERE series = ? AND tree = ?
                GROUP BY sorted_run HAVING NOT max(pending)""",
            (self._state.id, self._tree),
        )
        return [Run(*row) for row in rows]

    def _next_run(self) -> int:
        sql = "SELECT coalesce(max(sorted_run), 0) + 1 FROM chunk WHERE series = ? AND tree = ?"
        return int(self._connection.execute(sql, (self._state.id, self._tree)).fetchone()[0])

    def _remove(self, ids: Sequence[int]) -> None:
        remove_chunks(self._connection, ids)

    def _write(self, run: int, columns: PointColumns, copied: bool = False, pending: bool = False) -> None:
        """Write sorted points as chunks of a run."""
        size = self._sizes.chunk_points
        for at in range(0, len(columns), size):
            self._write_chunk(run, columns.take(slice(at, at + size)), copied, pending)

    def _write_chunk(self, run: int, points: PointColumns, copied: bool, pending: bool) -> None:
        step, time = _range(points.step), _range(points.time)
        zero = self._state.origin
        # A pending chunk is written anew by the next slice.
        axes = () if pending or len(points) <= self._sizes.node_points else self._axes
        ranges = {"step": step, "time": time, "relative": (time[0] - zero, time[1] - zero)}
        shifts = {axis: shift_for(*ranges[axis], self._sizes.chunk_nodes) for axis in axes}
        chunk = self._connection.execute(
            "INSERT INTO chunk VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._state.id, self._tree, run, pending, copied, len(points)),
                *(*step, *time, *_range(points.arrival)),
                *(shifts.get(axis) for axis in AXES),
                PACKED,
            ),
        ).lastrowid
        assert chunk is not None
        self._connection.execute("INSERT INTO chunk_data VALUES (?, ?)", (chunk, encode(points, quick=pending)))
        places = {"step": points.step, "time": points.time, "relative": points.time - zero}
        for axis, shift in shifts.items():
            fine = levels.summarise(places[axis], points.step, points.seq, points.arrival, points.value, shift)
            above = min(shift + COARSER, SHIFT_MAX)
            coarse = levels.merge(fine, np.zeros(len(fine), np.int64), above)
            first = 8 * chunk + 2 * AXES.index(axis)
            self._connection.executemany(
                "INSERT INTO node_data VALUES (?, ?)",
                [(first, encode_nodes(fine, shift)), (first + 1, encode_nodes(coarse, above))],
            )

    def _places(self, columns: PointColumns) -> Int64s:
        return columns.step if self._tree == BY_STEP else columns.time

    def _sorted(self, columns: PointColumns) -> PointColumns:
        places = self._places(columns)
        if (places[1:] >= places[:-1]).all():
            return columns
        return columns.take(np.argsort(places, kind="stable"))


def has_old_nodes(connection: sqlite3.Connection) -> bool:
    """Return whether some chunks of an earlier version may still have their nodes in a table of their own."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'node'").fetchone() is not None


def remove_chunks(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove chunks with all that belongs to them."""
    connection.executemany("DELETE FROM chunk WHERE id = ?", [(i,) for i in ids])
    connection.executemany("DELETE FROM chunk_data WHERE id = ?", [(i,) for i in ids])
    for table in ("node_data", "node") if has_old_nodes(connection) else ("node_data",):
        connection.executemany(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", [(8 * i, 8 * i + 7) for i in ids])


def _range(column: Int64s) -> tuple[int, int]:
    return int(column.min()), int(column.max())
