"""Searches over runs against a plain model: every run looked at in Python, every page counted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.protocol.search import ANY, STATS, Sort, Term, parse, parse_sort, quoted, smoothed_of
from pyhectiqlab.protocol.searchable import searchable
from pyhectiqlab.server.tables.search import find_runs
from pyhectiqlab.store.clickhouse import facts_series, reading, recents
from pyhectiqlab.store.meta import AttachRequest, Event, MetaBatch, MetaStore, RunQuery
from pyhectiqlab.store.points import Column, PointBatch, PointStore

from ..clickhouse_place import TINY, ClickHousePlace
from ..postgres import needs_postgres
from ..seeds import examples
from ..stores import PostgresPlace, new_points, new_store

NOW = 2_000.0
NAMES = ["resnet", "ResNet-50", "a_b", "a%b", "vit"]
TAGS = ["base", "Final"]
CONFIGS: list[Any] = [0.01, 1, 2.5, True, None, "adam", "0.01", [1, 2], math.nan, math.inf, {}]
VALUES = [0.0, 0.5, -1.0, 2.0, math.nan, math.inf, -math.inf]
PATHS = ["lr", "model.depth"]
SMOOTHED = ["smoothed(median,1)", "smoothed(median, 2s)"]  # only medians are the same to the last bit
KEYS = ["loss", "a key, with spaces"]


@dataclass
class Fact:
    """A run as the model knows it."""

    name: str
    tags: list[str]
    config: dict[str, Any]
    metrics: dict[str, list[float]]
    note: str
    created: float = 0.0
    id: str = ""
    points: int = field(default=0)
    hosts: list[str] = field(default_factory=list)


class World:
    """Both stores, and the facts of every run in them. They are closed with it."""

    def __init__(self, meta: MetaStore, points: PointStore) -> None:
        self.meta, self.points = meta, points
        self.facts: list[Fact] = []
        self.batches: list[PointBatch] = []
        with self.meta.writing() as tx:
            self.user = tx.add_user("ada", "member", None, 1.0)
            self.project = tx.add_project("p", self.user.id, 1.0).id

    def add(self, fact: Fact, later: bool = False) -> None:
        """Add a run. `later`: its points are not appended yet, but with those of others."""
        n = len(self.facts)
        fact.created = 1_000.0 + n % 7  # some at the same time
        fact.hosts = [[], ["h"], ["gpu-1"], ["gpu-1", "h"]][n % 4]
        with self.meta.writing() as tx:
            request = AttachRequest(
                f"{fact.name} {n}", "p", False, f"{n:x}", 0, 1, None, fact.hosts[0] if fact.hosts else "", 1, "0", 0.0
            )
            fact.id = tx.attach(request, self.user, fact.created, 60.0).run.id
            if fact.hosts[1:]:  # a second rank
                tx.attach(
                    replace(request, session=f"{n:x}-1", rank=1, host=fact.hosts[1]), self.user, fact.created, 60.0
                )
            contents: list[tuple[str, dict[str, Any]]] = [
                ("config", {"values": fact.config}),
                ("note", {"text": fact.note}),
            ]
            contents += [("tag", {"name": tag}) for tag in fact.tags]
            events = [Event(i + 1, kind, 1.0, f, msgpack.packb(f)) for i, (kind, f) in enumerate(contents)]
            fact.points = sum(map(len, fact.metrics.values()))
            batch = MetaBatch(f"{n:032x}", fact.id, 0, 1, f"{n:x}", 1, len(events), fact.points, 0.0, events)
            tx.apply([batch], fact.created)
        columns, first = [], 1
        for key, values in fact.metrics.items():
            n_points = len(values)
            seq = np.arange(first, first + n_points)
            columns.append(Column(key, seq, np.arange(n_points), np.array(values), 1_000_000 * seq))
            first += n_points
        if columns:
            self.batches.append(PointBatch(fact.id, 0, 1, f"{n:032x}", 1, first - 1, columns))
        if not later:
            self.append()
        fact.name = f"{fact.name} {n}"
        self.facts.append(fact)

    def append(self) -> None:
        self.points.append(self.batches)
        self.batches.clear()

    def search(self, terms: tuple[Term, ...], sort: Sort, limit: int, between: Any = None) -> list[str]:
        """Return the names on all pages. `between` is called after each page."""
        after, names = None, []
        while True:
            with self.meta.reading() as view:
                page = find_runs(view, self.points, RunQuery(self.project, terms, sort, limit, after), NOW)
                names += [run.name for run in view.some_runs([run_id for _, run_id in page.places])]
            assert len(page.places) == limit or not page.more
            if not page.more:
                return names
            after = page.places[-1]
            if between:
                between()

    def close(self) -> None:
        self.meta.close()
        self.points.close()


def in_folder(folder: Path) -> World:
    return World(new_store(folder), new_points(folder))


# The model: the language as it is documented, on one run at a time


def low(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def of_metric(fact: Fact, key: str, stat: str) -> float | None:
    values = fact.metrics.get(key)
    if not values:
        return None
    finite = [v for v in values if math.isfinite(v)]
    if stat in ("min", "max", "mean"):
        return {"min": min, "max": max, "mean": statistics.fmean}[stat](finite) if finite else None
    if stat in ("min_step", "max_step"):
        return values.index({"min_step": min, "max_step": max}[stat](finite)) if finite else None
    if smoothed := smoothed_of(stat):  # step n is at second n + 1
        width = smoothed.width / (1_000_000 if smoothed.timed else 1)
        near = [v for at, v in enumerate(values) if math.isfinite(v) and len(values) - 1 - at <= width]
        return statistics.median(near) if near else math.nan  # it ends where no finite value is near
    of_all = {"last": values[-1], "first": values[0], "count": len(values), "nan": sum(map(math.isnan, values))}
    return float(of_all[stat])


def as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def compare(a: float, op: str, b: float) -> bool:
    if op == "=":
        return a == b or (math.isnan(a) and math.isnan(b))
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def holds_for(fact: Fact, term: Term, value: str) -> bool:
    kind, op = term.field.kind, term.op.removeprefix("!")
    if kind == "metric" and not term.field.name:
        return any(math.isnan(v) for values in fact.metrics.values() for v in values)
    if kind == "metric":
        number = of_metric(fact, term.field.name, term.field.stat)
        return number is not None and (value == ANY or compare(number, op, float(value)))
    if kind == "config":
        if term.field.name not in (known := searchable(fact.config)):
            return False
        number, text = known[term.field.name]
        if value == ANY:
            return True
        if op == "~":
            return low(value) in low(text)
        wanted = as_number(value)
        if number is not None and wanted is not None and compare(number, op, wanted):
            return True
        aliases = {"True": "true", "False": "false", "None": "null", "NaN": "nan"}
        return op == "=" and text in (value, aliases.get(value))
    if kind in ("created", "points"):
        return value == ANY or compare(getattr(fact, kind), op, term.number(value, NOW))
    if kind == "rank":  # the second host is that of a second rank
        return value == ANY or any(compare(rank, op, float(value)) for rank in range(max(1, len(fact.hosts))))
    if kind == "text":
        return low(value) in low(fact.name) or low(value) in low(fact.note) or value == fact.id
    texts = {"tag": fact.tags, "name": [fact.name], "note": [fact.note], "author": ["ada"], "host": fact.hosts}[kind]
    if value == ANY:
        return any(texts)
    return any(low(value) in low(t) if op == "~" else value == t for t in texts)


def holds(fact: Fact, term: Term) -> bool:
    return any(holds_for(fact, term, value) for value in term.values) != term.op.startswith("!")


def place(fact: Fact, sort: Sort) -> Any:
    """Return the value to sort by; None: there is none, and it comes last. NaN comes after all numbers."""
    field = sort.field
    if field.kind == "metric":
        value = of_metric(fact, field.name, field.stat)
        return (
            value if value is not None or field.stat.endswith("_step") or not fact.metrics.get(field.name) else math.nan
        )
    if field.kind == "config":
        number, text = searchable(fact.config).get(field.name, (None, None))
        return None if text is None else (1, text) if number is None else (0, number)
    return "ada" if field.kind == "author" else getattr(fact, field.kind)


def expected(facts: list[Fact], terms: tuple[Term, ...], sort: Sort) -> list[str]:
    places = [(place(f, sort), f.id, f.name) for f in facts if all(holds(f, t) for t in terms)]
    have = sorted((p for p in places if p[0] is not None and p[0] == p[0]), reverse=sort.downwards)
    nans = sorted((p[1:] for p in places if p[0] != p[0]), reverse=sort.downwards)
    lack = sorted((p[1:] for p in places if p[0] is None), reverse=sort.downwards)
    return [p[-1] for p in (*have, *nans, *lack)]


# What is tried


configs = st.fixed_dictionaries(
    {}, optional={"lr": st.sampled_from(CONFIGS), "model": st.fixed_dictionaries({"depth": st.sampled_from(CONFIGS)})}
)
series = st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
facts = st.builds(
    Fact,
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(TAGS), unique=True),
    configs,
    series,
    st.sampled_from(["", "a Note", "50% more"]),
)
numbers = st.sampled_from(["0", "0.5", "-1", "2", "nan", "inf", "-inf", "0.01", "1"])
orders = st.sampled_from(["<", "<=", ">", ">="])
equals = st.sampled_from(["=", "!="])
contains = st.sampled_from(["~", "!~"])
words = st.sampled_from(
    [*NAMES, *TAGS, "base 0", "note", "50%", "NOTE", "ada", "gpu-1", "H", '"quoted"', "a,b", "="]
).map(quoted)
anything = st.sampled_from(["*", "true", "True", "null", "adam", "0.01", "nan", quoted("[1, 2]"), "{}", "1", "ADAM"])
metric = st.tuples(st.sampled_from(KEYS), st.sampled_from(["", *(f".{stat}" for stat in (*STATS, *SMOOTHED))])).map(
    lambda t: f"metric.{quoted(t[0])}{t[1]}"
)
config = st.sampled_from(PATHS).map(lambda path: f"config.{path}")
text = st.sampled_from(["name", "note", "tag", "author", "host"])
several = lambda one: st.lists(one, min_size=1, max_size=3).map(",".join)  # noqa: E731
terms = st.one_of(
    words,
    st.tuples(metric, orders, numbers).map("".join),
    st.tuples(metric, equals, several(st.one_of(numbers, st.just("*")))).map("".join),
    st.tuples(config, orders, numbers).map("".join),
    st.tuples(config, st.one_of(equals, contains), several(anything)).map("".join),
    st.tuples(text, st.one_of(equals, contains), several(words)).map("".join),
    st.sampled_from(
        [
            "tag=*",
            "tag!=*",
            "host=*",
            "rank=1",
            "rank!=1",
            "rank<1",
            "rank=0,3",
            "rank=*",
            "host!=*",
            "note=*",
            "note!=*",
            "nan",
            "NaN",
            '"nan"',
            "metric=nan",
            "metric!=nan",
        ]
    ),
    st.tuples(st.just("created"), orders, st.sampled_from(["1003", "-995s", "1970-01-01T00:16:44Z"])).map("".join),
    st.tuples(st.just("points"), st.one_of(orders, equals), st.sampled_from(["0", "2", "3"])).map("".join),
)
sorts = st.tuples(
    st.sampled_from(["", "-"]),
    st.one_of(st.sampled_from(["created", "name", "points", "author"]), config, metric),
).map("".join)
QUICKLY = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = in_folder(tmp_path_factory.mktemp("world"))
    populate(world, examples(80))
    yield world
    world.close()


@pytest.fixture(scope="module")
def fleet() -> Iterator[World]:
    """Return a store on PostgreSQL and ClickHouse. Some of the points are in builds, some are not, and some series are
    in both.
    """
    needs_postgres()
    meta, points = PostgresPlace(), ClickHousePlace()
    world = World(meta.open(), points.open(TINY))
    populate(world, 20, later=True)
    world.append()
    while world.points.maintain():
        pass
    populate(world, 12, later=True)
    for n, fact in enumerate(world.facts[::5]):
        for key, values in fact.metrics.items():
            more = np.array([len(values)]), np.array([VALUES[n % len(VALUES)]]), np.array([1_000_000])
            column = Column(key, np.array([1]), *more)
            world.batches.append(PointBatch(fact.id, 0, 1, f"{key} of {fact.id}", 1, 1, [column]))
            values.append(float(more[1][0]))
    world.append()
    yield world
    world.close()
    meta.remove()
    points.remove()


def populate(world: World, runs: int, later: bool = False) -> None:
    @settings(max_examples=runs, deadline=None, database=None, derandomize=True)
    @given(facts)
    def add(fact: Fact) -> None:
        world.add(fact, later)

    add()


@QUICKLY
@given(search=st.lists(terms, max_size=3).map(" ".join), sort=sorts, limit=st.sampled_from([7, 20, 100]))
def test_a_search_finds_what_the_model_finds(world: World, search: str, sort: str, limit: int) -> None:
    wanted, order = parse(search), parse_sort(sort)
    assert world.search(wanted, order, limit) == expected(world.facts, wanted, order)


@pytest.fixture(params=["few runs", "many runs"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say whether runs, series and recent points are so many that they are asked for in another way."""
    if request.param == "many runs":
        monkeypatch.setattr(facts_series, "NAMED_MAX", 2)
        monkeypatch.setattr(reading, "LISTED_MAX", 2)
        monkeypatch.setattr(recents, "READ_MAX", 0)


@pytest.mark.usefixtures("size")
@settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(search=st.lists(terms, max_size=2).map(" ".join), sort=sorts, limit=st.sampled_from([20, 100]))
def test_a_search_of_a_fleet_finds_what_the_model_finds(fleet: World, search: str, sort: str, limit: int) -> None:
    wanted, order = parse(search), parse_sort(sort)
    assert fleet.search(wanted, order, limit) == expected(fleet.facts, wanted, order)


@pytest.mark.usefixtures("size")
def test_a_fleet_shows_the_last_values_that_the_model_has(fleet: World) -> None:
    ids = [fact.id for fact in fleet.facts]
    for keys in (None, KEYS[:1], [KEYS[1], "missing", KEYS[0]]):
        its = fleet.points.last(ids, keys)
        for fact in fleet.facts:
            wanted = [key for key in (sorted(KEYS) if keys is None else keys) if fact.metrics.get(key)]
            shown = [(i.key, i.count, i.last_value, i.min, i.max) for i in its[fact.id]]
            model = [
                (key, len(fact.metrics[key]), *(of_metric(fact, key, stat) for stat in ("last", "min", "max")))
                for key in wanted
            ]
            assert str(shown) == str([tuple(math.nan if n is None else n for n in row) for row in model])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(search=terms, sort=sorts, more=st.lists(facts, min_size=1, max_size=4))
def test_runs_added_between_pages_push_none_out_and_repeat_none(
    tmp_path_factory: pytest.TempPathFactory, search: str, sort: str, more: list[Fact]
) -> None:
    world = in_folder(tmp_path_factory.mktemp("growing"))
    for n in range(12):
        world.add(
            Fact(NAMES[n % 5], TAGS[: n % 3], {"lr": CONFIGS[n % 11]}, {"loss": [VALUES[n % 7]]} if n % 4 else {}, "")
        )
    wanted, order = parse(search), parse_sort(sort)
    before = expected(world.facts, wanted, order)
    waiting = list(more)
    row = world.search(wanted, order, 3, between=lambda: waiting and world.add(waiting.pop()))
    world.close()
    assert len(row) == len(set(row))
    known = set(before)
    assert [name for name in row if name in known] == before


@given(st.text(max_size=200))
def test_any_text_is_a_search_or_refused_in_one_line(text: str) -> None:
    try:
        parse(text)
    except ValueError as e:
        assert "\n" not in str(e) and len(str(e)) < 400


@given(st.text(min_size=1, max_size=30).filter(lambda s: "\0" not in s))
def test_what_is_quoted_means_just_its_characters(text: str) -> None:
    (term,) = parse(f"name={quoted(text)}")
    assert term.values == (text,)
    (term,) = parse(f"metric.{quoted(text)}.min<1")
    assert (term.field.name, term.field.stat) == (text, "min")
    (word,) = parse(quoted(text))
    assert word.values == (text,)
