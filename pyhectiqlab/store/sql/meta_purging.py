"""SQL of the MetaStore for purging deleted runs, in transactions of bounded size."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, and_, delete, func, select, tuple_, update

from ..purging import DeletedRun
from .dialect import any_of, hold_rows
from .meta_runs import hold_runs
from .meta_schema import (
    artifacts,
    attempt_configs,
    blobs,
    config_parts,
    config_values,
    events,
    forks,
    media,
    notices,
    projects,
    registry_usage,
    run_meta,
    run_states,
    run_tags,
    runs,
    uploads,
)
from .share import Share

PURGE_EVENTS = 10_000  # in one transaction: nobody waits long for it
PURGE_FILES = 1000
_DELETED = and_(runs.c.deleted.is_not(None), runs.c.purged.is_(None))
_ASKED = and_(runs.c.purge_asked.is_not(None), _DELETED)
_ROWS_OF_RUNS = (
    run_meta,
    attempt_configs,
    config_parts,
    run_tags,
    config_values,
    run_states,
    notices,
    registry_usage,
    forks,
)


class PurgingSql(Share):
    """The topic purging of SqlMeta."""

    def deleted(self, project_id: str | None = None) -> list[DeletedRun]:
        query = (
            select(
                runs.c.id,
                runs.c.name,
                func.coalesce(projects.c.deleted_name, projects.c.name).label("project"),
                runs.c.project_id,
                runs.c.points,
                runs.c.deleted,
                runs.c.purge_asked.is_not(None).label("asked"),
            )
            .join(projects, projects.c.id == runs.c.project_id)
            .where(_DELETED)
        )
        if project_id is not None:
            query = query.where(runs.c.project_id == project_id)
        rows = self.conn.execute(query.order_by(runs.c.deleted.desc(), runs.c.id))
        return [DeletedRun(**{**row._mapping, "asked": bool(row.asked)}) for row in rows]

    def purgeable(self, before: float | None) -> str | None:
        asked = self.conn.execute(select(runs.c.id).where(_ASKED).limit(1)).scalar()
        if asked is not None or before is None:
            return asked
        old = select(runs.c.id).where(runs.c.deleted < before, runs.c.purged.is_(None)).limit(1)
        return self.conn.execute(old).scalar()

    def purges_left(self) -> int:
        of_projects = and_(projects.c.purge_asked.is_not(None), projects.c.purged.is_(None))
        asked = ((runs, _ASKED), (projects, of_projects))
        counts = (select(func.count()).select_from(table).where(where) for table, where in asked)
        return sum(int(self.conn.execute(count).scalar_one()) for count in counts)

    def ask_purge(self, run_ids: Sequence[str], now: float) -> list[str]:
        hold_runs(self.conn, run_ids)
        its = any_of(self.conn, runs.c.id, run_ids)
        there = list(self.conn.execute(select(runs.c.id).where(_DELETED, its)).scalars())
        first = and_(any_of(self.conn, runs.c.id, there), runs.c.purge_asked.is_(None))
        self.conn.execute(update(runs).where(first).values(purge_asked=now))
        return there

    def purge(self, run_id: str, now: float) -> bool:
        hold_runs(self.conn, [run_id])
        row = self.conn.execute(select(runs.c.deleted, runs.c.purge_asked).where(runs.c.id == run_id)).first()
        if row is None or row.deleted is None:
            return True
        some = select(events.c.id).where(events.c.run_id == run_id).limit(PURGE_EVENTS)
        if self.conn.execute(delete(events).where(events.c.id.in_(some))).rowcount == PURGE_EVENTS:
            return False
        place = (media.c.kind, media.c.name, media.c.rank, media.c.step)
        some_media = select(*place).where(media.c.run_id == run_id).limit(PURGE_EVENTS)
        gone = self.conn.execute(delete(media).where(media.c.run_id == run_id, tuple_(*place).in_(some_media)))
        if gone.rowcount == PURGE_EVENTS or not self._purge_files(run_id, row.purge_asked is not None):
            return False
        for table in _ROWS_OF_RUNS:
            self.conn.execute(delete(table).where(table.c.run_id == run_id))
        self.conn.execute(update(runs).where(runs.c.id == run_id).values(purged=now, config=None, note=""))
        return True

    def _purge_files(self, run_id: str, at_once: bool) -> bool:
        """Remove some of the run's files. Return whether none is left. `at_once`: nobody needs the bytes later, so they
        count as long unused if nothing else names them.
        """
        its = select(artifacts.c.id, artifacts.c.digest).where(artifacts.c.run_id == run_id).limit(PURGE_FILES)
        rows = self.conn.execute(its).all()
        self.conn.execute(delete(artifacts).where(any_of(self.conn, artifacts.c.id, [row.id for row in rows])))
        if at_once:
            forget_bytes(self.conn, [row.digest for row in rows])
        return len(rows) < PURGE_FILES


def forget_bytes(conn: Connection, digests: Collection[str]) -> None:
    """Let these count as unused from long ago, where nothing else names them."""
    digests = sorted(set(digests))
    hold_rows(conn, blobs.c.digest, digests)
    sent = and_(uploads.c.finished.is_not(None), any_of(conn, uploads.c.digest, digests))
    conn.execute(delete(uploads).where(sent))
    conn.execute(update(blobs).where(any_of(conn, blobs.c.digest, digests)).values(used=0.0))
