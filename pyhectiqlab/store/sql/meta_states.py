"""SQL of the MetaStore for the states of runs: they follow from the facts about their ranks. Also their history.

The facts are in the rows of `sessions` that speak for a rank. Code that changes a fact calls `settle`, with who
reported it and why. The run's own state, and the history, are written only here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from ...protocol import states
from ...protocol.states import RankFacts, state_of_run
from ..meta import StateChange
from .meta_notices import NoticesSql
from .meta_schema import run_states, runs, sessions
from .share import Share

HISTORY_MAX = 1000  # changes of state that are kept of a run, the newest
WHY_CHARS_MAX = 500


# Without the columns that may be long: there may be thousands of processes.
FACTS = select(*(column for column in sessions.c if column.name not in {"detail", "losses"}))


class StatesSql(Share):
    """The topic states of SqlMeta."""

    def ranks(self, run_id: str, attempt: int) -> list[RankFacts]:
        """Return the facts of the ranks of an attempt. If the script of a rank is several processes, return those of
        each one that sets states.
        """
        rows = self.conn.execute(
            FACTS.where(
                sessions.c.run_id == run_id, sessions.c.attempt == attempt, sessions.c.sets_state.is_(True)
            ).order_by(sessions.c.rank, sessions.c.started)
        )
        return [
            RankFacts(
                rank=row.rank,
                said=row.said,
                said_at=row.said_at,
                ended_as=row.state if row.ended is not None else None,
                ended_at=row.ended or 0.0,
                lost=row.lost,
                seen=row.last_seen,
                cause=row.cause,
                final=row.end_is_final,
                signal=row.signal,
            )
            for row in rows
        ]

    def settle(self, run_id: str, now: float, who: str, why: str, *, news: bool = False) -> None:
        """Store what follows from the facts, and note a change in the history.

        Args:
            who, why: who brought the change ("script", "process": its own last report, "uploader" or "lab"), and the
                reason. If the state is that of an end, what is known of that end is noted instead.
            news: note it even if the state is the same: for a new attempt.
        """
        old = self.conn.execute(
            select(
                runs.c.state, runs.c.state_rank, runs.c.state_why, runs.c.ended, runs.c.attempt, runs.c.project_id
            ).where(runs.c.id == run_id)
        ).one()
        new = state_of_run(self.ranks(run_id, old.attempt))
        if new.who:
            who, why = new.who, new.why
        why = why[:WHY_CHARS_MAX]
        changed = news or (new.state, new.rank) != (old.state, old.state_rank)
        values: dict[str, Any] = {"state": new.state, "state_rank": new.rank, "ended": new.ended}
        if changed or (new.who and why != old.state_why):
            values["state_why"] = why
        if changed:
            at = now if new.ended is None or new.state == states.LOST else new.ended
            self._note(run_id, at, new.state, old.attempt, new.rank, who, why)
        if "state_why" in values or new.ended != old.ended:
            self.conn.execute(update(runs).where(runs.c.id == run_id).values(**values))
        if new.state != old.state:
            self.changes.states[run_id] = new.state
            self.share(NoticesSql).note_for_targets(run_id, old.project_id, new.state, why, now)

    def _note(self, run_id: str, at: float, state: str, attempt: int, rank: int | None, who: str, why: str) -> None:
        last = self.conn.execute(select(func.max(run_states.c.n)).where(run_states.c.run_id == run_id)).scalar() or 0
        self.conn.execute(
            insert(run_states).values(
                run_id=run_id,
                n=last + 1,
                at=at,
                state=state,
                attempt=attempt,
                rank=rank,
                who=who,
                why=why[:WHY_CHARS_MAX],
            )
        )
        if last >= HISTORY_MAX:
            old = (run_states.c.run_id == run_id) & (run_states.c.n <= last + 1 - HISTORY_MAX)
            self.conn.execute(delete(run_states).where(old))

    def preempt(self, run_id: str, attempt: int, job: str, now: float) -> None:
        """Mark what the batch system took away of the attempt before as preempted: it started `job` again."""
        base, _, count = job.rpartition("/")
        rows = self.conn.execute(
            FACTS.where(sessions.c.run_id == run_id, sessions.c.attempt == attempt, sessions.c.sets_state.is_(True))
        ).all()
        taken = [
            row
            for row in rows
            if base
            and row.job.rpartition("/")[0] == base
            and row.job.rpartition("/")[2] != count
            and (row.ended is None or row.state in {states.STOPPED, states.KILLED, states.ENDED})
        ]
        for row in taken:
            cause = row.cause or "no sign of life"
            self.conn.execute(
                update(sessions)
                .where(
                    sessions.c.session == row.session,
                    sessions.c.run_id == run_id,
                    sessions.c.rank == row.rank,
                    sessions.c.attempt == attempt,
                )
                .values(
                    state=states.PREEMPTED,
                    ended=row.last_seen if row.ended is None else row.ended,
                    cause=f"{cause}; {base.replace('/', ' ')} was started again"[:WHY_CHARS_MAX],
                    end_is_final=True,
                )
            )
        if taken:
            at = max(row.last_seen if row.ended is None else row.ended for row in taken)
            why = f"{base.replace('/', ' ')} was started again by the batch system"
            self._note(run_id, min(at, now), states.PREEMPTED, attempt, None, "lab", why)

    def state_history(self, run_id: str, limit: int = HISTORY_MAX) -> Sequence[StateChange]:
        """Return the last changes of state, the newest last."""
        rows = self.conn.execute(
            select(run_states).where(run_states.c.run_id == run_id).order_by(run_states.c.n.desc()).limit(limit)
        ).all()
        return [StateChange(r.at, r.state, r.attempt, r.rank, r.who, r.why) for r in reversed(rows)]
