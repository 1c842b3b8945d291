"""The JSON of files that goes in and out, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from ...protocol import limits
from ...protocol.names import artifact_name
from .models import INT64_MAX, Body, ProjectRef, Seconds


class ArtifactBody(Body):
    name: Annotated[str, AfterValidator(artifact_name)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of an uploaded blob, hex.")]
    bytes: Annotated[int, Field(ge=0, le=INT64_MAX)]
    step: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    kind: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")] = "file"
    meta: dict[str, Any] = Field(default_factory=dict)
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="Chosen by the client and the artifact's uuid: the same again makes no second version."
    )
    created: Seconds | None = Field(None, description="By the client's clock; null: now.")


class ArtifactAnswer(BaseModel):
    uuid: str
    name: str
    version: int
    newest: bool
    step: int | None
    bytes: int
    digest: str
    kind: str
    meta: dict[str, Any]
    author: str
    created: float
    run: str | None
    project: ProjectRef
    url: str


class Artifacts(BaseModel):
    items: list[ArtifactAnswer]
    next: str | None
