"""SQL of the MetaStore for runs that began from another one's curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
from sqlalchemy import insert, select, update

from ..forks import ForkLeft
from .dialect import exclude
from .meta_members import MembersSql
from .meta_projects import ProjectsSql
from .meta_runs import RunsSql, unpack
from .meta_schema import forks, runs
from .share import Share

GENERATIONS_MAX = 10_000  # a chain of forks that is longer is a circle


class ForksSql(Share):
    """The topic forks of SqlMeta."""

    def forks_left(self, limit: int) -> list[ForkLeft]:
        query = (
            select(forks.c.run_id, runs.c.author_id, forks.c.parent_id, forks.c.step, forks.c.progress)
            .join(runs, runs.c.id == forks.c.run_id)
            .where(forks.c.progress.is_not(None), runs.c.deleted.is_(None))
            .order_by(forks.c.run_id)
        )
        rows = self.conn.execute(query.limit(limit))
        return [ForkLeft(row.run_id, row.author_id, row.parent_id, row.step, unpack(row.progress)) for row in rows]

    def parent_for(self, run_id: str, parent_id: str, name: str, project_ref: str) -> str | None:
        """Return the one run that somebody forks: of this id, or else of this name in a project ("": in the project of
        the fork). None: the fork's author sees no such run, or several.
        """
        its_runs = self.share(RunsSql)
        run = its_runs.run(run_id)
        if run is None:
            return None
        if parent_id:
            parent = its_runs.run(parent_id)
            if parent is None or parent.deleted is not None:
                return None
            return None if self.share(MembersSql).role_in(parent.project_id, run.author_id) is None else parent_id
        project = self.share(ProjectsSql).project(project_ref or run.project_id)
        if project is None:
            return None
        named = its_runs.runs_named(name, project.id, 2, run.author_id)
        return named[0].id if len(named) == 1 else None

    def add_fork(self, run_id: str, parent_id: str, step: int | None) -> bool:
        exclude(self.conn, "forks", "")  # two forks that are made at once could make a circle
        known = self.conn.execute(select(forks.c.parent_id, forks.c.step).where(forks.c.run_id == run_id)).first()
        if known is not None or self._comes_from(parent_id, run_id):
            return known is not None and (known.parent_id, known.step) == (parent_id, step)
        self.conn.execute(
            insert(forks).values(run_id=run_id, parent_id=parent_id, step=step, progress=msgpack.packb({}))
        )
        self.changes.runs.add(run_id)
        return True

    def note_fork(self, run_id: str, progress: Mapping[str, Any] | None) -> None:
        packed = None if progress is None else msgpack.packb(dict(progress))
        self.conn.execute(update(forks).where(forks.c.run_id == run_id).values(progress=packed))
        self.changes.runs.add(run_id)

    def _comes_from(self, run_id: str, ancestor: str) -> bool:
        """Return whether a run is the ancestor itself or a fork of it, directly or not."""
        one: str | None = run_id
        for _ in range(GENERATIONS_MAX):
            if one is None or one == ancestor:
                return one is not None
            one = self.conn.execute(select(forks.c.parent_id).where(forks.c.run_id == one)).scalar()
        return True
