"""What the suite talks with: a store with a user and a project in it, and short words for what a lab asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgpack

from pyhectiqlab.store.artifacts import NewArtifact, Upload
from pyhectiqlab.store.meta import (
    Attached,
    AttachRequest,
    EndReport,
    Event,
    MetaBatch,
    MetaStore,
    MetaTransaction,
    MetaView,
    User,
)
from pyhectiqlab.store.registry import NewVersion, VersionFile

T = TypeVar("T")
NOW = 1_000.0
LOST_AFTER_S = 60.0
EXPIRES = 1e9


class World:
    def __init__(self, store: MetaStore) -> None:
        self.store = store
        self.numbers: dict[str, int] = {}  # writer → its last number
        with store.writing() as tx:
            self.user = tx.add_user("ada", "owner", None, 1.0)
            self.project = tx.add_project("p", self.user.id, 1.0).id

    def write(self, function: Callable[[MetaTransaction], T]) -> T:
        with self.store.writing() as tx:
            return function(tx)

    def read(self, function: Callable[[MetaView], T]) -> T:
        with self.store.reading() as view:
            return function(view)

    def attach(self, name: str = "r", session: str = "s", now: float = NOW, **more: Any) -> Attached:
        user = more.pop("user", self.user)
        return self.write(lambda tx: attach(tx, user, name, session, now, **more))

    def run(self, name: str = "r", **more: Any) -> str:
        """Make a run of that name and return its id."""
        return self.attach(name, **more).run.id

    def next_batch(
        self, run: str, *facts: tuple[str, Mapping[str, Any]], writer: str = "w", points: int = 0, **more: Any
    ) -> MetaBatch:
        """Return the next batch of a writer: events of these kinds and fields, then points."""
        last = self.numbers.get(writer, 0)
        self.numbers[writer] = last + len(facts) + points
        return batch(run, *facts, writer=writer, first=last + 1, points=points, **more)

    def tell(self, run: str, *facts: tuple[str, Mapping[str, Any]], now: float = NOW, **more: Any) -> None:
        wanted = self.next_batch(run, *facts, **more)
        self.write(lambda tx: tx.apply([wanted], now))

    def end(self, run: str, session: str = "s", state: str = "completed", **more: Any) -> bool:
        user = more.pop("user", self.user)
        report = end_report(run, session, state, **more)
        return self.write(lambda tx: tx.end(report, user.id, more.get("at", NOW)))

    def add_blob(self, digest: str, size: int = 10, now: float = NOW) -> None:
        self.write(lambda tx: add_blob(tx, self.user.id, digest, size, now))

    def add_artifact(self, ident: str, run: str | None, name: str = "a", **more: Any) -> bool:
        wanted = new_artifact(self, ident, run, name, **more)
        self.add_blob(wanted.digest, wanted.bytes)
        return self.write(lambda tx: tx.add_artifact(wanted, NOW))


def attach(tx: MetaTransaction, user: User, name: str, session: str, now: float = NOW, **more: Any) -> Attached:
    fields: dict[str, Any] = {
        "name": name,
        "project": "p",
        "create_project": False,
        "session": session,
        "rank": 0,
        "world_size": 1,
        "restart": None,
        "host": "h",
        "pid": 1,
        "client_version": "0",
        "skew": 0.0,
    }
    return tx.attach(AttachRequest(**{**fields, **more}), user, now, LOST_AFTER_S)


def batch(
    run: str,
    *facts: tuple[str, Mapping[str, Any]],
    writer: str = "w",
    first: int = 1,
    points: int = 0,
    session: str = "s",
    rank: int = 0,
    attempt: int = 1,
    skew: float = 0.0,
    time: float = NOW,
) -> MetaBatch:
    events = [
        Event(first + i, kind, time, fields, msgpack.packb(dict(fields))) for i, (kind, fields) in enumerate(facts)
    ]
    last = first + len(facts) + points - 1
    return MetaBatch(writer, run, rank, attempt, session, first, last, points, skew, events)


def end_report(run: str, session: str = "s", state: str = "completed", **more: Any) -> EndReport:
    fields: dict[str, Any] = {
        "rank": 0,
        "attempt": 1,
        "cause": "",
        "exit_code": None,
        "signal": None,
        "detail": "",
        "time": more.pop("at", NOW),
        "skew": 0.0,
        "final": True,
    }
    return EndReport(session=session, run=run, state=state, **{**fields, **more})


def add_blob(tx: MetaTransaction, user_id: str, digest: str, size: int = 10, now: float = NOW) -> None:
    """Add a blob that the user sent, if it is not there."""
    if tx.knows_blob(user_id, digest):
        return
    ident = f"of-{user_id}-{digest}"
    upload = tx.start_upload(Upload(ident, user_id, digest, size, EXPIRES, False), now)
    tx.finish_upload(upload.id, now, EXPIRES)


def new_artifact(world: World, ident: str, run: str | None, name: str = "a", **more: Any) -> NewArtifact:
    fields: dict[str, Any] = {
        "project": world.project,
        "step": None,
        "digest": f"digest-{ident}",
        "bytes": 10,
        "kind": "file",
        "meta": {},
        "author_id": world.user.id,
        "created": NOW,
    }
    return NewArtifact(id=ident, run=run, name=name, **{**fields, **more})


def new_version(world: World, ident: str, name: str = "m", **more: Any) -> NewVersion:
    """Return a version with one file, whose digest is that of the id unless another one is given."""
    digest, size = more.pop("digest", f"digest-{ident}"), more.pop("bytes", 10)
    fields: dict[str, Any] = {
        "kind": "models",
        "project": world.project,
        "version": None,
        "short_description": "",
        "description": "",
        "files": [VersionFile("f", digest, size)],
        "run": None,
        "author_id": world.user.id,
        "created": NOW,
    }
    return NewVersion(id=ident, name=name, **{**fields, **more})
