"""SQL of the MetaStore for notices.

They are written in the transaction that changes a run's state, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, func, insert, select, update

from ..notices import MUTED, Notice, Target
from .dialect import hold_rows, keep_rows
from .meta_accounts import put_lab_value
from .meta_schema import lab, notice_targets, notices, projects, runs, users
from .share import Share

NOTICES_MAX = 10_000  # of a target that wait; more are not written: whoever hears nothing for so long looks at the lab


class NoticesSql(Share):
    """The topic notices of SqlMeta."""

    def targets(self) -> list[Target]:
        counted = select(notices.c.target_id, func.count()).group_by(notices.c.target_id)
        return self._targets({row.target_id: row[1] for row in self.conn.execute(counted)})

    def _targets(self, waiting: Mapping[str, int]) -> list[Target]:
        rows = self.conn.execute(
            select(notice_targets, projects.c.name.label("project"))
            .join(projects, projects.c.id == notice_targets.c.project_id, isouter=True)
            .order_by(notice_targets.c.created, notice_targets.c.id)
        ).all()
        return [
            Target(
                r.id,
                r.address,
                r.project_id,
                r.project,
                tuple(r.states.split(",")),
                r.secret,
                r.created,
                r.delivered,
                r.failed,
                r.error,
                waiting.get(r.id, 0),
            )
            for r in rows
        ]

    def waiting_notices(self) -> int:
        return int(self.conn.execute(select(func.count()).select_from(notices)).scalar_one())

    def due_notices(self, now: float, limit: int) -> list[Notice]:
        targets = {target.id: target for target in self._targets({})}
        rows = self.conn.execute(
            select(
                notices,
                runs.c.name.label("run"),
                projects.c.name.label("project"),
                users.c.username.label("author"),
            )
            .join(runs, runs.c.id == notices.c.run_id)
            .join(projects, projects.c.id == runs.c.project_id)
            .join(users, users.c.id == runs.c.author_id)
            .where(notices.c.again_at <= now, runs.c.deleted.is_(None), projects.c.deleted.is_(None))
            .order_by(notices.c.again_at, notices.c.id)
            .limit(limit)
        ).all()
        return [
            Notice(r.id, targets[r.target_id], r.run_id, r.run, r.project, r.author, r.state, r.why, r.at, r.tries)
            for r in rows
        ]

    def add_target(self, target: Target) -> None:
        self.conn.execute(
            insert(notice_targets).values(
                id=target.id,
                address=target.address,
                project_id=target.project_id,
                states=",".join(target.states),
                secret=target.secret,
                created=target.created,
            )
        )

    def remove_target(self, target_id: str) -> bool:
        hold_rows(self.conn, notice_targets.c.id, [target_id], to_remove=True)
        self.conn.execute(delete(notices).where(notices.c.target_id == target_id))
        return self.conn.execute(delete(notice_targets).where(notice_targets.c.id == target_id)).rowcount > 0

    def notice_tried(self, notice_id: int, again_at: float | None) -> None:
        of = notices.c.id == notice_id
        if again_at is None:
            self.conn.execute(delete(notices).where(of))
        else:
            self.conn.execute(update(notices).where(of).values(again_at=again_at, tries=notices.c.tries + 1))

    def target_tried(self, target_id: str, now: float, error: str | None) -> None:
        values = {"delivered": now, "failed": None, "error": ""} if error is None else {"failed": now, "error": error}
        self.conn.execute(update(notice_targets).where(notice_targets.c.id == target_id).values(values))

    def _wanted(self, project_id: str, state: str) -> list[Target]:
        """Return the targets that want to know that a run of the project is in that state."""
        return [t for t in self._targets({}) if state in t.states and t.project_id in (None, project_id)]

    def muted_since(self) -> float | None:
        value = self.conn.execute(select(lab.c.value).where(lab.c.key == MUTED)).scalar()
        return float(value) if value else None

    def mute_notices(self, now: float | None) -> None:
        put_lab_value(self.conn, MUTED, "" if now is None else repr(now))
        self.conn.execute(delete(notices))

    def note_for_targets(self, run_id: str, project_id: str, state: str, why: str, now: float) -> None:
        wanted = self._wanted(project_id, state)
        if not wanted or self.muted_since() is not None:
            return
        if keep_rows(self.conn, notice_targets.c.id, [target.id for target in wanted]):
            wanted = self._wanted(project_id, state)  # without one that was removed meanwhile
        for target in wanted:
            waiting = self.conn.execute(
                select(notices.c.id).where(notices.c.target_id == target.id).limit(1).offset(NOTICES_MAX)
            ).first()
            if waiting is None:
                self.conn.execute(
                    insert(notices).values(
                        target_id=target.id, run_id=run_id, state=state, why=why, at=now, tries=0, again_at=now
                    )
                )
