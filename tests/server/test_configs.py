"""Large configs, configs of several attempts, and the bounds of both, as the store keeps them."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from sqlalchemy import func, select
from sqlalchemy.event import listen

from pyhectiqlab.protocol import events as rules
from pyhectiqlab.protocol import limits
from pyhectiqlab.store.meta import AttachRequest, Event, MetaBatch, MetaStore
from pyhectiqlab.store.sql import meta_config_rows
from pyhectiqlab.store.sql.meta_config_rows import LARGE_BYTES
from pyhectiqlab.store.sql.meta_schema import attempt_configs, config_parts, runs


class World:
    def __init__(self, store: MetaStore) -> None:
        self.store, self._seqs = store, dict[int, int]()
        with store.writing() as tx:
            user = tx.add_user("ada", "member", None, 0.0)
            tx.add_project("p", user.id, 0.0)
            request = AttachRequest("one", "p", False, "5e551011", 0, 1, None, "h", 1, "0", 0.0)
            self.run = tx.attach(request, user, 1.0, 60.0).run.id

    def tell(self, values: dict[str, Any], attempt: int = 1) -> int:
        """Report configs in a transaction of its own. Return how many bytes of configs it wrote."""
        seq = self._seqs[attempt] = self._seqs.get(attempt, 0) + 1
        fields = {"values": values}
        event = Event(seq, "config", 1.0, fields, msgpack.packb(fields), rules.count_values(values) - 1)
        batch = MetaBatch(f"{attempt:032x}", self.run, 0, attempt, "5e551011", seq, seq, 0, 0.0, [event])
        written = 0

        def see(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            nonlocal written
            if "config" in statement and not statement.startswith("SELECT"):
                written += sum(len(value) for value in parameters if isinstance(value, bytes | memoryview))

        with self.store.writing() as tx:
            listen(tx.conn, "before_cursor_execute", see)
            tx.apply([batch], 2.0)
        return written

    def config(self) -> dict[str, Any]:
        with self.store.reading() as view:
            return view.config(self.run)

    def attempt(self, attempt: int) -> Any:
        with self.store.reading() as view:
            return view.attempt_config(self.run, attempt)

    def losses(self) -> dict[str, int]:
        with self.store.reading() as view:
            return view.losses(self.run)

    def parts(self) -> int:
        with self.store.reading() as view:
            return int(view.conn.execute(select(func.count()).select_from(config_parts)).scalar_one())

    def own(self) -> bytes | None:
        """Return the run's own config, in which it differs from its newest attempt."""
        with self.store.reading() as view:
            own: bytes | None = view.conn.execute(select(runs.c.config).where(runs.c.id == self.run)).scalar()
            return own


@pytest.fixture
def world(meta: MetaStore) -> World:
    return World(meta)


def large(n: int = 1) -> dict[str, str]:
    return {f"text{i}": "x" * LARGE_BYTES for i in range(n)}


def test_what_is_told_to_a_large_config_is_all_that_is_written(world: World) -> None:
    assert LARGE_BYTES < world.tell(large()) < LARGE_BYTES + 100, "once: the run's config is that of its attempt"
    for i in range(20):
        assert 0 < world.tell({"step": i, "inner": {f"k{i}": i}}) < 50
    assert world.config() == {**large(), "step": 19, "inner": {f"k{i}": i for i in range(20)}}
    assert world.attempt(1) == (1, world.config()) and world.parts() == 20


def test_a_large_config_that_comes_in_parts_is_written_few_times(world: World) -> None:
    total, parts = 0, 24
    for i in range(parts):
        total += world.tell({f"part{i}": "x" * LARGE_BYTES})
    assert list(world.config()) == [f"part{i}" for i in range(parts)]
    assert total < 5 * parts * LARGE_BYTES


def test_parts_are_written_into_the_config_once_they_are_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_config_rows, "PARTS_MAX", 3)
    world.tell(large())
    seen = []
    for i in range(6):
        world.tell({"step": i})
        seen.append(world.parts())
    assert seen == [1, 2, 3, 0, 1, 2]
    assert world.config() == {**large(), "step": 5}


def test_parts_are_written_into_the_config_once_they_are_large(world: World) -> None:
    world.tell(large(4))
    assert world.tell({"a": "x" * LARGE_BYTES}) < LARGE_BYTES + 100 and world.parts() == 1
    assert world.tell({"b": "x" * LARGE_BYTES, "c": "x" * 100}) > 6 * LARGE_BYTES and world.parts() == 0
    assert list(world.config()) == [*large(4), "a", "b", "c"]


def test_what_replaces_a_map_and_is_replaced_by_one_in_parts_stays_gone(world: World) -> None:
    world.tell({**large(), "model": {"depth": 1}})
    world.tell({"model": "none"})
    world.tell({"model": {"width": 2}})
    assert world.config()["model"] == {"width": 2} and world.parts() == 2


def test_a_run_whose_attempts_told_the_same_keeps_it_once_each(world: World) -> None:
    world.tell({"lr": 1})
    assert world.own() is None
    world.tell({"lr": 1}, attempt=2)
    assert world.own() is not None
    world.tell({"n": 2}, attempt=2)
    assert world.own() is None and world.config() == {"lr": 1, "n": 2} and world.attempt(1) == (1, {"lr": 1})
    world.tell({"late": 3}, attempt=1)
    assert world.config() == {"lr": 1, "late": 3, "n": 2} and world.attempt(2) == (2, {"lr": 1, "n": 2})


def test_a_run_of_an_older_lab_has_its_config_once_it_changes(world: World) -> None:
    world.tell({"lr": 1})
    with world.store.writing() as tx:  # as they had it
        whole = select(attempt_configs.c.config).where(attempt_configs.c.run_id == world.run).scalar_subquery()
        tx.conn.execute(runs.update().values(config=whole))
    assert world.own() is not None and world.config() == {"lr": 1}
    world.tell({"n": 2})
    assert world.own() is None and world.config() == {"lr": 1, "n": 2}


def test_a_config_that_does_not_change_is_not_written(world: World) -> None:
    assert world.tell({"lr": 1, "model": {"n": 2}}) > 0
    assert world.tell({"model": {"n": 2}}) == 0
    assert world.tell({"model": {"n": 2.0}}) > 0, "another type is another value"


@pytest.mark.parametrize("large_bytes", [LARGE_BYTES, 10], ids=["whole", "in parts"])
def test_a_config_is_bounded_in_bytes(world: World, monkeypatch: pytest.MonkeyPatch, large_bytes: int) -> None:
    monkeypatch.setattr(meta_config_rows, "LARGE_BYTES", large_bytes)
    monkeypatch.setattr(limits, "CONFIG_BYTES_MAX", 200)
    world.tell({"a": {"text": "x" * 100}})
    world.tell({"b": "y" * 100})
    assert world.losses() == {"config_full": 1}
    world.tell({"a": {"text": "z" * 110}})
    assert world.config() == {"a": {"text": "z" * 110}}, "what is there can change"
    world.tell({"a": 1})
    world.tell({"b": "y" * 100})
    assert world.config() == {"a": 1, "b": "y" * 100} and world.losses() == {"config_full": 1}


def test_the_configs_of_all_attempts_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIGS_BYTES_MAX", 250)
    world.tell({"a": "x" * 100})
    world.tell({"b": "y" * 100}, attempt=2)
    world.tell({"c": "z" * 100}, attempt=3)
    assert world.losses() == {"config_full": 1}
    assert world.attempt(3) == (2, {"b": "y" * 100}), "there was no room for what it told itself"
    assert list(world.config()) == ["a", "b", "c"], "but the run has it"
    world.tell({"d": 1}, attempt=2)
    assert world.config()["d"] == 1
    world.tell({"e": "x" * 100}, attempt=4)
    assert world.losses() == {"config_full": 2} and world.attempt(4) == (2, {"b": "y" * 100, "d": 1})


def test_late_news_are_merged_below_those_of_newer_attempts_where_all_is_small(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell({"lr": 2, "n": {"a": 1}}, attempt=2)
    world.tell({"lr": 1, "n": {"b": 2}}, attempt=1)
    assert world.config() == {"lr": 2, "n": {"b": 2, "a": 1}} and world.losses() == {}
    monkeypatch.setattr("pyhectiqlab.store.sql.meta_configs.LATE_BYTES_MAX", 10)
    world.tell({"late": 1}, attempt=1)
    assert "late" not in world.config() and world.losses() == {"config_full": 1}
    assert world.attempt(1) == (1, {"lr": 1, "n": {"b": 2}, "late": 1})
    world.tell({"new": 1}, attempt=2)
    assert world.config()["new"] == 1
