"""Compaction of points.db: which series needs what next. Unsorted heads → sorted runs of chunks → fewer, longer runs.

Each step is one bounded piece of work inside the caller's transaction, after which every answer is the same as before:
a kill between or inside steps loses nothing, and appends go on in between. For one series:

1. *Flatten*: head rows are sorted by step and appended to a sorted run that ends before them, or else become a new run.
   (Steps that only grow make one run for ever, in which a point is written a few times in all.)
2. *Copy by time*: a series whose order by time is very unlike its order by step (shuffled or restarting steps) is
   marked scattered, and its chunks are copied into a second tree, sorted by time. Without it, a bucket of the time axis
   would have to open nearly every chunk.
3. *Merge*: some runs of about the same size become one, slice by slice: a point is rewritten about log(n) times, and a
   query meets few runs.
4. *Renew*: chunks of an earlier version are written anew, when there is nothing else to do.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ...base import crashpoints
from .append import Added
from .chunks import ALL, PointColumns, concatenate
from .damage import DamagedSeriesError, columns_of
from .trees import BY_STEP, BY_TIME, OLD, SeriesState, Sizes, Tree, has_old_nodes

SCATTERED = 8.0  # chunks that a place in time lies in, on average: an edge of a bucket would open so many


@dataclass
class _Head:
    rows: int = 0
    points: int = 0
    touched: float = 0.0  # monotonic seconds


class Compactor:
    """Does the work step by step. Not safe for several threads: its caller holds the writer's lock.

    Attributes:
        damaged: series that cannot be read whole, and what is wrong with each. The dict is replaced, never changed, so
            that other threads may read it.
    """

    def __init__(self, connection: sqlite3.Connection, sizes: Sizes) -> None:
        self._connection = connection
        self._sizes = sizes
        self._loaded = False
        self._heads: dict[int, _Head] = {}  # least recently touched first
        self._ready: dict[int, None] = {}  # series with a head worth flattening, in order
        self._busy: dict[int, None] = {}  # series whose chunks may need work
        self._old = False  # whether there may be chunks of an earlier version
        self.damaged: dict[int, str] = {}

    def forget(self) -> None:
        """Read what is known from the database again, after a rollback."""
        self._loaded = False

    def drop(self, purged: Iterable[int]) -> None:
        """Plan no more work for series that are being purged. One that is undeleted half-way gets work again when it
        grows.
        """
        gone = set(purged)
        self._leave(gone)
        self.damaged = {series: why for series, why in self.damaged.items() if series not in gone}

    def _leave(self, series_left: Iterable[int]) -> None:
        for series in series_left:
            for known in (self._heads, self._ready, self._busy):
                known.pop(series, None)

    def note(self, added: Iterable[Added]) -> None:
        """Note what a committed transaction added."""
        if not self._loaded:
            return  # the first step reads it from the database
        now = time.monotonic()
        for a in added:
            head = self._heads.pop(a.series, None) or _Head()
            head.rows += 1
            head.points += a.points
            head.touched = now
            self._heads[a.series] = head
            if self._is_worth_flattening(head):
                self._ready[a.series] = None
        self._leave(self.damaged)

    def touch(self, series: Iterable[int]) -> None:
        """Note that chunks of these series may need work once the transaction is durable. After a rollback, call
        `forget`.
        """
        self._load()  # this does not see whether a series has become scattered
        self._busy.update(dict.fromkeys(series))
        self._leave(self.damaged)

    def more(self) -> bool:
        """Return whether there is work now."""
        self._load()
        return bool(self._ready or self._busy or self._old) or self._coldest() is not None

    def step(self) -> None:
        """Do one piece of work, if there is any, inside an open transaction.

        Raises DamagedSeriesError for points that cannot be read. Their series is left as it is from then on.
        """
        self._load()
        try:
            self._step()
        except DamagedSeriesError as e:
            self.damaged = {**self.damaged, e.series: str(e)}
            raise

    def _step(self) -> None:
        series = next(iter(self._ready), None)
        if series is None and self._busy:
            series = next(iter(self._busy))
            if not self._tidy(series):
                del self._busy[series]
            return
        if series is None:
            series = self._coldest()
        if series is not None:
            self._flatten(series)
        elif self._old:
            self._renew()

    def _load(self) -> None:
        if self._loaded:
            return
        now = time.monotonic()
        heads = self._connection.execute("SELECT series, count(*), sum(n) FROM head GROUP BY series")
        self._heads = {series: _Head(rows, points, now) for series, rows, points in heads}
        self._ready = {series: None for series, head in self._heads.items() if self._is_worth_flattening(head)}
        unfinished = self._connection.execute(
            """SELECT series FROM chunk GROUP BY series, tree HAVING count(DISTINCT sorted_run) >= ? OR max(pending)
               UNION SELECT c.series FROM chunk c JOIN series s ON s.id = c.series
                   WHERE s.scattered AND c.tree = ? AND NOT c.copied""",
            (self._sizes.fan_in, BY_STEP),
        )
        self._busy = {row[0]: None for row in unfinished}
        self._old = bool(self._old_chunks(1)) or (has_old_nodes(self._connection) and not self.damaged)
        self._leave(self.damaged)
        self._loaded = True

    def _is_worth_flattening(self, head: _Head) -> bool:
        return head.points >= self._sizes.head_points or head.rows >= self._sizes.head_rows

    def _coldest(self) -> int | None:
        series = next(iter(self._heads), None)
        if series is None or time.monotonic() - self._heads[series].touched < self._sizes.cold_s:
            return None
        return series

    def _flatten(self, series: int) -> None:
        rows = self._connection.execute("SELECT id, n, data FROM head WHERE series = ? ORDER BY arrival, id", (series,))
        taken: list[tuple[int]] = []
        parts: list[PointColumns] = []
        points = 0
        for row_id, n, data in rows:
            taken.append((row_id,))
            parts.append(PointColumns(*columns_of(self._connection, series, data, ALL)))
            points += n
            if points >= self._sizes.step_points:
                break
        rows.close()
        state = SeriesState.read(self._connection, series)
        Tree(self._connection, state, BY_STEP, self._sizes).lay(concatenate(parts))
        self._connection.executemany("DELETE FROM head WHERE id = ?", taken)
        self._busy[series] = None
        head = self._heads[series]
        head.rows -= len(taken)
        head.points -= points
        if head.rows <= 0:  # below 0: a purge that was stopped half-way had dropped the count
            del self._heads[series]
        if not self._is_worth_flattening(head):
            self._ready.pop(series, None)
        crashpoints.passing("upkeep.compacting")

    def _tidy(self, series: int) -> bool:
        """Do one piece of work on a series' chunks. Return False where there was none."""
        state = SeriesState.read(self._connection, series)
        if not state.scattered and self._is_scattered(state):
            self._connection.execute("UPDATE series SET scattered = 1 WHERE id = ?", (series,))
            return True
        by_step, by_time = (Tree(self._connection, state, tree, self._sizes) for tree in (BY_STEP, BY_TIME))
        if state.scattered and self._copy(state, by_step, by_time):
            return True
        return any(tree.merge_slice() or tree.mark_pending() for tree in (by_step, by_time))

    def _renew(self) -> None:
        """Write some chunks of an earlier version anew, after everything else that is to be done."""
        rows = self._old_chunks(self._bite())
        for chunk, series, tree, run, copied, pending in rows:
            state = SeriesState.read(self._connection, series)
            Tree(self._connection, state, tree, self._sizes).renew(chunk, run, bool(copied), bool(pending))
            crashpoints.passing("upkeep.rewriting")
        if not rows:
            if not self.damaged:  # then no chunk needs the old table of nodes any more
                self._connection.execute("DROP TABLE IF EXISTS node")
            self._old = False

    def _old_chunks(self, limit: int) -> list[tuple[int, int, int, int, int, int]]:
        return self._connection.execute(
            f"""SELECT id, series, tree, sorted_run, copied, pending FROM chunk
                WHERE {OLD} AND series NOT IN (SELECT value FROM json_each(?)) LIMIT ?""",
            (json.dumps(list(self.damaged)), limit),
        ).fetchall()

    def _is_scattered(self, state: SeriesState) -> bool:
        chunks, spans = self._connection.execute(
            "SELECT count(*), total(time_max - time_min) FROM chunk WHERE series = ? AND tree = ?", (state.id, BY_STEP)
        ).fetchone()
        return bool(chunks >= self._sizes.scattered_chunks and spans > SCATTERED * state.time_span)

    def _bite(self) -> int:
        """Return how many chunks one step reads and writes."""
        return max(1, self._sizes.step_points // self._sizes.chunk_points)

    def _copy(self, state: SeriesState, by_step: Tree, by_time: Tree) -> bool:
        """Copy some chunks into the tree by time. Return False where all are there."""
        rows = self._connection.execute(
            "SELECT id FROM chunk WHERE series = ? AND tree = ? AND NOT copied ORDER BY arrival_min LIMIT ?",
            (state.id, BY_STEP, self._bite()),
        ).fetchall()
        if rows:
            by_time.lay(by_step.read([row[0] for row in rows]))
            self._connection.executemany("UPDATE chunk SET copied = 1 WHERE id = ?", rows)
        return bool(rows)
