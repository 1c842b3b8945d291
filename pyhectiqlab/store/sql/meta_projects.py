"""SQL of the MetaStore for projects: by their names, also former ones; archiving, moving, deleting, purging."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update

from ...protocol import limits, roles
from ..accounts import NoHeirError
from ..meta import FullError, NameTakenError
from ..projects import Objective, Project, ProjectGoneError, ProjectRuns
from .dialect import any_of, exclude, hold_rows, keep_rows, upsert
from .meta_members import MembersSql, visible_to
from .meta_purging import PurgingSql, forget_bytes
from .meta_runs import hold_runs, is_full
from .meta_schema import (
    artifacts,
    lab,
    members,
    notice_targets,
    notices,
    project_names,
    projects,
    registry_aliases,
    registry_files,
    registry_usage,
    registry_versions,
    removed_artifacts,
    runs,
    users,
    views,
)
from .share import Share

PURGE_AT_ONCE = 500  # rows purged in one transaction, so that nobody waits long for it
RUNS_AT_ONCE = 500  # runs deleted or restored in one transaction, which takes 0.03 s
HALF_DELETED_MAX = 10
_PROJECT = select(
    projects.c.id,
    func.coalesce(projects.c.deleted_name, projects.c.name).label("name"),
    projects.c.created,
    projects.c.private,
    projects.c.owner_id,
    users.c.username.label("owner"),
    projects.c.archived,
    projects.c.deleted,
    projects.c.purged,
    projects.c.objective_key,
    projects.c.objective_goal,
).join(users, users.c.id == projects.c.owner_id)
_THERE = projects.c.deleted.is_(None)
_RESTORABLE = and_(projects.c.deleted.is_not(None), projects.c.purged.is_(None))


def had_name(name: str) -> ColumnElement[bool]:
    """Return whether a row of `projects` is the one to which a former name leads."""
    return projects.c.id.in_(select(project_names.c.project_id).where(project_names.c.name == name))


class ProjectsSql(Share):
    """The projects' share of SqlMeta."""

    def projects(
        self, limit: int, after: str = "", seen_by: str | None = None, archived: bool | None = None
    ) -> list[Project]:
        query = _PROJECT.where(projects.c.name > after, visible_to(seen_by))
        if archived is not None:
            query = query.where(projects.c.archived.is_not(None) if archived else projects.c.archived.is_(None))
        return [Project(*row) for row in self.conn.execute(query.order_by(projects.c.name).limit(limit))]

    def project(self, ref: str) -> Project | None:
        for its in (projects.c.id == ref, projects.c.name == ref, had_name(ref)):
            if (row := self.conn.execute(_PROJECT.where(its, _THERE)).first()) is not None:
                return Project(*row)
        return None

    def deleted_project(self, ref: str) -> Project | None:
        for its in (projects.c.id == ref, projects.c.deleted_name == ref):
            query = _PROJECT.where(its, _RESTORABLE).order_by(projects.c.deleted.desc())
            if (row := self.conn.execute(query).first()) is not None:
                return Project(*row)
        return None

    def deleted_projects(self, limit: int, owner_id: str | None = None) -> list[Project]:
        query = _PROJECT.where(_RESTORABLE)
        if owner_id is not None:
            query = query.where(projects.c.owner_id == owner_id)
        newest = query.order_by(projects.c.deleted.desc(), projects.c.id).limit(limit)
        return [Project(*row) for row in self.conn.execute(newest)]

    def former_names(self, ids: Sequence[str]) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {project: [] for project in ids}
        query = select(project_names).where(any_of(self.conn, project_names.c.project_id, ids))
        for row in self.conn.execute(query.order_by(project_names.c.name)):
            names[row.project_id].append(row.name)
        return names

    def runs_of_projects(self, ids: Sequence[str]) -> dict[str, ProjectRuns]:
        rows = self.conn.execute(
            select(runs.c.project_id, func.count(), func.max(runs.c.last_activity))
            .where(any_of(self.conn, runs.c.project_id, ids), runs.c.deleted.is_(None))
            .group_by(runs.c.project_id)
        )
        counted = {row[0]: ProjectRuns(row[1], row[2]) for row in rows}
        return {project: counted.get(project, ProjectRuns()) for project in ids}

    def projects_of(self, user_id: str) -> list[str]:
        """Return ids of projects that the user owns or has runs in and that take new runs, at most two: the caller asks
        whether there is just one.
        """
        mine = select(runs.c.project_id).where(runs.c.author_id == user_id, runs.c.deleted.is_(None))
        rows = self.conn.execute(
            select(projects.c.id)
            .where(or_(projects.c.owner_id == user_id, projects.c.id.in_(mine)), _THERE, projects.c.archived.is_(None))
            .limit(2)
        )
        return list(rows.scalars())

    def keep_project(self, project_id: str) -> bool:
        """Keep a project from being deleted until the transaction ends; False where it is deleted."""
        keep_rows(self.conn, projects.c.id, [project_id])
        return self.conn.execute(select(projects.c.id).where(projects.c.id == project_id, _THERE)).first() is not None

    # Names

    def add_project(self, name: str, user_id: str, now: float) -> Project:
        exclude(self.conn, "project", name)
        self._take_name(name, user_id)
        made = select(projects.c.id).where(projects.c.owner_id == user_id, projects.c.purged.is_(None))
        if is_full(self.conn, made, limits.PROJECTS_MAX):
            raise FullError(f"You own {limits.PROJECTS_MAX:,} projects, and nobody owns more: use one of those.")
        project_id = secrets.token_hex(4)
        self.conn.execute(insert(projects).values(id=project_id, name=name, created=now, owner_id=user_id))
        self.conn.execute(insert(members).values(project_id=project_id, user_id=user_id, role=roles.ADMIN))
        return Project(*self.conn.execute(_PROJECT.where(projects.c.id == project_id)).one())

    def rename_project(self, project_id: str, name: str, user_id: str, now: float) -> None:
        exclude(self.conn, "project", name)
        former = self._hold(project_id).name
        if former == name:
            return
        self._take_name(name, user_id, project_id)
        self.conn.execute(update(projects).where(projects.c.id == project_id).values(name=name))
        statement = upsert(self.conn, project_names)
        values = {"project_id": statement.excluded.project_id, "until": statement.excluded.until}
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=values)
        self.conn.execute(statement, {"name": former, "project_id": project_id, "until": now})
        self._forget_names(project_id)
        self.changes.projects.add(project_id)

    def _take_name(self, name: str, user_id: str, project_id: str | None = None) -> None:
        """Make sure that no other project is called so, and that none is found by this as a former name any more."""
        self._check_name(name, user_id, project_id)
        self.conn.execute(delete(project_names).where(project_names.c.name == name))

    def _check_name(self, name: str, user_id: str, project_id: str | None = None) -> None:
        """Raise NameTakenError where it is the name of another project, or leads to one of which they are no admin."""
        its = or_(projects.c.id == name, projects.c.name == name)
        if self.conn.execute(select(projects.c.id).where(its)).first() is not None:
            raise NameTakenError(f"A project named {name!r} exists already.")
        led = select(project_names.c.project_id).join(projects).where(project_names.c.name == name, _THERE)
        other = self.conn.execute(led).scalar()
        if other is not None and other != project_id:
            role = self.share(MembersSql).role_in(other, user_id)
            if not roles.at_least(role, roles.ADMIN):  # what still names it so would go to somebody else
                raise NameTakenError(f"{name!r} was the name of another project and still leads there.")

    def _forget_names(self, project_id: str) -> None:
        """Keep the newest former names alone."""
        newest = select(project_names.c.name).where(project_names.c.project_id == project_id)
        newest = newest.order_by(project_names.c.until.desc(), project_names.c.name).limit(limits.FORMER_NAMES_MAX)
        of_project = project_names.c.project_id == project_id
        kept = list(self.conn.execute(newest).scalars())
        self.conn.execute(delete(project_names).where(of_project, project_names.c.name.not_in(kept)))

    def _hold(self, project_id: str, *, to_remove: bool = False) -> Any:
        """Hold the project. Raises ProjectGoneError."""
        hold_rows(self.conn, projects.c.id, [project_id], to_remove=to_remove)
        row = self.conn.execute(select(projects).where(projects.c.id == project_id, _THERE)).first()
        if row is None:
            raise ProjectGoneError("The project is deleted.")
        return row

    # Lives

    def set_archived(self, project_id: str, at: float | None) -> None:
        self.conn.execute(update(projects).where(projects.c.id == project_id).values(archived=at))
        self.changes.projects.add(project_id)

    def set_objective(self, project_id: str, objective: Objective | None) -> None:
        self._hold(project_id)
        key, goal = (None, None) if objective is None else (objective.key, objective.goal)
        its = update(projects).where(projects.c.id == project_id)
        self.conn.execute(its.values(objective_key=key, objective_goal=goal))
        self.changes.projects.add(project_id)

    def move_project(self, project_id: str, owner_id: str) -> None:
        hold_rows(self.conn, users.c.id, [owner_id])
        owner = self.conn.execute(select(users).where(users.c.id == owner_id)).one()
        if owner.disabled is not None:
            raise NoHeirError(f"{owner.username!r} is disabled: name another user.")
        owned = select(projects.c.id).where(projects.c.owner_id == owner_id, projects.c.purged.is_(None))
        if is_full(self.conn, owned.where(projects.c.id != project_id), limits.PROJECTS_MAX):
            raise FullError(f"{owner.username!r} owns {limits.PROJECTS_MAX:,} projects, and nobody owns more.")
        self._hold(project_id)
        self.conn.execute(update(projects).where(projects.c.id == project_id).values(owner_id=owner_id))
        self.share(MembersSql).set_member(project_id, owner_id, roles.ADMIN)
        self.changes.projects.add(project_id)

    def delete_project(self, project_id: str, now: float) -> None:
        name = self._hold(project_id, to_remove=True).name  # whoever begins a run in it keeps it
        its = update(projects).where(projects.c.id == project_id)
        self.conn.execute(its.values(deleted=now, deleted_name=name, name=project_id))
        self._delete_some_runs(project_id, deleted=now)
        self.changes.projects.add(project_id)

    def half_deleted(self) -> list[str]:
        left = exists().where(runs.c.project_id == projects.c.id, runs.c.deleted.is_(None))
        query = select(projects.c.id).where(_RESTORABLE, left).order_by(projects.c.id).limit(HALF_DELETED_MAX)
        return list(self.conn.execute(query).scalars())

    def finish_deletion(self, project_id: str) -> bool:
        hold_rows(self.conn, projects.c.id, [project_id])
        row = self.conn.execute(select(projects).where(projects.c.id == project_id)).one()
        if row.deleted is None:
            return True
        return self._delete_some_runs(project_id, deleted=row.deleted, purge_asked=row.purge_asked)

    def _delete_some_runs(self, project_id: str, **values: float | None) -> bool:
        """Return whether no run is left that is not deleted."""
        return self._change_some(runs.c.project_id == project_id, runs.c.deleted.is_(None), **values)

    def _change_some(self, *where: ColumnElement[bool], **values: float | None) -> bool:
        """Change RUNS_AT_ONCE runs for which this holds; return whether they were the last ones. Hold their project."""
        some = list(self.conn.execute(select(runs.c.id).where(*where).limit(RUNS_AT_ONCE)).scalars())
        hold_runs(self.conn, some)
        self.conn.execute(update(runs).where(any_of(self.conn, runs.c.id, some), *where).values(**values))
        return len(some) < RUNS_AT_ONCE

    def restore_project(self, project_id: str, user_id: str, now: float) -> bool:
        query = select(projects).where(projects.c.id == project_id)
        row = self.conn.execute(query).one()
        if row.deleted is None:
            return True
        exclude(self.conn, "project", row.deleted_name)
        if hold_rows(self.conn, projects.c.id, [project_id]):
            row = self.conn.execute(query).one()
        if row.deleted is None:
            return True
        if row.purged is not None or row.purge_asked is not None:
            raise ProjectGoneError("The project was purged: its data is gone.")
        self._check_name(row.deleted_name, user_id)
        kept = runs.c.purged.is_(None), runs.c.purge_asked.is_(None)
        with_it = runs.c.project_id == project_id, runs.c.deleted == row.deleted, *kept
        if not self._change_some(*with_it, deleted=None, last_activity=now):
            return False
        self._take_name(row.deleted_name, user_id)
        values = {"name": row.deleted_name, "deleted": None, "deleted_name": None}
        self.conn.execute(update(projects).where(projects.c.id == project_id).values(**values))
        self.changes.projects.add(project_id)
        return True

    # What is left of one that was deleted

    def purgeable_project(self, before: float | None) -> str | None:
        left = exists().where(runs.c.project_id == projects.c.id, runs.c.purged.is_(None))
        due: ColumnElement[bool] = projects.c.purge_asked.is_not(None)
        if before is not None:
            due = or_(due, projects.c.deleted < before)
        return self.conn.execute(select(projects.c.id).where(_RESTORABLE, due, ~left).limit(1)).scalar()

    def ask_purge_project(self, project_id: str, now: float) -> bool:
        hold_rows(self.conn, projects.c.id, [project_id])
        there = select(projects.c.purge_asked).where(projects.c.id == project_id, _RESTORABLE)
        row = self.conn.execute(there).first()
        if row is None:
            return False
        if row.purge_asked is None:
            self.conn.execute(update(projects).where(projects.c.id == project_id).values(purge_asked=now))
        # Few: whoever asks for a project has asked for its runs before, some in each transaction.
        # Of others, `finish_deletion` notes it.
        not_yet = runs.c.deleted.is_not(None), runs.c.purged.is_(None), runs.c.purge_asked.is_(None)
        its = select(runs.c.id).where(runs.c.project_id == project_id, *not_yet)
        self.share(PurgingSql).ask_purge(list(self.conn.execute(its).scalars()), now)
        return True

    def purge_project(self, project_id: str, now: float) -> bool:
        hold_rows(self.conn, projects.c.id, [project_id], to_remove=True)
        there = select(projects.c.purge_asked).where(projects.c.id == project_id, _RESTORABLE)
        row = self.conn.execute(there).first()
        if row is None:
            return True
        at_once = row.purge_asked is not None
        v, its = registry_versions.c, registry_versions.c.project_id == project_id
        some = list(self.conn.execute(select(v.id).where(its).limit(PURGE_AT_ONCE)).scalars())
        filed = select(registry_files.c.digest).where(registry_files.c.version_id.in_(some))
        if at_once:
            forget_bytes(self.conn, list(self.conn.execute(filed).scalars()))
        for table in (registry_aliases, registry_usage, registry_files):
            self.conn.execute(delete(table).where(table.c.version_id.in_(some)))
        self.conn.execute(delete(registry_versions).where(v.id.in_(some)))
        if len(some) == PURGE_AT_ONCE:
            return False
        shared = select(artifacts.c.id, artifacts.c.digest).where(artifacts.c.project_id == project_id)
        files = self.conn.execute(shared.limit(PURGE_AT_ONCE)).all()
        self.conn.execute(delete(artifacts).where(any_of(self.conn, artifacts.c.id, [file.id for file in files])))
        if at_once:
            forget_bytes(self.conn, [file.digest for file in files])
        if len(files) == PURGE_AT_ONCE:
            return False
        targets = select(notice_targets.c.id).where(notice_targets.c.project_id == project_id)
        self.conn.execute(delete(notices).where(notices.c.target_id.in_(targets)))
        for table in (notice_targets, members, project_names, removed_artifacts, views):
            self.conn.execute(delete(table).where(table.c.project_id == project_id))
        self.conn.execute(delete(lab).where(lab.c.key.in_([f"quota:{project_id}", f"retention:{project_id}"])))
        self.conn.execute(update(projects).where(projects.c.id == project_id).values(purged=now))
        return True
