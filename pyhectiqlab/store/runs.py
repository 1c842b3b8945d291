"""Rows of runs, as the MetaStore takes and gives them: runs, sessions, writers, events, batches, changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..protocol.search import NEWEST_FIRST, Sort, Term
from .edits import Tag
from .forks import ForkOf


@dataclass(frozen=True)
class Run:
    id: str
    name: str
    project_id: str
    project: str
    author_id: str
    author: str
    state: str
    state_rank: int | None  # the rank whose state it is; None where it is that of all
    state_why: str
    created: float
    started: float | None
    ended: float | None
    attempt: int
    ranks: int
    note: str  # its beginning, see `note_cut`
    points: int
    deleted: float | None
    purged: float | None
    archived: float | None = None
    group: str = ""  # "": it is in none
    fork: ForkOf | None = None  # where its curves began
    note_cut: bool = False  # the note has more characters than limits.NOTE_CHARS_LISTED, see `MetaView.note`
    tags: Sequence[Tag] = ()
    tags_cut: bool = False  # the run has more tags than limits.TAGS_LISTED, see `MetaView.tags`


@dataclass(frozen=True)
class StateChange:
    """`who`: "script", "process" (its own last word), "uploader" or "lab"."""

    at: float
    state: str
    attempt: int
    rank: int | None
    who: str
    why: str


@dataclass(frozen=True)
class RunPage:
    """The runs of a page, in order, each with the value that it is sorted by. Read the runs themselves with
    `some_runs`, a few at a time.
    """

    places: Sequence[tuple[Any, str]]  # (value, id); to go on behind one, pass it as `after`
    more: bool  # more runs follow the last of these


@dataclass(frozen=True)
class RunQuery:
    project: str | None = None  # its id
    terms: Sequence[Term] = ()  # all of them must hold
    sort: Sort = NEWEST_FIRST
    limit: int = 100
    after: Sequence[Any] | None = None  # the place of the last run of the page before
    seen_by: str | None = None  # a user's id: only what is in projects that exist for them; None: all


@dataclass(frozen=True)
class Session:
    """One attachment: session id × run × rank × attempt."""

    session: str
    run: str
    rank: int
    attempt: int
    user_id: str
    restart: str | None
    job: str  # of a batch system, "system/id/how often it was started", or a launcher, "launcher:id"; "" outside both
    world_size: int
    host: str
    pid: int
    client_version: str
    sets_state: bool  # its process is a rank of the attempt: its end counts
    said: str
    lost: bool
    started: float
    last_seen: float
    ended: float | None
    state: str | None
    cause: str
    exit_code: int | None
    signal: int | None
    detail: str
    skew: float  # client's clock minus ours, seconds
    backlog: int
    losses: Mapping[str, int]


@dataclass(frozen=True)
class Writer:
    writer: str
    run: str
    rank: int
    attempt: int
    cursor: int
    last_seen: float
    losses: Mapping[str, int]


@dataclass(frozen=True)
class Event:
    """An event of a batch on its way in. `packed` are its fields as msgpack; `fields` the same, decoded."""

    seq: int  # absolute
    kind: str
    time: float  # client's clock
    fields: Mapping[str, Any]
    packed: bytes
    values: int = 0  # how many values a config has, see limits.CONFIG_VALUES_MAX; 0: not counted
    followed: bool = True  # False: it is kept, but has no effect, see limits.STATES_AT_ONCE_MAX


@dataclass(frozen=True)
class StoredEvent:
    id: int  # order of arrival at the lab
    seq: int
    writer: str
    kind: str
    time: float
    rank: int
    attempt: int
    fields: Mapping[str, Any]
    bytes: int  # that its fields take, packed


@dataclass(frozen=True)
class MetaBatch:
    """What the MetaStore needs of a batch whose points the PointStore already holds."""

    writer: str
    run: str
    rank: int
    attempt: int
    session: str
    first: int
    last: int
    points: int
    skew: float
    events: Sequence[Event]


@dataclass(frozen=True)
class IngestRun:
    """What ingest checks of a run."""

    id: str
    author_id: str
    project_id: str
    deleted: bool
    writable: bool = True  # its author may still add to its project


@dataclass(frozen=True)
class AttachRequest:
    name: str
    project: str | None
    create_project: bool
    session: str
    rank: int
    world_size: int
    restart: str | None
    host: str
    pid: int
    client_version: str
    skew: float
    started: float | None = None  # by our clock; None: now
    job: str = ""
    ended: bool = False  # whether its process has ended, and nobody has reported how
    new: bool = False  # it must not continue a run, except one that this session made
    script: str = ""  # names the process that its script began as; "" where that is not known
    main: bool = False  # whether it is that process
    opening: int | None = None  # how often the process had opened this run and closed it; None: an older client
    gone: Sequence[str] = ()  # sessions on its machine whose processes have ended


@dataclass(frozen=True)
class Attached:
    run: Run
    attempt: int
    mode: Literal["read-write", "read-only"]
    created: bool
    sets_state: bool
    project_made: bool = False
    held_by: Sequence[str] = ()  # sessions on its machine that keep it from setting states


@dataclass(frozen=True)
class EndReport:
    session: str
    run: str
    rank: int
    attempt: int
    state: str
    cause: str
    exit_code: int | None
    signal: int | None
    detail: str
    time: float  # by the client's clock
    skew: float | None  # that clock minus ours; None: as of the session's last sign of life
    final: bool  # True: reported by the uploader; False: the `end` event of the process itself


@dataclass(frozen=True)
class Changes:
    """What a transaction changed, for those who watch: run id → new state; runs whose row changed in another way;
    projects that were renamed, moved, archived, deleted or restored; and how many events were reported or noticed as
    lost, by reason.
    """

    states: dict[str, str] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    projects: set[str] = field(default_factory=set)
    losses: Counter[str] = field(default_factory=Counter)


class ProjectNotFoundError(LookupError):
    """The named project does not exist and was not to be created."""


class MayNotAddError(PermissionError):
    """The project can be read by this user, and not added to."""


class ProjectArchivedError(MayNotAddError):
    """The project takes no new runs."""


class FullError(ValueError):
    """A run, a project or a user has as many of something as one may have (protocol/limits.py)."""


class NameTakenError(ValueError):
    """Another row of that name exists."""
