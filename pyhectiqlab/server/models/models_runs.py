"""The JSON of runs that goes in and out, and of the processes that attach to them, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, FailFast, Field

from ...protocol import limits
from .models import BREATHE, INT32_MAX, INT64_MAX, Attempt, Body, Id, List, Name, Number, ProjectRef, Rank, Seconds

ScriptState = Literal["pending", "running", "training", "completed", "failed", "stopped"]
FinalState = Literal["completed", "failed", "stopped", "killed", "ended"]
RunState = ScriptState | FinalState | Literal["lost"]


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
        "",
        description="Of a batch system: its name, the job's id, how often it was started; with / between. Of a "
        "launcher alone: its name and the job's id, with : between. The ranks of a job have the same.",
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


class TagAnswer(BaseModel):
    name: str
    color: str | None
    description: str | None


class ForkAnswer(BaseModel):
    """The points of `parent` up to `step` (null: all) are this run's own, too, as those of attempt 0."""

    parent: str
    step: int | None
    copying: bool = Field(description="The lab still copies them.")


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
    archived: float | None = Field(description="Since when it is archived; null: it is not.")
    group: str = Field(description="The group that it is in; empty: none.")
    fork: ForkAnswer | None = Field(description="Of which run it is a fork; null: of none.")
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
        description="Which attempt logged it: the one that was asked for, else the newest one before it that logged a "
        "config; null where none did. Also null without `attempt=`, where it is what all of them logged."
    )


class MetaAnswer(BaseModel):
    meta: dict[str, Any]


class RunDetailAnswer(RunAnswer):
    config: dict[str, Any] = Field(description="What all attempts logged, the newest one's last.")
    meta: dict[str, Any] = Field(description="Likewise.")
    config_attempts: list[int] = Field(description="The last attempts that logged a config, upwards.")
    meta_attempts: list[int] = Field(description="The last attempts that logged meta, upwards.")
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
        description="Sessions on the caller's machine that keep it from having a say in the state. If their processes "
        "have ended, which nobody has reported yet, attaching again with them as `gone` begins the next attempt."
    )
    lab_id: str
    generation: str


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


class FoundRun(RunAnswer):
    config: dict[str, Any] | None = Field(None, description="Only where it was asked for.")


class Runs(List):
    items: list[FoundRun]


class Events(List):
    """`end`: cursor for `after` behind the last of these, for what comes later; null where there is none."""

    items: list[EventAnswer]
    end: str | None


class Logs(List):
    """`end`: cursor for `after` behind what this page looked at, for who follows; `previous`: for `before`."""

    items: list[LogAnswer]
    previous: str | None
    end: str | None


class Sessions(List):
    items: list[SessionAnswer]


class Writers(List):
    items: list[WriterAnswer]
