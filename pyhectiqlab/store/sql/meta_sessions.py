"""SQL of the MetaStore for sessions: signs of life, what scripts say, ends, and the states that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgpack
from sqlalchemy import and_, bindparam, func, literal, select, tuple_, update

from ...base.texts import counted
from ...protocol import limits, states
from ..meta import (
    EndReport,
    Session,
)
from .dialect import any_of, read_slowly
from .meta_runs import hold_runs, unpack
from .meta_schema import runs, sessions
from .meta_states import StatesSql
from .share import Share

REQUEST_S = 5.0  # how long a request may take on a busy machine: clocks that differ by less count as the same
_ORDER = (sessions.c.attempt, sessions.c.rank, sessions.c.started, sessions.c.session)


def shortened(detail: str) -> str:
    """Return a detail without its middle if it is too long: a traceback begins with the place, and ends with the
    error.
    """
    half = limits.DETAIL_CHARS_MAX // 2
    left_out = len(detail) - 2 * half
    return (
        detail if left_out <= 0 else f"{detail[:half]}\n[{counted(left_out, 'character')} left out]\n{detail[-half:]}"
    )


def _session(row: Any) -> Session:
    known = {k: v for k, v in row._mapping.items() if k in Session.__dataclass_fields__}
    return Session(**{**known, "run": row.run_id, "losses": unpack(row.losses)})


class SessionsSql(Share):
    """The topic sessions of SqlMeta."""

    def heartbeat(
        self,
        session: str,
        user_id: str,
        runs: Sequence[tuple[str, int, int]],
        *,
        skew: float,
        backlog: int,
        losses: Mapping[str, int],
        now: float,
    ) -> None:
        packed = msgpack.packb(dict(losses)) if losses else None
        hold_runs(self.conn, {run for run, _, _ in runs})
        known = self.attached(session, user_id)
        beating = set(runs) & known.keys()
        values = {"last_seen": now, "skew": skew, "backlog": backlog, "losses": packed}
        if beating == known.keys():
            mine = and_(sessions.c.session == session, sessions.c.user_id == user_id)
            self.conn.execute(update(sessions).where(mine).values(values))
        elif beating:
            one = and_(
                sessions.c.session == session,
                sessions.c.run_id == bindparam("its_run"),
                sessions.c.rank == bindparam("its_rank"),
                sessions.c.attempt == bindparam("its_attempt"),
            )
            each = [{"its_run": run, "its_rank": rank, "its_attempt": attempt} for run, rank, attempt in beating]
            self.conn.execute(update(sessions).where(one).values(values), each)
        for run_id, attempt in sorted({(run, attempt) for run, rank, attempt in beating if known[run, rank, attempt]}):
            self.revive(run_id, attempt, session, now)

    def attached(self, session: str, user_id: str) -> dict[tuple[str, int, int], bool]:
        """Return (run, rank, attempt) of each attachment of the user's session → whether it is lost and has not
        ended.
        """
        rows = self.conn.execute(
            select(sessions.c.run_id, sessions.c.rank, sessions.c.attempt, sessions.c.lost, sessions.c.ended).where(
                sessions.c.session == session, sessions.c.user_id == user_id
            )
        )
        return {(row.run_id, row.rank, row.attempt): bool(row.lost) and row.ended is None for row in rows}

    def revive(self, run_id: str, attempt: int, session: str, now: float) -> None:
        """Note a sign of life of a session that has not ended: it is not lost. If `attempt` is not the newest of the
        run, nothing changes.
        """
        key = and_(
            sessions.c.run_id == run_id,
            sessions.c.attempt == attempt,
            sessions.c.session == session,
            sessions.c.lost.is_(True),
            sessions.c.ended.is_(None),
        )
        rows = self.conn.execute(
            select(sessions.c.rank, sessions.c.silent_since)
            .join(runs, and_(runs.c.id == sessions.c.run_id, runs.c.attempt == sessions.c.attempt))
            .where(key)
        ).all()
        if not rows:
            return
        self.conn.execute(update(sessions).where(key).values(lost=False, silent_since=None))
        silent = now - min(row.silent_since or now for row in rows)
        self.share(StatesSql).settle(run_id, now, "lab", f"came back after {silent:.0f} s without a sign of life")

    def has_silent(self, before: float) -> bool:
        return self.conn.execute(self._silent(before).limit(1)).first() is not None

    @staticmethod
    def _silent(before: float) -> Any:
        """Return a query for attachments to the newest attempts of live runs that were silent since then and are not
        marked as lost.
        """
        return (
            select(sessions.c.run_id, sessions.c.session, sessions.c.rank, sessions.c.attempt, sessions.c.last_seen)
            .join(runs, and_(sessions.c.run_id == runs.c.id, sessions.c.attempt == runs.c.attempt))
            .where(
                runs.c.state.in_(states.LIVE_STATES),
                runs.c.deleted.is_(None),
                sessions.c.sets_state.is_(True),
                sessions.c.ended.is_(None),
                sessions.c.lost.is_(False),
                sessions.c.last_seen < before,
            )
        )

    def mark_lost(self, now: float, lost_after_s: float) -> list[str]:
        """Mark silent sessions as lost. Return the runs that are lost by it."""
        silent = self._silent(now - lost_after_s)
        rows = self.conn.execute(silent).all()
        if hold_runs(self.conn, {row.run_id for row in rows}):
            rows = self.conn.execute(silent.where(any_of(self.conn, runs.c.id, {row.run_id for row in rows}))).all()
        for row in rows:
            self.conn.execute(
                update(sessions)
                .where(
                    sessions.c.session == row.session,
                    sessions.c.run_id == row.run_id,
                    sessions.c.rank == row.rank,
                    sessions.c.attempt == row.attempt,
                )
                .values(lost=True, silent_since=row.last_seen)
            )
        lost = []
        for run_id in dict.fromkeys(row.run_id for row in rows):
            self.share(StatesSql).settle(run_id, now, "lab", f"no sign of life for {lost_after_s:g} s")
            if self.changes.states.get(run_id) == states.LOST:
                lost.append(run_id)
        return lost

    def say(self, session: str, run_id: str, attempt: int, rank: int, state: str, at: float) -> None:
        """Note a state that the script of a rank set, by the process that sets states or by another one of its
        script.
        """
        of_rank = and_(sessions.c.run_id == run_id, sessions.c.attempt == attempt, sessions.c.rank == rank)
        row = self.conn.execute(
            select(sessions.c.sets_state, sessions.c.script).where(of_rank, sessions.c.session == session)
        ).first()
        if row is None or not (row.sets_state or row.script):
            return
        whose = sessions.c.session == session if row.sets_state else sessions.c.script == row.script
        self.conn.execute(
            update(sessions).where(of_rank, whose, sessions.c.sets_state.is_(True)).values(said=state, said_at=at)
        )
        newest = self.conn.execute(select(runs.c.attempt).where(runs.c.id == run_id)).scalar_one()
        if attempt == newest:
            self.share(StatesSql).settle(run_id, at, "script", states.SAID_SO)

    def end(self, report: EndReport, user_id: str, now: float) -> bool:
        hold_runs(self.conn, [report.run])
        key = and_(
            sessions.c.session == report.session,
            sessions.c.run_id == report.run,
            sessions.c.rank == report.rank,
            sessions.c.attempt == report.attempt,
        )
        row = self.conn.execute(select(sessions).where(key, sessions.c.user_id == user_id)).first()
        if row is None:
            return False
        if row.ended is not None and row.end_is_final and not report.final:
            return True  # an `end` event that arrives after the uploader's report
        skew = self._skew(row, report.skew)
        at = min(now + REQUEST_S, report.time - skew)  # this request may be faster than the one that gave the skew
        has_ended = row.ended is not None and row.state is not None
        # "ended, cause unknown" is no news about a process that said how it was ending.
        state = row.state if has_ended and report.final and report.state == states.ENDED else report.state
        if row.state == states.PREEMPTED:
            state = row.state  # the job runs again meanwhile; what is new is how it went
        self.conn.execute(
            update(sessions)
            .where(key)
            .values(
                ended=at,
                skew=skew,
                last_seen=max(row.last_seen, at),
                lost=False,
                state=state,
                cause=row.cause if state == states.PREEMPTED else report.cause or row.cause,
                exit_code=report.exit_code if report.exit_code is not None else row.exit_code,
                signal=report.signal if report.signal is not None else row.signal,
                detail=shortened(report.detail) or row.detail,
                end_is_final=report.final,
            )
        )
        newest = self.conn.execute(select(runs.c.attempt).where(runs.c.id == report.run)).scalar_one()
        if row.sets_state and report.attempt == newest:
            who = "uploader" if report.final else "process"
            self.share(StatesSql).settle(report.run, at, who, report.cause or row.cause)
        self.changes.runs.add(report.run)
        return True

    def _skew(self, row: Any, reported: float | None) -> float:
        """Return how far the clock of a session's machine is ahead. A slow request makes it look behind, so the largest
        skew of the run's sessions on that machine is the most exact. Once the first of them has ended, its skew is used
        for all, so that their order is as exact as on that machine. If the clock was set in between, the newer skew
        counts.
        """
        near = float(row.skew if reported is None else reported)
        on_it = sessions.c.host == row.host if row.host else sessions.c.session == row.session
        nearest = self.conn.execute(
            select(sessions.c.skew, sessions.c.ended)
            .where(sessions.c.run_id == row.run_id, sessions.c.attempt == row.attempt, on_it)
            .where(sessions.c.skew.between(near - REQUEST_S, near + REQUEST_S))
            .order_by(sessions.c.ended.is_(None), sessions.c.skew.desc())
            .limit(1)
        ).first()
        if nearest is None:
            return near
        return float(nearest.skew) if nearest.ended is not None else max(near, float(nearest.skew))

    def sessions(self, run_id: str, limit: int, after: Sequence[Any] | None = None) -> Iterator[Session]:
        query = select(sessions).where(sessions.c.run_id == run_id)
        if after is not None:
            query = query.where(tuple_(*_ORDER) > tuple_(*map(literal, after)))
        with read_slowly(self.conn, query.order_by(*_ORDER).limit(limit)) as rows:
            yield from map(_session, rows)

    def newest_sessions(self, run_id: str, limit: int) -> list[Session]:
        newest = (sessions.c.ended.is_not(None), sessions.c.attempt.desc(), *_ORDER[1:])
        query = select(sessions).where(sessions.c.run_id == run_id).order_by(*newest).limit(limit)
        read = [_session(row) for row in self.conn.execute(query)]
        return sorted(read, key=lambda s: (s.attempt, s.rank, s.started, s.session))

    def session_count(self, run_id: str) -> int:
        query = select(func.count()).select_from(sessions).where(sessions.c.run_id == run_id)
        return int(self.conn.execute(query).scalar_one())

    def open_sessions(self, ids: Sequence[str], stale: float) -> list[Any]:
        """Return (session, run_id, rank, attempt) of open sessions that are not lost, and not seen since `stale`."""
        return list(
            self.conn.execute(
                select(sessions.c.session, sessions.c.run_id, sessions.c.rank, sessions.c.attempt).where(
                    any_of(self.conn, sessions.c.session, ids),
                    sessions.c.ended.is_(None),
                    sessions.c.lost.is_(False),
                    sessions.c.last_seen < stale,
                )
            )
        )
