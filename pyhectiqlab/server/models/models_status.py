"""The JSON of the state of the lab, for its admins."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class DatabaseState(BaseModel):
    name: str
    bytes: int
    unused: int = Field(description="The bytes of its pages that are free for new data.")


class DiskState(BaseModel):
    level: Literal["ok", "low", "full"]
    free: int | None
    total: int | None
    warn_below: int
    files: int = Field(description="Bytes of files, each counted once.")
    databases: list[DatabaseState]


class ProjectState(BaseModel):
    id: str
    name: str
    runs: int
    points: int
    points_bytes: int = Field(
        description="An estimate: the size of the points' database, times the project's share of the points."
    )
    files: int
    quota: int | None


class BusyRun(BaseModel):
    id: str
    name: str
    project: str
    author: str
    points_per_s: float
    events_per_s: float


class ClientState(BaseModel):
    """A session that is alive."""

    session: str
    user: str
    host: str
    version: str
    runs: int
    run: str = Field(description="The id of one of its runs.")
    backlog: int = Field(description="Events that it had not delivered, as it reported last.")
    last_seen: float


class WaitingState(BaseModel):
    jobs: int | None = Field(description="Requests that wait for the writer; null: the lab does not run.")
    streams: int | None
    notices: int
    deleted_runs: int
    points_to_compact: int
    points_to_remove: int
    retention: int | None


class TargetState(BaseModel):
    """An address to which notices about runs or about the lab are sent."""

    id: str
    address: str = Field(description="Without the secrets in it.")
    states: list[str]
    waiting: int
    delivered: float | None
    failed: float | None
    error: str


class BackupState(BaseModel):
    taken: float
    path: str
    bytes: int
    copied: int
    runs: int


class ThreadState(BaseModel):
    name: str
    failures: int
    failing_since: float | None
    error: str


class Advice(BaseModel):
    level: Literal["error", "warning", "info"]
    what: str
    do: str


class LabState(BaseModel):
    version: str
    lab_id: str
    data: str
    in_folder: bool = Field(
        description="Whether the data are in a folder, of which `hectiqlab admin backup` takes snapshots; else in "
        "engines, which have tools of their own for that."
    )
    url: str | None
    started: float | None = Field(description="null: the lab does not run, or could not be asked.")
    advice: list[Advice] = Field(description="What should be seen to, the worst first.")
    damage: list[str] = Field(
        description="Points that could not be read, as far as somebody came across them; pages of the lab's database "
        "and files that are not as they were written."
    )
    disk: DiskState
    projects: list[ProjectState] = Field(description="The projects that take most room, the largest first.")
    projects_left_out: int
    runs: dict[str, int] = Field(description="How many runs are in each state.")
    busiest_runs: list[BusyRun]
    clients: list[ClientState] = Field(description="The sessions that are alive, those with the largest backlog first.")
    client_versions: dict[str, int]
    waiting: WaitingState
    losses: dict[str, int] = Field(description="What clients gave up since the lab was started, by reason.")
    writes_refused: int
    notices: list[TargetState]
    notices_muted: float | None = Field(description="Since when notices are neither written nor sent.")
    backup: BackupState | None = Field(description="The last snapshot.")
    threads: list[ThreadState]
