"""Entities: what MLflow's calls return and take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Experiment:
    """A project of the lab: its name is its id."""

    experiment_id: str
    name: str
    artifact_location: str = ""
    lifecycle_stage: str = "active"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Metric:
    key: str
    value: float
    timestamp: int = 0
    step: int | None = 0


@dataclass
class Param:
    key: str
    value: Any


@dataclass
class RunTag:
    key: str
    value: Any


class RunStatus:
    RUNNING, SCHEDULED, FINISHED, FAILED, KILLED = "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"

    @staticmethod
    def to_string(status: str) -> str:
        return status


class ViewType:
    ACTIVE_ONLY, DELETED_ONLY, ALL = 1, 2, 3


class LifecycleStage:
    ACTIVE, DELETED = "active", "deleted"


@dataclass
class RunInfo:
    run_id: str
    experiment_id: str
    run_name: str
    status: str = RunStatus.RUNNING
    start_time: int = 0
    end_time: int | None = None
    artifact_uri: str = ""
    lifecycle_stage: str = "active"
    user_id: str = ""

    @property
    def run_uuid(self) -> str:
        return self.run_id


@dataclass
class RunData:
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """A run as it is read back."""

    info: RunInfo
    data: RunData = field(default_factory=RunData)
