"""The JSON of differences between runs, as models; see models.py."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .models import Number

Section = Literal["config", "packages", "environment", "git", "metrics"]


class DifferenceAnswer(BaseModel):
    section: Section
    name: str = Field(description="The path in the config, the package, the key of the metric, …")
    values: list[Number | str | None] = Field(
        description="Of each run; null: it has none. Of a metric, the newest value. Texts are cut to 200 characters, "
        "but compared as a whole."
    )
    deltas: list[Number | None] | None = Field(
        description="Of a metric: each value minus the baseline's, null where one of them is missing. Else null."
    )


class DifferencesAnswer(BaseModel):
    runs: list[str] = Field(description="Ids, in the order of `values`.")
    baseline: str
    rows: list[DifferenceAnswer] = Field(
        description="Only what differs, unless `alike` was asked for; by section and name."
    )
    cut: list[Section] = Field(description="Sections that have more than 1,000 rows: the first ones are here.")
