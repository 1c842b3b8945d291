"""Tidying: the work that makes answers fast and removes what nobody needs. One process of all does it at a time.

A window is closed when it has enough points, or is old enough; inserts go on into the next one. Once each insert into
it is settled, it becomes a build. Builds of about the same size are merged, so there are few of them, however much was
logged. Whoever began to read before a build counted reads on from what it was made of, which is dropped a while later.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from ...base import crashpoints
from . import appending, building, facts
from .client import ClickHouse
from .facts import Facts
from .facts_schema import ABORTED, BUILDING, BUILT, CLOSED, DONE, ENDED, LIVE, OPEN, PENDING
from .levels_of_builds import Sizes
from .schema import BUILT as TABLES_OF_BUILDS
from .statements import listed

PURGED_AT_ONCE = 1_000  # series
PUBLISH_S = 10.0
SWEEP_S = 600.0
_OLD = "changed <= clock_timestamp() - make_interval(secs => :seconds)"


class Tidier:
    """Each method may be called in any thread and process."""

    def __init__(self, its_facts: Facts, clickhouse: ClickHouse, sizes: Sizes) -> None:
        self._facts, self._clickhouse, self._sizes = its_facts, clickhouse, sizes
        self._published: tuple[object, ...] = ()
        self._publish_at = self._sweep_at = 0.0  # monotonic

    def step(self) -> bool:
        """Do the next thing that is due, unless another process is at it. Return whether something was done. Blocks as
        long as that takes.
        """
        appending.settle_left(self._facts, self._clickhouse, self._sizes.settle_s)
        with self._alone("tidying") as held:
            if held is None:
                return False
            steps: list[Callable[[Connection], bool]] = [
                self._end_unfinished,
                self._purge,
                self._build,
                self._merge,
                self._drop_builds,
            ]
            done = any(step(held) for step in steps)
        now = time.monotonic()
        if now >= self._publish_at or done:
            self._publish_at = now + PUBLISH_S
            self._publish()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            building.drop_forgotten(self._facts, self._clickhouse)
        return done

    @contextmanager
    def _alone(self, work: str) -> Iterator[Connection | None]:
        """Give a transaction that keeps others from the same work until its end; None: another process is at it."""
        with self._facts.writing() as held:
            held.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            lock = "SELECT pg_try_advisory_xact_lock(hashtextextended(:work, 0))"
            yield held if facts.one(held, lock, work=self._facts.lock_of(f"points {work}")) else None

    def _end_unfinished(self, _held: Connection) -> bool:
        """End builds that were begun and not finished. Their processes are dead, since this one holds the lock."""
        with self._facts.writing() as conn:
            ended = f"UPDATE points_builds SET state = {ENDED}, changed = now() WHERE state = {BUILDING}"
            return facts.run(conn, ended) > 0

    def _build(self, held: Connection) -> bool:
        self._close_window()
        with self._facts.reading() as conn:
            counted = facts.counted(conn)
            window = facts.one(
                conn,
                f"""SELECT id FROM points_windows w WHERE state = {CLOSED} AND NOT EXISTS
                    (SELECT FROM points_blocks b WHERE b.window = w.id AND b.state = {PENDING}) ORDER BY id LIMIT 1""",
            )
        if window is None:
            return False
        number = self._begin()
        points = building.build(self._clickhouse, held, number, building.of_window(window, counted), self._sizes)
        crashpoints.passing("points.built")
        self._finish(held, number, points)
        facts.run(held, f"UPDATE points_windows SET state = {BUILT}, changed = now() WHERE id = :id", id=window)
        return True

    def _close_window(self) -> None:
        with self._facts.writing() as conn:
            # Whoever notes a block holds the window's row until the block is visible.
            row = conn.execute(
                text(f"SELECT id FROM points_windows WHERE state = {OPEN} ORDER BY id DESC LIMIT 1 FOR UPDATE")
            ).one()
            points, age = conn.execute(
                text(
                    f"""SELECT coalesce(sum(points), 0), coalesce(extract(epoch FROM now() - min(changed)), 0)
                        FROM points_blocks WHERE "window" = :id AND state = {DONE} AND points > 0"""
                ),
                {"id": row[0]},
            ).one()
            if points and (points >= self._sizes.window_points or age >= self._sizes.window_s):
                facts.run(
                    conn, f"UPDATE points_windows SET state = {CLOSED}, changed = now() WHERE id = :id", id=row[0]
                )
                facts.run(conn, f"INSERT INTO points_windows (state) VALUES ({OPEN})")

    def _merge(self, held: Connection) -> bool:
        with self._facts.reading() as conn:
            rows = facts.all_of(conn, f"SELECT id, points FROM points_builds WHERE state = {LIVE} ORDER BY id")
        tiers: dict[int, list[int]] = {}
        for number, points in rows:
            if points <= self._sizes.merged_points_max:
                size = max(1.0, points / self._sizes.window_points)
                tiers.setdefault(int(math.log(size, self._sizes.fan_in) + 0.5), []).append(number)
        for _, numbers in sorted(tiers.items()):
            if len(numbers) >= self._sizes.fan_in:
                chosen = numbers[: 2 * self._sizes.fan_in]
                number = self._begin()
                points = building.build(self._clickhouse, held, number, building.of_builds(chosen), self._sizes)
                crashpoints.passing("points.merged")
                self._finish(held, number, points)
                ended = f"UPDATE points_builds SET state = {ENDED}, changed = now() WHERE id = ANY(:ids)"
                facts.run(held, ended, ids=chosen)
                return True
        return False

    def _begin(self) -> int:
        with self._facts.writing() as conn:
            begin = f"INSERT INTO points_builds (state, points) VALUES ({BUILDING}, 0) RETURNING id"
            return int(facts.one(conn, begin))

    def _finish(self, held: Connection, number: int, points: int) -> None:
        counts = "UPDATE points_builds SET state = :state, points = :points, changed = now() WHERE id = :id"
        facts.run(held, counts, id=number, points=points, state=LIVE if points else ENDED)

    def _purge(self, held: Connection) -> bool:
        rows = facts.all_of(
            held,
            """SELECT s.id FROM points_runs r JOIN points_series s ON s.run = r.id WHERE r.deleted
                ORDER BY s.id LIMIT :most FOR UPDATE OF r""",  # nobody brings it back meanwhile
            most=PURGED_AT_ONCE,
        )
        if not rows:
            return False
        ids = [number for (number,) in rows]
        for table in ("arrived", *TABLES_OF_BUILDS):
            self._clickhouse.do(f"DELETE FROM {table} WHERE series IN {listed(ids)}")
        crashpoints.passing("points.purged")
        # Whoever appends holds this row, and looks up its series again once it has changed.
        facts.run(held, "UPDATE points_lab SET value = CAST(CAST(value AS bigint) + 1 AS text) WHERE key = 'purges'")
        facts.run(held, "DELETE FROM points_series WHERE id = ANY(:ids)", ids=ids)
        return True

    def _drop_builds(self, held: Connection) -> bool:
        old = f"SELECT id FROM points_builds WHERE state = {ENDED} AND {_OLD} ORDER BY id LIMIT 8"
        rows = facts.all_of(held, old, seconds=self._sizes.grace_s)
        for (number,) in rows:
            building.drop(self._clickhouse, number)
        facts.run(held, "DELETE FROM points_builds WHERE id = ANY(:ids)", ids=[number for (number,) in rows])
        return bool(rows)

    def forget(self, before_forgetting: Callable[[], None]) -> bool:
        """Drop windows whose points are in builds, and with them what was noted of their batches. Return whether there
        were any.
        """
        old = f"SELECT id FROM points_windows WHERE state = {BUILT} AND {_OLD} ORDER BY id LIMIT 8"
        with self._facts.reading() as conn:
            due = facts.all_of(conn, old, seconds=self._sizes.grace_s)
        if not due:
            return False
        before_forgetting()
        with self._alone("forgetting") as held:
            if held is None:
                return False
            for (window,) in facts.all_of(held, old, seconds=self._sizes.grace_s):
                self._clickhouse.do(f"ALTER TABLE arrived DROP PARTITION {window}")
                its = f'SELECT id FROM points_blocks WHERE "window" = :id AND state <> {PENDING}'
                facts.run(held, f"DELETE FROM points_batches WHERE block IN ({its})", id=window)
                facts.run(held, 'DELETE FROM points_blocks WHERE "window" = :id', id=window)
                facts.run(held, "DELETE FROM points_windows WHERE id = :id", id=window)
        return True

    def _publish(self) -> None:
        """Tell ClickHouse, for people's own queries, what counts and what series are called."""
        with self._facts.reading() as conn:
            now = facts.counted(conn)
            aborted = [row[0] for row in facts.all_of(conn, f"SELECT id FROM points_blocks WHERE state = {ABORTED}")]
            known = int(self._clickhouse.text("SELECT max(id) FROM series"))
            named = _names(conn, known)
        version = time.time_ns() // 1000
        if named:
            columns = ["id", "project", "run", "run_id", "key", "rank", "attempt", "version"]
            self._clickhouse.insert_texts("series", [[*row, version] for row in named], columns)
        state = (now.builds, now.windows, tuple(aborted))
        if state != self._published:
            texts = [f"[{','.join(map(str, numbers))}]" for numbers in state]
            self._clickhouse.do(f"INSERT INTO counted VALUES ({version}, {', '.join(texts)})")
            self._published = state


def _names(conn: Connection, known: int) -> list[tuple[object, ...]]:
    """Return (id, project, name of the run, id of the run, key, rank, attempt) of series that came behind `known`."""
    has_lab = facts.one(conn, "SELECT to_regclass('runs') IS NOT NULL AND to_regclass('projects') IS NOT NULL")
    project, name, lab = "''", "''", ""
    if has_lab:
        project, name = "coalesce(p.name, '')", "coalesce(l.name, '')"
        lab = "LEFT JOIN runs l ON l.id = r.name LEFT JOIN projects p ON p.id = l.project_id"
    rows = facts.all_of(
        conn,
        f"""SELECT s.id, {project}, {name}, r.name, s.key, s.rank, s.attempt FROM points_series s
            JOIN points_runs r ON r.id = s.run {lab} WHERE s.id > :known ORDER BY s.id LIMIT 100000""",
        known=known,
    )
    return [tuple(row) for row in rows]
