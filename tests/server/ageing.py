"""A lab's MetaStore whose time goes by as a test says: runs, versions and rules of retention in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import insert

from pyhectiqlab.server.tending.retention import Retention
from pyhectiqlab.store.accounts import Change
from pyhectiqlab.store.artifacts import ArtifactQuery, NewArtifact
from pyhectiqlab.store.meta import AttachRequest, EndReport, Event, MetaBatch, MetaStore, MetaTransaction, Project, User
from pyhectiqlab.store.retention import DAY_S, Setting
from pyhectiqlab.store.sql.meta_schema import blobs

from .api import new_id

T = TypeVar("T")
NOW = 1_800_000_000.0
LOST_AFTER_S = 60.0


class World:
    """A lab's MetaStore, with one user and a project, and time as the test tells it. Nothing happens by itself."""

    def __init__(self, meta: MetaStore, now: float = NOW) -> None:
        self.meta, self.now = meta, now
        self.retention = Retention(meta, self.write)
        with meta.writing() as tx:
            self.user: User = tx.add_user("ann", "owner", None, 0.0)
            self.project: Project = tx.add_project("p", self.user.id, 0.0)

    def write(self, function: Callable[[MetaTransaction], T], /) -> T:
        with self.meta.writing() as tx:
            return function(tx)

    def set(self, project: Project | None = None, **settings: Setting) -> None:
        self.write(lambda tx: tx.set_retention(None if project is None else project.id, settings))

    def run(self, name: str, days: float, *, end: bool = True, tag: str = "", project: str = "p") -> str:
        """Make a run that was heard of last so many days ago, and ended then."""
        at = self.now - days * DAY_S
        request = AttachRequest(name, project, False, f"s-{name}", 0, 1, None, "h", 1, "0", 0.0)
        run = self.write(lambda tx: tx.attach(request, self.user, at, LOST_AFTER_S)).run.id
        if tag:
            fields = {"name": tag}
            event = Event(1, "tag", at, fields, b"\x80")
            self.write(lambda tx: tx.apply([MetaBatch(new_id(), run, 0, 1, f"s-{name}", 1, 1, 0, 0.0, [event])], at))
        if end:
            report = EndReport(f"s-{name}", run, 0, 1, "completed", "", 0, None, "", at, 0.0, True)
            self.write(lambda tx: tx.end(report, self.user.id, at))
        return str(run)

    def hear(self, run: str, name: str, at: float) -> None:
        """Send a heartbeat of its session, which has ended."""
        rows = [(run, 0, 1)]
        self.write(lambda tx: tx.heartbeat(f"s-{name}", self.user.id, rows, skew=0.0, backlog=0, losses={}, now=at))

    def version(
        self, run: str | None, name: str, days: float, step: int | None = None, meta: dict[str, Any] | None = None
    ) -> str:
        """Make a version of an artifact that came so many days ago."""
        at, ident, digest = self.now - days * DAY_S, new_id(), new_id(32)
        kind = "file" if meta is None else "image"
        new = NewArtifact(ident, run, self.project.id, name, step, digest, 1000, kind, meta or {}, self.user.id, at)

        def register(tx: Any) -> None:
            tx.conn.execute(insert(blobs).values(digest=digest, bytes=1000, used=at))
            tx.add_artifact(new, at)

        self.write(register)
        return ident

    def turns(self, now: float = NOW) -> None:
        """Do turns until nothing is left to do."""
        self.retention.turn(now)
        while self.retention._steps:
            self.retention.turn(now)

    def runs(self) -> set[str]:
        """Return the names of the runs that are there."""
        with self.meta.reading() as view:
            rows = view.conn.exec_driver_sql("SELECT name FROM runs WHERE deleted IS NULL")
            return set(rows.scalars())

    def versions(self, run: str | None, name: str, step: int | None = None) -> list[int]:
        with self.meta.reading() as view:
            query = ArtifactQuery(run, self.project.id, name, step, all_versions=True, limit=1000)
            return [artifact.version for artifact in view.artifacts(query)]

    def changes(self) -> list[Change]:
        """Return what retention noted in the audit log, the oldest first."""
        with self.meta.reading() as view:
            return [change for change in reversed(view.changes_told(100_000)) if change.who == "retention"]
