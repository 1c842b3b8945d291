"""Runs of Trackio, made by the real tool: of the release that is installed, and of an older one (samples/)."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Site, imported, points, unique

SAMPLES = Path(__file__).parent / "samples"
OLD = SAMPLES / "trackio-0.2.3"
INSTALLED = importlib.util.find_spec("trackio") is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the installed Trackio made."""
    if not INSTALLED:
        pytest.skip("trackio is not installed")
    at = tmp_path_factory.mktemp("trackio")
    command = [sys.executable, str(SAMPLES / "make_trackio.py"), "parquet"]
    env = {**os.environ, "TRACKIO_DIR": str(at), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return at


@pytest.mark.parametrize("form", ["db", "parquet"])
def test_a_run_is_what_its_script_logged(site: Site, folder: Path, tmp_path: Path, form: str) -> None:
    source = folder
    if form == "parquet":
        shutil.copytree(folder, tmp_path / "only", ignore=shutil.ignore_patterns("*.db*"))
        source = tmp_path / "only"
    project = unique("trackio")
    (report,) = imported(site, "trackio", str(source), "-p", project)
    name = f"{project}/my run"
    run = site.find(name)
    loss = points(site, name, "loss")
    assert [(step, value) for step, value, _ in loss] == [(i, 1 / (i + 1)) for i in range(5)] + [(3, 0.5), (3, 0.5)]
    assert [(step, value) for step, value, _ in points(site, name, "nested.a")] == [(i, i) for i in range(5)]
    assert math.isnan(points(site, name, "nan")[0][1]) and points(site, name, "inf")[0][:2] == (4, -math.inf)
    config = run["config"]
    assert run["group"] == "g1"
    assert (config["lr"], config["model"]) == (0.1, {"layers": 3}) and "created" in config["trackio"]
    assert run["state"] == "completed" and run["created"] <= loss[0][2] <= run["ended"]
    with site.client() as lab:
        at = f"/runs/{run['id']}"
        media = {item["name"]: item["kind"] for item in lab.pages(f"{at}/media")}
        assert media == {"img": "image", "table": "table", "hist": "histogram", "said": "text"}
        files = {item["name"]: item for item in lab.pages(f"{at}/artifacts")}
        assert files["img.png"]["step"] == 10 and files["img.png"]["meta"]["caption"] == "cap"
        table = lab.request("GET", f"/artifacts/{files['table.table.json']['uuid']}/content").body
        assert json.loads(table)["rows"] == [[1, "x"], [2, "y"]]
        if form == "db":
            (log,) = lab.pages(f"{at}/logs")
            assert (log["level"], log["text"]) == ("WARNING", "title: text\n")
    again = imported(site, "trackio", str(source), "-p", project)[0]
    assert report["files"] == 2 and again == {**report, "was_there": True, "points": again["points"], "files": 0}
    assert site.find(name)["points"] == run["points"]


def test_an_older_database_has_names_in_the_place_of_ids(site: Site, tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    project = unique("trackio")
    (report,) = imported(site, "trackio", str(tmp_path / "old" / "proj.db"), "-p", project)
    got = [(step, value) for step, value, _ in points(site, f"{project}/my run", "loss")]
    assert got == [(i, 1 / (i + 1)) for i in range(5)] + [(5, 0.5), (6, 0.5)]
    with sqlite3.connect(tmp_path / "old" / "proj.db") as db:
        row = ("2026-12-01T10:00:00", "my run", 7, json.dumps({"loss": 0.25}))
        db.execute("INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)", row)
    (again,) = imported(site, "trackio", str(tmp_path / "old" / "proj.db"), "-p", project)
    assert (again["run"], again["points"] - again["before"]) == (report["run"], 1)


def test_media_elsewhere_are_not_read(site: Site, tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    (tmp_path / "secret.png").write_bytes(b"secret")
    with sqlite3.connect(tmp_path / "old" / "proj.db") as db:
        image = {"_type": "trackio.image", "file_path": "../../secret.png"}
        row = ("2026-12-01T10:00:00", "my run", 7, json.dumps({"img": image}))
        db.execute("INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)", row)
    (report,) = imported(site, "trackio", str(tmp_path / "old"), "-p", unique("trackio"), code=1)
    assert "is missing" in report["problems"][0]


def test_what_is_nothing_of_trackio_is_refused_with_a_line(site: Site, tmp_path: Path) -> None:
    done = site.cli("import", "trackio", str(tmp_path))
    assert done.returncode == 1 and "holds no projects of Trackio" in done.stderr
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("CREATE TABLE y (z)")
    done = site.cli("import", "trackio", str(tmp_path))
    assert done.returncode == 1 and "no table metrics" in done.stderr
    (tmp_path / "x.db").write_bytes(b"SQLite format 3\0" + b"?" * 2000)
    done = site.cli("import", "trackio", str(tmp_path))
    assert done.returncode == 1 and "x.db: " in done.stderr
