"""The JSON of lines of groups, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, FailFast, Field

from ...protocol import limits
from ..tables.grouplines import GROUPS_MAX, KEYS_MAX, LINES_MAX, RUNS_MAX
from .models import Body, Id, Number, Rank
from .models_series import SmoothBody

BUCKETS_MAX = 2_000
Key = Annotated[str, Field(min_length=1, max_length=limits.KEY_BYTES_MAX)]
Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class GroupLinesBody(Body):
    groups: Annotated[
        list[Annotated[list[Id], Field(min_length=1, max_length=RUNS_MAX)]],
        Field(min_length=1, max_length=GROUPS_MAX),
        FailFast(),
    ] = Field(description=f"Ids of runs. At most {RUNS_MAX} in all groups together.")
    keys: Annotated[list[Key], Field(min_length=1, max_length=KEYS_MAX)] = Field(
        description=f"Runs times keys are at most {LINES_MAX:,}."
    )
    ranks: list[Rank | None] | None = Field(
        None, description="Of each group, the rank whose points count alone; null: the mean over all ranks."
    )
    axis: Literal["step", "time", "relative"] = "step"
    lo: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    hi: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    n: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = Field(500, description="Buckets, at most.")
    attempts: Literal["newest", "all"] = "newest"
    middle: Literal["mean", "median"] = "mean"
    band: Literal["minmax", "std", "quantiles"] = Field(
        "minmax",
        description="minmax: the lowest and the highest value; std: one standard deviation (of the sample, n - 1; 0 "
        "for one run) to either side of the mean, with `middle` mean alone; quantiles: those named in `quantiles`.",
    )
    quantiles: Annotated[list[Part], Field(min_length=2, max_length=2)] = Field(
        [0.25, 0.75], description="The lower and the upper one, interpolated linearly."
    )

    smooth: SmoothBody | None = Field(
        None, description="Also the middle of the runs' smoothed values, each at its last point in the bucket."
    )


class GroupLineAnswer(BaseModel):
    group: int = Field(description="Its place among `groups`.")
    key: str
    width: int = Field(description="Of the buckets: one for all groups of a key.")
    total: int = Field(description="How many runs of the group have the key.")
    start: list[int]
    runs: list[int] = Field(description="How many contribute to the bucket.")
    middle: list[Number]
    low: list[Number]
    high: list[Number]
    smoothed: list[Number | None] | None = Field(None, description="Only where it was asked for.")


class GroupLinesAnswer(BaseModel):
    lines: list[GroupLineAnswer] = Field(description="By key, then group, as they were asked for.")
