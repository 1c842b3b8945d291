"""Configs against a plain model: a merge value by value.

Events of any attempts arrive in any order, cut into transactions in any way. The run and its attempts have what the
model has, within the bounds, and the run is found by just that.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pyhectiqlab.protocol import events as rules
from pyhectiqlab.protocol import limits, searchable
from pyhectiqlab.store.meta import AttachRequest, Event, MetaBatch
from pyhectiqlab.store.sql import meta_config_rows
from pyhectiqlab.store.sql.meta_schema import config_values

from ..seeds import examples
from ..stores import new_store

VALUES_MAX = 14  # of a config, in these tests
FOUND_MAX = 6  # values by which the run is found

Config = dict[str, Any]
keys = st.sampled_from(["a", "b", "a.b", "c", "d"])
singles = st.sampled_from([0, 1, 1.0, True, None, "text", "é", math.inf, b"b"])
lists = st.lists(singles | st.lists(singles, max_size=2), max_size=4)
configs = st.recursive(
    st.dictionaries(keys, singles | lists, max_size=4),
    lambda inner: st.dictionaries(keys, singles | lists | inner, max_size=4),
    max_leaves=8,
)
histories = st.lists(st.lists(st.tuples(st.integers(1, 3), configs), min_size=1, max_size=3), min_size=1, max_size=5)


# The model


def size(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(size, inside))


def steps(config: Config, new: Config, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values to be set, one by one: (path, value). `config` may change between two of them."""
    for key, value in new.items():
        if isinstance(value, dict):
            if not isinstance(at(config, path).get(key), dict):
                yield (*path, key), {}
            yield from steps(config, value, (*path, key))
        else:
            yield (*path, key), value


def at(config: Config, path: tuple[str, ...]) -> Config:
    for key in path:
        config = config[key]
    return config


def merged(config: Config, new: Config) -> int:
    """Merge in place. Return how many values there was no room for."""
    before = size(config)
    most = max(VALUES_MAX, before - 1)  # late attempts may have reported more
    for path, value in steps(config, new):
        trial = copy.deepcopy(config)
        at(trial, path[:-1])[path[-1]] = value
        if size(trial) - 1 > most:
            return max(1, size(new) - 1 - (size(config) - before))
        at(config, path[:-1])[path[-1]] = copy.deepcopy(value)
    return 0


class Model:
    def __init__(self) -> None:
        self.run: Config = {}
        self.attempts: dict[int, Config] = {}
        self.lost = 0

    def tell(self, events: list[tuple[int, Config]]) -> None:
        """Report values in one transaction."""
        late = False
        for attempt, new in events:
            newest = max(self.attempts, default=0)
            lost = merged(self.attempts.setdefault(attempt, {}), new)
            if attempt >= newest:
                lost = max(lost, merged(self.run, new))
            else:
                late = True
            self.lost += lost
        if late:
            self.run = {}
            for _, config in sorted(self.attempts.items()):
                for path, value in steps(self.run, config):
                    at(self.run, path[:-1])[path[-1]] = copy.deepcopy(value)


def found_by(config: Config, prefix: str = "") -> dict[str, str]:
    """Return path → text, as `searchable` has them."""
    texts: dict[str, str] = {}

    def look(config: Config, prefix: str) -> bool:
        for key, value in config.items():
            path = prefix + key
            if isinstance(value, dict) and value:
                if not look(value, path + "."):
                    return False
            elif path in texts or len(texts) < FOUND_MAX:
                plain = value if isinstance(value, str) else repr(value) if isinstance(value, float) else None
                texts[path] = json.dumps(value, default=str, ensure_ascii=False) if plain is None else plain
            else:
                return False
        return True

    look(config, prefix)
    return texts


# The store


class Undone(Exception):
    pass


class World:
    def __init__(self, folder: Path) -> None:
        self.store, self._numbers = new_store(folder), count()
        with self.store.writing() as tx:
            self.user = tx.add_user("ada", "member", None, 1.0)
            tx.add_project("p", self.user.id, 1.0)

    def run(self) -> Run:
        return Run(self, f"{next(self._numbers):032x}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("configs"))
    yield world
    world.store.close()


@pytest.fixture(params=[False, True], ids=["whole", "in parts"], autouse=True)
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(meta_config_rows, "LARGE_BYTES", 8)
        monkeypatch.setattr(meta_config_rows, "PARTS_MAX", 3)
    monkeypatch.setattr(limits, "CONFIG_VALUES_MAX", VALUES_MAX)
    monkeypatch.setattr(searchable, "VALUES_MAX", FOUND_MAX)


class Run:
    def __init__(self, world: World, name: str) -> None:
        self.store, self.name = world.store, name
        with self.store.writing() as tx:
            request = AttachRequest(name, "p", False, name, 0, 1, None, "h", 1, "0", 0.0)
            self.id = tx.attach(request, world.user, 1.0, 60.0).run.id
        self.seqs: dict[int, int] = {}

    def tell(self, events: list[tuple[int, Config]]) -> None:
        """Report values in one transaction."""
        batches = []
        for attempt, values in events:
            seq = self.seqs[attempt] = self.seqs.get(attempt, 0) + 1
            fields = {"values": values}
            event = Event(seq, "config", 1.0, fields, msgpack.packb(fields), rules.count_values(values) - 1)
            writer = f"{attempt}-{self.id}"
            batches.append(MetaBatch(writer, self.id, 0, attempt, self.name, seq, seq, 0, 0.0, [event]))
        before = copy.deepcopy([values for _, values in events])
        if len(events) % 2:  # the first try fails
            with pytest.raises(Undone), self.store.writing() as tx:
                tx.apply(batches, 2.0)
                raise Undone
        with self.store.writing() as tx:
            tx.apply(batches, 2.0)
        assert [values for _, values in events] == before, "an event may be applied again"

    def check(self, model: Model) -> None:
        with self.store.reading() as view:
            assert exact(view.config(self.id)) == exact(model.run)
            assert view.configs([self.id], 20) in ({}, {self.id: view.config(self.id)})
            for attempt, config in model.attempts.items():
                assert exact(view.attempt_config(self.id, attempt)) == exact((attempt, config))
            assert sum(view.losses(self.id).values()) == model.lost
            rows = view.conn.execute(select(config_values).where(config_values.c.run_id == self.id)).all()
        assert {row.path: row.text for row in rows} == found_by(model.run)


def exact(value: Any) -> str:
    """Return a value in a form that distinguishes 1 from 1.0 and True, and one order of keys from another."""
    return repr(value)


@given(transactions=histories)
@example(transactions=[[(1, {"a": 1})], [(2, {"a": 1})], [(2, {"b": 2})], [(1, {"c": 1})], [(3, {"a": 0})]])
@example(transactions=[[(1, {"a": {"b": 1}})], [(1, {"a": 1}), (1, {"a": {"c": 1}})], [(2, {}), (1, {"a": 2})]])
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_configs_are_what_a_plain_merge_gives(world: World, transactions: list[list[tuple[int, Config]]]) -> None:
    run, model = world.run(), Model()
    for events in transactions:
        run.tell(events)
        model.tell(events)
        run.check(model)
