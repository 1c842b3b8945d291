"""SQL of the MetaStore for notes and tags that people change. A few statements, however many runs there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, delete, func, select, update

from ...protocol import limits
from ..edits import Tag
from ..meta import FullError
from .column_types import kept
from .dialect import any_of, upsert
from .meta_runs import hold_runs
from .meta_schema import run_tags, runs
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
