"""The JSON of formulas of metrics, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, FailFast, Field

from ...protocol import limits
from ..tables.formula import TEXT_MAX
from .models import Attempt, Body, Id, Number, Rank
from .models_series import BUCKETS_MAX, SmoothBody

LINES_MAX = 128
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=TEXT_MAX,
        description="Metrics, numbers, + - * / ^, parentheses, abs exp log log2 log10 sqrt min max. A name with other "
        "signs than letters, digits, _ . and / between them stands in double quotes. Division by a metric has spaces.",
    ),
]


class FormulaLineBody(Body):
    run: Id
    formula: Text
    rank: Rank | None = Field(None, description="null: the mean over the ranks, at each step.")
    attempt: Attempt | None = Field(None, description="null: the newest points of each step.")


class FormulasBody(Body):
    lines: Annotated[list[FormulaLineBody], Field(min_length=1, max_length=LINES_MAX), FailFast()]
    axis: Literal["step"] = "step"
    lo: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    hi: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = None
    n: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1500
    smooth: SmoothBody | None = None
    short: bool = Field(False, description="As of POST /series/buckets.")


class PairLineBody(Body):
    run: Id
    x: Text
    y: Text
    rank: Rank | None = None
    attempt: Attempt | None = None


class PairsBody(Body):
    lines: Annotated[list[PairLineBody], Field(min_length=1, max_length=LINES_MAX), FailFast()]
    lo: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = Field(
        None, description="The first step."
    )
    hi: Annotated[int, Field(ge=limits.STEP_MIN, le=limits.STEP_MAX)] | None = Field(None, description="The last step.")
    x_range: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Only pairs with an x from … to, and the ones before and behind, to which their line goes."
    )
    smooth: SmoothBody | None = Field(
        None, description="`y` is smoothed over its steps, those outside `lo` … `hi` too: `width` is in steps."
    )
    n: Annotated[int, Field(ge=2, le=BUCKETS_MAX)] = Field(1500, description="Pairs of a line, about.")


class PairsOfRun(BaseModel):
    run: str
    total: int = Field(description="How many pairs there are; of more than `n`, every so manieth is answered.")
    step: list[int] = Field(description="Ascending.")
    x: list[Number]
    y: list[Number]


class PairsAnswer(BaseModel):
    lines: list[PairsOfRun]


class AxesAnswer(BaseModel):
    axes: dict[str, str] = Field(
        description="The metric to draw it over, by the name of a metric or a pattern with *. Of several runs together."
    )
