"""SQL of the MetaStore for accepted batches: their events, what these change in their run, counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
from sqlalchemy import Connection, bindparam, select, update

from ...protocol import events as rules
from ...protocol import limits
from ...protocol.states import tells_state
from ..imports import IMPORTED
from ..meta import Changes, EndReport, MetaBatch
from .dialect import upsert
from .media_index import index_events
from .meta_configs import ArrivingConfigs
from .meta_forks import ForksSql
from .meta_runs import unpack
from .meta_schema import events, runs, sessions, writers
from .meta_sessions import SessionsSql
from .meta_words import ArrivingWords, text_of
from .rows import insert_new
from .share import Share

LOSS_REASONS_MAX = 64  # of one writer; further reasons are counted as "other"
SEEN_EVERY_S = 5.0  # batches renew a session's last_seen at most this often


def _int_of(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31 else None


def _events_lost(fields: Mapping[str, Any]) -> int:
    """Return how many events one loss event stands for. Events that never got a number count, too, so it may be more
    than the numbers that it occupies.
    """
    events, count = fields.get("events"), int(fields.get("count", 1))
    return max(count, events) if isinstance(events, int) and events < 1 << 53 else count


class AcceptedBatches(Share):
    """Batches whose numbers are the next ones of their writers, and whose runs are held. Call `apply` once."""

    def __init__(self, conn: Connection, changes: Changes) -> None:
        super().__init__(conn, changes)
        self._configs, self._words = ArrivingConfigs(conn), ArrivingWords(conn)
        self._lost: Counter[tuple[str, str]] = Counter()  # (writer, reason) → how many events were not followed
        self._sessions, self._forks = self.share(SessionsSql), self.share(ForksSql)

    def apply(self, batches: Sequence[MetaBatch], now: float) -> None:
        self._store_events(batches)
        self._move_cursors(batches, now)
        totals: dict[str, int] = {}
        for batch in batches:
            totals[batch.run] = totals.get(batch.run, 0) + batch.points
            self._follow(batch, now)
        self._configs.store()
        self._words.store()
        self._lost += self._words.lost
        self._lost.update({(writer, "config_full"): n for writer, n in self._configs.lost.items()})
        self._count_losses(batches)
        self.conn.execute(
            update(runs)
            .where(runs.c.id == bindparam("run"))
            .values(points=runs.c.points + bindparam("n"), last_activity=now),
            [{"run": run, "n": n} for run, n in totals.items()],
        )
        self._sign_of_life(batches, now)
        index_events(self.conn, self.changes, batches)

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
            insert_new(self.conn, events, rows)

    def _move_cursors(self, batches: Sequence[MetaBatch], now: float) -> None:
        rows: dict[str, dict[str, Any]] = {}
        for batch in batches:
            rows[batch.writer] = {
                "writer": batch.writer,
                "run_id": batch.run,
                "rank": batch.rank,
                "attempt": batch.attempt,
                "cursor": batch.last,
                "last_seen": now,
            }
        statement = upsert(self.conn, writers)
        statement = statement.on_conflict_do_update(
            index_elements=["writer"],
            set_={"cursor": statement.excluded.cursor, "last_seen": statement.excluded.last_seen},
        )
        self.conn.execute(statement, list(rows.values()))

    def _count_losses(self, batches: Sequence[MetaBatch]) -> None:
        """Count what loss events report, and what there was no room for."""
        more: dict[str, Counter[str]] = {}
        for batch in batches:
            for event in batch.events:
                if event.kind == "loss":
                    reason = text_of(event.fields.get("reason"), 64) or "unknown"
                    more.setdefault(batch.writer, Counter())[reason] += _events_lost(event.fields)
        for (writer, reason), n in self._lost.items():
            more.setdefault(writer, Counter())[reason] += n
        for writer, counts in more.items():
            losses = unpack(self.conn.execute(select(writers.c.losses).where(writers.c.writer == writer)).scalar())
            self.changes.losses.update(counts)
            for reason, n in counts.items():
                known = reason if reason in losses or len(losses) < LOSS_REASONS_MAX else "other"
                losses[known] = losses.get(known, 0) + n
            self.conn.execute(update(writers).where(writers.c.writer == writer).values(losses=msgpack.packb(losses)))

    def _sign_of_life(self, batches: Sequence[MetaBatch], now: float) -> None:
        """Note that sessions which deliver are not silent. A lost one is not brought back by this: events that a dead
        process left may arrive days later. Only heartbeats show that a process lives.
        """
        senders = {(b.session, b.run, b.rank, b.attempt): b.skew for b in batches}
        ids = sorted({b.session for b in batches})
        silent = [
            (row, senders[row.session, row.run_id, row.rank, row.attempt])
            for row in self._sessions.open_sessions(ids, now - SEEN_EVERY_S)
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

    # What events change in their run. Events of other kinds are stored as they came, and change nothing.

    def _follow(self, batch: MetaBatch, now: float) -> None:
        for event in batch.events:
            fields, at = event.fields, event.time - batch.skew
            if event.kind == "config" and isinstance(fields.get("values"), dict):
                self._configs.add(batch, event)
            elif event.kind == "meta" and fields.get("key") is not None:
                self._words.add_meta(batch, fields)
            elif event.kind == "note":
                self._words.add_note(batch, fields)
            elif event.kind == "tag" and fields.get("name"):
                self._words.add_tag(batch, fields)
            elif event.kind == "group":
                self._set_group(batch, fields)
            elif event.kind == "fork":
                self._fork(batch, fields)
            elif not tells_state(event.kind, fields):
                continue
            elif not event.followed:
                self._lost[batch.writer, "states_cut"] += 1
            elif event.kind == "state":
                self._say_state(batch, fields["state"], at)
            else:
                self._say_end(batch, fields, event.time, now)
            self.changes.runs.add(batch.run)

    def _set_group(self, batch: MetaBatch, fields: Mapping[str, Any]) -> None:
        name = text_of(fields.get("name"), limits.NAME_BYTES_MAX)
        self.conn.execute(update(runs).where(runs.c.id == batch.run).values(group_name=name))

    def _fork(self, batch: MetaBatch, fields: Mapping[str, Any]) -> None:
        """Make the run a fork, or count a loss if that is not possible. Nothing is done for an imported run: its import
        brings the points, and says of which run of this lab it is a fork.
        """
        its = (sessions.c.session == batch.session, sessions.c.run_id == batch.run, sessions.c.cause == IMPORTED)
        if self.conn.execute(select(sessions.c.session).where(*its)).first() is not None:
            return
        step = fields.get("step")
        named = (text_of(fields.get(name), limits.NAME_BYTES_MAX) for name in ("run", "name", "project"))
        parent = self._forks.parent_for(batch.run, *named)
        if parent is None or not (step is None or rules.is_step(step)):
            self._lost[batch.writer, "fork_unknown"] += 1
        elif not self._forks.add_fork(batch.run, parent, step):
            self._lost[batch.writer, "fork_refused"] += 1

    def _say_state(self, batch: MetaBatch, state: str, at: float) -> None:
        self._sessions.say(batch.session, batch.run, batch.attempt, batch.rank, state, at)

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
        self._sessions.end(report, owner, now)
