"""Batches of points alone of which lab.db is told a moment after they were answered (server/writing/deferred.py).

Nothing that was answered is lost, counted twice or forgotten, whenever the lab is killed, backed up or refused by its
disk.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.server.writing import deferred, ingest, waiting_jobs
from pyhectiqlab.server.writing.ingest_plan import IngestJob
from pyhectiqlab.server.writing.refusals import Refusals
from pyhectiqlab.server.writing.writer import Writer
from pyhectiqlab.store.backups import backup
from pyhectiqlab.store.backups.restoring import restore
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, events_batch, new_id, packed, wait_until
from .test_commit import Stores, interrupt
from .test_killed_upkeep import killed_at


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """Return stores whose writer takes any two sessions for a crowd, gathers nothing, and would write to lab.db after
    an hour.
    """
    monkeypatch.setattr(waiting_jobs, "PACE_S", 0.0)
    monkeypatch.setattr(waiting_jobs, "CROWD", 2)
    monkeypatch.setattr(waiting_jobs, "CROWD_S", 3600.0)
    monkeypatch.setattr(deferred, "DEFER_S", 3600.0)
    made = Stores(tmp_path)
    made.writer.start()
    yield made
    made.close()


def send(stores: Stores, *batches: Any, session: str = "a") -> Future[list[Any]]:
    body = packed(list(batches), session)
    return stores.writer.ingest(IngestJob(ingest.decode(body), stores.user.id, time.time()), 1)


def begun(stores: Stores) -> str:
    """Return a writer that lab.db knows, at 5, and a crowd."""
    w = new_id()
    for session in ("a", "b"):
        assert send(stores, batch(stores.run, w, 1, 5), session=session).result(30)[0].status == 200
    return w


def points_of(stores: Stores) -> int:
    with stores.meta.reading() as view:
        run = view.run(stores.run)
    assert run is not None
    return run.points


def test_points_alone_are_answered_first_and_told_with_the_next_change(stores: Stores) -> None:
    w = begun(stores)
    (answer,) = send(stores, batch(stores.run, w, 6, 9)).result(30)
    assert (answer.status, answer.cursor) == (200, 9)
    assert (stores.points.cursor(w), stores.cursor(w), points_of(stores)) == (9, 5, 5)
    (again, more) = send(stores, batch(stores.run, w, 6, 9), batch(stores.run, w, 10, 12)).result(30)
    assert (again.status, again.cursor, more.status, more.cursor) == (200, 9, 200, 12)
    (gap,) = send(stores, batch(stores.run, w, 14, 15)).result(30)
    assert (gap.status, gap.cursor) == (409, 12)
    seen = stores.writer.write(lambda tx: tx.writers([w])[w].cursor).result(30)
    assert seen == 12, "a change stands on all that was answered before it"
    assert (stores.cursor(w), points_of(stores)) == (12, 12)


def test_what_is_more_than_points_is_told_at_once_and_behind_them(stores: Stores) -> None:
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    assert send(stores, events_batch(stores.run, w, 10, [("note", {"text": "x"})])).result(30)[0].status == 200
    assert (stores.cursor(w), points_of(stores)) == (10, 9)
    assert send(stores, batch(stores.run, new_id(), 1, 3)).result(30)[0].status == 200
    assert points_of(stores) == 12, "a new writer is bound to its run at once"


def test_lab_db_is_told_soon_where_nothing_else_comes(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    w = begun(stores)
    monkeypatch.setattr(deferred, "DEFER_S", 0.2)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    wait_until(lambda: stores.cursor(w) == 9)
    assert points_of(stores) == 9


def test_a_writer_that_stops_tells_all(stores: Stores) -> None:
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    stores.writer.stop()
    assert (stores.cursor(w), points_of(stores)) == (9, 9)


def test_where_lab_db_refuses_what_was_answered_nothing_more_is_answered(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    refused = interrupt(stores.connection, 1)
    monkeypatch.setattr(deferred, "DEFER_S", 0.0)
    (answer,) = send(stores, batch(stores.run, w, 10, 11)).result(30)
    assert answer.status == 200
    wait_until(refused)
    wait_until(lambda: stores.writer.deferred.refused or stores.cursor(w) == 11)
    stores.connection.set_progress_handler(lambda: 1, 1)
    monkeypatch.setattr(deferred, "DEFER_S", 3600.0)
    stores.writer.deferred.refused = True
    (answer,) = send(stores, batch(stores.run, w, 12, 13)).result(30)
    assert answer.status == 503
    stores.connection.set_progress_handler(None, 0)
    (answer,) = send(stores, batch(stores.run, w, 12, 13)).result(30)
    assert (answer.status, stores.cursor(w), points_of(stores)) == (200, 13, 13)
    assert not stores.writer.deferred.refused


def test_a_commit_that_was_durable_though_it_failed_is_not_told_twice(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    writing = stores.meta.writing

    @contextlib.contextmanager
    def fails_behind_the_commit() -> Iterator[Any]:
        with writing() as tx:
            yield tx
        raise StoreError("the disk said no, and yet it was written")

    monkeypatch.setattr(stores.meta, "writing", fails_behind_the_commit)
    with pytest.raises(StoreError):
        stores.writer.write(lambda tx: None).result(30)
    monkeypatch.setattr(stores.meta, "writing", writing)
    assert (stores.cursor(w), len(stores.writer.deferred.batches())) == (9, 1)
    assert send(stores, batch(stores.run, w, 10, 12)).result(30)[0].cursor == 12
    stores.writer.write(lambda tx: None).result(30)
    assert (stores.cursor(w), points_of(stores)) == (12, 12)
    assert send(stores, batch(stores.run, w, 13, 14)).result(30)[0].status == 200


def test_what_another_process_changes_counts_when_the_mark_tells(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [1]

    class Mark:
        def read(self) -> int:
            return marks[0]

        def set(self) -> None: ...

    stores.writer._remembered._mark = Mark()
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    with stores.meta.writing() as tx:
        tx.delete_run(stores.run, time.time())
    assert send(stores, batch(stores.run, w, 10, 11)).result(30)[0].status == 200, "for some seconds"
    marks[0] = 2
    assert send(stores, batch(stores.run, w, 12, 13)).result(30)[0].status == 410


def test_the_points_store_asks_before_it_forgets(stores: Stores) -> None:
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    stores.points.flush()  # type: ignore[attr-defined]
    assert (stores.cursor(w), points_of(stores)) == (9, 9)


def test_a_deleted_run_takes_nothing_more_with_it(stores: Stores) -> None:
    w = begun(stores)
    send(stores, batch(stores.run, w, 6, 9)).result(30)
    stores.writer.write(lambda tx: tx.delete_run(stores.run, time.time())).result(30)
    assert send(stores, batch(stores.run, w, 10, 11)).result(30)[0].status == 410
    while not stores.writer.write(lambda tx: tx.purge(stores.run, time.time())).result(30):
        pass
    assert not stores.writer.deferred.batches()


@pytest.mark.parametrize(
    ("point", "nth", "again"),
    [
        ("lab.deferred", 1, True),
        ("lab.deferred", 3, False),
        ("lab.catching_up", 1, False),
        ("lab.catching_up", 3, True),
    ],
)
def test_a_lab_that_is_killed_knows_all_that_it_answered(
    own_lab: RealLab, tmp_path: Path, point: str, nth: int, again: bool
) -> None:
    """`again`: it is killed once more when it has started and tells lab.db."""
    marker = tmp_path / "died"
    own_lab.env["HECTIQLAB_CRASH_AT"] = f"{point}:{nth}:{marker}"
    lab = Api.of(own_lab.start())
    apis = [Api.of(own_lab) for _ in range(waiting_jobs.CROWD + 1)]
    runs = [lab.attach(f"run-{i}")["run"]["id"] for i in range(len(apis))]
    names, sessions = [new_id() for _ in runs], [new_id(8) for _ in runs]
    acked = dict.fromkeys(names, 0)

    def send_next(i: int) -> None:
        with contextlib.suppress(OSError):  # the lab died
            w = names[i]
            (answer,) = apis[i].ingest(batch(runs[i], w, acked[w] + 1, acked[w] + 3), session=sessions[i])
            assert answer["status"] == 200
            acked[w] = answer["cursor"]

    with ThreadPoolExecutor(len(apis)) as pool:
        while own_lab.running:
            list(pool.map(send_next, range(len(apis))))  # all at once, which is a crowd
    assert marker.exists()
    own_lab.kill()
    del own_lab.env["HECTIQLAB_CRASH_AT"]
    if again:
        killed_at(own_lab, "lab.catching_up", 1, tmp_path / "died-again")
    api = Api.of(own_lab.start())
    for run, w, session in zip(runs, names, sessions, strict=True):
        (known,) = api.get(f"/runs/{run}/writers")["items"]
        assert known["cursor"] >= acked[w], "what was answered is known"
        (answer,) = api.ingest(batch(run, w, acked[w] + 1, acked[w] + 3), session=session)  # as the client would
        assert (answer["status"], answer["cursor"]) == (200, acked[w] + 3)
        assert api.steps(run) == list(range(1, acked[w] + 4)), "each once"
        body = {"writers": [{"writer": w, "ranges": []}]}
        (held,) = api.call("POST", f"/runs/{run}/verify", json=body)["writers"]
        assert (held["cursor"], held["accounted"]) == (acked[w] + 3, acked[w] + 3)
        assert api.run(run)["points"] == acked[w] + 3, "and counted once"


@pytest.mark.parametrize("flushed", [False, True])
def test_a_snapshot_taken_meanwhile_has_what_was_answered_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushed: bool
) -> None:
    """This holds also if the points became chunks between the copies of the two databases."""
    monkeypatch.setattr(waiting_jobs, "CROWD", 1)
    monkeypatch.setattr(deferred, "DEFER_S", 3600.0)
    data = tmp_path / "data"
    storage = open_storage(data)
    made = Stores.__new__(Stores)
    made.meta, made.points = storage.meta, storage.points  # type: ignore[assignment]
    made.writer = Writer(storage.meta, storage.points, lambda *_: None, Refusals())
    made.prepare()
    made.writer.start()
    w = begun(made)
    send(made, batch(made.run, w, 6, 9)).result(30)
    assert made.cursor(w) == 5

    def flush(what: str) -> None:
        if flushed and what == "points.db":
            made.points.flush()  # type: ignore[attr-defined]

    snapshot = backup.backup(data, tmp_path / "snapshots", flush)
    made.writer.stop()
    storage.close()
    assert backup.check(Path(snapshot.path)) == []
    restore(Path(snapshot.path), tmp_path / "restored")
    storage = open_storage(tmp_path / "restored")
    with storage.meta.reading() as view:
        assert view.writers([w])[w].cursor == 9
        run = view.run(made.run)
    assert run is not None and run.points == 9
    storage.close()
