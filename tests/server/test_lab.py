"""Parts of the lab without HTTP: what time does, and what the writer does when a job fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import OutcomeUnknownError, StoreError
from pyhectiqlab.server.accounts.login import FREE_FAILURES, Throttle
from pyhectiqlab.server.lab import KEEP_DELETED_S, Lab
from pyhectiqlab.server.writing import waiting_jobs
from pyhectiqlab.server.writing import writer as writer_module
from pyhectiqlab.server.writing.ingest import decode
from pyhectiqlab.server.writing.ingest_plan import IngestJob
from pyhectiqlab.store.meta import AttachRequest, NameTakenError, User
from pyhectiqlab.store.notes import MemoryNotes
from pyhectiqlab.store.opening import open_storage

from .api import batch, events_batch, new_id, packed


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(open_storage(tmp_path / "data"))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def user(lab: Lab) -> User:
    return lab.write(lambda tx: tx.add_user("ann", "owner", None, time.time()))


def attach(lab: Lab, user: User, name: str = "run", session: str = "s", now: float | None = None, **more: Any) -> Any:
    request = AttachRequest(
        name=name,
        project=None,
        create_project=False,
        session=session,
        rank=0,
        world_size=1,
        restart=None,
        host="h",
        pid=1,
        client_version="0",
        skew=0.0,
        **more,
    )
    return lab.write(lambda tx: tx.attach(request, user, now or time.time(), 60.0))


def job(user: User, *batches: Any) -> IngestJob:
    return IngestJob(decode(packed(list(batches))), user.id, time.time())


def hold(lab: Lab) -> tuple[Future[bool], threading.Event]:
    """Keep the writer busy until the event is set, so that everything that is sent meanwhile is one group."""
    started, release = threading.Event(), threading.Event()

    def wait(_: Any) -> bool:
        started.set()
        return release.wait(10)

    held = lab.writer.write(wait)
    assert started.wait(10)
    return held, release


def test_a_run_deleted_long_ago_is_removed_for_good(lab: Lab, user: User) -> None:
    run = attach(lab, user).run.id
    lab.writer.ingest(job(user, batch(run, new_id(), 1, 100)), 1).result(10)
    long_ago = time.time() - KEEP_DELETED_S - 60
    lab.write(lambda tx: tx.delete_run(run, long_ago))
    assert lab.points.keys(run), "until then it can be restored"
    lab.watch_once(time.time(), 0.0)
    assert lab.points.keys(run) == []
    with lab.meta.reading() as view:
        row = view.run(run)
    assert row is not None and row.purged is not None


def test_nobody_is_lost_while_the_lab_itself_was_away(lab: Lab, user: User) -> None:
    run = attach(lab, user, now=time.time() - 3600).run.id

    def state() -> str:
        with lab.meta.reading() as view:
            row = view.run(run)
        assert row is not None
        return row.state

    now = time.time()
    lab.watch_once(now, awake_since=now - lab.lost_after_s + 1)
    assert state() == "running"
    lab.watch_once(now, awake_since=now - lab.lost_after_s)
    assert state() == "lost"


def test_a_process_that_slept_comes_back_to_its_attempt(lab: Lab, user: User) -> None:
    first = attach(lab, user, now=time.time() - 3600)
    lab.watch_once(time.time(), 0.0)
    again = attach(lab, user)
    assert (again.attempt, again.sets_state, again.run.state) == (1, True, "running")
    assert again.run.id == first.run.id


def test_a_job_started_earlier_keeps_its_start(lab: Lab, user: User) -> None:
    earlier = time.time() - 500
    assert attach(lab, user, started=earlier).run.started == earlier


def test_a_write_that_fails_fails_alone(lab: Lab, user: User) -> None:
    run = attach(lab, user).run.id

    def broken(tx: Any) -> None:
        tx.add_project("half done", user.id, 0.0)
        raise RuntimeError("a bug")

    held, release = hold(lab)
    futures = [
        lab.writer.write(lambda tx: tx.add_project("one", user.id, 0.0)),
        lab.writer.write(broken),
        lab.writer.ingest(job(user, batch(run, new_id(), 1, 3)), 1),
        lab.writer.write(lambda tx: tx.add_project("one", user.id, 0.0)),
    ]
    release.set()
    assert held.result(10)
    errors = [type(f.exception(10)) for f in futures]
    assert errors == [type(None), RuntimeError, type(None), NameTakenError]
    with lab.meta.reading() as view:
        assert [p.name for p in view.projects(10)] == ["default", "one"]


def test_a_group_that_meets_a_bug_is_tried_one_by_one(lab: Lab, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    run, good, bad = attach(lab, user).run.id, new_id(), new_id()
    real = writer_module.ingest_plan.apply_meta

    def apply(tx: Any, its_plan: Any, behind: Any) -> None:
        if any(b.writer == bad for _, b in its_plan.accepted()):
            raise RuntimeError("a bug")
        real(tx, its_plan, behind)

    monkeypatch.setattr(writer_module.ingest_plan, "apply_meta", apply)
    held, release = hold(lab)
    futures = [lab.writer.ingest(job(user, batch(run, w, 1, 3)), 1) for w in (good, bad)]
    release.set()
    assert held.result(10)
    assert [f.result(10)[0].status for f in futures] == [200, 503]


def test_a_full_queue_is_told_at_once(lab: Lab, user: User) -> None:
    with pytest.raises(StoreError, match="busy"):
        lab.writer.ingest(job(user, batch("0" * 12, new_id(), 1, 3)), waiting_jobs.BYTES_MAX + 1)


def test_after_a_refused_group_a_repeat_within_it_is_not_acked(
    lab: Lab, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, w = attach(lab, user).run.id, new_id()
    lab.writer.ingest(job(user, batch(run, w, 1, 3)), 1).result(10)

    def full(_: Any) -> Any:
        raise StoreError("disk full")

    monkeypatch.setattr(lab.points, "append", full)
    one = job(user, *(batch(run, w, *cut) for cut in ((1, 3), (4, 6), (4, 6), (5, 9), (20, 29), (7, 9))))
    results = lab.writer.ingest(one, 1).result(10)
    assert [(r.status, r.cursor) for r in results] == [(200, 3), *[(503, 0)] * 2, *[(409, 3)] * 3], (
        "nothing is acked that is not there"
    )


def test_what_may_have_been_stored_is_not_done_again_but_ingest_which_is_known_when_it_comes_twice(
    lab: Lab, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, writer = attach(lab, user).run.id, new_id()
    writing, lost = lab.meta.writing, []

    @contextmanager
    def losing() -> Iterator[Any]:
        with writing() as tx:
            yield tx
        if not lost:
            lost.append(1)
            raise OutcomeUnknownError("nobody knows")

    held, release = hold(lab)
    done: list[int] = []
    sent = lab.writer.ingest(job(user, batch(run, writer, 1, 5), events_batch(run, writer, 6, [("log", {})])), 1)
    asked = lab.writer.write(lambda tx: done.append(1))
    monkeypatch.setattr(lab.meta, "writing", losing)
    release.set()
    assert held.result(10)
    with pytest.raises(OutcomeUnknownError):
        asked.result(10)
    assert [(r.status, r.cursor) for r in sent.result(10)] == [(200, 6)] * 2 and done == [1]
    with lab.meta.reading() as view:
        row = view.run(run)
    assert row is not None and row.points == 5 and len(list(lab.points.points(run, "loss").step)) == 5


def test_the_throttle_waits_longer_and_longer_and_forgives() -> None:
    now = [0.0]
    throttle = Throttle("a kind", notes=MemoryNotes(lambda: now[0]))
    for _ in range(FREE_FAILURES):
        assert throttle.wait_s("a") == 0
        throttle.failed("a")
    first = throttle.wait_s("a")
    throttle.failed("a")
    assert 0 < first < throttle.wait_s("a")
    assert throttle.wait_s("b") == 0
    now[0] += 10_000
    assert throttle.wait_s("a") == 0
    throttle.succeeded("a")


def test_a_list_that_nobody_reads_to_its_end_shows_the_next_reader_nothing_old(lab: Lab, user: User) -> None:
    """A statement that is open shows its connection the database as it was when that began."""
    run = attach(lab, user).run.id
    logs = events_batch(run, new_id(), 1, [("log", {"text": "a"})] * 9)
    lab.writer.ingest(job(user, logs), 1).result(10)
    with lab.meta.reading() as view:
        kept = view.events(run, "log", 9)
        next(kept)
    lab.write(lambda tx: tx.set_lab_value("a", "new"))
    with lab.meta.reading() as view:
        assert view.lab_value("a") == "new"
    del kept  # which was there until then


def test_who_added_lately_or_attached_passes_the_screen_until_the_writer_says_otherwise(lab: Lab, user: User) -> None:
    run, writer = attach(lab, user).run.id, new_id()

    def sent(last: int) -> IngestJob:
        its_job = job(user, batch(run, writer, last - 9, last))
        lab.writer.ingest(its_job, 1).result(10)
        return its_job

    first = sent(10)
    assert not lab.screen.passes(first)
    lab.screen.note_attached(user.id, run)
    assert lab.screen.passes(first)
    lab.permissions.set()
    assert not lab.screen.passes(first), "permissions changed"
    assert not lab.screen.refuses(first) and lab.screen.passes(first)
    lab.permissions.set()
    lab.screen.note_answered(sent(20))
    assert lab.screen.passes(first)
    lab.write(lambda tx: tx.delete_run(run, time.time()))
    gone = sent(30)
    assert [result.status for result in gone.results] == [410]
    lab.screen.note_answered(gone)
    assert not lab.screen.passes(first) and lab.screen.refuses(job(user, batch(run, writer, 31, 40)))
    unanswered = job(user, batch(run, writer, 31, 40))
    lab.screen.note_answered(unanswered)  # the queue was full
    assert not lab.screen.passes(unanswered)
