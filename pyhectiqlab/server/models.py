"""The JSON that goes in and out, as models: what comes in is checked by them, what goes out is documented by them.

Answers are not validated again on their way out (a page of points would cost more to check than to read);
tests/server/test_openapi.py holds real answers to these models instead.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field

from ..protocol import limits
from ..protocol.names import new_name, shown_name
from ..store.points import RANKS_MAX

INT32_MAX = (1 << 31) - 1
INT64_MAX = (1 << 63) - 1
SELECTORS_MAX = 256
BUCKETS_MAX = 10_000


def name_checked(text: str) -> str:
    return shown_name("name", text)


Name = Annotated[str, AfterValidator(name_checked)]
NewName = Annotated[str, AfterValidator(partial(new_name, "name"))]
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Rank = Annotated[int, Field(ge=0, le=INT32_MAX)]
Attempt = Annotated[int, Field(ge=1, le=INT32_MAX)]
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Number = float | Literal["NaN", "Infinity", "-Infinity"]
LabRole = Literal["viewer", "member", "admin", "owner"]
ProjectRole = Literal["viewer", "member", "admin"]
ScriptState = Literal["pending", "running", "training", "completed", "failed", "stopped"]
FinalState = Literal["completed", "failed", "stopped", "killed", "ended"]
RunState = ScriptState | FinalState | Literal["lost"]


def _breathe(item: Any) -> Any:
    """Return it. Nothing else runs while C code checks a list; where it calls Python for each item, others do."""
    return item


BREATHE = AfterValidator(_breathe)  # on the items of long lists


class Body(BaseModel):
    """What comes in: strict about types; fields of a newer version are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class LoginBody(Body):
    username: Annotated[str, Field(max_length=512)]
    password: Annotated[str, Field(max_length=1024)]


class NameBody(Body):
    name: NewName


class AttachBody(Body):
    name: Name
    project: Name | None = None
    create_project: bool = False
    new: bool = Field(False, description="409 `name_taken` where the project has a run of this name already.")
    session: Id
    rank: Rank = 0
    world_size: Annotated[int, Field(ge=1, le=INT32_MAX)] = 1
    restart: Annotated[str, Field(max_length=64)] | None = None
    job: Annotated[str, Field(max_length=256)] = Field(
        "", description="Of a batch system: its name, the job's id, how often it was started; with / between."
    )
    host: Annotated[str, Field(max_length=256)] = ""
    pid: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    client_time: Seconds | None = None
    client_version: Annotated[str, Field(max_length=64)] = ""
    ended: bool = Field(False, description="The process has ended; what it left, and how it ended, is still to come.")
    started: Seconds | None = Field(None, description="When the job started, by the client's clock; null: now.")
    script: Annotated[str, Field(max_length=256)] = Field(
        "", description="Names the process that the script began as, the same for all that multiprocessing starts."
    )
    main: bool = Field(False, description="It is that process itself.")
    opening: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = Field(
        None, description="How often this process had opened the run and closed it again."
    )
    gone: Annotated[list[Id], Field(max_length=64), FailFast()] = Field(
        [], description="Of `held_by` of the answer before: sessions whose processes have ended."
    )


class RunOfSession(Body):
    run: Id
    rank: Rank
    attempt: Attempt


class HeartbeatBody(Body):
    runs: Annotated[list[Annotated[RunOfSession, BREATHE]], Field(max_length=limits.HEARTBEAT_RUNS_MAX), FailFast()]
    host: Annotated[str, Field(max_length=256)] = ""
    pid: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    clock: Seconds | None = None
    backlog: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    losses: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[int, Field(ge=0, le=INT64_MAX)]], Field(max_length=64)
    ] = Field(default_factory=dict)


class EndBody(RunOfSession):
    state: FinalState
    cause: Annotated[str, Field(max_length=4096)] = ""
    exit_code: Annotated[int, Field(ge=-INT64_MAX, le=INT64_MAX)] | None = None
    signal: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    detail: Annotated[str, Field(max_length=1 << 19)] = ""
    time: Seconds | None = None
    clock: Seconds | None = Field(None, description="The client's clock now, to correct `time` by.")


class SelectorBody(Body):
    run: Id
    key: Annotated[str, Field(max_length=limits.KEY_BYTES_MAX)]
    rank: Rank | Literal["each"] | None = Field(
        None,
        description="null: all ranks as one series, its min, max and mean over all of them. "
        f"each: a series for each rank, of the {RANKS_MAX} lowest ones.",
    )
    attempt: Attempt | None = Field(
        None, description="Only its points, none of them hidden; null: as `attempts` says, for all."
    )


class BucketsBody(Body):
    selectors: Annotated[list[SelectorBody], Field(min_length=1, max_length=SELECTORS_MAX), FailFast()]
    axis: Literal["step", "time", "relative"] = "step"
    lo: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    hi: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    n: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1500
    attempts: Literal["newest", "all"] = Field(
        "newest", description="newest: of what a restarted job told again, its newest telling."
    )


# Answers


class Problem(BaseModel):
    code: str
    message: str
    status: int
    ids: list[str] | None = None


class ErrorAnswer(BaseModel):
    error: Problem


class ProtocolRange(BaseModel):
    min: int
    max: int


class HandshakeAnswer(BaseModel):
    lab: Literal["hectiqlab"]
    version: str
    protocol: ProtocolRange
    lab_id: str
    generation: str


class UserAnswer(BaseModel):
    id: str
    username: str
    role: LabRole
    disabled: bool


class LoginAnswer(BaseModel):
    user: UserAnswer
    csrf: str | None


KeyScope = Literal["all", "metrics"]


class KeyAnswer(BaseModel):
    id: str
    name: str
    created: float
    expires: float | None
    last_used: float | None
    scope: KeyScope = Field(description="all: what its user may; metrics: to read the lab's metrics, and nothing else.")


class NewKeyAnswer(KeyAnswer):
    key: str


class ProjectRef(BaseModel):
    id: str
    name: str


class ProjectAnswer(ProjectRef):
    created: float
    runs: int
    last_activity: float | None
    private: bool
    role: ProjectRole = Field(description="What the caller is in it.")


class RetentionAnswer(BaseModel):
    """null: for ever, or any number."""

    runs_days: int | None = Field(description="A run is deleted so many days after its last sign of life.")
    versions_max: int | None = Field(description="Of an artifact, the newest so many versions stay.")
    versions_days: int | None = Field(description="Its earlier versions are removed once they are so many days old.")
    keep_tag: str = Field(description="From a run with this tag nothing is taken.")
    own: list[str] = Field(description="What the project has set for itself; all else is as the lab has it.")


class ProjectDetailAnswer(ProjectAnswer):
    file_bytes: int  # each file counted once
    quota: int | None  # bytes that its files may take; null: any
    retention: RetentionAnswer


class TagAnswer(BaseModel):
    name: str
    color: str | None
    description: str | None


class RunAnswer(BaseModel):
    id: str
    name: str
    project: ProjectRef
    author: str
    state: RunState
    state_rank: int | None = Field(description="The rank whose state it is; null where it is that of all.")
    state_why: str
    created: float
    started: float | None
    ended: float | None
    duration: float | None
    attempt: int
    ranks: int
    last: dict[str, Number]
    note: str
    note_cut: bool = Field(
        description=f"`note` is its first {limits.NOTE_CHARS_LISTED:,} characters; GET /runs/{{run_id}} has all."
    )
    tags: list[TagAnswer]
    tags_cut: bool = Field(description=f"`tags` are its first {limits.TAGS_LISTED}; GET /runs/{{run_id}} has all.")
    points: int
    url: str


class StateChangeAnswer(BaseModel):
    at: float
    state: RunState | Literal["preempted"]
    attempt: int
    rank: int | None
    who: Literal["script", "process", "uploader", "lab"]
    why: str


class SessionAnswer(BaseModel):
    session: str
    rank: int
    attempt: int
    sets_state: bool = Field(description="Its process is a rank of the attempt: its end counts for the run.")
    said: ScriptState = Field(description="What its script last said.")
    lost: bool
    job: str
    host: str
    pid: int
    world_size: int
    client_version: str
    started: float
    last_seen: float
    ended: float | None
    state: FinalState | None
    cause: str
    exit_code: int | None
    signal: int | None
    detail: str
    skew: float
    backlog: int = Field(description="Events that its uploader had and the lab had not, at its last heartbeat.")


class CaptureAnswer(BaseModel):
    packages: dict[str, Any] | None = Field(
        description="Fields of the newest `packages` event (of the newest attempt's lowest rank), and its time."
    )
    repos: dict[str, dict[str, Any]] = Field(description="By package, those of the newest `repo` event.")


class ConfigAnswer(BaseModel):
    config: dict[str, Any]
    attempt: int | None = Field(
        description="Which attempt told it: the one that was asked for, else the newest one before it that told a "
        "config; null where none did. Also null without `attempt=`, where it is what all of them told."
    )


class MetaAnswer(BaseModel):
    meta: dict[str, Any]


class RunDetailAnswer(RunAnswer):
    config: dict[str, Any] = Field(description="What all attempts told, the newest one's last.")
    meta: dict[str, Any] = Field(description="Likewise.")
    config_attempts: list[int] = Field(description="The last attempts that told a config, upwards.")
    meta_attempts: list[int] = Field(description="The last attempts that told meta, upwards.")
    sessions: list[SessionAnswer] = Field(
        description=f"At most {limits.SESSIONS_LISTED}, those that have not ended before others; GET "
        "/runs/{run_id}/sessions has all."
    )
    session_count: int
    history: list[StateChangeAnswer] = Field(description="The last changes of the state, the newest last.")
    losses: dict[str, int]
    events: int
    writers: int
    can_write: bool = Field(description="Whether the caller may rename and delete it.")
    capture: CaptureAnswer = Field(description="Without the diffs, see GET /runs/{run_id}/capture.")
    paper: str
    kept_until: float | None = Field(description="When the project's retention will delete it; null: it will not.")


class AttachedRun(BaseModel):
    id: str
    name: str
    state: RunState
    author: str
    url: str
    project: ProjectRef


class AttachAnswer(BaseModel):
    run: AttachedRun
    attempt: int
    mode: Literal["read-write", "read-only"]
    created: bool
    sets_state: bool
    held_by: list[str] = Field(
        description="Sessions on the caller's machine that keep it from having a say in the state. Where their "
        "processes have ended, which nobody told yet, attaching again with them as `gone` begins the next attempt."
    )
    lab_id: str
    generation: str


class IngestResult(BaseModel):
    writer: str
    status: int
    cursor: int
    error: str | None = None


class IngestAnswer(BaseModel):
    v: int
    generation: str
    start: str
    results: list[IngestResult]


class LastPoint(BaseModel):
    step: int
    value: Number
    time: float


class SeriesKeyAnswer(BaseModel):
    key: str
    count: int
    step_min: int
    step_max: int
    last: LastPoint
    min: Number | None
    max: Number | None


class PointAnswer(LastPoint):
    rank: int
    attempt: int


class EventAnswer(BaseModel):
    seq: int
    writer: str
    kind: str
    time: float
    rank: int
    attempt: int
    fields: dict[str, Any]


class LogAnswer(BaseModel):
    """`text` as it was written, its line break included. `level` is null for what was printed."""

    time: float
    level: str | None
    channel: str
    rank: int
    attempt: int
    writer: str
    text: str


class WriterAnswer(BaseModel):
    writer: str
    rank: int
    attempt: int
    cursor: int
    last_seen: float
    losses: dict[str, int]


class SeriesBuckets(BaseModel):
    run: str
    key: str
    rank: int | None
    attempt: int | None
    ranks: int = Field(description="How many ranks have points that the selector means, answered or not.")
    width: int = Field(description="Of the buckets: one for all series of a key in this answer.")
    total: int
    start: list[int]
    count: list[int]
    min: list[Number | None]
    max: list[Number | None]
    mean: list[Number | None]
    last: list[Number]
    last_x: list[int]
    nan: list[int]
    pinf: list[int]
    ninf: list[int]


class BucketsAnswer(BaseModel):
    series: list[SeriesBuckets]


class Empty(BaseModel):
    pass


class _List(BaseModel):
    next: str | None


class Keys(_List):
    items: list[KeyAnswer]


class Users(_List):
    items: list[UserAnswer]


class Projects(_List):
    items: list[ProjectAnswer]


class FoundRun(RunAnswer):
    config: dict[str, Any] | None = Field(None, description="Only where it was asked for.")


class Runs(_List):
    items: list[FoundRun]


class AttemptAnswer(BaseModel):
    attempt: int
    zero: float = Field(description="Where its relative time is 0, for all keys and ranks: seconds since 1970 UTC.")


class Attempts(_List):
    items: list[AttemptAnswer]


class SeriesKeys(_List):
    items: list[SeriesKeyAnswer]


class PointsPage(_List):
    items: list[PointAnswer]


class Events(_List):
    items: list[EventAnswer]


class Logs(_List):
    """`end`: cursor for `after` behind what this page looked at, for who follows; `previous`: for `before`."""

    items: list[LogAnswer]
    previous: str | None
    end: str | None


class Sessions(_List):
    items: list[SessionAnswer]


class Writers(_List):
    items: list[WriterAnswer]
