"""A lab whose disk is full is not silent: it says so in the log, its health, its metrics and notices, starts all the
same, answers what is asked, and takes data again by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from ..server.api import Api, batch, new_id, wait_until
from ..server.test_notices import Chat, add
from ..server.test_operations import scraped
from .test_lab_full import disk, fill
from .world import can_mount

__all__ = ["disk"]
pytestmark = pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk: run as root")


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def health(lab: RealLab, path: str) -> tuple[int, Any]:
    answer = requests.get(f"{lab.url}/{path}", timeout=30)
    return answer.status_code, answer.json()


def refuse(api: Api, run: str) -> None:
    """Sends points until the lab refuses some."""
    writer, cursor = new_id(), 0

    def refused() -> bool:
        nonlocal cursor
        (status,) = api.statuses(batch(run, writer, cursor + 1, cursor + 2000))
        cursor += 2000 * (status == 200)
        return status == 503

    wait_until(refused, 60)


def test_a_full_disk_is_told_everywhere_and_its_end_too(disk: Path, tmp_path: Path, chat: Chat) -> None:
    with ForkedLab(disk / "data", tmp_path / "home", "--warn-free", "1kB") as lab:
        api = Api.of(lab)
        run = api.attach()["run"]["id"]
        add(lab, chat.url, "--on", "lab")
        assert health(lab, "readyz") == (200, {"status": "ok"})
        fill(disk / "filler")
        refuse(api, run)
        status, told = health(lab, "readyz")
        assert status == 503 and list(told["failing"]) == ["writes"]
        assert health(lab, "livez") == (200, {"status": "ok"})
        status, told = health(lab, "healthz")
        assert status == 200 and "writes" in told["failing"], "whoever restarts the lab by this must not"
        assert " ERROR " in lab.log() and "refused: " in lab.log() and "disk is full" in lab.log()
        counted = scraped(api)
        assert counted["hectiqlab_writes_refused_total"] >= 1
        assert counted['hectiqlab_batches_total{"status": "503"}'] >= 1
        wait_until(lambda: any("takes nothing in" in body["text"] for body, _, _ in chat.got), 30)
        alerts = api.get("/me")["alerts"]
        assert any("takes nothing in" in alert for alert in alerts)
        (disk / "filler").unlink()
        wait_until(lambda: health(lab, "readyz") == (200, {"status": "ok"}), 30)
        assert "writes are taken again" in lab.log()
        wait_until(lambda: any("takes data again" in body["text"] for body, _, _ in chat.got), 30)
        assert api.statuses(batch(run, new_id(), 1, 100)) == [200]
        assert lab.log().count("Traceback") == 0, lab.log()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_lab_starts_on_a_full_disk_reads_and_writes_once_there_is_room(disk: Path, tmp_path: Path, end: str) -> None:
    with ForkedLab(disk / "data", tmp_path / "home") as lab:
        api = Api.of(lab)
        run = api.attach("kept")["run"]["id"]
        writer = new_id()
        api.ingest(batch(run, writer, 1, 2000))
        for _ in range(2):  # the second time with what is left of the room that was kept for the first
            getattr(lab, end)()
            fill(disk / "filler")
            lab.start()
            assert api.steps(run) == list(range(1, 2001)), "it reads"
        refuse(api, run)
        assert health(lab, "readyz")[0] == 503
        assert " ERROR " in lab.log()
        (disk / "filler").unlink()
        wait_until(lambda: health(lab, "readyz")[0] == 200, 30)
        assert api.statuses(batch(run, writer, 2001, 2100)) == [200]
