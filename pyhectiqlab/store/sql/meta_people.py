"""SQL of the MetaStore for handing over: the runs of a user, and the projects that they own, become another one's."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from ...protocol import limits, roles, states
from ..accounts import HandedOver, NoHeirError
from ..meta import FullError
from .dialect import any_of, hold_rows
from .meta_members import MembersSql
from .meta_runs import hold_runs
from .meta_schema import projects, runs, users
from .share import Share


class PeopleSql(Share):
    """The topic handing over of SqlMeta."""

    def hand_over(self, user_id: str, heir_id: str, now: float, projects: bool = False) -> HandedOver:
        self._check_heir(user_id, heir_id)
        given_projects = self._give_projects(user_id, heir_id) if projects else 0  # held before their runs
        its = select(runs.c.id, runs.c.project_id, runs.c.state).where(
            runs.c.author_id == user_id, runs.c.purged.is_(None)
        )
        hold_runs(self.conn, [row.id for row in self.conn.execute(its)])
        rows = self.conn.execute(its).all()
        role_in = self.share(MembersSql).role_in
        may_add = {
            project: roles.at_least(role_in(project, heir_id), roles.MEMBER)
            for project in {row.project_id for row in rows}
        }
        reached = [row for row in rows if may_add[row.project_id]]
        given = [row.id for row in reached if row.state not in states.LIVE_STATES]
        self._give_runs(given, heir_id)
        return HandedOver(
            runs=len(given),
            live=len(reached) - len(given),
            kept_out=len(rows) - len(reached),
            projects=given_projects,
        )

    def _check_heir(self, user_id: str, heir_id: str) -> None:
        """Hold both users, as the heir may be deleted or disabled meanwhile. Raise NoHeirError where the heir cannot be
        one.
        """
        hold_rows(self.conn, users.c.id, [user_id, heir_id])
        heir = self.conn.execute(select(users).where(users.c.id == heir_id)).one()
        if heir_id == user_id:
            raise NoHeirError(f"{heir.username!r} has them already: name another user.")
        if heir.disabled is not None:
            raise NoHeirError(f"{heir.username!r} is disabled: name another user.")

    def _give_runs(self, ids: Collection[str], heir_id: str) -> None:
        if ids:
            self.conn.execute(update(runs).where(any_of(self.conn, runs.c.id, ids)).values(author_id=heir_id))
            self.changes.runs.update(ids)

    def _give_projects(self, user_id: str, heir_id: str) -> int:
        def owned(by: str) -> list[str]:
            query = select(projects.c.id).where(projects.c.owner_id == by, projects.c.purged.is_(None))
            return list(self.conn.execute(query).scalars())

        hold_rows(self.conn, projects.c.id, owned(user_id))
        ids = owned(user_id)
        if len(ids) + len(owned(heir_id)) > limits.PROJECTS_MAX:
            raise FullError(f"Nobody owns more than {limits.PROJECTS_MAX:,} projects: move them one by one.")
        self.conn.execute(update(projects).where(any_of(self.conn, projects.c.id, ids)).values(owner_id=heir_id))
        for project in ids:
            self.share(MembersSql).set_member(project, heir_id, roles.ADMIN)
        self.changes.projects.update(ids)
        return len(ids)
