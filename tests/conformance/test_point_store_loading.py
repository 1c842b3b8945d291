"""A SQLite PointStore that is opened takes batches at once, while a thread reads the recent points of before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.points import AppendResult
from pyhectiqlab.store.sqlite_points import loading, point_store
from pyhectiqlab.store.sqlite_points.loading import ROWS_AT_ONCE
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

from .point_store_data import Writer
from .point_store_same import all_points

N = 2 * ROWS_AT_ONCE + 5  # batches of one step each


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return an event; no batch is read before it is set."""
    gate, unpack = threading.Event(), loading.unpack

    def waits(*batch: Any) -> Any:
        assert gate.wait(30)
        return unpack(*batch)

    monkeypatch.setattr(loading, "unpack", waits)
    yield gate
    gate.set()


@pytest.fixture
def left(tmp_path: Path) -> Writer:
    """Make a store with a writer of many batches that are in no chunk. Another run has all of its points in chunks."""
    store = SqlitePointStore(tmp_path / "points.db")
    store.append([Writer("old", run="flushed").steps(range(3))])
    store.flush()
    w = Writer("w")
    for at in range(0, N, 100):
        store.append([w.steps([i]) for i in range(at, min(at + 100, N))])
    store.close()
    return w


def at_once(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    return thread, answers


def test_batches_are_taken_and_what_was_flushed_is_read_while_the_rest_is_loaded(
    tmp_path: Path, left: Writer, gate: threading.Event
) -> None:
    store = SqlitePointStore(tmp_path / "points.db")
    again = Writer("w").steps([0])
    assert store.cursor("w") == N
    assert store.append([again, left.steps([N])]) == [AppendResult("duplicate", N), AppendResult("ok", N + 1)]
    assert [info.count for info in store.series("flushed", "loss")] == [3]
    assert not store.maintain(0.0)  # nothing is flushed or removed before everything is known
    reader, answers = at_once(lambda: all_points(store))
    assert reader.is_alive() and not answers
    gate.set()
    reader.join(30)
    assert [point[3] for point in answers[0]] == list(range(N + 1))
    store.flush()
    assert [point[3] for point in all_points(store)] == list(range(N + 1))
    store.close()


def test_a_reader_that_waits_for_too_long_is_told_to_come_again(
    tmp_path: Path, left: Writer, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_store, "LOADING_S", 0.05)
    store = SqlitePointStore(tmp_path / "points.db")
    with pytest.raises(StoreError, match="still reads its newest points; try again"):
        store.keys("run")
    gate.set()
    store.close()


def test_a_store_that_is_closed_while_it_loads_has_lost_nothing(
    tmp_path: Path, left: Writer, gate: threading.Event
) -> None:
    store = SqlitePointStore(tmp_path / "points.db")

    def read() -> str:
        with pytest.raises(StoreError) as refused:
            store.keys("run")
        return str(refused.value)

    reader, answers = at_once(read)
    closing, _ = at_once(store.close)
    gate.set()
    for thread in (closing, reader):
        thread.join(30)
        assert not thread.is_alive()
    assert "is closed" in answers[0]
    store = SqlitePointStore(tmp_path / "points.db")
    assert [point[3] for point in all_points(store)] == list(range(N))
    store.close()


def test_a_store_that_is_opened_again_knows_how_far_points_alone_reach(tmp_path: Path, left: Writer) -> None:
    store = SqlitePointStore(tmp_path / "points.db")
    assert store.reach({"w": 10}) == {"w": N}
    asked: list[int] = []
    store.before_forgetting = lambda: asked.append(store.reach({"w": 10}).get("w", 0))
    store.flush()
    assert asked[0] == N, "before it forgets anything"
    assert store.reach({"w": 10}) == {} and store.late_writers() == []
    store.close()


def test_points_that_could_not_be_read_again_are_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, w = SqlitePointStore(tmp_path / "points.db"), Writer("w")
    store.append([w.steps(range(10))])
    add, look = point_store.Recent.add, loading.Loader._look
    monkeypatch.setattr(point_store.Recent, "add", lambda *_: 1 / 0)
    monkeypatch.setattr(loading.Loader, "_look", lambda *_: 1 / 0)
    second = w.steps(range(10, 20))
    for _ in range(2):  # it is durable, but nobody can know that now: so it is refused
        with pytest.raises(ZeroDivisionError):
            store.append([second])
    with pytest.raises(ZeroDivisionError):
        store.flush()
    monkeypatch.setattr(point_store.Recent, "add", add)
    monkeypatch.setattr(loading.Loader, "_look", look)
    assert store.append([second, w.steps(range(20, 30))]) == [AppendResult("duplicate", 20), AppendResult("ok", 30)]
    store._loader._loop.hurry()
    store._loader._loop.join(30)
    assert [point[3] for point in all_points(store)] == list(range(30))
    store.close()
