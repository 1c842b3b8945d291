"""`hectiqlab admin purge`: deleted runs go now, with their files, and their room comes back.

It works beside a running lab and without one. If it is killed, the rest is done later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.cli import purge
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.store.sql.meta_purging import PurgingSql
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from .api import Api, batch, events_batch, new_id, wait_until
from .test_artifacts import add
from .test_backup import lab_of
from .test_killed_upkeep import killed_at
from .test_uploads import digest_of, keep

__all__ = ["lab_of"]
LINES = 1200  # of a large run's log: 10 MB
FILE = 3_000_000


def admin(lab: RealLab, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return run_command("admin", *arguments, "--data", str(lab.data_dir), timeout=120, **more)


def purged(lab: RealLab, *arguments: str) -> Any:
    done = admin(lab, "purge", *arguments, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Made:
    """A run with points, log lines and a file, all of its own."""

    def __init__(self, api: Api, name: str, project: str = "vision", lines: int = 10) -> None:
        self.name, self.project = name, project
        self.id = api.attach(name, project=project, create_project=True)["run"]["id"]
        self.content = os.urandom(FILE)
        self.digest = digest_of(self.content)
        writer = new_id()
        for first in range(1, lines + 1, 100):
            items = [("log", {"text": os.urandom(4000).hex(), "level": 20, "logger": "x"}) for _ in range(100)][:lines]
            api.ingest(events_batch(self.id, writer, first, items))
        api.ingest(batch(self.id, new_id(), 1, 5000))
        add(api, f"/runs/{self.id}", "file", self.content)

    def check_whole(self, api: Api) -> None:
        assert api.steps(self.id) == list(range(1, 5001))
        (artifact,) = api.get(f"/runs/{self.id}/artifacts")["items"]
        assert api.raw("GET", f"/artifacts/{artifact['uuid']}/content").content == self.content
        assert api.get(f"/runs/{self.id}/events", kind="log")["items"]

    def check_gone(self, api: Api, data: Path) -> None:
        refused = api.raw("POST", f"/runs/{self.id}/restore")
        assert (refused.status_code, refused.json()["error"]["code"]) == (410, "run_purged")
        assert not list(data.glob(f"blobs/*/*/{self.digest}"))


def test_a_run_a_project_and_all_are_purged_beside_a_running_lab(lab_of: Any) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    one, other, kept = (Made(api, name) for name in ("one", "other", "kept"))
    of_project = [Made(api, f"run-{i}", "speech") for i in range(2)]
    elsewhere = Made(api, "one", "third")
    for run in (one, other, *of_project, elsewhere):
        api.call("DELETE", f"/runs/{run.id}")
    listed = json.loads(admin(lab, "purge", "--json").stdout)
    assert {item["id"] for item in listed} == {one.id, other.id, elsewhere.id, *(run.id for run in of_project)}
    assert api.call("POST", f"/runs/{other.id}/restore")["id"] == other.id, "a list changes nothing"

    report = purged(lab, "vision/one", "speech")
    assert report["runs"] == 3 and report["done"]
    assert report["before"]["files"] - report["after"]["files"] == 3 * FILE
    for run in (one, *of_project):
        run.check_gone(api, lab.data_dir)
    noted = api.get("/audit", limit=3)["items"]
    assert {item["action"] for item in noted} == {"purged"}
    assert {item["subject"] for item in noted} == {f"run {r.project}/{r.name} ({r.id})" for r in (one, *of_project)}

    api.call("DELETE", f"/runs/{other.id}")
    assert purged(lab, "--all")["runs"] == 2
    for run in (other, elsewhere):
        run.check_gone(api, lab.data_dir)
    kept.check_whole(api)
    nothing = admin(lab, "purge", "--all")
    assert nothing.returncode == 0 and "nothing to purge" in nothing.stderr


def test_a_stopped_lab_is_purged_by_the_command(lab_of: Any) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    gone, kept = Made(api, "gone"), Made(api, "kept")
    api.call("DELETE", f"/runs/{gone.id}")
    lab.stop()
    report = purged(lab, gone.id)
    assert report["done"] and report["before"]["files"] - report["after"]["files"] == FILE
    lab.start()
    gone.check_gone(api, lab.data_dir)
    kept.check_whole(api)


def test_a_file_that_another_run_has_too_stays(lab_of: Any) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    gone, kept = Made(api, "gone"), Made(api, "kept")
    add(api, f"/runs/{gone.id}", "same", kept.content)
    api.call("DELETE", f"/runs/{gone.id}")
    purged(lab, gone.id)
    kept.check_whole(api)


def test_lab_db_shrinks_by_itself(lab_of: Any) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    runs = [Made(api, f"run-{i}", lines=LINES) for i in range(4)]
    for run in runs[1:]:
        api.call("DELETE", f"/runs/{run.id}")
    report = purged(lab, "--all")
    before, after = report["before"]["databases"]["lab.db"], report["after"]["databases"]["lab.db"]
    assert (lab.data_dir / "lab.db").stat().st_size < 0.55 * 4 * LINES * 8000, (before, after)
    runs[0].check_whole(api)


@pytest.mark.parametrize(
    "point",
    [
        "upkeep.purged_rows",
        "upkeep.giving_back",
        pytest.param("upkeep.run_dropped", marks=pytest.mark.slow),
        pytest.param("upkeep.purging", marks=pytest.mark.slow),
        pytest.param("upkeep.blob_deleted", marks=pytest.mark.slow),
    ],
)
def test_a_lab_killed_in_a_purge_that_was_asked_for_ends_it_later(lab_of: Any, tmp_path: Path, point: str) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    large = point == "upkeep.giving_back"
    runs = [Made(api, f"run-{i}", lines=LINES if large else 10) for i in range(3)]
    for run in runs[1:]:
        api.call("DELETE", f"/runs/{run.id}")
    lab.stop()
    asked = [run_ask(lab, run) for run in runs[1:]]
    assert all(asked)
    killed_at(lab, point, 1, tmp_path / "died")
    lab.start()
    assert purged(lab, "--all")["done"]
    wait_until(lambda: not json.loads(admin(lab, "purge", "--json").stdout), 30)
    for run in runs[1:]:
        run.check_gone(api, lab.data_dir)
    runs[0].check_whole(api)


def run_ask(lab: RealLab, run: Made) -> bool:
    """Write what the command writes first, before it is killed."""
    from pyhectiqlab.store.opening import open_beside

    storage = open_beside(lab.data_dir)
    try:
        with storage.meta.writing() as tx:
            return tx.ask_purge([run.id], 1.0) == [run.id]
    finally:
        storage.close()


def test_a_command_that_is_killed_leaves_the_rest_to_the_lab(lab_of: Any, tmp_path: Path) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    runs = [Made(api, f"run-{i}") for i in range(3)]
    for run in runs:
        api.call("DELETE", f"/runs/{run.id}")
    command = [sys.executable, "-m", "pyhectiqlab", "admin", "purge", "--all", "--yes", "--data", str(lab.data_dir)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: api.get("/audit", limit=3)["items"][0]["action"] == "purged", 30)
    process.kill()
    process.wait()
    wait_until(lambda: not list(lab.data_dir.glob("blobs/*/*/*")), 30)
    for run in runs:
        run.check_gone(api, lab.data_dir)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["nowhere"], "No deleted run and no project is named 'nowhere'"),
        (["alive"], "is not deleted: first `hectiqlab delete"),
        (["twice"], "Several deleted runs are named 'twice': give the id of one"),
        (["vision"], "is a project, and a deleted run: write vision/"),
        (
            ["empty"],
            "The project 'empty' has no deleted run and is not deleted: `hectiqlab projects delete empty`",
        ),
        (["vision/gone", "--all"], "not both"),
    ],
)
def test_it_says_what_cannot_be_purged(module_lab: RealLab, names: list[str], says: str) -> None:
    done = admin(module_lab, "purge", *names, "--yes")
    assert done.returncode != 0 and says in done.stderr and not done.stdout, done
    listed = json.loads(admin(module_lab, "purge", "--json").stdout)
    assert len(listed) == 4 and not any(item["asked"] for item in listed)


def test_it_asks_first(module_lab: RealLab) -> None:
    done = admin(module_lab, "purge", "--all", input="n\n")
    assert done.returncode == 1 and "Remove 4 runs for good?" in done.stderr
    assert len(json.loads(admin(module_lab, "purge", "--json").stdout)) == 4


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from ..labs import ForkedLab

    folder = tmp_path_factory.mktemp("purge")
    with ForkedLab(folder / "data", folder / "home") as lab:
        api = Api.of(lab)
        make: Callable[..., str] = lambda name, project: str(  # noqa: E731
            api.attach(name, project=project, create_project=True)["run"]["id"]
        )
        make("alive", "empty")
        for name, project in (("twice", "vision"), ("twice", "speech"), ("vision", "vision"), ("gone", "vision")):
            api.call("DELETE", f"/runs/{make(name, project)}")
        yield lab


@pytest.mark.parametrize("running", [True, False])
def test_a_deleted_project_is_purged_with_its_models_and_files(lab_of: Any, running: bool) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    gone, kept = Made(api, "r", "gone"), Made(api, "r", "kept")
    shared, weights = os.urandom(FILE), os.urandom(FILE)
    add(api, "/projects/gone", "shared", shared)
    body = {"files": [{"path": "w", "digest": keep(api, weights), "bytes": FILE}], "run": gone.id}
    api.call("POST", "/projects/gone/models/m/versions", 201, json=body)
    project = api.get("/projects/gone")["id"]
    api.call("DELETE", f"/projects/{project}")
    if not running:
        lab.stop()
    assert f"The project gone ({project}) is deleted; it goes " in admin(lab, "purge").stdout
    report = purged(lab, "gone")
    assert report["done"] and report["runs"] == 1
    assert report["before"]["files"] - report["after"]["files"] == 3 * FILE
    if not running:
        lab.start()
    gone.check_gone(api, lab.data_dir)
    kept.check_whole(api)
    for content in (shared, weights):
        assert not list(lab.data_dir.glob(f"blobs/*/*/{digest_of(content)}"))
    assert api.raw("POST", f"/projects/{project}/restore").status_code == 404
    assert project not in {p["id"] for p in api.get("/projects", deleted=True)["items"]}
    subjects = {item["subject"] for item in api.get("/audit", limit=2)["items"]}
    assert subjects == {f"project gone ({project})", f"run gone/r ({gone.id})"}


def test_runs_that_were_marked_meanwhile_are_asked_for_in_steps(lab_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a large project's runs are marked as deleted for a while after the project is: also while the
    command waits for an answer.
    """
    lab = lab_of("data")
    api = Api.of(lab)
    for n in range(12):
        api.attach(f"r{n}", project="many", create_project=True)
    api.call("DELETE", f"/projects/{api.get('/projects/many')['id']}")
    asked: list[int] = []
    ask = PurgingSql.ask_purge

    def noted(self: PurgingSql, run_ids: Sequence[str], now: float) -> list[str]:
        asked.append(len(run_ids))
        return ask(self, run_ids, now)

    def is_marked() -> bool:
        with closing(open_beside(lab.data_dir)) as storage, storage.meta.reading() as view:
            return not view.half_deleted()

    wait_until(is_marked)
    lab.stop()
    monkeypatch.setattr(PurgingSql, "ask_purge", noted)
    monkeypatch.setattr(purge, "ASKED_AT_ONCE", 5)
    with closing(open_beside(lab.data_dir)) as storage:
        with storage.meta.reading() as view:
            projects = view.deleted_projects(10)
        assert purge._ask_projects(storage, projects) == 12
    assert sum(asked) == 12 and max(asked) <= 5
