"""The JSON of metrics that goes in and out, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, FailFast, Field

from ...protocol import limits
from ...store.points import RANKS_MAX
from ...store.series.smoothing import CELLS, CELLS_OF_WIDTH, POINTS_MAX
from .models import INT32_MAX, Body, Id, List, Number, Rank

SELECTORS_MAX = 256
BUCKETS_MAX = 10_000
WIDTH_MAX = 1 << 53  # of smoothing; a browser's JSON holds no larger integer exactly
KEYS_OF_POINTS_MAX = 1_000


class SelectorBody(Body):
    run: Id
    key: Annotated[str, Field(max_length=limits.KEY_BYTES_MAX)]
    rank: Rank | Literal["each"] | None = Field(
        None,
        description="null: all ranks as one series, its min, max and mean over all of them. "
        f"each: a series for each rank, of the {RANKS_MAX} lowest ones.",
    )
    attempt: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = Field(
        None, description="Only its points, none of them hidden; null: as `attempts` says, for all."
    )


class SmoothBody(Body):
    kind: Literal["exponential", "gaussian", "mean", "median"] = Field(
        description="The weight of a point at distance d: exponential: e^(-d/width), for points to the left; gaussian: "
        "e^(-d²/2width²); mean: 1 up to a distance of width. median: of the places up to a distance of width, each "
        "with the mean of its points."
    )
    width: Annotated[int, Field(ge=1, le=WIDTH_MAX)] = Field(description="In units of the axis: steps, or µs.")


class BucketsBody(Body):
    selectors: Annotated[list[SelectorBody], Field(min_length=1, max_length=SELECTORS_MAX), FailFast()]
    axis: Literal["step", "time", "relative"] = "step"
    lo: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    hi: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    n: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1500
    attempts: Literal["newest", "all"] = Field(
        "newest", description="newest: of what a restarted job logged again, what it logged last."
    )
    smooth: SmoothBody | None = Field(
        None,
        description="Also answer `smoothed`: the weighted mean of the finite points of the whole line, at each "
        "`last_x`. It is the same at any lo, hi and n.",
    )

    short: bool = Field(
        False,
        description="In msgpack, leave out of columns what follows from the rest. Of `start`, `count`, `last_x`, "
        "`nan`, `pinf`, `ninf`: one item where all are alike, two where each differs by as much. `max`, "
        "`mean` and `last` are null where they are, bit by bit, as `min`.",
    )


class KeyBehind(Body):
    key: Annotated[str, Field(min_length=1, max_length=limits.KEY_BYTES_MAX)]
    after: Annotated[str, Field(max_length=1024)] | None = Field(None, description="A cursor; null: the first point.")


class PointsBody(Body):
    keys: Annotated[list[KeyBehind], Field(min_length=1, max_length=KEYS_OF_POINTS_MAX), FailFast()]
    limit: Annotated[int, Field(ge=1, le=100_000)] = Field(10_000, description="Points of all keys together.")


class LastPoint(BaseModel):
    step: int
    value: Number
    time: float


class SeriesKeyAnswer(BaseModel):
    key: str
    count: int
    step_min: int
    step_max: int
    last: LastPoint
    min: Number | None
    max: Number | None


class PointAnswer(LastPoint):
    rank: int
    attempt: int


class SeriesBuckets(BaseModel):
    run: str
    key: str
    rank: int | None
    attempt: int | None
    ranks: int = Field(description="How many ranks have points that the selector means, answered or not.")
    width: int = Field(description="Of the buckets: one for all series of a key in this answer.")
    total: int
    start: list[int]
    count: list[int]
    min: list[Number | None]
    max: list[Number | None]
    mean: list[Number | None]
    last: list[Number]
    last_x: list[int]
    nan: list[int]
    pinf: list[int]
    ninf: list[int]
    smoothed: list[Number | None] | None = Field(
        None, description="Only where it was asked for. null: no finite point is near `last_x`."
    )
    smooth_cell: int | None = Field(
        None,
        description="Only with `smoothed`. 1: computed over every point. A line of more than "
        f"{POINTS_MAX:,} points is cut into at most {CELLS:,} cells of this width, in units of the axis, or into wider "
        f"ones of which {CELLS_OF_WIDTH} fit into the smoothing's width; each counts as a point at its left edge.",
    )


class BucketsAnswer(BaseModel):
    series: list[SeriesBuckets]


class AttemptAnswer(BaseModel):
    attempt: int
    zero: float = Field(description="Where its relative time is 0, for all keys and ranks: seconds since 1970 UTC.")


class Attempts(List):
    items: list[AttemptAnswer]


class StepsAnswer(BaseModel):
    key: str | None = Field(description="The metric whose steps these are: that with the most points. null: none.")
    step: list[int] = Field(description="Ascending.")
    time: list[int] = Field(description="When each step was reported: µs since 1970 UTC, ascending.")


class SeriesKeys(List):
    items: list[SeriesKeyAnswer]


class PointsPage(List):
    items: list[PointAnswer]
