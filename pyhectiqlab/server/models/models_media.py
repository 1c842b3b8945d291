"""The JSON of media that goes out, as models; see models.py."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from .models_files import ArtifactAnswer

MediaKind = Literal["figure", "histogram", "image", "table", "text"]


class MediaGroupAnswer(BaseModel):
    kind: MediaKind
    name: str
    count: int
    step_min: int | None
    step_max: int | None
    ranks: list[int]


class MediaGroups(BaseModel):
    items: list[MediaGroupAnswer]
    next: str | None


class HistogramAnswer(BaseModel):
    """`counts[i]` values lie between `edges[i]` and `edges[i + 1]`; both are empty where no value was finite."""

    edges: list[float]
    counts: list[float]
    nan: int
    pinf: int
    ninf: int


class MediaItemAnswer(BaseModel):
    """One of histogram, text and artifact; none of them where data was not asked for."""

    step: int | None
    rank: int
    attempt: int
    time: float
    histogram: HistogramAnswer | None
    text: str | None
    artifact: ArtifactAnswer | None


class MediaItems(BaseModel):
    items: list[MediaItemAnswer]
    next: str | None
