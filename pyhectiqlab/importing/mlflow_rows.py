"""A run of MLflow as it is stored, in files or in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .points import Problems

PARENT = "mlflow.parentRunId"  # the tag of a nested run


@dataclass
class ModelVersion:
    """A version of a registered model that a run made."""

    name: str
    number: int
    source: str
    description: str
    aliases: Sequence[str]
    created: float


@dataclass
class Row:
    """A run as MLflow stores it; times in ms since 1970.

    Attributes:
        digest: 32 hex digits of all that is stored of it, apart from files.
        metrics: yields key, value, time and step of each point, in the order in which they were stored.
        versions: of registered models.
        parent: name of the run that it is nested in; "": none, or it has no name.
    """

    id: str
    name: str
    experiment: str
    experiment_id: str
    user: str
    status: str
    start: int | None
    end: int | None
    artifact_uri: str
    deleted: bool
    digest: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Callable[[Problems], Iterator[tuple[str, float, int, int]]]
    versions: list[ModelVersion] = field(default_factory=list)
    parent: str = ""
