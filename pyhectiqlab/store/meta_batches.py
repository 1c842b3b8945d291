"""SQL of the MetaStore for ingest: events, what they change in their run, and the cursors of writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
from sqlalchemy import bindparam, delete, insert, select, update

from ..protocol import limits, states
from ..protocol.records import event_count
from .meta import EndReport, MetaBatch, Writer
from .meta_configs import ArrivingConfigs, set_meta, upsert
from .meta_runs import any_of, unpack
from .meta_schema import events, run_tags, runs, sessions, writers
from .meta_sessions import SessionsSql

LOSS_REASONS_MAX = 64  # per writer; further ones are counted as "other"
SEEN_EVERY_S = 5.0  # batches renew a session's last_seen at most this often


def text_of(value: Any, length_max: int = limits.NOTE_CHARS_MAX) -> str:
    return (value if isinstance(value, str) else "" if value is None else str(value))[:length_max]


def _int_of(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31 else None


def _events_lost(fields: Mapping[str, Any]) -> int:
    """How many events one loss event stands for: more than the numbers it occupies where they never got any."""
    events, count = fields.get("events"), int(fields.get("count", 1))
    return max(count, events) if isinstance(events, int) and events < 1 << 53 else count


def count_losses(losses: dict[str, int], batch: MetaBatch) -> bool:
    """Adds the batch's loss events to `losses`; True where there was one."""
    changed = False
    for event in batch.events:
        if event.kind != "loss":
            continue
        reason = text_of(event.fields.get("reason"), 64) or "unknown"
        if reason not in losses and len(losses) >= LOSS_REASONS_MAX:
            reason = "other"
        losses[reason] = losses.get(reason, 0) + _events_lost(event.fields)
        changed = True
    return changed


class BatchesSql(SessionsSql):
    """Ingest's share of a MetaTransaction over one connection."""

    _configs: ArrivingConfigs  # in the batches at hand
    _no_room: dict[str, int]  # by writer: their config events that found none

    def writers(self, ids: Sequence[str]) -> dict[str, Writer]:
        rows = self.conn.execute(select(writers).where(any_of(writers.c.writer, ids)))
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
        return len(self.conn.execute(select(writers.c.writer).where(writers.c.run_id == run_id)).all())

    def events_of(self, writer: str) -> list[tuple[int, str, int]]:
        rows = self.conn.execute(
            select(events.c.seq, events.c.kind, events.c.fields).where(events.c.writer == writer).order_by(events.c.seq)
        )
        return [(seq, kind, event_count(kind, unpack(fields))) for seq, kind, fields in rows]

    def losses(self, run_id: str) -> dict[str, int]:
        """Losses by reason. Writers tell by events, sessions by heartbeats; what both tell is counted once. Heartbeats
        of sessions that have ended count no more: by then all is told by events, which are exact also where numbers
        were lost for one reason, and for another again once the lab had been put back.
        """
        totals: list[dict[str, int]] = [{}, {}]
        by_whom = [
            select(writers.c.losses).where(writers.c.run_id == run_id, writers.c.losses.is_not(None)),
            select(sessions.c.losses).where(
                sessions.c.run_id == run_id, sessions.c.losses.is_not(None), sessions.c.ended.is_(None)
            ),
        ]
        for total, told in zip(totals, by_whom, strict=True):
            for blob in self.conn.execute(told).scalars():
                for reason, count in unpack(blob).items():
                    total[reason] = total.get(reason, 0) + count
        by_events, by_heartbeats = totals
        return {r: max(by_events.get(r, 0), by_heartbeats.get(r, 0)) for r in sorted({**by_events, **by_heartbeats})}

    def set_cursor(self, writer: str, cursor: int) -> None:
        self.conn.execute(update(writers).where(writers.c.writer == writer).values(cursor=cursor))

    def apply(self, batches: Sequence[MetaBatch], now: float) -> None:
        if not batches:
            return
        self._store_events(batches)
        self._move_cursors(batches, now)
        totals: dict[str, int] = {}
        self._configs, self._no_room = ArrivingConfigs(self.conn), {}
        for batch in batches:
            totals[batch.run] = totals.get(batch.run, 0) + batch.points
            self._apply_effects(batch, now)
        self._configs.store()
        self._store_no_room()
        self.conn.execute(
            update(runs)
            .where(runs.c.id == bindparam("run"))
            .values(points=runs.c.points + bindparam("n"), last_activity=now),
            [{"run": run, "n": n} for run, n in totals.items()],
        )
        self._sign_of_life(batches, now)

    def _store_events(self, batches: Sequence[MetaBatch]) -> None:
        rows = [
            {
                "run_id": batch.run,
                "writer": batch.writer,
                "seq": event.seq,
                "kind": event.kind,
                "time": event.time,
                "rank": batch.rank,
                "attempt": batch.attempt,
                "fields": event.packed,
            }
            for batch in batches
            for event in batch.events
        ]
        if rows:  # (writer, seq) names an event: one that is there already stays
            self.conn.execute(upsert(self.conn, events).on_conflict_do_nothing(), rows)

    def _move_cursors(self, batches: Sequence[MetaBatch], now: float) -> None:
        rows: dict[str, dict[str, Any]] = {}
        lossy: dict[str, list[MetaBatch]] = {}
        for batch in batches:
            rows[batch.writer] = {
                "writer": batch.writer,
                "run_id": batch.run,
                "rank": batch.rank,
                "attempt": batch.attempt,
                "cursor": batch.last,
                "last_seen": now,
            }
            if any(event.kind == "loss" for event in batch.events):
                lossy.setdefault(batch.writer, []).append(batch)
        statement = upsert(self.conn, writers)
        statement = statement.on_conflict_do_update(
            index_elements=["writer"],
            set_={"cursor": statement.excluded.cursor, "last_seen": statement.excluded.last_seen},
        )
        self.conn.execute(statement, list(rows.values()))
        for writer, its in lossy.items():
            losses = unpack(self.conn.execute(select(writers.c.losses).where(writers.c.writer == writer)).scalar())
            for batch in its:
                count_losses(losses, batch)
            self.conn.execute(update(writers).where(writers.c.writer == writer).values(losses=msgpack.packb(losses)))

    def _sign_of_life(self, batches: Sequence[MetaBatch], now: float) -> None:
        """Whoever delivers is there, and its session not silent. That brings no lost one back: what a dead process
        left may be on its way, days later. Heartbeats speak for processes.
        """
        senders = {(b.session, b.run, b.rank, b.attempt): b.skew for b in batches}
        ids = sorted({b.session for b in batches})
        silent = [
            (row, senders[row.session, row.run_id, row.rank, row.attempt])
            for row in self.open_sessions(ids, now - SEEN_EVERY_S)
            if (row.session, row.run_id, row.rank, row.attempt) in senders
        ]
        if not silent:
            return
        self.conn.execute(
            update(sessions)
            .where(
                sessions.c.session == bindparam("its_session"),
                sessions.c.run_id == bindparam("its_run"),
                sessions.c.rank == bindparam("its_rank"),
                sessions.c.attempt == bindparam("its_attempt"),
            )
            .values(last_seen=now, skew=bindparam("its_skew")),
            [
                {
                    "its_session": row.session,
                    "its_run": row.run_id,
                    "its_rank": row.rank,
                    "its_attempt": row.attempt,
                    "its_skew": skew,
                }
                for row, skew in silent
            ],
        )

    # What events change in their run. Kinds that are not here are stored as they came and change nothing.

    def _apply_effects(self, batch: MetaBatch, now: float) -> None:
        for event in batch.events:
            fields, at = event.fields, event.time - batch.skew
            if event.kind == "config" and isinstance(fields.get("values"), dict):
                if not self._configs.add(batch.run, batch.attempt, fields["values"], len(event.packed)):
                    self._no_room[batch.writer] = self._no_room.get(batch.writer, 0) + 1
            elif event.kind == "meta" and fields.get("key") is not None:
                key = text_of(fields["key"], limits.KEY_BYTES_MAX)
                set_meta(self.conn, batch.run, batch.attempt, key, fields.get("value"))
            elif event.kind == "note":
                self.conn.execute(update(runs).where(runs.c.id == batch.run).values(note=text_of(fields.get("text"))))
            elif event.kind == "tag" and fields.get("name"):
                self._add_tag(batch.run, fields)
            elif event.kind == "state" and fields.get("state") in states.SCRIPT_STATES:
                self._say_state(batch, fields["state"], at)
            elif event.kind == "end" and fields.get("state") in states.FINAL_STATES:
                self._say_end(batch, fields, event.time, now)
            else:
                continue
            self.changes.runs.add(batch.run)

    def _store_no_room(self) -> None:
        """Counts what a config could not hold, beside the losses that the writer itself told."""
        for writer, count in self._no_room.items():
            losses = unpack(self.conn.execute(select(writers.c.losses).where(writers.c.writer == writer)).scalar())
            losses["config_full"] = losses.get("config_full", 0) + count
            self.conn.execute(update(writers).where(writers.c.writer == writer).values(losses=msgpack.packb(losses)))

    def _add_tag(self, run_id: str, fields: Mapping[str, Any]) -> None:
        name = text_of(fields["name"], limits.NAME_BYTES_MAX)
        self.conn.execute(delete(run_tags).where(run_tags.c.run_id == run_id, run_tags.c.name == name))
        color, description = fields.get("color"), fields.get("description")
        self.conn.execute(
            insert(run_tags).values(
                run_id=run_id,
                name=name,
                color=None if color is None else text_of(color, limits.TAG_COLOR_CHARS_MAX),
                description=None if description is None else text_of(description, limits.TAG_DESCRIPTION_CHARS_MAX),
            )
        )

    def _say_state(self, batch: MetaBatch, state: str, at: float) -> None:
        self.say(batch.session, batch.run, batch.attempt, batch.rank, state, at)

    def _say_end(self, batch: MetaBatch, fields: Mapping[str, Any], at: float, now: float) -> None:
        owner = self.conn.execute(select(runs.c.author_id).where(runs.c.id == batch.run)).scalar_one()
        report = EndReport(
            session=batch.session,
            run=batch.run,
            rank=batch.rank,
            attempt=batch.attempt,
            state=fields["state"],
            cause=text_of(fields.get("cause"), 1024),
            exit_code=_int_of(fields.get("exit_code")),
            signal=_int_of(fields.get("signal")),
            detail=text_of(fields.get("detail")),
            time=at,
            skew=batch.skew,
            final=False,
        )
        self.end(report, owner, now)
