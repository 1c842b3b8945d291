"""A lab whose disk is full starts and says so in its log, its health, its metrics and notices.

It answers what is asked, and takes data again by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from ..server.api import Api, batch, new_id, wait_until
from ..server.conftest import PASSWORD
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
    """Send points until the lab refuses some."""
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
        status, answer = health(lab, "readyz")
        assert status == 503 and list(answer["failing"]) == ["writes"]
        assert health(lab, "livez") == (200, {"status": "ok"})
        status, answer = health(lab, "healthz")
        assert status == 200 and "writes" in answer["failing"], "whoever restarts the lab by this must not"
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
def test_a_lab_starts_on_a_full_disk_reads_and_writes_once_there_is_room(
    disk: Path, tmp_path: Path, end: str, chat: Chat
) -> None:
    with ForkedLab(disk / "data", tmp_path / "home") as lab:
        api = Api.of(lab)
        add(lab, chat.url, "--on", "lab")
        run = api.attach("kept")["run"]["id"]
        writer = new_id()
        api.ingest(batch(run, writer, 1, 2000))
        for _ in range(2):  # the second time, with what is left of the room that was kept for the first
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
        wait_until(lambda: any("takes data again" in body["text"] for body, _, _ in chat.got), 30)
        assert {body["url"] for body, _, _ in chat.got} == {f"{lab.url}/admin/status"}, "also of what the start met"


def test_people_log_in_by_password_on_a_full_disk_and_read(disk: Path, tmp_path: Path) -> None:
    with ForkedLab(disk / "data", tmp_path / "home") as lab:
        api = Api.of(lab)
        run = api.attach("kept")["run"]["id"]
        api.ingest(batch(run, new_id(), 1, 2000))
        for name in ("ada", "bob"):
            api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
        before = log_in(lab, "ada")
        lab.stop()
        fill(disk / "filler")
        lab.start()
        refuse(api, run)

        browser = log_in(lab, "ada", before)
        assert browser.get(f"{lab.url}/api/v1/me", timeout=30).json()["user"]["username"] == "ada"
        assert browser.get(f"{lab.url}/api/v1/runs/{run}", timeout=30).json()["id"] == run
        with browser.get(f"{lab.url}/api/v1/stream", params={"run": run}, stream=True, timeout=4) as stream:
            assert stream.status_code == 200 and goes_on(stream, 4), "for longer than the authority takes to look"
        wrong = requests.post(f"{lab.url}/api/v1/login", json={"username": "ada", "password": "not it"}, timeout=30)
        assert wrong.status_code == 401
        other = log_in(lab, "bob")
        assert other.post(f"{lab.url}/api/v1/logout", timeout=30).status_code == 200
        assert other.get(f"{lab.url}/api/v1/me", timeout=30).status_code == 401

        (disk / "filler").unlink()
        wait_until(lambda: health(lab, "readyz")[0] == 200, 30)
        assert browser.get(f"{lab.url}/api/v1/me", timeout=30).status_code == 200, "it goes on"
        api.call("PATCH", "/users/ada", json={"disabled": True})
        assert browser.get(f"{lab.url}/api/v1/me", timeout=30).status_code == 401
        assert lab.log().count("Traceback") == 0, lab.log()


def goes_on(stream: requests.Response, seconds: float) -> bool:
    until = time.monotonic() + seconds
    try:
        return any(time.monotonic() > until for _ in stream.iter_content(1))
    except requests.ConnectionError:  # nothing came for as long
        return True


def log_in(lab: RealLab, name: str, browser: requests.Session | None = None) -> requests.Session:
    browser = browser or requests.Session()
    answer = browser.post(f"{lab.url}/api/v1/login", json={"username": name, "password": PASSWORD}, timeout=30)
    assert answer.status_code == 200, answer.text
    browser.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return browser
