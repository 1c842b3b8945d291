"""Runs of MLflow, made by the real tool: of the release that is installed, and of an older one (samples/)."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.importing.mlflow import runs, value_of
from pyhectiqlab.importing.points import Problems

from .conftest import Site, imported, points, unique

SAMPLES = Path(__file__).parent / "samples"
OLD = SAMPLES / "mlflow-2.9.2"
OLD_DATABASE = SAMPLES / "mlflow-2.22.0"
INSTALLED = importlib.util.find_spec("mlflow") is not None
INFINITIES = {"1.7976931348623157e+308": "inf", "-1.7976931348623157e+308": "-inf"}
STATES = {"FINISHED": "completed", "FAILED": "failed"}


def made(folder: Path, uri: str, *location: str) -> list[dict[str, Any]]:
    """Make runs with the installed MLflow. Return what it reads back of them."""
    command = [sys.executable, str(SAMPLES / "make_mlflow.py"), uri, *location]
    env = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    read: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return read


@pytest.fixture(scope="module", params=[pytest.param("files", marks=pytest.mark.slow), "sqlite", "2.9.2", "2.22.0"])
def mlflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """Return what is imported, and what MLflow reads back of it."""
    if request.param == "2.9.2":
        return str(OLD / "mlruns"), json.loads((OLD / "read.json").read_text())
    folder = tmp_path_factory.mktemp("mlflow")
    if request.param == "2.22.0":  # its artifacts are on the machine that made it
        (folder / "mlflow.db").write_bytes(gzip.decompress((OLD_DATABASE / "mlflow.db.gz").read_bytes()))
        return str(folder / "mlflow.db"), json.loads((OLD_DATABASE / "read.json").read_text())
    if not INSTALLED:
        pytest.skip("mlflow is not installed")
    if request.param == "files":
        return str(folder / "mlruns"), made(folder, (folder / "mlruns").as_uri())
    database = folder / "mlflow.db"
    return str(database), made(folder, f"sqlite:///{database}", (folder / "artifacts").as_uri())


def test_runs_are_what_mlflow_reads_back(site: Site, mlflow: tuple[str, Any]) -> None:
    source, read = mlflow
    project = unique("mlflow")
    has_files = any((Path(source).parent / name).is_dir() for name in ("artifacts", "mlruns"))
    has_models = has_files and not source.startswith(str(OLD))  # the address of its model leads to another machine
    report = imported(site, "mlflow", source, "-p", project, code=1)  # 1: a run was deleted
    assert len(report) == len(read) == 3
    runs = {run["meta"]["mlflow"]["run_id"]: run for run in (site.find(one["run"]) for one in report)}
    for one in read:
        run = runs[one["id"]]
        assert run["name"].startswith(one["name"]) and run["state"] == STATES[one["status"]]
        assert (run["created"], run["ended"]) == (one["start"] / 1000, one["end"] / 1000)
        for key, history in one["history"].items():
            got = [(step, repr(value), round(time * 1000)) for step, value, time in points(site, run["id"], key)]
            # Its databases cannot hold infinities: MLflow stores the largest numbers in their place.
            want = [(step, INFINITIES.get(value, value), time) for step, value, time in history]
            assert sorted(got) == sorted(want), key
    (child,) = (run for run in runs.values() if run["name"] == "child")
    parent = child["meta"]["tags"]["mlflow.parentRunId"]
    assert child["group"] == f"first {parent[:8]}" and not runs[parent]["group"]
    (first,) = (run for run in runs.values() if run["points"] > 3)
    want = {"lr": 0.1, "model.layers": 3, "name": "resnet", "exact": "0.10", "big": str(2**70)}
    assert first["config"] == want and first["note"] == "a note"
    assert [tag["name"] for tag in first["tags"]] == ["kept", "team=vision"]
    assert first["meta"]["tags"]["team"] == "vision"
    with site.client() as lab:
        files = list(lab.pages(f"/runs/{first['id']}/artifacts"))
        assert [(item["name"], item["bytes"]) for item in files] == [("notes%2Fhello.txt", 5)] * has_files
        if has_models:
            model = lab.get(f"/projects/{first['project']['id']}/models/net/versions/champion")
            assert (model["version"], model["run"]["id"]) == ("1.0.0", first["id"])
            assert [file["path"] for file in model["contents"]] == ["hello.txt"]
    again = imported(site, "mlflow", source, "-p", project, code=1)
    assert [run["run"] for run in again] == [run["run"] for run in report]
    assert all(run["was_there"] or run["points"] == run["before"] for run in again)


def test_points_that_came_since_are_added(site: Site, tmp_path: Path) -> None:
    shutil.copytree(OLD / "mlruns", tmp_path / "mlruns")
    project = unique("mlflow")
    imported(site, "mlflow", str(tmp_path / "mlruns"), "-p", project, code=1)
    (loss,) = tmp_path.glob("mlruns/*/*/metrics/train/loss")
    with loss.open("a") as file:
        file.write("1700000000000 0.5 3\nnot a point\n")
    report = imported(site, "mlflow", str(tmp_path / "mlruns"), "-p", project, code=1)
    (changed,) = (run for run in report if run["points"] - run["before"])
    assert changed["points"] - changed["before"] == 1
    assert any("line 11" in line and "is not a point" in line for line in changed["problems"])
    assert points(site, changed["run"], "train/loss")[-1] == (3, 0.5, 1_700_000_000.0)


def test_files_elsewhere_are_not_read_by_what_a_database_says(tmp_path: Path) -> None:
    shutil.copytree(OLD / "mlruns", tmp_path / "mlruns")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    for meta in tmp_path.glob("mlruns/*/*/meta.yaml"):
        text = meta.read_text()
        lines = [f"artifact_uri: {secret.as_uri()}" if "artifact_uri" in line else line for line in text.splitlines()]
        meta.write_text("\n".join(lines))
    problems = Problems()
    names = [file.name for run in runs(str(tmp_path / "mlruns"), (), problems) for file in run.files(problems)]
    assert names == ["notes%2Fhello.txt"]  # where the folder has it
    named = [file.name for run in runs(str(tmp_path / "mlruns"), (secret,), problems) for file in run.files(problems)]
    assert set(named) == {"key"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("-3", -3), ("0.1", 0.1), ("1e-05", 1e-05), ("True", True), ("None", None), ("01", "01"),
     ("1.50", "1.50"), ("inf", math.inf), ("1_000", "1_000"), (" 1", " 1"), ("", ""), (str(2**63), str(2**63))],
)  # fmt: skip
def test_params_become_numbers_only_where_nothing_is_lost(text: str, value: Any) -> None:
    assert value_of(text) == value and type(value_of(text)) is type(value)


def test_what_is_nothing_of_mlflow_is_refused_with_a_line(site: Site, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE x (y)")
    for source, said in (
        ("http://127.0.0.1:5000", "is the address of a server, which is not asked: give the database"),
        (tmp_path / "none", "does not exist"),
        (tmp_path, "is not a folder of MLflow"),
        (tmp_path / "other.db", "is not a database of MLflow: no such table: runs"),
    ):
        done = site.cli("import", "mlflow", str(source))
        assert done.returncode == 1 and said in done.stderr, done
