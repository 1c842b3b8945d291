"""The JSON of runs that come from elsewhere, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, FailFast, Field

from ...protocol import limits
from .models import INT32_MAX, INT64_MAX, Attempt, Body, Id, Name, NewName, Rank, Seconds
from .models_runs import FinalState, RunState, ScriptState

Text = Annotated[str, Field(max_length=4096)]


class ImportBody(Body):
    origin: Id = Field(description="Names the run wherever it is imported: the same again is the same run.")
    names: Annotated[list[NewName], Field(min_length=1, max_length=16)] = Field(
        description="The first that is free becomes its name; else the last, with a number."
    )
    project: Name | None = None
    create_project: bool = False
    digest: Annotated[str, Field(max_length=128)] = Field(
        "", description="Of what is to be imported: where it is there already, nothing changes."
    )
    host: Annotated[str, Field(max_length=256)] = ""
    client_version: Annotated[str, Field(max_length=64)] = ""


class ImportAnswer(BaseModel):
    run: str
    name: str
    project: str
    project_id: str
    url: str
    created: bool = Field(description="It was made now.")
    digest: str = Field(
        description="As the record of the last import noted it; empty: none did, or another import has begun since."
    )


class PastSessionBody(Body):
    session: Id
    rank: Rank
    attempt: Attempt
    sets_state: bool = True
    said: ScriptState = "running"
    lost: bool = False
    started: Seconds
    last_seen: Seconds
    ended: Seconds | None = None
    state: FinalState | Literal["preempted"] | None = None
    job: Annotated[str, Field(max_length=256)] = ""
    host: Annotated[str, Field(max_length=256)] = ""
    pid: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    world_size: Annotated[int, Field(ge=1, le=INT32_MAX)] = 1
    client_version: Annotated[str, Field(max_length=64)] = ""
    cause: Text = ""
    exit_code: Annotated[int, Field(ge=-INT64_MAX, le=INT64_MAX)] | None = None
    signal: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    detail: Annotated[str, Field(max_length=1 << 19)] = ""
    skew: Seconds = 0.0
    backlog: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0


class PastStateBody(Body):
    at: Seconds
    state: RunState | Literal["preempted"]
    attempt: Attempt = 1
    rank: Rank | None = None
    who: Literal["script", "process", "uploader", "lab"] = "script"
    why: Text = ""


class PastTagBody(Body):
    name: Annotated[str, Field(min_length=1, max_length=limits.NAME_BYTES_MAX)]
    color: Annotated[str, Field(max_length=limits.TAG_COLOR_CHARS_MAX)] | None = None
    description: Annotated[str, Field(max_length=limits.TAG_DESCRIPTION_CHARS_MAX)] | None = None


class PastForkBody(Body):
    parent: Id = Field(description="A run of this lab.")
    step: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None


class RecordBody(Body):
    digest: Annotated[str, Field(max_length=128)] = Field(
        description="Of what was imported; POST /imports answers with it from now on, and compares what stands before "
        "a full stop in it."
    )
    created: Seconds
    started: Seconds | None = None
    ended: Seconds | None = None
    state: RunState
    state_rank: Rank | None = None
    state_why: Text = ""
    attempt: Attempt = 1
    archived: Seconds | None = None
    note: Annotated[str, Field(max_length=limits.NOTE_CHARS_MAX)] | None = Field(
        None, description="Null: what its events said stays. So with `tags` and `group`."
    )
    tags: Annotated[list[PastTagBody], Field(max_length=limits.TAGS_MAX)] | None = None
    group: Annotated[str, Field(max_length=limits.NAME_BYTES_MAX)] | None = None
    fork: PastForkBody | None = Field(
        None, description="Of which run it is a fork: its points of attempt 0 are those that it began with."
    )
    sessions: Annotated[list[PastSessionBody], Field(max_length=limits.SESSIONS_MAX - 1), FailFast()] = Field(
        default_factory=list
    )
    history: Annotated[list[PastStateBody], Field(max_length=1000), FailFast()] = Field(default_factory=list)
    author: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="Whose run it is from now on; another user than the caller: for admins of the lab."
    )
