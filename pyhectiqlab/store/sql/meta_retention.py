"""SQL of the MetaStore for retention. The rules are values of the lab, as quotas are; queries find what they end."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, false, func, insert, or_, select

from ...protocol import states
from ..retention import DAY_S, DueRun, DueVersion, Rule, Setting, rule_of
from .dialect import hold_rows
from .meta_accounts import put_lab_value
from .meta_runs import RunsSql
from .meta_schema import (
    artifacts,
    blobs,
    lab,
    media,
    registry_files,
    registry_usage,
    registry_versions,
    removed_artifacts,
    run_tags,
    runs,
    sessions,
)
from .share import Share

KEY = "retention"
IDS_AT_ONCE = 500  # SQLite takes a bounded number of parameters
T = TypeVar("T")

_seen = select(func.max(sessions.c.last_seen)).where(sessions.c.run_id == runs.c.id).scalar_subquery()
_its_bytes = (
    select(func.coalesce(func.sum(artifacts.c.bytes), 0)).where(artifacts.c.run_id == runs.c.id).scalar_subquery()
)


def _key(project_id: str | None) -> str:
    return KEY if project_id is None else f"{KEY}:{project_id}"


def _where(table: Table, project_id: str, among: Collection[str] | None) -> ColumnElement[bool]:
    """Return the condition for rows of the project. `among` has only rows of the project: these are read by their
    primary key, as SQLite would else read all others.
    """
    return table.c.project_id == project_id if among is None else table.c.id.in_(among)


def _may_go(rule: Rule, before: float) -> list[ColumnElement[bool]]:
    """Return conditions on a row of `runs`: it ended, gave no sign of life since `before`, and nothing protects it."""
    its = runs.c.id
    return [
        runs.c.deleted.is_(None),
        runs.c.state.not_in(states.LIVE_STATES),
        runs.c.last_activity < before,
        ~exists().where(sessions.c.run_id == its, sessions.c.last_seen >= before),
        ~exists().where(run_tags.c.run_id == its, run_tags.c.name == rule.keep_tag),
        ~exists().where(registry_versions.c.run_id == its),
        ~exists().where(registry_usage.c.run_id == its),
    ]


def _pieces(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    for i in range(0, len(ids), IDS_AT_ONCE):
        yield ids[i : i + IDS_AT_ONCE]


class RetentionSql(Share):
    """The topic retention of SqlMeta."""

    # The rules

    def retention_settings(self) -> dict[str | None, dict[str, Setting]]:
        rows = self.conn.execute(
            select(lab.c.key, lab.c.value).where(or_(lab.c.key == KEY, lab.c.key.startswith(f"{KEY}:")))
        )
        return {row.key.partition(":")[2] or None: json.loads(row.value) for row in rows}

    def retention_of(self, project_id: str) -> Rule:
        settings = self.retention_settings()
        return rule_of(settings.get(None, {}), settings.get(project_id, {}))

    def set_retention(self, project_id: str | None, settings: Mapping[str, Setting]) -> None:
        put_lab_value(self.conn, _key(project_id), json.dumps(dict(settings)) if settings else None)

    # What they end

    def due_runs(
        self, project_id: str, rule: Rule, now: float, limit: int | None = None, among: Collection[str] | None = None
    ) -> list[DueRun]:
        if rule.runs_days is None:
            return []
        query = (
            select(runs.c.id, runs.c.name, runs.c.last_activity, _seen.label("seen"), _its_bytes.label("bytes"))
            .where(_where(runs, project_id, among), *_may_go(rule, now - rule.runs_days * DAY_S))
            .order_by(runs.c.last_activity, runs.c.id)
            .limit(limit)
        )
        return [
            DueRun(row.id, row.name, max(row.last_activity, row.seen or 0.0), row.bytes)
            for row in self.conn.execute(query)
        ]

    def due_versions(
        self, project_id: str, rule: Rule, now: float, limit: int | None = None, among: Collection[str] | None = None
    ) -> list[DueVersion]:
        if not rule.takes_versions:
            return []
        a = artifacts.c
        query: Select[Any] = (
            select(a.id, a.run_id, runs.c.name.label("run_name"), a.name, a.step, a.version, a.created, a.bytes)
            .join(blobs, blobs.c.digest == a.digest)
            .outerjoin(runs, runs.c.id == a.run_id)
            .where(
                _where(artifacts, project_id, among),
                a.newest.is_(False),
                or_(a.run_id.is_(None), and_(*_may_go(rule, now - DAY_S))),
                blobs.c.used < now - DAY_S,  # by our clock; `created` is by the sender's clock
                ~exists().where(media.c.artifact_id == a.id),
            )
            .order_by(a.created, a.id)
            .limit(limit)
        )
        if among is None:
            query = query.where(self._beyond(project_id, rule, now))
        return [
            DueVersion(row.id, row.run_id, row.run_name, row.name, row.step, row.version, row.created, row.bytes)
            for row in self.conn.execute(query)
        ]

    @staticmethod
    def _beyond(project_id: str, rule: Rule, now: float) -> ColumnElement[bool]:
        a = artifacts.c
        old: ColumnElement[bool] = false()
        if rule.versions_days is not None:
            old = a.created < now - rule.versions_days * DAY_S
        if rule.versions_max is None:
            return old
        place = func.row_number().over(partition_by=(a.run_id, a.name, a.step), order_by=a.version.desc())
        ranked = select(a.id, place.label("place")).where(a.project_id == project_id).subquery()
        return or_(old, a.id.in_(select(ranked.c.id).where(ranked.c.place > rule.versions_max)))

    def freed_bytes(self, runs: Sequence[str], versions: Sequence[str]) -> int:
        going: dict[str, int] = {}
        a, sizes = artifacts.c, {}
        for column, ids in ((a.run_id, runs), (a.id, versions)):
            for some in _pieces(ids):
                for row in self.conn.execute(select(a.digest, a.bytes).where(column.in_(some))):
                    going[row.digest] = going.get(row.digest, 0) + 1
                    sizes[row.digest] = row.bytes
        for some in _pieces(list(going)):
            for digest in (a.digest, registry_files.c.digest):
                counted = select(digest, func.count()).where(digest.in_(some)).group_by(digest)
                for its_digest, count in self.conn.execute(counted):
                    going[its_digest] -= count
        return sum(sizes[digest] for digest, others in going.items() if others == 0)

    def remove_versions(self, ids: Sequence[str], now: float) -> None:
        for some in _pieces(ids):
            hold_rows(self.conn, artifacts.c.id, some)
            gone = select(artifacts.c.id, artifacts.c.project_id, artifacts.c.run_id).where(artifacts.c.id.in_(some))
            rows = self.conn.execute(gone).all()
            if rows:
                removed = [{"id": row.id, "project_id": row.project_id, "removed": now} for row in rows]
                self.conn.execute(insert(removed_artifacts), removed)
                self.conn.execute(delete(artifacts).where(artifacts.c.id.in_(some)))
                self.changes.runs.update(row.run_id for row in rows if row.run_id is not None)

    def was_removed(self, artifact_id: str) -> str | None:
        of = select(removed_artifacts.c.project_id).where(removed_artifacts.c.id == artifact_id)
        return self.conn.execute(of).scalar()

    # When

    def kept_until(self, run_id: str) -> float | None:
        run = self.share(RunsSql).run(run_id)
        rule = Rule() if run is None else self.retention_of(run.project_id)
        if rule.runs_days is None:
            return None
        query = select(runs.c.last_activity, _seen.label("seen")).where(
            runs.c.id == run_id, *_may_go(rule, float("inf"))
        )
        row = self.conn.execute(query).first()
        return None if row is None else max(row.last_activity, row.seen or 0.0) + rule.runs_days * DAY_S

    def newest_sign(self) -> float | None:
        newest = (func.max(runs.c.last_activity), func.max(sessions.c.last_seen))
        signs = [self.conn.execute(select(sign)).scalar() for sign in newest]
        return max((sign for sign in signs if sign is not None), default=None)
