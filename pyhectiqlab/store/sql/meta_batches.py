"""SQL of the MetaStore for ingest: writers, their cursors and losses; which batches are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import case, func, select, update

from ...protocol import limits
from ...protocol.records import COUNTED_KINDS, event_count
from ..meta import MetaBatch, Writer
from .accepted_batches import AcceptedBatches
from .dialect import any_of, read_slowly
from .meta_runs import hold_runs, unpack
from .meta_schema import events, sessions, writers
from .share import Share


class BatchesSql(Share):
    """The topic ingest of SqlMeta."""

    def writers(self, ids: Sequence[str]) -> dict[str, Writer]:
        rows = self.conn.execute(select(writers).where(any_of(self.conn, writers.c.writer, ids)))
        return {row.writer: self._writer(row) for row in rows}

    @staticmethod
    def _writer(row: Any) -> Writer:
        return Writer(row.writer, row.run_id, row.rank, row.attempt, row.cursor, row.last_seen, unpack(row.losses))

    def writers_of(self, run_id: str, limit: int, after: str = "") -> list[Writer]:
        rows = self.conn.execute(
            select(writers)
            .where(writers.c.run_id == run_id, writers.c.writer > after)
            .order_by(writers.c.writer)
            .limit(limit)
        )
        return [self._writer(row) for row in rows]

    def writer_count(self, run_id: str) -> int:
        query = select(func.count()).select_from(writers).where(writers.c.run_id == run_id)
        return int(self.conn.execute(query).scalar_one())

    def full_of_writers(self, run_ids: Sequence[str]) -> set[str]:
        query = select(writers.c.run_id).where(any_of(self.conn, writers.c.run_id, run_ids))
        full = query.group_by(writers.c.run_id).having(func.count() >= limits.WRITERS_MAX)
        return set(self.conn.execute(full).scalars())

    def events_of(self, writer: str) -> Iterator[tuple[int, str, int]]:
        counted = case((events.c.kind.in_(COUNTED_KINDS), events.c.fields))  # the fields of other kinds have no count
        query = select(events.c.seq, events.c.kind, counted).where(events.c.writer == writer).order_by(events.c.seq)
        with read_slowly(self.conn, query) as rows:
            for seq, kind, fields in rows:
                yield seq, kind, event_count(kind, unpack(fields))

    def losses(self, run_id: str) -> dict[str, int]:
        """Return losses by reason. Writers report them by events, sessions by heartbeats; a loss that both report is
        counted once. Heartbeats of sessions that have ended no longer count: by then, events have reported all. Events
        are exact even if numbers were lost for one reason, and later for another one, as the lab had been put back.
        """
        totals: list[dict[str, int]] = [{}, {}]
        by_whom = [
            select(writers.c.losses).where(writers.c.run_id == run_id, writers.c.losses.is_not(None)),
            select(sessions.c.losses).where(
                sessions.c.run_id == run_id, sessions.c.losses.is_not(None), sessions.c.ended.is_(None)
            ),
        ]
        for total, query in zip(totals, by_whom, strict=True):
            for blob in self.conn.execute(query).scalars():
                for reason, count in unpack(blob).items():
                    total[reason] = total.get(reason, 0) + count
        by_events, by_heartbeats = totals
        return {r: max(by_events.get(r, 0), by_heartbeats.get(r, 0)) for r in sorted({**by_events, **by_heartbeats})}

    def set_cursor(self, writer: str, cursor: int) -> None:
        its = writers.c.writer == writer
        hold_runs(self.conn, [row.run_id for row in self.conn.execute(select(writers.c.run_id).where(its))])
        self.conn.execute(update(writers).where(its).values(cursor=cursor))

    def apply(self, batches: Sequence[MetaBatch], now: float) -> dict[str, int]:
        if not batches:
            return {}
        hold_runs(self.conn, {batch.run for batch in batches})
        known = select(writers.c.writer, writers.c.cursor)
        known = known.where(any_of(self.conn, writers.c.writer, {batch.writer for batch in batches}))
        cursors: dict[str, int] = {row.writer: row.cursor for row in self.conn.execute(known)}
        taken, moved = [], set()
        for batch in batches:
            if batch.first == cursors.get(batch.writer, 0) + 1:
                taken.append(batch)
                cursors[batch.writer] = batch.last
            else:
                moved.add(batch.writer)
        if taken:
            AcceptedBatches(self.conn, self.changes).apply(taken, now)
        return {writer: cursors.get(writer, 0) for writer in moved}
