"""Columns: which configs and metrics the runs of a search have, for whoever chooses the columns of a table.

What is shown first is what tells the runs apart: configs that differ between them. Of these, first those of which
several runs share a value, the more evenly they are spread over the values the earlier; then numbers that are different
in each run, as in a random search; then seeds; then texts that are different in each run, as folders and names are.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...store.meta import MetaView, RunQuery
from ...store.points import PointStore
from .configtexts import ConfigTexts
from .search import find_ids

CONFIG_RUNS_MAX = 2_000  # the newest runs; all values of their configs are looked at
METRIC_RUNS_MAX = 200  # runs whose metrics are looked at: half of them the newest, half of them any others
LISTED_MAX = 500  # columns of each kind
EXAMPLES = 5
EXAMPLE_CHARS = 80


@dataclass(frozen=True)
class ConfigColumn:
    """A value of configs.

    Attributes:
        runs: how many of the runs that were looked at have it.
        values: how many different ones there are.
        kind: "number" if all values are numbers.
        most: how many have the most frequent one.
        differs: whether not all runs have the same. A run without it differs from one that has it.
        examples: the most frequent values, as text.
    """

    path: str
    runs: int
    values: int
    most: int
    kind: Literal["number", "text"]
    differs: bool
    examples: Sequence[str]


@dataclass(frozen=True)
class MetricColumn:
    """`runs`: how many of the runs that were looked at have it."""

    key: str
    runs: int


@dataclass(frozen=True)
class Columns:
    """`runs`: how many match; `config_runs`, `metric_runs`: how many of them were looked at."""

    runs: int
    config_runs: int
    metric_runs: int
    config: Sequence[ConfigColumn]
    metrics: Sequence[MetricColumn]


def columns(view: MetaView, points: PointStore, texts: ConfigTexts, query: RunQuery, words: str, now: float) -> Columns:
    """Return what the runs of a search have, whose name contains `words`: configs, the most telling first, and
    metrics, those of the most runs first, and those of the machine last. Blocks on the stores.
    """
    ids = find_ids(view, points, query, now)
    created = view.fact_values("created", query, now)
    heard = view.fact_values("activity", query, now)
    newest = [run for _, run in sorted(((created.get(run, 0.0), run) for run in ids), reverse=True)]
    config_ids = newest[:CONFIG_RUNS_MAX]
    half = METRIC_RUNS_MAX // 2
    others = newest[half:]
    # Choose the same runs each time: a list that changes while somebody types is hard to read.
    metric_ids = newest[:half] + random.Random(len(ids)).sample(others, min(half, len(others)))
    config_columns = [
        _config_column(path, its_texts, len(config_ids))
        for path, its_texts in texts.counts(view, config_ids, heard, words).items()
    ]
    counts = points.key_counts(metric_ids, words)
    metrics = heapq.nsmallest(
        LISTED_MAX, counts.items(), key=lambda item: (item[0].startswith("system/"), -item[1], item[0])
    )
    return Columns(
        len(ids),
        len(config_ids),
        len(metric_ids),
        heapq.nsmallest(LISTED_MAX, config_columns, key=_telling),
        [MetricColumn(key, count) for key, count in metrics],
    )


def _config_column(path: str, texts: Counter[str], runs: int) -> ConfigColumn:
    having = sum(texts.values())
    numbers = _are_numbers(texts)
    common = texts.most_common(EXAMPLES)
    return ConfigColumn(
        path,
        having,
        len(texts),
        common[0][1] if common else 0,
        "number" if numbers else "text",
        len(texts) > 1 or having < runs,
        [text[:EXAMPLE_CHARS] for text, _ in common],
    )


def _are_numbers(texts: Iterable[str]) -> bool:
    try:
        deque(map(float, texts), maxlen=0)  # many, and not in steps of Python
    except ValueError:
        return False
    return True


def _telling(column: ConfigColumn) -> tuple[int, int, int, str]:
    """Return what sorts the most telling one first."""
    name = column.path.rpartition(".")[2].lower()
    single = column.values > 3 and column.values == column.runs
    rank = 0
    if not column.differs:
        rank = 4
    elif column.kind == "text" and single:
        rank = 3
    elif "seed" in name:
        rank = 2
    elif single:
        rank = 1
    return rank, -column.runs, column.most, column.path
