"""Many processes that send a little each share commits; whoever asks for anything else waits for none of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.server.writing import ingest, waiting_jobs
from pyhectiqlab.server.writing.ingest_plan import IngestJob

from .api import batch, new_id, packed
from .test_commit import Stores


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """Return stores whose writer would wait for a minute when it gathers."""
    monkeypatch.setattr(waiting_jobs, "PACE_S", 60.0)
    monkeypatch.setattr(waiting_jobs, "LONE_S", 3600.0)
    monkeypatch.setattr(waiting_jobs, "CROWD_S", 3600.0)
    made = Stores(tmp_path)
    made.writer.start()
    yield made
    made.close()


def send(stores: Stores, size: int = 1, session: str = "") -> Future[list[Any]]:
    body = packed([batch(stores.run, new_id(), 1, 5)], session or new_id())
    return stores.writer.ingest(IngestJob(ingest.decode(body), stores.user.id, time.time()), size)


def crowd(stores: Stores) -> None:
    """Yield sessions one after another; the last one makes them a crowd."""
    for _ in range(waiting_jobs.CROWD - 1):
        assert send(stores).result(30)[0].status == 200


def test_a_crowd_waits_for_the_next_commit_and_a_change_takes_all_along(stores: Stores) -> None:
    crowd(stores)
    waiting = [send(stores) for _ in range(3)]
    with pytest.raises(TimeoutError):
        waiting[0].result(0.3)
    assert stores.writer.write(lambda tx: "done").result(30) == "done"
    assert [answer.result(30)[0].status for answer in waiting] == [200] * 3


def test_a_sign_of_life_waits_with_the_crowd(stores: Stores) -> None:
    assert stores.writer.write(lambda tx: "alone", urgent=False).result(30) == "alone"
    crowd(stores)
    send(stores)
    waiting = stores.writer.write(lambda tx: "later", urgent=False)
    with pytest.raises(TimeoutError):
        waiting.result(0.3)
    assert stores.writer.write(lambda tx: "now").result(30) == "now"
    assert waiting.result(30) == "later"


def test_a_batch_that_comes_alone_waits_for_nobody(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(stores)
    monkeypatch.setattr(waiting_jobs, "LONE_S", 0.0)
    assert send(stores).result(30)[0].status == 200


def test_much_to_write_does_not_wait(stores: Stores) -> None:
    crowd(stores)
    waiting = send(stores)
    assert send(stores, size=waiting_jobs.PACED_BYTES).result(30)[0].status == 200
    assert waiting.result(30)[0].status == 200


def test_one_process_that_sends_one_batch_after_another_waits_for_nobody(stores: Stores) -> None:
    session = new_id()
    for _ in range(3 * waiting_jobs.CROWD):
        assert send(stores, session=session).result(30)[0].status == 200


def test_a_lab_that_stops_commits_what_waits(stores: Stores) -> None:
    crowd(stores)
    waiting = send(stores)
    stores.writer.stop()
    assert waiting.result(0)[0].status == 200
