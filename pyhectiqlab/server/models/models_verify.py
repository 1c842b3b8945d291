"""The JSON of a verification that goes in and out, as models; see models.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, FailFast, Field

from .models import BREATHE, INT64_MAX, Body

WRITERS_MAX = 100
RANGES_MAX = 1000

Number = Annotated[int, Field(ge=1, le=INT64_MAX)]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2), FailFast(), BREATHE]


class WriterRanges(Body):
    writer: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    ranges: Annotated[list[Pair], Field(max_length=RANGES_MAX), FailFast()] = Field(
        default_factory=list, description="[first, last] sequence number of each, inclusive."
    )


class VerifyBody(Body):
    writers: Annotated[list[WriterRanges], Field(max_length=WRITERS_MAX), FailFast()]


class RangeAnswer(BaseModel):
    first: int
    last: int
    points: int
    events: int
    digest: str


class WriterVerifyAnswer(BaseModel):
    writer: str
    rank: int
    attempt: int
    cursor: int
    losses: dict[str, int]
    points: int
    events: int
    accounted: int
    ranges: list[RangeAnswer]


class VerifyAnswer(BaseModel):
    run: str
    generation: str
    writers: list[WriterVerifyAnswer]
