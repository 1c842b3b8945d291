"""SQL of the MetaStore for attaching: which run and attempt a process belongs to, and what opening it changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update

from ...protocol import limits, roles, states
from ...protocol.names import new_name
from ..imports import ImportRequest
from ..meta import (
    Attached,
    AttachRequest,
    FullError,
    MayNotAddError,
    NameTakenError,
    ProjectArchivedError,
    ProjectNotFoundError,
    Run,
    User,
)
from .dialect import exclude
from .meta_attempts import membership
from .meta_members import MembersSql
from .meta_projects import ProjectsSql
from .meta_runs import RunsSql, exclude_name, hold_runs, new_run
from .meta_schema import runs, sessions
from .meta_states import StatesSql
from .share import Share

DEFAULT_PROJECT = "default"
# The columns that say which attempt another process belongs to.
_KNOWN = select(
    *(
        sessions.c[name]
        for name in ("session", "rank", "attempt", "restart", "sets_state", "last_seen", "ended", "state", "lost")
    ),
    sessions.c.host,
    sessions.c.job,
    sessions.c.main,
    sessions.c.opening,
    sessions.c.script,
)


class AttachingSql(Share):
    """The topic attaching of SqlMeta."""

    def project_for(self, request: AttachRequest | ImportRequest, user: User, now: float) -> tuple[str, str, bool]:
        """Return (project, the user's role in it, whether it was made now)."""
        projects, members = self.share(ProjectsSql), self.share(MembersSql)
        if request.project is None:
            mine = [
                (id, role) for id in projects.projects_of(user.id) if (role := members.role_in(id, user.id)) is not None
            ]
            if len(mine) == 1:
                return *mine[0], False
        name = DEFAULT_PROJECT if request.project is None else request.project
        existing = projects.project(name)
        if existing is None and exclude(self.conn, "project", name):
            existing = projects.project(name)
        role = None if existing is None else members.role_in(existing.id, user.id)
        if existing is not None and role is not None:
            return existing.id, role, False
        if request.project is not None and not request.create_project:
            raise ProjectNotFoundError(
                f"No project named {name!r} in this lab. "
                "Create it with should_create_project=True, or see `hectiqlab projects`."
            )
        if not roles.at_least(user.role, roles.MEMBER):
            raise MayNotAddError("A viewer of this lab makes no projects: ask an admin for the role of a member.")
        if existing is not None:  # that a name is taken is not a secret: no two projects share one
            raise ProjectNotFoundError(
                f"The project {name!r} is private and you have no role in it: ask an admin for one, "
                "or give project= another name."
            )
        try:
            new_name("name of a project", name)  # a project that is there keeps its name
        except ValueError as e:
            raise ProjectNotFoundError(f"{str(e)[0].upper()}{str(e)[1:]}.") from None
        return projects.add_project(name, user.id, now).id, roles.ADMIN, True

    def attach(self, request: AttachRequest, user: User, now: float, lost_after_s: float) -> Attached:
        project_id, role, project_made = self.project_for(request, user, now)
        if not self.share(ProjectsSql).keep_project(project_id):
            raise ProjectNotFoundError(f"The project {request.project or DEFAULT_PROJECT!r} was deleted just now.")
        row = self._hold_named(project_id, request.name)
        may_add = roles.at_least(role, roles.MEMBER)
        if row is None and not may_add:
            raise MayNotAddError("A viewer of this project adds no runs: ask an admin of it for the role of a member.")
        if row is not None and request.new and not self._attached_to(row.id, request.session):
            raise NameTakenError(f"The project has a run named {request.name!r} already: choose another name.")
        if row is not None and (row.author_id != user.id or not may_add):
            return Attached(self._the_run(row.id), row.attempt, "read-only", created=False, sets_state=False)
        if row is None:
            self.check_not_archived(project_id)
        created = row is None
        run_id = new_run(self.conn, project_id, request.name, user.id, now) if row is None else str(row.id)
        live_since = now - lost_after_s
        if request.gone:  # asked again: the first time it had joined sessions that are gone, and set no state
            self._forget(request, run_id)
        known = [] if created else self.conn.execute(_KNOWN.where(sessions.c.run_id == run_id)).all()
        # A process that slept was silent. When it comes back, it still belongs to the same life of its job.
        lately = [s for s in known if s.last_seen > live_since or s.session == request.session]
        live = [s for s in lately if s.ended is None and s.session not in request.gone]
        place = membership(request, known, live)
        attempt, sets_state = place.attempt, place.sets_state
        mine = [s for s in known if (s.session, s.rank, s.attempt) == (request.session, request.rank, attempt)]
        if not mine and len(known) >= limits.SESSIONS_MAX:
            raise FullError(
                f"{limits.SESSIONS_MAX:,} processes have attached to the run {request.name!r}, and none takes more: "
                "give a new run another name."
            )
        self._store_session(request, user, run_id, attempt, sets_state, now, exists=bool(mine))
        if place.speaks_for_script:
            self._speak_for(request, run_id, attempt)
        newest = created or attempt >= row.attempt  # type: ignore[union-attr]
        opened = created or attempt > row.attempt  # type: ignore[union-attr]
        if newest:
            values: dict[str, Any] = {"attempt": attempt, "last_activity": now}
            if opened:
                values["started"] = request.started if request.started is not None else now
                values["archived"] = None  # whoever opens it again wants to see it
            self.conn.execute(update(runs).where(runs.c.id == run_id).values(**values))
        if opened and row is not None:
            self.share(StatesSql).preempt(run_id, row.attempt, request.job, now)
        if newest:
            asleep = bool(mine and mine[0].lost and not request.ended)
            why = "came back" if asleep else self._why_attached(request, attempt, opened)
            self.share(StatesSql).settle(run_id, now, "lab", why, news=opened)
        self.changes.runs.add(run_id)
        attached_run = self._the_run(run_id)
        return Attached(attached_run, attempt, "read-write", created, sets_state, project_made, place.held_by)

    def check_not_archived(self, project_id: str) -> None:
        project = self.share(ProjectsSql).project(project_id)
        if project is not None and project.archived is not None:
            raise ProjectArchivedError(
                f"The project {project.name!r} is archived and takes no new runs: an admin of it ends that with "
                f"`hectiqlab projects unarchive`, or give project= another name."
            )

    def _hold_named(self, project_id: str, name: str) -> Any | None:
        """Hold the name, and the run that has it, if there is one."""
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
