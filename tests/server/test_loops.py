"""The lab's own threads go on whatever happens in them, and the lab says what fails."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, TimeoutError

from pyhectiqlab import settings
from pyhectiqlab.base import loops
from pyhectiqlab.server.app import create_app
from pyhectiqlab.server.lab import Lab
from pyhectiqlab.server.tending import damage_watch, disk, notifier
from pyhectiqlab.store.meta import User
from pyhectiqlab.store.opening import open_storage

from .api import batch, new_id, wait_until
from .test_lab import attach, job

ERRORS = [
    OperationalError("SELECT 1", None, sqlite3.OperationalError("disk I/O error")),
    TimeoutError("QueuePool limit"),
    OSError(5, "Input/output error"),
    KeyError("run"),
    SystemExit(1),
]
PARTS = {
    "watch": lambda lab: (lab.files, "tidy"),
    "notifier": lambda lab: (lab.notifier._meta, "reading"),
    "searched": lambda lab: (lab.points, "summaries"),
    "authority": lambda lab: (lab.authority, "renew"),
    "disk": lambda lab: (lab.disk, "look"),
    "damage": lambda lab: (lab.damage, "look"),
    "compaction": lambda lab: (lab.points, "compact"),
    "writer": lambda lab: (lab.writer._jobs, "_take"),
}


class _Meta:
    """The store, for one part alone."""

    def __init__(self, meta: Any) -> None:
        self.meta = meta

    def reading(self) -> Any:
        return self.meta.reading()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(loops, "PAUSE_MIN_S", 0.05)
    monkeypatch.setattr(loops, "PAUSE_MAX_S", 0.1)
    monkeypatch.setattr(notifier, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(disk, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(damage_watch, "FIRST_S", 0.05)
    monkeypatch.setattr(damage_watch, "AGAIN_S", 0.05)
    monkeypatch.setattr(settings, "LAB_RENEW_S", 0.05)
    lab = Lab(open_storage(tmp_path / "data"), lost_after_s=1.0)
    lab.notifier._meta = _Meta(lab.meta)  # type: ignore[assignment]
    lab.searched._kept = ["loss"]
    lab.searched._metrics["loss"] = None
    yield lab
    lab.stop()


@pytest.mark.parametrize("part", PARTS)
def test_no_error_ends_a_thread_and_the_lab_says_which_fails(
    lab: Lab, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = itertools.cycle(ERRORS)

    def fails(*_: Any, **__: Any) -> Any:
        raise next(errors)

    def failures() -> int:
        return next(trouble.failures for trouble in lab.troubles() if trouble.name == part)

    where, name = PARTS[part](lab)
    app = create_app(lab, None)
    with monkeypatch.context() as broken:
        broken.setattr(where, name, fails)
        lab.start()
        wait_until(lambda: failures() >= len(ERRORS))
        status, health = _health(app)
        assert status == (503 if part == "writer" else 200)
        assert health["status"] == "failing" and list(health["failing"]) == [part]
        assert f'hectiqlab_loop_failing{{loop="{part}"}} 1.0' in lab.metrics.text().decode()
        if part != "writer":
            _works(lab)
    wait_until(lambda: not lab.failing())
    assert _health(app) == (200, {"status": "ok"})
    _works(lab)


def _health(app: Any) -> tuple[int, Any]:
    """Return status and body, asked without a server."""
    scope = {"type": "http", "method": "GET", "path": "/healthz", "raw_path": b"/healthz", "query_string": b""}
    scope |= {"headers": [(b"host", b"lab")], "scheme": "http", "root_path": "", "http_version": "1.1"}
    scope |= {"server": ("lab", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0"}}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(m.get("body", b"") for m in sent[1:]))


def _works(lab: Lab) -> None:
    """Assert that the lab takes points, and marks silent sessions lost."""
    user: User = lab.write(lambda tx: tx.add_user(f"ann{new_id(4)}", "member", None, time.time()))
    run = attach(lab, user, name=new_id(4), session=new_id(4)).run.id
    (result,) = lab.writer.ingest(job(user, batch(run, new_id(), 1, 5)), 1).result(10)
    assert result.status == 200

    def state() -> str:
        with lab.meta.reading() as view:
            row = view.run(run)
        assert row is not None
        return row.state

    wait_until(lambda: state() == "lost", 20)
