"""The JSON of tables, groups and columns that goes out, as models; see models.py."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .models import Number
from .models_runs import RunAnswer


class TableRow(RunAnswer):
    values: list[Number | str | None] = Field(description="Of the columns, in their order; null: the run has none.")
    hosts: list[str] = Field(description="That its processes were on, in any attempt, each once, sorted.")


class TableAnswer(BaseModel):
    total: int = Field(description="How many runs match.")
    order: str = Field(description="Pass it on for other rows of the same table, so that none is skipped or repeated.")
    offset: int
    rows: list[TableRow | None] = Field(
        description="From `offset` on; null for a run that was deleted, or that the caller may no longer see. Fewer "
        "than `limit` before the end where they take much."
    )


class StatisticsAnswer(BaseModel):
    n: int = Field(description="Finite numbers.")
    nan: int = Field(description="Values that are NaN or infinite.")
    mean: Number
    std: Number = Field(description="Of the sample (n - 1); 0 for one number.")
    min: Number
    max: Number
    texts: int = Field(description="Different texts.")
    text: str | None = Field(description="The most frequent of them.")


class GroupAnswer(BaseModel):
    values: list[Number | str | None] = Field(description="What its runs have in common, in the order of `by`.")
    size: int
    runs: list[str] = Field(description="Ids of its first runs.")
    columns: list[StatisticsAnswer]


class GroupsAnswer(BaseModel):
    runs: int = Field(description="How many runs match.")
    total: int = Field(description="How many groups there are.")
    groups: list[GroupAnswer] = Field(description="The largest first.")


class ConfigColumnAnswer(BaseModel):
    path: str
    runs: int = Field(description="How many of the runs that were looked at have it.")
    values: int = Field(description="How many different values there are.")
    kind: Literal["number", "text"]
    differs: bool
    examples: list[str] = Field(description="The most frequent values.")


class MetricColumnAnswer(BaseModel):
    key: str
    runs: int = Field(description="How many of the runs that were looked at have it.")


class ColumnsAnswer(BaseModel):
    runs: int = Field(description="How many runs match.")
    config_runs: int = Field(description="How many of them were looked at for configs: the newest.")
    metric_runs: int = Field(description="How many of them were looked at for metrics.")
    config: list[ConfigColumnAnswer] = Field(description="Those that tell the runs apart first.")
    metrics: list[MetricColumnAnswer] = Field(description="Those of the most runs first.")


class SuggestionAnswer(BaseModel):
    text: str = Field(description="To put in the place of the characters `start` to `end`.")
    about: str = Field(description="What it is, in a few words.")


class SuggestAnswer(BaseModel):
    kind: Literal["field", "value"] = Field(description="What stands at the caret.")
    start: int = Field(description="Which characters of the text it takes, from 0.")
    end: int
    items: list[SuggestionAnswer] = Field(description="The best first.")
