"""MetaStore: runs that come from elsewhere, with their own times, states, processes and authors.

An import makes a run (`begin_import`), fills it like any other (ingest, artifacts), and then says what it was
(`finish_import`). The run keeps a session that is named after its origin, by which the same import finds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .accounts import User
from .edits import Tag

IMPORTED = "imported"  # the cause in the session that an import leaves


@dataclass(frozen=True)
class ImportRequest:
    """Asks for a run to fill. `names`: what the run may be called; the first that is free is taken, else the last with
    a number behind it. `digest`: of what is to be imported; if the run has that already, nothing changes. What stands
    behind a full stop in the digest that a record noted is the importer's own, and is not compared.
    """

    origin: str
    names: Sequence[str]
    project: str | None
    create_project: bool
    digest: str = ""
    host: str = ""
    client_version: str = ""


@dataclass(frozen=True)
class ImportBegun:
    """The run that was made or is there. `digest`: as the record of the last import noted it; "": none did, or another
    import has begun since.
    """

    run: str
    created: bool
    digest: str
    project_made: bool


@dataclass(frozen=True)
class PastSession:
    """A process of the run, as the lab that it comes from told of it (`Session`)."""

    session: str
    rank: int
    attempt: int
    sets_state: bool
    said: str
    lost: bool
    started: float
    last_seen: float
    ended: float | None
    state: str | None
    job: str = ""
    host: str = ""
    pid: int = 0
    world_size: int = 1
    client_version: str = ""
    cause: str = ""
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    skew: float = 0.0
    backlog: int = 0


@dataclass(frozen=True)
class PastState:
    """A change of the run's state (`StateChange`)."""

    at: float
    state: str
    attempt: int
    rank: int | None
    who: str
    why: str


@dataclass(frozen=True)
class PastFork:
    """Of which run it was a fork, up to which step. Its points of attempt 0 are those that it began with."""

    parent: str
    step: int | None


@dataclass(frozen=True)
class RunRecord:
    """What a run was. `note`, `tags` and `group`: None leaves what the run's events said."""

    created: float
    started: float | None
    ended: float | None
    state: str
    state_rank: int | None
    state_why: str
    attempt: int
    archived: float | None
    note: str | None
    tags: Sequence[Tag] | None
    sessions: Sequence[PastSession]
    history: Sequence[PastState]
    digest: str
    group: str | None = None
    fork: PastFork | None = None


class NotYoursError(PermissionError):
    """Somebody else has imported this run, or it cannot be given to somebody else."""


class NotImportedError(ValueError):
    """The run was not made by an import."""


class NoParentError(LookupError):
    """The author of the run sees no run of this id, of which it could be a fork."""


class ImportsTransaction(Protocol):
    def begin_import(self, request: ImportRequest, user: User, now: float) -> ImportBegun:
        """Return the run of the project that has this origin, or make it. An admin of the lab who imports again takes
        over a run that was given to its author, until `finish_import`.

        Raises what `attach` raises about the project; NotYoursError.
        """

    def finish_import(self, run_id: str, record: RunRecord, author: User, now: float) -> None:
        """Say what an imported run was, and whose it is, with its artifacts. Replaces what an earlier import said.

        Raises NotImportedError, NoParentError.
        """
