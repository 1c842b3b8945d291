"""SQL of the MetaStore for sessions: attaching to runs, signs of life, ends, and the states that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgpack
from sqlalchemy import and_, bindparam, delete, func, insert, literal, select, tuple_, update

from ...protocol import limits, roles, states
from ...protocol.names import new_name
from ..meta import (
    Attached,
    AttachRequest,
    EndReport,
    FullError,
    MayNotAddError,
    NameTakenError,
    ProjectNotFoundError,
    Run,
    Session,
    User,
)
from .dialect import any_of, exclude, read_slowly
from .meta_attempts import membership
from .meta_members import MembersSql
from .meta_runs import RunsSql, exclude_name, hold_runs, new_run, unpack
from .meta_schema import runs, sessions
from .meta_states import StatesSql
from .share import Share

DEFAULT_PROJECT = "default"
REQUEST_S = 5.0  # what a request may take on a busy machine, for a clock to be thought the same
# What says which attempt another process belongs to.
_KNOWN = select(
    *(
        sessions.c[name]
        for name in ("session", "rank", "attempt", "restart", "sets_state", "last_seen", "ended", "state", "lost")
    ),
    sessions.c.host,
    sessions.c.main,
    sessions.c.opening,
    sessions.c.script,
)
_ORDER = (sessions.c.attempt, sessions.c.rank, sessions.c.started, sessions.c.session)


def shortened(detail: str) -> str:
    """Without its middle where it is too long: a traceback begins with where it was, and ends with what it was."""
    half = limits.DETAIL_CHARS_MAX // 2
    left_out = len(detail) - 2 * half
    return detail if left_out <= 0 else f"{detail[:half]}\n[{left_out:,} characters left out]\n{detail[-half:]}"


def _session(row: Any) -> Session:
    known = {k: v for k, v in row._mapping.items() if k in Session.__dataclass_fields__}
    return Session(**{**known, "run": row.run_id, "losses": unpack(row.losses)})


class SessionsSql(Share):
    """The sessions' share of a MetaTransaction over one connection."""

    # Attaching

    def _project_for(self, request: AttachRequest, user: User, now: float) -> tuple[str, str, bool]:
        """(project, the user's role in it, whether it was made now)."""
        projects, members = self.share(RunsSql), self.share(MembersSql)
        if request.project is None:
            mine = [
                (id, role) for id in projects.projects_of(user.id) if (role := members.role_in(id, user.id)) is not None
            ]
            if len(mine) == 1:
                return *mine[0], False
        name = DEFAULT_PROJECT if request.project is None else request.project
        found = projects.project(name)
        if found is None and exclude(self.conn, "project", name):
            found = projects.project(name)
        role = None if found is None else members.role_in(found.id, user.id)
        if found is not None and role is not None:
            return found.id, role, False
        if request.project is not None and not request.create_project:
            raise ProjectNotFoundError(
                f"No project named {name!r} in this lab. "
                "Create it with should_create_project=True, or see `hectiqlab projects`."
            )
        if not roles.at_least(user.role, roles.MEMBER):
            raise MayNotAddError("A viewer of this lab makes no projects: ask an admin for the role of a member.")
        if found is not None:  # that a name is taken is no secret: no two projects share one
            raise ProjectNotFoundError(
                f"The project {name!r} is private and you have no role in it: ask an admin for one, "
                "or give project= another name."
            )
        try:
            new_name("name of a project", name)  # one that is there keeps the name that it has
        except ValueError as e:
            raise ProjectNotFoundError(f"{str(e)[0].upper()}{str(e)[1:]}.") from None
        return projects.add_project(name, user.id, now).id, roles.ADMIN, True

    def attach(self, request: AttachRequest, user: User, now: float, lost_after_s: float) -> Attached:
        project_id, role, project_made = self._project_for(request, user, now)
        row = self._hold_named(project_id, request.name)
        may_add = roles.at_least(role, roles.MEMBER)
        if row is None and not may_add:
            raise MayNotAddError("A viewer of this project adds no runs: ask an admin of it for the role of a member.")
        if row is not None and request.new and not self._attached_to(row.id, request.session):
            raise NameTakenError(f"The project has a run named {request.name!r} already: choose another name.")
        if row is not None and (row.author_id != user.id or not may_add):
            return Attached(self._the_run(row.id), row.attempt, "read-only", created=False, sets_state=False)
        created = row is None
        run_id = new_run(self.conn, project_id, request.name, user.id, now) if row is None else str(row.id)
        live_since = now - lost_after_s
        if request.gone:  # asked again: it joined those who are gone, without a say
            self._forget(request, run_id)
        known = self.conn.execute(_KNOWN.where(sessions.c.run_id == run_id)).all()
        # A process that was asleep is silent, and still the same life of its job when it comes back.
        lately = [s for s in known if s.last_seen > live_since or s.session == request.session]
        live = [s for s in lately if s.ended is None and s.session not in request.gone]
        found = membership(request, known, live)
        attempt, sets_state = found.attempt, found.sets_state
        mine = [s for s in known if (s.session, s.rank, s.attempt) == (request.session, request.rank, attempt)]
        if not mine and len(known) >= limits.SESSIONS_MAX:
            raise FullError(
                f"{limits.SESSIONS_MAX:,} processes have attached to the run {request.name!r}, and none takes more: "
                "give a new run another name."
            )
        self._store_session(request, user, run_id, attempt, sets_state, now, exists=bool(mine))
        if found.speaks_for_script:
            self._speak_for(request, run_id, attempt)
        newest = created or attempt >= row.attempt  # type: ignore[union-attr]
        opened = created or attempt > row.attempt  # type: ignore[union-attr]
        if newest:
            values: dict[str, Any] = {"attempt": attempt, "last_activity": now}
            if opened:
                values["started"] = request.started if request.started is not None else now
            self.conn.execute(update(runs).where(runs.c.id == run_id).values(**values))
        if opened and row is not None:
            self.share(StatesSql).preempt(run_id, row.attempt, request.job, now)
        if newest:
            asleep = bool(mine and mine[0].lost and not request.ended)
            why = "came back" if asleep else self._why_attached(request, attempt, opened)
            self.share(StatesSql).settle(run_id, now, "lab", why, news=opened)
        self.changes.runs.add(run_id)
        told = self._the_run(run_id)
        return Attached(told, attempt, "read-write", created, sets_state, project_made, found.held_by)

    def _hold_named(self, project_id: str, name: str) -> Any | None:
        """Hold the name, and the run that has it, where there is one."""
        exclude_name(self.conn, project_id, name)
        query = select(runs.c.id, runs.c.author_id, runs.c.attempt).where(
            runs.c.project_id == project_id, runs.c.name == name, runs.c.deleted.is_(None)
        )
        row = self.conn.execute(query).first()
        if row is not None and hold_runs(self.conn, [row.id]):
            row = self.conn.execute(query).first()  # it may be deleted meanwhile, or have another name
        return row

    def _forget(self, request: AttachRequest, run_id: str) -> None:
        self.conn.execute(
            delete(sessions).where(
                sessions.c.session == request.session,
                sessions.c.run_id == run_id,
                sessions.c.rank == request.rank,
                sessions.c.opening == request.opening,
                sessions.c.sets_state.is_(False),
            )
        )

    def _attached_to(self, run_id: str, session: str) -> bool:
        its = (sessions.c.run_id == run_id) & (sessions.c.session == session)
        return self.conn.execute(select(sessions.c.session).where(its).limit(1)).first() is not None

    @staticmethod
    def _why_attached(request: AttachRequest, attempt: int, opened: bool) -> str:
        where = f"on {request.host}" if request.host else "by a process"
        if request.ended:
            return "what a process left that has ended is on its way"
        if not opened:
            return f"another process of the job opened it {where}"
        if attempt == 1:
            return f"started {where}"
        return f"attempt {attempt} started {where}"

    def _the_run(self, run_id: str) -> Run:
        run = self.share(RunsSql).run(run_id)
        assert run is not None
        return run

    def _store_session(
        self,
        request: AttachRequest,
        user: User,
        run_id: str,
        attempt: int,
        sets_state: bool,
        now: float,
        *,
        exists: bool,
    ) -> None:
        key = (
            (sessions.c.session == request.session)
            & (sessions.c.run_id == run_id)
            & (sessions.c.rank == request.rank)
            & (sessions.c.attempt == attempt)
        )
        if exists:  # another process of the session, or the same one again: the row keeps telling of its owner
            alive: dict[str, Any] = {} if request.ended else {"lost": False, "silent_since": None}
            if request.opening is None:  # an older client: perhaps it closed the run and opens it again
                alive["ended"] = None
            self.conn.execute(update(sessions).where(key).values(last_seen=now, sets_state=sets_state, **alive))
            return
        self.conn.execute(
            insert(sessions).values(
                session=request.session,
                run_id=run_id,
                rank=request.rank,
                attempt=attempt,
                user_id=user.id,
                restart=request.restart,
                job=request.job,
                script=request.script,
                main=request.main,
                opening=request.opening,
                said=states.RUNNING,
                said_at=now,
                lost=request.ended,
                world_size=request.world_size,
                host=request.host,
                pid=request.pid,
                client_version=request.client_version,
                sets_state=sets_state,
                started=now,
                last_seen=now,
                cause="",
                detail="",
                end_is_final=False,
                skew=request.skew,
                backlog=0,
            )
        )

    def _speak_for(self, request: AttachRequest, run_id: str, attempt: int) -> None:
        self.conn.execute(
            update(sessions)
            .where(
                sessions.c.run_id == run_id,
                sessions.c.attempt == attempt,
                sessions.c.rank == request.rank,
                sessions.c.script == request.script,
                sessions.c.session != request.session,
            )
            .values(sets_state=False)
        )

    # Signs of life and ends

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
        told = set(runs) & known.keys()
        values = {"last_seen": now, "skew": skew, "backlog": backlog, "losses": packed}
        if told == known.keys():
            mine = and_(sessions.c.session == session, sessions.c.user_id == user_id)
            self.conn.execute(update(sessions).where(mine).values(values))
        elif told:
            one = and_(
                sessions.c.session == session,
                sessions.c.run_id == bindparam("its_run"),
                sessions.c.rank == bindparam("its_rank"),
                sessions.c.attempt == bindparam("its_attempt"),
            )
            each = [{"its_run": run, "its_rank": rank, "its_attempt": attempt} for run, rank, attempt in told]
            self.conn.execute(update(sessions).where(one).values(values), each)
        for run_id, attempt in sorted({(run, attempt) for run, rank, attempt in told if known[run, rank, attempt]}):
            self.revive(run_id, attempt, session, now)

    def attached(self, session: str, user_id: str) -> dict[tuple[str, int, int], bool]:
        """(run, rank, attempt) of each attachment of the user's session → whether it is lost and has not ended."""
        rows = self.conn.execute(
            select(sessions.c.run_id, sessions.c.rank, sessions.c.attempt, sessions.c.lost, sessions.c.ended).where(
                sessions.c.session == session, sessions.c.user_id == user_id
            )
        )
        return {(row.run_id, row.rank, row.attempt): bool(row.lost) and row.ended is None for row in rows}

    def revive(self, run_id: str, attempt: int, session: str, now: float) -> None:
        """A sign of life of a session that has not ended: it is not lost. `attempt` is the newest of the run, or
        nothing changes.
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
        """Attachments of live runs, of their newest attempts, that were silent since then and are not marked so."""
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
        """Marks what is silent as lost. Returns the runs that are lost by it."""
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
        """The script of a rank said a state: by the process that has the say, or by another one of its script."""
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
            return True  # an `end` event that was on its way while the uploader already told
        skew = self._skew(row, report.skew)
        at = min(now + REQUEST_S, report.time - skew)  # a faster request than that which the skew is of
        told = row.ended is not None and row.state is not None
        # "ended, cause unknown" is no news about a process that said how it was ending.
        state = row.state if told and report.final and report.state == states.ENDED else report.state
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

    def _skew(self, row: Any, told: float | None) -> float:
        """How far the clock of a session's machine is ahead. A request that was long under way makes it look behind, so
        of what the run's sessions on that machine measured the largest is the truest. It stays what it was for the
        first of them that ended: which came before which is then known as well as that machine knows it. A clock that
        was set in between has the last word.
        """
        near = float(row.skew if told is None else told)
        on_it = sessions.c.host == row.host if row.host else sessions.c.session == row.session
        found = self.conn.execute(
            select(sessions.c.skew, sessions.c.ended)
            .where(sessions.c.run_id == row.run_id, sessions.c.attempt == row.attempt, on_it)
            .where(sessions.c.skew.between(near - REQUEST_S, near + REQUEST_S))
            .order_by(sessions.c.ended.is_(None), sessions.c.skew.desc())
            .limit(1)
        ).first()
        if found is None:
            return near
        return float(found.skew) if found.ended is not None else max(near, float(found.skew))

    def sessions(self, run_id: str, limit: int, after: Sequence[Any] | None = None) -> Iterator[Session]:
        query = select(sessions).where(sessions.c.run_id == run_id)
        if after is not None:
            query = query.where(tuple_(*_ORDER) > tuple_(*map(literal, after)))
        with read_slowly(self.conn, query.order_by(*_ORDER).limit(limit)) as rows:
            yield from map(_session, rows)

    def newest_sessions(self, run_id: str, limit: int) -> list[Session]:
        newest = (sessions.c.ended.is_not(None), sessions.c.attempt.desc(), *_ORDER[1:])
        query = select(sessions).where(sessions.c.run_id == run_id).order_by(*newest).limit(limit)
        found = [_session(row) for row in self.conn.execute(query)]
        return sorted(found, key=lambda s: (s.attempt, s.rank, s.started, s.session))

    def session_count(self, run_id: str) -> int:
        query = select(func.count()).select_from(sessions).where(sessions.c.run_id == run_id)
        return int(self.conn.execute(query).scalar_one())

    def open_sessions(self, ids: Sequence[str], stale: float) -> list[Any]:
        """(session, run_id, rank, attempt) of open sessions that are not lost, and not seen since `stale`."""
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
