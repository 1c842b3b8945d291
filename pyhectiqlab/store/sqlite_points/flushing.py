"""Flushing: recent points become chunks, series by series, and their batches leave the table `arrived`.

A round begins when there are many recent points, or old ones, and takes all series that have points from before. Each
step is a bounded piece of work inside the caller's transaction. The row of a series says up to which batch its points
are in chunks, so a kill between two steps loses nothing and doubles nothing. At the end of a round the batches that
came before it are removed, and their writers' cursors written down.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...base import crashpoints
from . import moments
from .append import Appender, widen
from .recent import Block, Recent, SeriesKey
from .trees import BY_STEP, SeriesState, Sizes, Tree

REMOVED_AT_ONCE = 256  # rows of `arrived`


@dataclass
class _Round:
    up_to: int  # arrival
    left: deque[SeriesKey]


@dataclass
class Step:
    """What a step has done. `Flusher.done` takes it once the transaction is durable."""

    moved: list[tuple[SeriesKey, Block]] = field(default_factory=list)
    series: list[int] = field(default_factory=list)  # series whose chunks may need work
    cursors: dict[str, int] = field(default_factory=dict)  # cursors that were written down
    removed: int = 0
    flushes: int = 0


class Flusher:
    """Not safe for several threads: its caller holds the writer's lock."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        recent: Recent,
        appender: Appender,
        sizes: Sizes,
        damaged: Mapping[int, str],
    ) -> None:
        self._connection = connection
        self._recent = recent
        self._appender = appender
        self._sizes = sizes
        self._round: _Round | None = None
        self._damaged = damaged  # batches that cannot be read: see loading.py

    def forget(self) -> None:
        """Forget what was begun; call this after a rollback."""
        self._round = None

    def is_due(self) -> bool:
        recent, sizes = self._recent, self._sizes
        if not recent.is_loaded:
            return False
        return (
            self._round is not None
            or recent.points >= sizes.recent_points
            or recent.batches >= sizes.recent_batches
            or (recent.batches > 0 and recent.oldest_s() >= sizes.recent_s)
        )

    def begin(self) -> None:
        """Begin a round with all that is recent now."""
        up_to = self._recent.newest
        self._round = _Round(up_to, deque(self._recent.up_to(up_to)))

    def removes_next(self) -> bool:
        """Return whether the next step removes batches from `arrived`."""
        return self._round is not None and not self._round.left

    def step(self) -> Step:
        """Do one piece of work inside an open transaction. Call `done` once that is durable, `forget` if it failed."""
        step, removes = Step(), self.removes_next()
        if self._round is None:
            self.begin()
        assert self._round is not None
        points, left = 0, self._round.left
        while left and points < self._sizes.step_points and len(step.moved) < self._sizes.step_series:
            blocks = self._recent.blocks_before(left[0], self._round.up_to)
            if blocks:
                self._move(left[0], blocks[0], step)
                points += len(blocks[0])
            if len(blocks) > 1:
                break  # the next step takes the next block of the same series
            left.popleft()
        if step.moved:
            self._connection.execute("UPDATE arrival SET flushes = flushes + 1")
            step.flushes = self._recent.flushes + 1
            crashpoints.passing("upkeep.flushing")
        elif removes:
            self._remove_batches(step)
        return step

    def done(self, step: Step) -> None:
        """Bring the recent points up to date after a step whose transaction is durable."""
        if step.moved:
            self._recent.remove(step.moved, step.flushes)
        for writer, cursor in step.cursors.items():
            if self._recent.cursors.get(writer) == cursor:
                del self._recent.cursors[writer]
        self._recent.batches -= step.removed

    def drop_deleted(self) -> Step:
        """Forget the recent points of deleted runs, inside an open transaction. Then call `done` or `forget` as after
        `step`.
        """
        step = Step()
        if not self._recent.is_loaded:
            return step
        rows = self._connection.execute(
            "SELECT name FROM run WHERE deleted AND name IN (SELECT value FROM json_each(?))",
            (json.dumps(self._recent.runs()),),
        )
        for (run,) in rows.fetchall():
            step.moved += self._recent.blocks_of(run)
            self._connection.execute("UPDATE run SET dropped = ? WHERE name = ?", (self._recent.newest, run))
        if step.moved:
            self._connection.execute("UPDATE arrival SET flushes = flushes + 1")
            step.flushes = self._recent.flushes + 1
            crashpoints.passing("upkeep.dropping")
        return step

    def _move(self, series: SeriesKey, block: Block, step: Step) -> None:
        run, key, (rank, attempt) = series
        series_id = self._appender.series_id(self._appender.run_id(run), key, rank, attempt)
        state = SeriesState.read(self._connection, series_id)
        Tree(self._connection, state, BY_STEP, self._sizes).lay(block.columns())
        moments.add(self._connection, [(series_id, block.moments(attempt))])
        widen(self._connection, [(series_id, block.extent)])
        self._connection.execute("UPDATE series SET flushed = ? WHERE id = ?", (block.last_arrival, series_id))
        step.moved.append((series, block))
        step.series.append(series_id)

    def _remove_batches(self, step: Step) -> None:
        """Remove some of the batches that came before the round, the oldest first. When none is left, end the round."""
        assert self._round is not None
        step.cursors = dict(self._recent.cursors)
        self._connection.executemany(
            "UPDATE writer SET cursor = ? WHERE name = ?", [(cursor, name) for name, cursor in step.cursors.items()]
        )
        rows = self._connection.execute(
            """SELECT id FROM arrived WHERE id <= ? AND id NOT IN (SELECT value FROM json_each(?))
                ORDER BY id LIMIT ?""",
            (self._round.up_to, json.dumps(list(self._damaged)), REMOVED_AT_ONCE),
        ).fetchall()
        self._connection.executemany("DELETE FROM arrived WHERE id = ?", rows)
        step.removed = len(rows)
        if rows:
            self._connection.execute("UPDATE arrival SET newest = max(newest, ?)", rows[-1])
        if len(rows) < REMOVED_AT_ONCE:
            self._round = None
        crashpoints.passing("upkeep.removing")
