"""SQL of the MetaStore for saved views of a project's page."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import and_, delete, func, insert, or_, select, update

from ...protocol import limits
from ..meta import FullError, NameTakenError
from ..projects import ProjectGoneError
from ..views import SavedView, ViewVersionError
from .column_types import kept
from .dialect import any_of, exclude, hold_rows
from .meta_projects import ProjectsSql
from .meta_runs import is_full
from .meta_schema import users, views
from .share import Share

_VIEW = select(
    views.c.id,
    views.c.project_id,
    views.c.name,
    views.c.author_id,
    users.c.username.label("author"),
    views.c.shared,
    views.c.version,
    views.c.created,
    views.c.changed,
    func.length(views.c.document).label("chars"),
).join(users, users.c.id == views.c.author_id)


class ViewsSql(Share):
    """The topic views of SqlMeta."""

    def views(self, project_id: str, user_id: str, limit: int, after: Sequence[str] = ("", "")) -> list[SavedView]:
        name, view_id = after
        behind = or_(views.c.name > name, and_(views.c.name == name, views.c.id > view_id))
        seen = or_(views.c.shared, views.c.author_id == user_id)
        query = _VIEW.where(views.c.project_id == project_id, seen, behind).order_by(views.c.name, views.c.id)
        return [SavedView(**row._mapping) for row in self.conn.execute(query.limit(limit))]

    def view(self, project_id: str, view_id: str) -> SavedView | None:
        row = self.conn.execute(_VIEW.where(views.c.id == view_id, views.c.project_id == project_id)).first()
        return None if row is None else SavedView(**row._mapping)

    def view_documents(self, ids: Sequence[str]) -> dict[str, str]:
        rows = self.conn.execute(select(views.c.id, views.c.document).where(any_of(self.conn, views.c.id, ids)))
        return {row.id: row.document for row in rows}

    def add_view(
        self,
        project_id: str,
        user_id: str,
        name: str,
        shared: bool,
        document: str,
        created: float,
        changed: float | None = None,
    ) -> SavedView:
        if not self.share(ProjectsSql).keep_project(project_id):
            raise ProjectGoneError("The project is deleted.")
        exclude(self.conn, "view", project_id, user_id)
        self._check_view_name(project_id, user_id, name, "")
        own = select(views.c.id).where(views.c.project_id == project_id, views.c.author_id == user_id)
        if is_full(self.conn, own, limits.VIEWS_MAX):
            raise FullError(f"You have {limits.VIEWS_MAX} views in this project, and nobody has more: delete some.")
        view_id = secrets.token_hex(6)
        its = {"id": view_id, "project_id": project_id, "author_id": user_id, "version": 1, "created": created}
        its["changed"] = created if changed is None else changed
        self.conn.execute(insert(views).values(**its, name=name, shared=shared, document=document))
        return self._listed_view(view_id)

    def change_view(
        self, view_id: str, version: int, *, name: str, shared: bool, document: str, now: float
    ) -> SavedView | None:
        row = self.conn.execute(select(views.c.project_id, views.c.author_id).where(views.c.id == view_id)).first()
        if row is None:
            return None
        exclude(self.conn, "view", row.project_id, row.author_id)
        if not self._hold_view(view_id, version):
            return None
        self._check_view_name(row.project_id, row.author_id, name, view_id)
        its = {"name": name, "shared": shared, "document": document, "version": version + 1, "changed": now}
        self.conn.execute(update(views).where(views.c.id == view_id).values(**its))
        return self._listed_view(view_id)

    def delete_view(self, view_id: str, version: int | None = None) -> bool:
        if not self._hold_view(view_id, version):
            return False
        self.conn.execute(delete(views).where(views.c.id == view_id))
        return True

    def _hold_view(self, view_id: str, version: int | None) -> bool:
        """Hold the view; False where it is gone. Raises ViewVersionError."""
        hold_rows(self.conn, views.c.id, [view_id], to_remove=True)
        there = self.conn.execute(select(views.c.version).where(views.c.id == view_id)).scalar()
        if there is not None and version is not None and there != version:
            raise ViewVersionError(f"The view is of version {there} by now, not {version}: read it again.")
        return there is not None

    def _check_view_name(self, project_id: str, user_id: str, name: str, own_id: str) -> None:
        its = views.c.project_id == project_id, views.c.author_id == user_id, views.c.name == kept(name)
        if self.conn.execute(select(views.c.id).where(*its, views.c.id != own_id)).first() is not None:
            raise NameTakenError(f"{name!r} is the name of another view of the same author.")

    def _listed_view(self, view_id: str) -> SavedView:
        return SavedView(**self.conn.execute(_VIEW.where(views.c.id == view_id)).one()._mapping)
