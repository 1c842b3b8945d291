"""SQL of the MetaStore for notes, tags, names, projects and the archive of runs that people change.

A few statements, however many runs there are.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, delete, func, select, update

from ...protocol import limits
from ..edits import Tag
from ..meta import FullError, NameTakenError, ProjectArchivedError
from ..projects import ProjectGoneError
from .column_types import kept
from .dialect import any_of, upsert
from .meta_projects import ProjectsSql
from .meta_quotas import QuotasSql
from .meta_runs import exclude_name, hold_runs, is_full
from .meta_schema import artifacts, projects, run_tags, runs
from .share import Share


class EditsSql(Share):
    """The topic edits of SqlMeta."""

    def set_notes(self, notes: Mapping[str, str]) -> dict[str, str]:
        hold_runs(self.conn, notes)
        its = select(runs.c.id, runs.c.note).where(any_of(self.conn, runs.c.id, notes))
        before: dict[str, str] = {row.id: row.note for row in self.conn.execute(its) if row.note != kept(notes[row.id])}
        if before:
            statement = update(runs).where(runs.c.id == bindparam("run")).values(note=bindparam("text"))
            self.conn.execute(statement, [{"run": run, "text": notes[run]} for run in before])
        self.changes.runs.update(before)
        return before

    def add_tag(self, ids: Collection[str], tag: Tag, replace: bool = True) -> dict[str, Tag | None]:
        hold_runs(self.conn, ids)
        there = self._named(ids, tag.name)
        color, description = (None if word is None else kept(word) for word in (tag.color, tag.description))
        wanted = Tag(kept(tag.name), color, description)
        new = [run for run in dict.fromkeys(ids) if run not in there]
        other = [run for run, its in there.items() if replace and its != wanted]
        self._check_room(new)
        statement = upsert(self.conn, run_tags)
        values = {name: statement.excluded[name] for name in ("color", "description")}
        rows = [
            {"run_id": run, "name": tag.name, "color": tag.color, "description": tag.description}
            for run in (*new, *other)
        ]
        if rows:
            self.conn.execute(statement.on_conflict_do_update(index_elements=["run_id", "name"], set_=values), rows)
        self.changes.runs.update(new, other)
        return {run: there.get(run) for run in (*new, *other)}

    def remove_tag(self, ids: Collection[str], name: str) -> dict[str, Tag]:
        hold_runs(self.conn, ids)
        there = self._named(ids, name)
        self.conn.execute(delete(run_tags).where(any_of(self.conn, run_tags.c.run_id, there), run_tags.c.name == name))
        self.changes.runs.update(there)
        return there

    def rename_runs(self, names: Mapping[str, str]) -> dict[str, str]:
        wanted = {run: kept(name) for run, name in names.items()}
        rows = self._places(wanted)
        for project, name in sorted((project, wanted[run]) for run, (project, _) in rows.items()):
            exclude_name(self.conn, project, name)
        hold_runs(self.conn, wanted)
        rows = self._places(wanted)
        before = {run: rows[run][1] for run, name in wanted.items() if run in rows and rows[run][1] != name}
        self._check_names({run: (project, wanted[run]) for run, (project, _) in rows.items()})
        # First give the runs names that nobody has, so that two runs may exchange theirs.
        aside = secrets.token_hex(8)
        statement = update(runs).where(runs.c.id == bindparam("run")).values(name=bindparam("text"))
        if before:
            self.conn.execute(statement, [{"run": run, "text": f"{aside} {run}"} for run in before])
            self.conn.execute(statement, [{"run": run, "text": wanted[run]} for run in before])
        self.changes.runs.update(before)
        return before

    def set_runs_archived(self, ids: Collection[str], at: float | None) -> dict[str, float | None]:
        hold_runs(self.conn, ids)
        other = runs.c.archived.is_not(None) if at is None else runs.c.archived.is_(None)
        its = select(runs.c.id, runs.c.archived).where(any_of(self.conn, runs.c.id, ids), other)
        there = {row.id: row.archived for row in self.conn.execute(its)}
        before: dict[str, float | None] = {run: there[run] for run in dict.fromkeys(ids) if run in there}
        if before:
            self.conn.execute(update(runs).where(any_of(self.conn, runs.c.id, before)).values(archived=at))
        self.changes.runs.update(before)
        return before

    def set_group(self, ids: Collection[str], group: str) -> dict[str, str]:
        hold_runs(self.conn, ids)
        wanted = kept(group)
        its = select(runs.c.id, runs.c.group_name).where(any_of(self.conn, runs.c.id, ids), runs.c.group_name != wanted)
        there = {row.id: row.group_name for row in self.conn.execute(its)}
        before = {run: there[run] for run in dict.fromkeys(ids) if run in there}
        if before:
            self.conn.execute(update(runs).where(any_of(self.conn, runs.c.id, before)).values(group_name=wanted))
        self.changes.runs.update(before)
        return before

    def move_runs(self, ids: Collection[str], project_id: str) -> dict[str, str]:
        if not self.share(ProjectsSql).keep_project(project_id):
            raise ProjectGoneError("The project is deleted.")
        archived = select(projects.c.id).where(projects.c.id == project_id, projects.c.archived.is_not(None))
        if self.conn.execute(archived).first() is not None:
            raise ProjectArchivedError("The project is archived: it takes no runs.")
        for name in sorted(name for _, name in self._places(ids).values()):
            exclude_name(self.conn, project_id, name)
        hold_runs(self.conn, ids)
        rows = self._places(ids)
        before = {run: rows[run][0] for run in dict.fromkeys(ids) if run in rows and rows[run][0] != project_id}
        if not before:
            return {}
        self._check_names({run: (project_id, rows[run][1]) for run in before})
        there = select(runs.c.id).where(runs.c.project_id == project_id)
        if is_full(self.conn, there, limits.RUNS_MAX + 1 - len(before)):
            raise FullError(f"A project has at most {limits.RUNS_MAX:,} runs, and this one has no room for these.")
        its = select(artifacts.c.digest, artifacts.c.bytes).where(any_of(self.conn, artifacts.c.run_id, before))
        self.share(QuotasSql).check_quota(project_id, {row.digest: row.bytes for row in self.conn.execute(its)})
        for table, column in ((runs, runs.c.id), (artifacts, artifacts.c.run_id)):
            moved = update(table).where(any_of(self.conn, column, before))
            self.conn.execute(moved.values(project_id=project_id))
        self.changes.runs.update(before)
        self.changes.projects.update(before.values(), [project_id])
        return before

    def _places(self, ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return project and name of each run."""
        its = select(runs.c.id, runs.c.project_id, runs.c.name).where(any_of(self.conn, runs.c.id, ids))
        return {row.id: (row.project_id, row.name) for row in self.conn.execute(its)}

    def _check_names(self, places: Mapping[str, tuple[str, str]]) -> None:
        """Raise NameTakenError where one of these runs would have the name of another run of its project."""
        place, n = Counter(places.values()).most_common(1)[0]
        if n > 1:
            raise NameTakenError(f"Several of these runs would be named {place[1]!r} in one project.")
        names = {name for _, name in places.values()}
        there = select(runs.c.id, runs.c.project_id, runs.c.name).where(
            any_of(self.conn, runs.c.project_id, {project for project, _ in places.values()}),
            any_of(self.conn, runs.c.name, names),
            runs.c.deleted.is_(None),
        )
        for run, project, name in self.conn.execute(there):
            if run not in places and (project, name) in places.values():
                raise NameTakenError(f"Another run of the project is named {name!r}: choose another name.")

    def _named(self, ids: Collection[str], name: str) -> dict[str, Tag]:
        """Return the tag of this name of each run that has it."""
        its = select(run_tags).where(any_of(self.conn, run_tags.c.run_id, ids), run_tags.c.name == name)
        return {row.run_id: Tag(row.name, row.color, row.description) for row in self.conn.execute(its)}

    def _check_room(self, ids: Collection[str]) -> None:
        """Raise FullError where one of these runs takes no more tags."""
        full = select(run_tags.c.run_id).where(any_of(self.conn, run_tags.c.run_id, ids)).group_by(run_tags.c.run_id)
        row = self.conn.execute(full.having(func.count() >= limits.TAGS_MAX).limit(1)).first()
        if row is not None:
            raise FullError(f"The run {row.run_id} has {limits.TAGS_MAX} tags, and none takes more: remove some first.")
