"""The commit protocol: what is answered as done is durable, and what fails fails alone.

The database is made to fail by SQLite itself: a file that may not grow, and statements interrupted at any of their
steps, at which SQLite rolls back the whole transaction by itself.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.server.writing import ingest
from pyhectiqlab.server.writing.ingest_plan import IngestJob
from pyhectiqlab.server.writing.refusals import Refusals
from pyhectiqlab.server.writing.writer import Writer
from pyhectiqlab.store.meta import AttachRequest, MetaTransaction, NameTakenError, User

from ..stores import SqlitePlace, new_points
from .api import batch, events_batch, new_id, packed


class Stores:
    """A lab's databases with a user, a project and a run in them, and a writer that is not started."""

    def __init__(self, folder: Path) -> None:
        self.meta, self.points = SqlitePlace(folder).open(), new_points(folder)
        self.writer = Writer(self.meta, self.points, lambda changes, jobs, seconds: None, Refusals())
        self.prepare()

    def prepare(self) -> None:
        now = time.time()
        with self.meta.writing() as tx:
            self.user: User = tx.add_user("ann", "owner", None, now)
            self.project = tx.add_project("vision", self.user.id, now)
            request = AttachRequest("r", "vision", False, "s1", 0, 1, None, "h", 1, "0", 0.0)
            self.run = tx.attach(request, self.user, now, 60.0).run.id

    def close(self) -> None:
        self.writer.stop()
        self.meta.close()
        self.points.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """Return the connection that writes lab.db."""
        with self.meta.engines.write.connect() as conn:
            return conn.connection.dbapi_connection  # type: ignore[return-value]

    def ingest(self, *batches: Any) -> Future[list[Any]]:
        return self.writer.ingest(IngestJob(ingest.decode(packed(list(batches))), self.user.id, time.time()), 1)

    def names(self) -> set[str]:
        with self.meta.reading() as view:
            return {p.name for p in view.projects(1000)}

    def cursor(self, writer: str) -> int:
        with self.meta.reading() as view:
            row = view.writers([writer])
        return row[writer].cursor if row else 0


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path)
    yield made
    made.close()


def interrupt(connection: sqlite3.Connection, steps: int) -> Callable[[], bool]:
    """Have SQLite stop once, after so many steps of its machine. The result says whether it did."""
    left = [steps]

    def look() -> int:
        left[0] -= 1
        return left[0] == 0

    connection.set_progress_handler(look, 1)
    return lambda: left[0] <= 0


def add_project(name: str, user: str) -> Callable[[MetaTransaction], str]:
    return lambda tx: tx.add_project(name, user, time.time()).name


class Work:
    """A group of everything that a lab does: what was answered, against what is there."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.made = [f"p{new_id(4)}" for _ in range(4)]
        self.writers = [new_id() for _ in range(4)]
        write, user = stores.writer.write, stores.user.id
        self.projects = {name: write(add_project(name, user)) for name in self.made[:2]}
        self.batches = {w: stores.ingest(self._batch(w)) for w in self.writers[:2]}
        self.private = write(lambda tx: tx.set_private(stores.project.id, True))
        self.taken = write(add_project("vision", user))
        self.several = stores.ingest(*(self._batch(w) for w in self.writers[2:]))
        self.projects |= {name: write(add_project(name, user)) for name in self.made[2:]}

    def _batch(self, writer: str) -> dict[str, Any]:
        event_batch = events_batch(
            self.stores.run, writer, 1, [("config", {"values": {writer: 1}}), ("note", {"text": "x" * 9_000})]
        )
        points = batch(self.stores.run, writer, 1, 5)["series"]
        points[0]["seq"] = (5 * b"%c\0\0\0") % (2, 3, 4, 5, 6)
        return {**event_batch, "last": 7, "series": points}

    def check(self) -> int:
        """Return how many were refused. Assert that the others are there, and that these are not, or come when they are
        sent again.
        """
        refused = 0
        answers_of_all = [*self.projects.values(), *self.batches.values(), self.private, self.taken, self.several]
        assert not wait(answers_of_all, 20).not_done
        names = self.stores.names()
        for name, answer in self.projects.items():
            if answer.exception() is None:
                assert name in names, f"{name} was answered as made"
            else:
                assert isinstance(answer.exception(), StoreError)
                assert name not in names, f"{name} was answered as not made"
                refused += 1
        with self.stores.meta.reading() as view:
            project = view.project("vision")
            config = view.config(self.stores.run)
        assert project is not None
        assert project.private == (self.private.exception() is None)
        refused += self.private.exception() is not None
        assert isinstance(self.taken.exception(), NameTakenError | StoreError)
        answers = {w: f.result()[0] for w, f in self.batches.items()}
        answers |= dict(zip(self.writers[2:], self.several.result(), strict=True))
        for writer, result in answers.items():
            cursor = self.stores.cursor(writer)
            assert (result.status, result.cursor, cursor) in {(200, 7, 7), (503, 0, 0)}
            assert (writer in config) == (cursor == 7)
            refused += result.status == 503
        return refused


def test_a_group_in_which_nothing_fails_is_done_as_a_whole(stores: Stores) -> None:
    work = Work(stores)
    stores.writer.start()
    assert work.check() == 0


@pytest.mark.parametrize("seed", range(30))
def test_what_is_answered_is_there_wherever_the_database_stops(stores: Stores, seed: int) -> None:
    """One error at any step of any statement: everybody else is served, and nobody is told what is not so."""
    work = Work(stores)
    stopped = interrupt(stores.connection, random.Random(seed).randrange(1, 1400))
    stores.writer.start()
    assert work.check() == 0  # what had failed in the group went through when it was tried apart
    assert stopped()
    assert Work(stores).check() == 0


@pytest.mark.parametrize("pages", range(0, 24, 3))
def test_what_is_answered_is_there_when_the_database_may_not_grow(stores: Stores, pages: int) -> None:
    (now,) = stores.connection.execute("PRAGMA page_count").fetchone()
    stores.connection.execute(f"PRAGMA max_page_count = {now + pages}").fetchone()
    stores.writer.start()
    refused = 0
    for _ in range(6):
        work = Work(stores)
        refused += work.check()
        stores.writer.write(lambda tx: tx.set_private(stores.project.id, False)).exception()
    assert refused
    stores.connection.execute("PRAGMA max_page_count = 1073741823").fetchone()
    assert Work(stores).check() == 0, "with room again, all goes on"


@pytest.mark.parametrize("caught", [False, True])
def test_a_job_whose_statement_fails_takes_no_other_along(stores: Stores, caught: bool) -> None:
    """This holds also if the job itself thinks that nothing happened."""

    def fails(tx: Any) -> str:
        with contextlib.suppress(Exception) if caught else contextlib.nullcontext():
            tx.conn.connection.dbapi_connection.set_progress_handler(lambda: 1, 1)
            try:
                tx.set_lab_value("x", "y")
            finally:
                tx.conn.connection.dbapi_connection.set_progress_handler(None, 1)
        tx.set_lab_value("after", "it")
        return "done"

    before = Work(stores)
    failing = stores.writer.write(fails)
    behind = Work(stores)
    stores.writer.start()
    with pytest.raises(StoreError):
        failing.result(10)
    with stores.meta.reading() as view:
        assert view.lab_value("after") is None
    assert before.check() == 0
    assert behind.check() == 0


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError()])
def test_whatever_a_job_raises_the_writer_goes_on(stores: Stores, error: BaseException) -> None:
    def raises(tx: MetaTransaction) -> None:
        tx.set_lab_value("x", "y")
        raise error

    failing = stores.writer.write(raises)
    work = Work(stores)
    stores.writer.start()
    with pytest.raises((StoreError, MemoryError, RecursionError)):
        failing.result(10)
    assert work.check() == 0
    with stores.meta.reading() as view:
        assert view.lab_value("x") is None


def test_many_requests_of_junk_refuse_nobody_beside_them(stores: Stores) -> None:
    """More writers in one group than a statement has room for parameters."""
    run = "0" * 12
    junk = [stores.ingest(*(batch(run, new_id(), 1, 1) for _ in range(256))) for _ in range(130)]
    work = Work(stores)
    stores.writer.start()
    assert work.check() == 0
    assert {result.status for future in junk for result in future.result(30)} == {404}


def test_a_batch_that_fails_at_every_try_refuses_no_other_of_its_request(stores: Stores) -> None:
    good, bad = new_id(), new_id()
    answer = stores.ingest(*(batch(stores.run, w, 1, 5) for w in (good, bad, good + "2")))
    stores.connection.execute(
        f"""CREATE TEMP TRIGGER fails BEFORE INSERT ON main.writers WHEN new.writer = '{bad}'
            BEGIN SELECT RAISE(ROLLBACK, 'out of luck'); END"""
    )
    stores.writer.start()
    assert [(r.writer, r.status, r.cursor) for r in answer.result(10)] == [
        (good, 200, 5),
        (bad, 503, 0),
        (good + "2", 200, 5),
    ]
    stores.connection.execute("DROP TRIGGER fails")
    again = stores.ingest(batch(stores.run, bad, 1, 5)).result(10)
    assert [(r.status, r.cursor) for r in again] == [(200, 5)]
