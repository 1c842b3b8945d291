"""SQL of the MetaStore for runs that come from elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import Any

from sqlalchemy import and_, delete, insert, select, update

from ...protocol import limits, roles, states
from ..accounts import User
from ..imports import (
    IMPORTED,
    ImportBegun,
    ImportRequest,
    NoParentError,
    NotImportedError,
    NotYoursError,
    PastFork,
    RunRecord,
)
from ..meta import FullError, MayNotAddError
from .meta_attaching import AttachingSql
from .meta_forks import ForksSql
from .meta_projects import ProjectsSql
from .meta_runs import exclude_name, hold_runs, new_run
from .meta_schema import artifacts, run_states, run_tags, runs, sessions
from .meta_states import HISTORY_MAX, WHY_CHARS_MAX
from .share import Share

NAMES_MAX = 10_000  # runs of one name with numbers behind it


class ImportsSql(Share):
    """The topic imports of SqlMeta."""

    def begin_import(self, request: ImportRequest, user: User, now: float) -> ImportBegun:
        attaching = self.share(AttachingSql)
        project_id, role, project_made = attaching.project_for(request, user, now)
        self.share(ProjectsSql).keep_project(project_id)
        its = and_(sessions.c.session == request.origin, sessions.c.cause == IMPORTED)
        there = self.conn.execute(
            select(runs.c.id, runs.c.author_id, runs.c.name, sessions.c.detail)
            .join(sessions, sessions.c.run_id == runs.c.id)
            .where(its, runs.c.project_id == project_id, runs.c.deleted.is_(None))
        ).first()
        if not roles.at_least(role, roles.MEMBER):
            raise MayNotAddError("A viewer of this project adds no runs: ask an admin of it for the role of a member.")
        if there is not None and request.digest and there.detail.partition(".")[0] == request.digest:
            return ImportBegun(there.id, False, there.detail, project_made)
        if there is not None:
            if there.author_id != user.id and not user.is_admin:
                raise NotYoursError(f"The run {there.name!r} was imported already, and belongs to somebody else.")
            hold_runs(self.conn, [there.id])
            mark = and_(its, sessions.c.run_id == there.id)  # what it says is no longer so once there is more
            self.conn.execute(update(sessions).where(mark).values(detail=""))
            if there.author_id != user.id:
                self._give(there.id, user.id)
            return ImportBegun(there.id, False, there.detail, project_made)
        attaching.check_not_archived(project_id)
        run_id = new_run(self.conn, project_id, self._free_name(project_id, request.names), user.id, now)
        self.conn.execute(insert(sessions).values(self._mark(request, run_id, user.id, now)))
        self.changes.runs.add(run_id)
        return ImportBegun(run_id, True, "", project_made)

    def finish_import(self, run_id: str, record: RunRecord, author: User, now: float) -> None:
        hold_runs(self.conn, [run_id])
        mark = and_(sessions.c.run_id == run_id, sessions.c.cause == IMPORTED, sessions.c.sets_state.is_(False))
        if self.conn.execute(select(sessions.c.session).where(mark)).first() is None:
            raise NotImportedError("The run was not made by an import: only such a run takes a record.")
        if len(record.sessions) >= limits.SESSIONS_MAX:
            raise FullError(f"A run has at most {limits.SESSIONS_MAX:,} processes.")
        self.conn.execute(update(sessions).where(mark).values(detail=record.digest, last_seen=now))
        others = and_(sessions.c.run_id == run_id, ~mark)
        self.conn.execute(delete(sessions).where(others))
        rows = [self._session(asdict(one), run_id, author.id) for one in record.sessions]
        if rows:
            self.conn.execute(insert(sessions), rows)
        self.conn.execute(delete(run_states).where(run_states.c.run_id == run_id))
        changes = [
            {"run_id": run_id, "n": n, **asdict(change), "why": change.why[:WHY_CHARS_MAX]}
            for n, change in enumerate(record.history[-HISTORY_MAX:], start=1)
        ]
        if changes:
            self.conn.execute(insert(run_states), changes)
        if record.tags is not None:
            self.conn.execute(delete(run_tags).where(run_tags.c.run_id == run_id))
            tags = [{"run_id": run_id, **asdict(tag)} for tag in record.tags[: limits.TAGS_MAX]]
            if tags:
                self.conn.execute(insert(run_tags), tags)
        names = ("created", "started", "ended", "state", "state_rank", "attempt", "archived")
        values = {name: getattr(record, name) for name in names}
        if record.note is not None:
            values["note"] = record.note
        if record.group is not None:
            values["group_name"] = record.group
        values["state_why"] = record.state_why[:WHY_CHARS_MAX]
        self.conn.execute(update(runs).where(runs.c.id == run_id).values(**values, last_activity=now))
        self._give(run_id, author.id)
        if record.fork is not None:
            self._set_fork(run_id, record.fork)
        self.changes.runs.add(run_id)
        self.changes.states[run_id] = record.state

    def _set_fork(self, run_id: str, fork: PastFork) -> None:
        """Note of which run it is a fork. Its points were imported, so none are copied."""
        its_forks = self.share(ForksSql)
        parent = its_forks.parent_for(run_id, fork.parent, "", "")
        if parent is None:
            raise NoParentError(f"No run of the id {fork.parent} is there that this one could be a fork of.")
        if its_forks.add_fork(run_id, parent, fork.step):
            its_forks.note_fork(run_id, None)

    def _give(self, run_id: str, user_id: str) -> None:
        before = self.conn.execute(select(runs.c.author_id).where(runs.c.id == run_id)).scalar()
        if before == user_id:
            return
        its = and_(artifacts.c.run_id == run_id, artifacts.c.author_id == before)
        self.conn.execute(update(artifacts).where(its).values(author_id=user_id))
        self.conn.execute(update(runs).where(runs.c.id == run_id).values(author_id=user_id))

    def _free_name(self, project_id: str, names: Any) -> str:
        """Hold the first name that no run of the project has."""
        numbered = (f"{names[-1]} ({n})" for n in range(2, NAMES_MAX))
        for name in chain(names, numbered):
            exclude_name(self.conn, project_id, name)
            its = and_(runs.c.project_id == project_id, runs.c.name == name, runs.c.deleted.is_(None))
            if self.conn.execute(select(runs.c.id).where(its)).first() is None:
                return str(name)
        raise FullError(f"Too many runs of the project are named {names[-1]!r}: give a name.")

    @staticmethod
    def _mark(request: ImportRequest, run_id: str, user_id: str, now: float) -> dict[str, Any]:
        """Return the session that an import leaves: nobody's process, with no say in the state."""
        return {
            "session": request.origin, "run_id": run_id, "rank": 0, "attempt": 1, "user_id": user_id,
            "world_size": 1, "host": request.host, "pid": 0, "client_version": request.client_version,
            "sets_state": False, "started": now, "last_seen": now, "ended": now, "state": states.ENDED,
            "cause": IMPORTED, "detail": "", "end_is_final": True,
        }  # fmt: skip

    @staticmethod
    def _session(its: dict[str, Any], run_id: str, user_id: str) -> dict[str, Any]:
        more = {"said_at": its["last_seen"], "end_is_final": its["ended"] is not None}
        return {**its, "run_id": run_id, "user_id": user_id, **more}
