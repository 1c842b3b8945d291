"""Totals over the whole lab, for those who watch it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, union

from ..totals import ClientTotals, ProjectTotals
from .meta_schema import artifacts, blobs, lab, projects, registry_files, registry_versions, runs, sessions, users
from .share import Share


def _alive(since: float) -> tuple[ColumnElement[bool], ...]:
    return sessions.c.ended.is_(None), sessions.c.last_seen >= since


class TotalsSql(Share):
    """The topic totals of SqlMeta."""

    def runs_by_state(self) -> dict[str, int]:
        rows = self.conn.execute(
            select(runs.c.state, func.count()).where(runs.c.deleted.is_(None)).group_by(runs.c.state)
        )
        return {row.state: row[1] for row in rows}

    def stored_bytes(self) -> int:
        """Return how many bytes all files take, each counted once."""
        return int(self.conn.execute(select(func.coalesce(func.sum(blobs.c.bytes), 0))).scalar_one())

    def project_totals(self) -> list[ProjectTotals]:
        filed = select(registry_versions.c.project_id, registry_files.c.digest, registry_files.c.bytes)
        named = union(  # each file once in a project
            select(artifacts.c.project_id, artifacts.c.digest, artifacts.c.bytes),
            filed.join(registry_versions, registry_versions.c.id == registry_files.c.version_id),
        ).subquery()
        held = select(named.c.project_id, func.sum(named.c.bytes)).group_by(named.c.project_id)
        files = {row.project_id: int(row[1]) for row in self.conn.execute(held)}
        counted = (
            select(runs.c.project_id, func.count(), func.coalesce(func.sum(runs.c.points), 0))
            .where(runs.c.purged.is_(None))
            .group_by(runs.c.project_id)
        )
        its_runs = {row.project_id: (row[1], int(row[2])) for row in self.conn.execute(counted)}
        quotas = dict(self.conn.execute(select(lab.c.key, lab.c.value).where(lab.c.key.like("quota:%"))).all())
        totals = []
        name = func.coalesce(projects.c.deleted_name, projects.c.name).label("name")
        there = select(projects.c.id, name).where(projects.c.purged.is_(None))
        for row in self.conn.execute(there.order_by(name)):
            n, points = its_runs.get(row.id, (0, 0))
            quota = quotas.get(f"quota:{row.id}")
            totals.append(
                ProjectTotals(row.id, row.name, n, points, files.get(row.id, 0), None if quota is None else int(quota))
            )
        return totals

    def deleted_runs(self) -> int:
        gone = runs.c.deleted.is_not(None), runs.c.purged.is_(None)
        return int(self.conn.execute(select(func.count()).select_from(runs).where(*gone)).scalar_one())

    def live_clients(self, since: float, limit: int) -> list[ClientTotals]:
        backlog = func.max(sessions.c.backlog).label("backlog")
        rows = self.conn.execute(
            select(
                sessions.c.session,
                func.max(users.c.username).label("user"),
                func.max(sessions.c.host).label("host"),
                func.max(sessions.c.client_version).label("version"),
                func.count(sessions.c.run_id.distinct()).label("runs"),
                func.max(sessions.c.run_id).label("run"),
                backlog,
                func.max(sessions.c.last_seen).label("last_seen"),
            )
            .join(users, users.c.id == sessions.c.user_id)
            .where(*_alive(since))
            .group_by(sessions.c.session)
            .order_by(backlog.desc(), sessions.c.session)
            .limit(limit)
        )
        return [ClientTotals(**row._mapping) for row in rows]

    def client_versions(self, since: float) -> dict[str, int]:
        rows = self.conn.execute(
            select(sessions.c.client_version, func.count(sessions.c.session.distinct()))
            .where(*_alive(since))
            .group_by(sessions.c.client_version)
        )
        return {row.client_version: row[1] for row in rows}
