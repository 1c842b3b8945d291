"""Points of many writers are gathered into few inserts, which ClickHouse itself counts: by the parts that it made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.server.writing import ingest
from pyhectiqlab.server.writing.ingest_plan import IngestJob
from pyhectiqlab.server.writing.inserts import BURST, EVERY_S, MANY, MANY_S, ROWS, Inserts
from pyhectiqlab.server.writing.refusals import Refusals
from pyhectiqlab.server.writing.writer import Writer
from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.meta import AttachRequest
from pyhectiqlab.store.opening import open_storage

from ..clickhouse import needs_clickhouse, server
from ..postgres import needs_postgres
from ..server.api import batch, events_batch, new_id, packed, wait_until
from ..stores import PostgresPlace


class Gathering:
    """A writer on PostgreSQL and ClickHouse, with a run; the clock of its inserts stands still."""

    def __init__(self, at: Addresses) -> None:
        self.now = 0.0
        self.name = at.points.rpartition("/")[2]
        self.storage = open_storage(at)
        with self.storage.meta.writing() as tx:
            self.user = tx.add_user("ann", "owner", None, time.time())
            tx.add_project("vision", self.user.id, time.time())
            request = AttachRequest("r", "vision", False, "s1", 0, 1, None, "h", 1, "0", 0.0)
            self.run = tx.attach(request, self.user, time.time(), 60.0).run.id
        points = self.storage.points
        self.writer = Writer(
            self.storage.meta, points, lambda *_: None, Refusals(), defers=False, inserts=Inserts(lambda: self.now)
        )
        self.writer.start()

    def send(self, *batches: Any, session: str = "s1") -> Future[list[Any]]:
        decoded = ingest.decode(packed(list(batches), session))
        return self.writer.ingest(IngestJob(decoded, self.user.id, time.time()), 1)

    def points(self, n: int = 10) -> Future[list[Any]]:
        """Send points, each time of another writer."""
        return self.send(batch(self.run, new_id(), 1, n), session=new_id())

    def inserts(self) -> int:
        """Return how many inserts of points ClickHouse had: it numbers the parts that inserts make, and merges keep the
        numbers.
        """
        parts = (
            "SELECT max(max_block_number) FROM system.parts WHERE database = currentDatabase() AND table = 'arrived'"
        )
        return int(server().ask(parts, self.name))

    def rows(self) -> int:
        return int(server().ask("SELECT count() FROM arrived", self.name))

    def use_up(self) -> None:
        """Use up the inserts that are left after a quiet time."""
        for _ in range(BURST):
            assert self.points(1).result(30)[0].status == 200


@pytest.fixture
def gathering(tmp_path: Path) -> Iterator[Gathering]:
    needs_postgres()
    needs_clickhouse()
    place, name = PostgresPlace(empty=True), server().make_database()
    made = Gathering(Addresses(place.url, server().url(name), f"folder:{tmp_path}"))
    with closing(made.storage):
        yield made
        made.writer.stop()
    place.remove()
    server().drop_database(name)


def test_after_a_quiet_time_nobody_waits_and_then_a_second_is_gathered(gathering: Gathering) -> None:
    gathering.use_up()
    assert gathering.inserts() == BURST
    waiting = [gathering.points() for _ in range(300)]
    same = new_id()
    in_order = [
        gathering.send(batch(gathering.run, same, 1, 5), session=same),
        gathering.send(events_batch(gathering.run, same, 6, [("log", {"text": "behind"})]), session=same),
    ]
    # What people change, and logs, do not wait for points.
    gathering.writer.write(lambda tx: tx.set_lab_value("a", "b")).result(30)
    log = events_batch(gathering.run, new_id(), 1, [("log", {"text": "a"})])
    assert gathering.send(log, session=new_id()).result(30)[0].status == 200
    assert gathering.inserts() == BURST and not any(future.done() for future in (*waiting, *in_order))
    gathering.now += EVERY_S
    assert {result.status for future in waiting for result in future.result(30)} == {200}
    assert [future.result(30)[0].cursor for future in in_order] == [5, 6]
    assert gathering.inserts() == BURST + 1 and gathering.rows() == BURST + 3_005


def test_many_rows_wait_only_until_the_last_insert_is_a_moment_ago(gathering: Gathering) -> None:
    gathering.use_up()
    waiting = [gathering.points(MANY // 2) for _ in range(2)]
    wait_until(lambda: gathering.writer.waiting == 2)
    few = gathering.points()
    assert gathering.inserts() == BURST
    gathering.now += MANY_S
    assert [future.result(30)[0].status for future in (*waiting, few)] == [200] * 3
    few = gathering.points()
    gathering.now += MANY_S
    wait_until(lambda: gathering.writer.waiting == 1)
    assert gathering.inserts() == BURST + 1 and not few.done()
    gathering.now += EVERY_S - MANY_S
    assert few.result(30)[0].status == 200


def test_many_rows_are_worth_an_insert_and_a_stop_stores_what_waits(gathering: Gathering) -> None:
    gathering.use_up()
    half = [gathering.points(ROWS // 2)]
    wait_until(lambda: gathering.writer.waiting == 1)
    assert gathering.inserts() == BURST
    half.append(gathering.points(ROWS // 2))
    assert [future.result(30)[0].status for future in half] == [200, 200]
    assert gathering.inserts() == BURST + 1 and gathering.rows() == BURST + ROWS
    left = [gathering.points() for _ in range(5)]
    gathering.writer.stop()
    assert [future.result(0)[0].status for future in left] == [200] * 5
    assert gathering.inserts() == BURST + 2
