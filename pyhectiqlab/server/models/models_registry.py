"""The JSON of models and datasets that goes in and out, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, FailFast, Field

from ...protocol.registry import DESCRIPTION_BYTES_MAX, FILES_MAX, SHORT_DESCRIPTION_BYTES_MAX, file_paths, version_of
from .models import BREATHE, INT64_MAX, Body, ProjectRef, Seconds


def _version(text: str) -> str:
    return str(version_of(text))


def _text(text: str) -> str:
    text.encode()  # a lone surrogate: UnicodeEncodeError, a ValueError
    return text


class FileBody(Body):
    path: str
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of an uploaded blob, hex.")]
    bytes: Annotated[int, Field(ge=0, le=INT64_MAX)]


def _files(files: list[FileBody]) -> list[FileBody]:
    file_paths(file.path for file in files)
    return files


class VersionBody(Body):
    version: Annotated[str, AfterValidator(_version)] | None = Field(
        None, description="major.minor.micro; null: 1.0.0, or the latest with minor + 1 and micro 0."
    )
    files: Annotated[
        list[Annotated[FileBody, BREATHE]], Field(max_length=FILES_MAX), FailFast(), AfterValidator(_files)
    ]
    short_description: Annotated[str, Field(max_length=SHORT_DESCRIPTION_BYTES_MAX), AfterValidator(_text)] = ""
    description: Annotated[str, Field(max_length=DESCRIPTION_BYTES_MAX), AfterValidator(_text)] = Field(
        "", description="What the version's README says."
    )
    run: Annotated[str, Field(max_length=64)] | None = Field(None, description="Id of the run that made it.")
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="Chosen by the client and the version's uuid: the same again makes no second version."
    )
    created: Seconds | None = Field(None, description="By the client's clock; null: now.")


class UsageBody(Body):
    run: Annotated[str, Field(max_length=64)]


class AliasBody(Body):
    version: Annotated[str, Field(max_length=64, description="A number, an alias, or latest.")] = "latest"


class RunRef(BaseModel):
    id: str
    name: str
    url: str


class UsingRunAnswer(RunRef):
    author: str
    created: float


class VersionAnswer(BaseModel):
    uuid: str
    kind: Literal["models", "datasets"]
    name: str
    version: str
    aliases: list[str]
    short_description: str
    description: str
    description_cut: bool = Field(description="In a list: it is only the beginning of the description.")
    files: int
    bytes: int
    author: str
    created: float
    run: RunRef | None
    project: ProjectRef


class LatestAnswer(VersionAnswer):
    versions: int


class FileAnswer(BaseModel):
    path: str
    digest: str
    bytes: int
    url: str


class VersionDetailAnswer(VersionAnswer):
    contents: list[FileAnswer]
    used_by: list[UsingRunAnswer]


class Latest(BaseModel):
    items: list[LatestAnswer]
    next: str | None


class Versions(BaseModel):
    items: list[VersionAnswer]
    next: str | None


class RunRegistryAnswer(BaseModel):
    made: list[VersionAnswer]
    used: list[VersionAnswer]
