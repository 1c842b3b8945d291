"""Ingest against a dict.

Batches are sent twice, cut anew, sent too early or cut off by a crash of the lab. Both stores hold every acknowledged
event once and in order, and a client that goes on at the cursor completes them.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyhectiqlab.server.writing import ingest, ingest_plan
from pyhectiqlab.server.writing.deferred import Deferred
from pyhectiqlab.store.catching_up import tell, untold
from pyhectiqlab.store.meta import AttachRequest

from ..seeds import examples
from ..stores import new_points, new_store

WRITERS = 3
MOST = 60  # events of each writer before the end
TOTAL = MOST + 10  # … and at the end: the next batch shows what the lab has lost
SESSION = "5e551011"
EVERY = 8  # this many events after another are seven points and a log line


class Crash(Exception):
    pass


def batch(run: str, writer: str, first: int, last: int) -> dict[str, Any]:
    """Return a batch. Event n of a writer is always the same: a point at step n, or every eighth time a log line that
    names n.
    """
    numbers = np.arange(first, last + 1)
    points = numbers[numbers % EVERY != 0]
    series = {
        "key": "loss",
        "seq": (points - first).astype("<u4").tobytes(),
        "step": points.astype("<i8").tobytes(),
        "value": (points / 2).astype("<f8").tobytes(),
        "time": (points / 1.0).astype("<f8").tobytes(),
    }
    lines = [
        [int(n) - first, "log", int(n), {"text": f"{n}\n", "channel": "", "level": 20}]
        for n in numbers[numbers % EVERY == 0]
    ]
    return {
        "writer": writer, "run": run, "rank": 0, "attempt": 1, "first": first, "last": last,
        "series": [series] if len(points) else [], "events": lines,
    }  # fmt: skip


class Stores:
    """Both stores of a lab, and what its writer thread does with a group of requests; dies where it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()
        with self.meta.writing() as tx:
            self.user = tx.add_user("ada", "member", None, 1.0)
            tx.add_project("p", self.user.id, 1.0)
            asked = AttachRequest("run", "p", False, SESSION, 0, 1, None, "host", 1, "0", 0.0)
            self.run = tx.attach(asked, self.user, time.time(), 60.0).run.id

    def _open(self) -> None:
        self.meta, self.points = new_store(self.folder), new_points(self.folder)
        self.deferred = Deferred()
        with self.meta.reading() as view:
            self.deferred.add(untold(view, self.points))
        self.points.before_forgetting = self.catch_up

    def close(self) -> None:
        self.meta.close()
        self.points.close()

    @contextmanager
    def crashing(self) -> Iterator[None]:
        try:
            yield
        except Crash:
            self.kill()

    def kill(self) -> None:
        self.close()
        self._open()

    def catch_up(self) -> None:
        with self.meta.writing() as tx:
            tell(tx, self.deferred.batches())
        self.deferred.clear()

    def cursors(self, writers: list[str]) -> dict[str, int]:
        """Note where the lab is, as a client learns it: by the answer to its next batch."""
        with self.meta.reading() as view:
            rows = view.writers(writers)
        return {w: self.deferred.cursor(w, rows[w].cursor) if w in rows else 0 for w in writers}

    def commit(self, requests: list[list[dict[str, Any]]], crash: str, defer: bool) -> list[list[ingest_plan.Result]]:
        """Commit. Raises Crash after the step that `crash` names."""
        decoded = [
            ingest.decode(msgpack.packb({"v": 1, "session": SESSION, "clock": time.time(), "batches": batches}))
            for batches in requests
        ]
        jobs = [ingest_plan.IngestJob(request, self.user.id, time.time()) for request in decoded]
        with self.meta.reading() as view:
            plan = ingest_plan.plan(view, jobs, self.deferred)
        behind = ingest_plan.append_points(self.points, plan)
        if crash == "points":
            raise Crash
        later = ingest_plan.deferrable(plan) if defer and not behind else None
        if later is not None:
            self.deferred.add(later)
        else:
            with self.meta.writing() as tx:
                tell(tx, self.deferred.batches())
                ingest_plan.apply_meta(tx, plan, behind)
            self.deferred.clear()
        if crash == "committed":  # the answer is lost
            raise Crash
        return [job.results for job in jobs]

    def held(self, writer: str) -> list[int]:
        """Return the numbers of the events in both stores, each as often as it is there."""
        columns = self.points.of_writer(self.run, writer, 0, 1)
        steps = [int(step) for column in columns for step in column.step]
        with self.meta.reading() as view:
            lines = [seq for seq, kind, _ in view.events_of(writer) if kind == "log"]
        assert steps == sorted(steps) and lines == sorted(lines)
        return sorted(steps + lines)


BATCHES = st.lists(
    st.tuples(st.integers(0, WRITERS - 1), st.integers(-6, 6), st.integers(1, 12)), min_size=1, max_size=5
)  # whose batch; where it begins, from the cursor on; how many events
SEND = st.tuples(
    st.just("send"),
    st.lists(BATCHES, min_size=1, max_size=3),
    st.sampled_from(["", "", "points", "committed"]),
    st.booleans(),
)
STEPS = st.lists(
    st.one_of(
        SEND,
        SEND,
        *(st.just((what,)) for what in ("compact", "flush", "kill", "catch up", "backup", "restore", "points older")),
    ),
    min_size=6,
    max_size=20,
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
@example(
    steps=[
        *[("send", [[(0, 0, 5)]], "", False), ("backup",), ("send", [[(0, 0, 10)]], "", False), ("points older",)],
    ]
)
@example(
    steps=[
        *[("send", [[(0, 0, 5)]], "points", False), ("send", [[(0, 0, 8)]], "", False)],
        ("send", [[(0, -3, 9)]], "committed", False),
    ]
)
@example(steps=[("send", [[(0, 0, 2)]], "", False), ("send", [[(0, 0, 3)]], "", True), ("flush",), ("kill",)])
@example(steps=[("send", [[(0, 0, 2)]], "", False), ("send", [[(0, 0, 3)]], "", True), ("backup",), ("restore",)])
def test_both_stores_hold_what_was_acked_once_and_in_order(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "lab").mkdir()
        stores = Stores(Path(folder, "lab"))
        writers = [f"{i:032x}" for i in range(WRITERS)]
        acked = dict.fromkeys(writers, 0)  # the model: writer → how many of its events the lab has acknowledged
        kept: tuple[Path, dict[str, int]] | None = None
        for n, step in enumerate(steps):
            if step[0] == "send":
                _send(stores, writers, acked, *step[1:])
            elif step[0] == "compact":
                stores.points.compact(1.0)
            elif step[0] == "flush":
                stores.points.flush()
            elif step[0] == "catch up":
                stores.catch_up()
            elif step[0] == "kill":
                stores.kill()
                assert stores.cursors(writers) == acked
            elif step[0] == "backup":
                kept = _copy(stores, Path(folder) / f"backup{n}"), dict(acked)
            elif kept is not None:
                acked = _restore(stores, kept, acked, only_points=step[0] == "points older")
        for writer in writers:
            _complete(stores, writer)
            assert stores.held(writer) == list(range(1, TOTAL + 1))
        stores.catch_up()
        with stores.meta.reading() as view:
            run = view.run(stores.run)
        points = WRITERS * (TOTAL - TOTAL // EVERY)
        assert run is not None and run.points >= points
        assert run.points == points or ("points older",) in steps  # then what came a second time is counted twice
        stores.close()


def _send(
    stores: Stores, writers: list[str], acked: dict[str, int], wishes: list[Any], crash: str, defer: bool
) -> None:
    cursors = dict(acked)
    requests = []
    for wish in wishes:
        batches = []
        for who, offset, size in wish:
            first = max(1, cursors[writers[who]] + 1 + offset)
            last = min(MOST, first + size - 1)
            if first <= last:
                batches.append(batch(stores.run, writers[who], first, last))
                cursors[writers[who]] = max(cursors[writers[who]], last) if offset <= 0 else cursors[writers[who]]
        requests.append(batches)
    with stores.crashing():
        for batches, results in zip(requests, stores.commit(requests, crash, defer), strict=True):
            for sent, result in zip(batches, results, strict=True):
                writer, first, last = sent["writer"], sent["first"], sent["last"]
                before = acked[writer]
                if result.status == 200:
                    assert last <= before or first == before + 1
                    assert result.cursor == max(before, last)
                else:  # it is too early, or lies across the cursor; or a store lost points, as the cursor shows
                    assert result.status == 409
                    assert result.cursor < before or (last > before and first != before + 1)
                acked[writer] = result.cursor
        return
    for writer, now in stores.cursors(writers).items():  # more than was acked, where the answer was lost
        assert now >= acked[writer]
        acked[writer] = now


def _copy(stores: Stores, target: Path) -> Path:
    stores.close()
    shutil.copytree(stores.folder, target)
    stores._open()
    return target


def _restore(
    stores: Stores, kept: tuple[Path, dict[str, int]], acked: dict[str, int], *, only_points: bool
) -> dict[str, int]:
    """Restore the lab's data as they were, or its points alone, as if their disk had lost what it said it had."""
    folder, then = kept
    stores.close()
    for path in stores.folder.iterdir():
        if not only_points or path.name.startswith("points"):
            path.unlink()
    for path in folder.iterdir():
        if not only_points or path.name.startswith("points"):
            shutil.copy(path, stores.folder / path.name)
    stores._open()
    now = stores.cursors(list(acked))  # without points that the lab still had to note
    return {writer: min(now[writer], acked[writer]) for writer in acked} if only_points else dict(then)


def _complete(stores: Stores, writer: str) -> None:
    """Send the rest as an uploader does: from the cursor in the last answer."""
    cursor, tries = 0, 0
    while cursor < TOTAL:
        first = cursor + 1
        ((result,),) = stores.commit(
            [[batch(stores.run, writer, first, min(TOTAL, first + 6))]], "", defer=cursor % 2 > 0
        )
        assert result.status in (200, 409)
        cursor, tries = result.cursor, tries + 1
        assert tries < 3 * TOTAL
