"""The JSON of media that goes out, as models; see models.py."""

from __future__ import annotations

from pydantic import BaseModel

from .models_files import ArtifactAnswer


class MediaGroupAnswer(BaseModel):
    kind: str
    name: str
    count: int
    step_min: int | None
    step_max: int | None
    ranks: list[int]


class MediaGroups(BaseModel):
    items: list[MediaGroupAnswer]
    next: str | None


class HistogramAnswer(BaseModel):
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
