"""Tables, groups and columns against a plain model: every run looked at in Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.protocol.search import Field, parse_column, parse_sort
from pyhectiqlab.protocol.searchable import searchable
from pyhectiqlab.server.tables.columns import columns
from pyhectiqlab.server.tables.configtexts import ConfigTexts
from pyhectiqlab.server.tables.groups import grouped
from pyhectiqlab.server.tables.table import columns_of, sorted_ids
from pyhectiqlab.store.meta import RunQuery

from ..seeds import examples
from .test_search import CONFIGS, KEYS, NOW, PATHS, SMOOTHED, TAGS, VALUES, Fact, World, in_folder, of_metric

SORTS = [
    "created",
    "-created",
    "name",
    "-state",
    "-points",
    *(f"{sign}config.{path}" for path in PATHS for sign in ("", "-")),
    *(
        f'{sign}metric."{key}".{stat}'
        for key in KEYS
        for stat in ("last", "min", "mean", "nan", "max_step", *SMOOTHED)
        for sign in ("", "-")
    ),
]
BY = ["tag", "host", "rank", "state", "author", "config.lr", "config.model.depth"]
COLUMNS = [
    'metric."loss".smoothed(median,2)',
    'metric."loss".last',
    'metric."loss".mean',
    'metric."loss".min_step',
    f'metric."{KEYS[1]}".max',
    "config.lr",
]

facts = st.builds(
    Fact,
    name=st.sampled_from(["resnet", "vit", "a_b"]),
    tags=st.lists(st.sampled_from(TAGS), unique=True),
    config=st.fixed_dictionaries(
        {}, optional={"lr": st.sampled_from(CONFIGS), "model": st.builds(dict, depth=st.sampled_from(CONFIGS))}
    ),
    metrics=st.fixed_dictionaries(
        {}, optional={key: st.lists(st.sampled_from(VALUES), min_size=1, max_size=3) for key in KEYS}
    ),
    note=st.just(""),
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[World]]:
    opened: list[World] = []
    yield opened
    for world in opened:
        world.close()


def value(fact: Fact, field: Field) -> Any:
    """Return what the model knows of a run; None: it has no such value."""
    if field.kind == "metric":
        its = of_metric(fact, field.name, field.stat)
        return its if its is not None or field.stat.endswith("_step") or not fact.metrics.get(field.name) else math.nan
    if field.kind == "config":
        known = searchable(fact.config).get(field.name)
        return None if known is None else known[1] if known[0] is None else known[0]
    return {
        "created": fact.created,
        "name": fact.name,
        "state": "running",
        "points": float(fact.points),
        "author": "ada",
    }[field.kind]


def sorted_by_model(some: list[Fact], sorts: list[str]) -> list[str]:
    some = sorted(some, key=lambda fact: fact.id)
    for text in reversed(sorts):
        sort = parse_sort(text)
        its = {fact.id: value(fact, sort.field) for fact in some}

        def kind(fact: Fact, its: dict[str, Any] = its) -> int:
            v = its[fact.id]
            return 3 if v is None else 1 if isinstance(v, str) else 2 if v != v else 0

        def of_kind(n: int, down: bool, some: list[Fact] = some, its: dict[str, Any] = its) -> list[Fact]:
            return sorted((f for f in some if kind(f) == n), key=lambda f: its[f.id], reverse=down)

        down = sort.downwards
        first = [*of_kind(1, down), *of_kind(0, down)] if down else [*of_kind(0, down), *of_kind(1, down)]
        some = [*first, *(f for f in some if kind(f) == 2), *(f for f in some if kind(f) == 3)]
    return [fact.id for fact in some]


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    some=st.lists(facts, max_size=12),
    sorts=st.lists(st.lists(st.sampled_from(SORTS), min_size=1, max_size=3), min_size=1, max_size=6),
)
def test_tables_are_sorted_and_filled_as_the_model_says(
    some: list[Fact], sorts: list[list[str]], tmp_path_factory: Any
) -> None:
    world = in_folder(tmp_path_factory.mktemp("table"))
    for fact in some:
        world.add(fact)
    query = RunQuery(world.project)
    fields = [parse_column(text) for text in COLUMNS]
    with world.meta.reading() as view:
        for texts in sorts:
            ids = sorted_ids(view, world.points, query, [parse_sort(text) for text in texts], NOW)
            assert ids == sorted_by_model(world.facts, texts), texts
        by_id = {fact.id: fact for fact in world.facts}
        for run, values in zip(ids, columns_of(view, world.points, fields, ids), strict=True):
            wanted = [value(by_id[run], field) for field in fields]
            assert repr(values) == repr(wanted)
    world.close()


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some=st.lists(facts, max_size=14), by=st.lists(st.sampled_from(BY), min_size=1, max_size=3, unique=True))
def test_groups_are_those_of_the_model(some: list[Fact], by: list[str], tmp_path_factory: Any) -> None:
    world = in_folder(tmp_path_factory.mktemp("groups"))
    for fact in some:
        world.add(fact)
    fields, numbers = [parse_column(text) for text in by], [parse_column(text) for text in COLUMNS]
    with world.meta.reading() as view:
        groups, total, runs = grouped(view, world.points, RunQuery(world.project), fields, numbers, NOW)
    wanted: dict[Any, list[Fact]] = {}
    for fact in world.facts:
        keys: list[tuple[Any, ...]] = [()]
        for field in fields:
            several = {"tag": sorted(fact.tags), "host": fact.hosts, "rank": [*range(max(1, len(fact.hosts)))]}.get(
                field.kind
            )
            own = [value(fact, field)] if several is None else several or [None]
            keys = [(*key, v) for key in keys for v in own]
        for key in keys:
            wanted.setdefault(key, []).append(fact)
    assert (total, runs) == (len(wanted), len(world.facts))
    assert [group.size for group in groups] == sorted(map(len, wanted.values()), reverse=True)
    for group in groups:
        its = wanted[tuple(group.values)]
        assert list(group.runs) == sorted(fact.id for fact in its)
        for field, spread in zip(numbers, group.columns, strict=True):
            of_other_rank = field.kind == "metric" and "rank" in by and group.values[by.index("rank")] != 0
            its_facts = [] if of_other_rank else its  # all points are those of rank 0
            values = [v for fact in its_facts if (v := value(fact, field)) is not None and not isinstance(v, str)]
            finite = np.array([v for v in values if math.isfinite(v)])
            assert (spread.n, spread.nan) == (len(finite), len(values) - len(finite))
            if len(finite):
                std = finite.std(ddof=1) if len(finite) > 1 else 0.0
                model = (finite.mean(), std, finite.min(), finite.max())
                assert (spread.mean, spread.std, spread.min, spread.max) == pytest.approx(model)
            else:
                assert math.isnan(spread.mean + spread.std + spread.min + spread.max)
    world.close()


def test_columns_that_tell_runs_apart_come_first(tmp_path: Path) -> None:
    world = in_folder(tmp_path)
    for n in range(8):
        config = {
            "lr": 0.1 * (n % 2),
            "seed": n % 3,
            "epochs": 5,
            "folder": f"/runs/{n}",
            "width": n,
            "model": {"name": "Vit"},
        }
        world.add(Fact("r", [], config, {"loss": [1.0], **({"valid": [1.0]} if n else {}), "system/cpu": [1.0]}, ""))
    texts = ConfigTexts()
    with world.meta.reading() as view:
        every = columns(view, world.points, texts, RunQuery(world.project), "", NOW)
        named = columns(view, world.points, texts, RunQuery(world.project), "NAME", NOW)
        lossy = columns(view, world.points, texts, RunQuery(world.project), "LOSS", NOW)
    assert [c.path for c in every.config] == ["lr", "width", "seed", "folder", "epochs", "model.name"]
    assert [(c.key, c.runs) for c in every.metrics] == [("loss", 8), ("valid", 7), ("system/cpu", 8)]
    assert [c.differs for c in every.config] == [True] * 4 + [False] * 2
    assert (every.config[0].kind, every.config[3].kind, every.config[0].values) == ("number", "text", 2)
    assert (
        [c.path for c in named.config] == ["model.name"] and named.config[0].examples == ["Vit"] and not named.metrics
    )
    assert (every.runs, every.config_runs, every.metric_runs) == (8, 8, 8)
    assert [c.key for c in lossy.metrics] == ["loss"]
    world.close()
