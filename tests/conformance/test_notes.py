"""What Notes promise: in memory, and in PostgreSQL, where several processes share them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pyhectiqlab.store.notes import MemoryNotes, Notes
from pyhectiqlab.store.sql.engines import open_engines
from pyhectiqlab.store.sql.postgres_notes import PostgresNotes

from ..postgres import needs_postgres
from ..stores import PostgresPlace


@pytest.fixture(params=["memory", "postgresql"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Notes, Notes]]:
    """Return the same notes as two processes have them."""
    if request.param == "memory":
        notes = MemoryNotes(time.time)
        yield notes, notes
        return
    needs_postgres()
    place = PostgresPlace()
    with closing(open_engines(place.url, readers=1)) as one, closing(open_engines(place.url, readers=1)) as other:
        first, second = PostgresNotes(one), PostgresNotes(other)
        first.make()
        second.make()
        yield first, second
    place.cluster.ask("DROP TABLE notes", database=place.database)
    place.remove()


def test_a_note_is_kept_replaced_and_removed(both: tuple[Notes, Notes]) -> None:
    first, second = both
    with first.of("a") as notes:
        assert abs(notes.now - time.time()) < 60
        assert notes.get("k") is None and notes.oldest() is None and notes.items() == []
        notes.put("k", {"x": 1, "text": "a\0b\ud800"}, notes.now + 60, "here")
        notes.put("l", {"x": 2}, notes.now + 60, "there")
    with second.of("a") as notes:
        assert notes.get("k") == {"x": 1, "text": "a\0b\ud800"}
        assert (notes.count(), notes.count("here"), notes.oldest(), notes.oldest("there")) == (2, 1, "k", "l")
        notes.put("k", {"x": 3}, notes.now + 60, "there")  # the newest now
        assert (notes.count("here"), notes.count("there"), notes.oldest()) == (0, 2, "l")
        assert notes.items() == [("l", {"x": 2}), ("k", {"x": 3})]
        notes.remove("l")
        notes.remove("never was")
    with first.of("a") as notes:
        assert notes.items() == [("k", {"x": 3})]
    with first.of("another kind") as notes:
        assert notes.count() == 0


def test_a_note_is_forgotten_at_its_time(both: tuple[Notes, Notes]) -> None:
    first, second = both
    with first.of("a") as notes:
        notes.put("over", {}, notes.now - 1)
        notes.put("stays", {}, notes.now + 60)
    with second.of("a") as notes:
        assert notes.items() == [("stays", {})] and notes.get("over") is None


def test_whoever_looks_excludes_the_others(both: tuple[Notes, Notes]) -> None:
    def count(i: int) -> None:
        with both[i % 2].of("a") as notes:
            n = (notes.get("n") or {"n": 0})["n"]
            notes.put("n", {"n": n + 1}, notes.now + 60)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(40)))
    with both[0].of("a") as notes:
        assert notes.get("n") == {"n": 40}
