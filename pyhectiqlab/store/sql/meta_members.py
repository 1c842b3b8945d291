"""SQL of the MetaStore for permission: roles in projects, which projects exist for whom, and the audit log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update

from ...protocol import roles
from ..accounts import AUDIT_ROWS_MAX, Change, Member
from .dialect import upsert
from .meta_schema import audit, members, projects, users
from .share import Share

VARIABLES_MAX = 10_000  # of one statement; SQLite takes 32,766 at least


def visible_to(user_id: str | None) -> ColumnElement[bool]:
    """Return the condition that a row of `projects` exists for the user (None: for anybody); no deleted one does."""
    there = projects.c.deleted.is_(None)
    if user_id is None:
        return there
    admin = exists(select(users.c.id).where(users.c.id == user_id, users.c.role.in_(roles.ADMINS)))
    mine = select(members.c.project_id).where(members.c.user_id == user_id)
    return and_(there, or_(projects.c.private.is_(False), projects.c.id.in_(mine), admin))


class MembersSql(Share):
    """The topic permissions of SqlMeta."""

    def role_in(self, project_id: str, user_id: str, deleted_too: bool = False) -> str | None:
        its = projects.c.id == project_id
        row = self.conn.execute(
            select(users.c.role, projects.c.private, members.c.role.label("own"))
            .select_from(users)
            .join(projects, its if deleted_too else its & projects.c.deleted.is_(None))
            .outerjoin(members, and_(members.c.project_id == projects.c.id, members.c.user_id == users.c.id))
            .where(users.c.id == user_id, users.c.disabled.is_(None))
        ).first()
        return None if row is None else roles.in_project(row.role, row.private, row.own)

    def roles_of(self, user_id: str) -> Mapping[str, str]:
        rows = self.conn.execute(select(members.c.project_id, members.c.role).where(members.c.user_id == user_id))
        return {row.project_id: row.role for row in rows}

    def roles_of_users(self, ids: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        given: dict[str, dict[str, str]] = {}
        for row in self.conn.execute(select(members).where(members.c.user_id.in_(ids))):
            given.setdefault(row.user_id, {})[row.project_id] = row.role
        return given

    def private_projects(self, ids: Collection[str]) -> Mapping[str, bool]:
        query = select(projects.c.id, projects.c.private).where(projects.c.deleted.is_(None))
        if len(ids) <= VARIABLES_MAX:
            query = query.where(projects.c.id.in_(ids))
        return {row.id: row.private for row in self.conn.execute(query)}

    def members(self, project_id: str) -> list[Member]:
        rows = self.conn.execute(
            select(users.c.id, users.c.username, members.c.role, users.c.disabled)
            .join(members, members.c.user_id == users.c.id)
            .where(members.c.project_id == project_id)
            .order_by(users.c.username)
        )
        return [Member(row.id, row.username, row.role, row.disabled is not None) for row in rows]

    def set_private(self, project_id: str, private: bool) -> None:
        self.conn.execute(update(projects).where(projects.c.id == project_id).values(private=private))

    def set_member(self, project_id: str, user_id: str, role: str | None) -> None:
        if role is None:
            its = (members.c.project_id == project_id) & (members.c.user_id == user_id)
            self.conn.execute(delete(members).where(its))
            return
        statement = upsert(self.conn, members)
        statement = statement.on_conflict_do_update(
            index_elements=["project_id", "user_id"], set_={"role": statement.excluded.role}
        )
        self.conn.execute(statement, {"project_id": project_id, "user_id": user_id, "role": role})

    # The audit log

    def note_changes(self, changes: Sequence[Change]) -> None:
        rows = [{name: value for name, value in asdict(change).items() if name != "id"} for change in changes]
        if rows:
            self.conn.execute(insert(audit), rows)

    def changes_told(self, limit: int, before: int | None = None) -> list[Change]:
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        return [Change(**row._mapping) for row in self.conn.execute(query)]

    def trim_audit(self, before: float) -> None:
        newest = self.conn.execute(select(func.max(audit.c.id))).scalar() or 0
        self.conn.execute(delete(audit).where(or_(audit.c.at < before, audit.c.id <= newest - AUDIT_ROWS_MAX)))
