"""Runs of W&B, made by the real tool: of the release that is installed, and of an older one (samples/)."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.importing.points import Problems
from pyhectiqlab.importing.records import BLOCK_BYTES
from pyhectiqlab.importing.wandb import runs

from .conftest import Site, imported, points, unique
from .wandb_files import field, varint, wandb_records

SAMPLES = Path(__file__).parent / "samples"
RELEASES = ("0.16.6", "0.17.9", "0.19.11")
OLD = SAMPLES / "wandb-0.17.9"
INSTALLED = importlib.util.find_spec("wandb") is not None


def made(folder: Path) -> Path:
    """Return a folder with a run that the installed W&B made."""
    folder.mkdir()
    data = folder / "wandb" / "data"
    env = {**os.environ, "WANDB_DATA_DIR": str(data), "WANDB_CACHE_DIR": str(data), "WANDB_CONFIG_DIR": str(data)}
    command = [sys.executable, str(SAMPLES / "make_wandb.py")]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 30
    while file.stat().st_size < 100:  # a process of W&B may still be writing it
        assert time.monotonic() < deadline, "W&B wrote nothing"
        time.sleep(0.05)
    return folder / "wandb"


@pytest.fixture(scope="module", params=["installed", *RELEASES])
def wandb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param != "installed":
        return SAMPLES / f"wandb-{request.param}"
    if not INSTALLED:
        pytest.skip("wandb is not installed")
    return made(tmp_path_factory.mktemp("wandb") / "run")


def test_a_run_is_what_its_script_logged(site: Site, wandb: Path) -> None:
    project = unique("wandb")
    is_sample = wandb.parent == SAMPLES
    (report,) = imported(site, "wandb", str(wandb), "-p", project, code=1 if is_sample else 0)
    assert (report["name"], report["project"], report["was_there"]) == ("my run", project, False)
    # The files of the sample's artifact are on the machine that made it.
    assert [("weights" in line and "outside" in line) for line in report["problems"]] == [True] * is_sample
    name = f"{project}/my run"
    run = site.find(name)
    steps = [step for step in range(12) if step not in (5, 11)]
    loss = points(site, name, "loss")
    assert [(step, value) for step, value, _ in loss] == [
        *((step, 1 / (i + 1)) for i, step in enumerate(steps)), (50, 5.0),
    ]  # fmt: skip
    assert [(step, value) for step, value, _ in points(site, name, "val/acc")] == [(5, 0.4), (11, 0.9)]
    assert [value for _, value, _ in points(site, name, "nested.a")] == list(range(10))
    assert all(math.isnan(value) for _, value, _ in points(site, name, "nan"))
    assert [value for _, value, _ in points(site, name, "flag")] == [1.0, 0.0] * 5
    # The time when it happened, not when it was imported.
    assert run["created"] <= loss[0][2] <= run["ended"] and run["started"] == run["created"]
    assert (run["state"], run["note"], [tag["name"] for tag in run["tags"]]) == ("completed", "a note", ["a", "b"])
    assert (run["config"]["lr"], run["config"]["model"]) == (0.1, {"layers": 3})
    its = run["config"]["wandb"]
    assert run["group"] == "g1"
    assert (its["group"], its["job_type"]) == ("g1", "train") and its["id"] in str(list(wandb.rglob("*.wandb")))
    assert run["meta"]["x_axes"]["val/*"] == "epoch" and run["meta"]["summary"]["best"] == 0.5
    with site.client() as lab:
        at = f"/runs/{run['id']}"
        media = {item["name"]: item for item in lab.pages(f"{at}/media")}
        assert {name: media[name]["kind"] for name in ("img", "hist", "table", "text")} == {
            "img": "image", "hist": "histogram", "table": "table", "text": "text",
        }  # fmt: skip
        logs = {(log["channel"], log["text"].strip()) for log in lab.pages(f"{at}/logs")}
        assert {("stdout", "hello stdout"), ("alert", "title: text")} <= logs
        assert any("hello stderr" in text for _, text in logs)
        files = {item["name"]: item for item in lab.pages(f"{at}/artifacts")}
        assert files["img.png"]["step"] == 50 and files["img.png"]["meta"]["caption"] == "cap"
        assert files["html.html"]["step"] == 50
        table = lab.request("GET", f"/artifacts/{files['table.table.json']['uuid']}/content").body
        assert json.loads(table) == {"columns": ["a", "b"], "types": ["number", "any"], "rows": [[1, "x"], [2, "y"]]}
        if not is_sample:
            (version,) = lab.pages(f"/projects/{run['project']['id']}/models")
            assert (version["name"], version["run"]["id"]) == ("weights", run["id"])
    again = imported(site, "wandb", str(wandb), "-p", project, code=1 if is_sample else 0)[0]
    assert (again["run"] == report["run"] and again["points"] == again["before"]) or again["was_there"]
    assert site.find(name)["points"] == run["points"] and site.find(name)["events"] == run["events"]


@pytest.mark.parametrize("release", RELEASES)
def test_every_value_is_what_wandb_itself_reads(site: Site, release: str) -> None:
    """read_wandb.py made read.json by that release."""
    folder, project = SAMPLES / f"wandb-{release}", unique("wandb")
    imported(site, "wandb", str(folder), "-p", project, code=1)
    read = json.loads((folder / "read.json").read_text())
    run = site.find(f"{project}/my run")
    want: dict[str, list[tuple[int, float, float]]] = {}
    for row in read["history"]:
        for name, value in flat(row):
            if isinstance(value, bool | int | float) and not name.startswith("_"):
                want.setdefault(name, []).append((row["_step"], float(value), round(row["_timestamp"] * 1e6) / 1e6))
    with site.client() as lab:
        keys = [info["key"] for info in lab.pages(f"/runs/{run['id']}/keys")]
    assert {key for key in keys if not key.startswith("system/")} == want.keys()
    for key, rows in want.items():
        assert repr(points(site, run["id"], key)) == repr(rows), key  # by repr, because NaN does not equal NaN
    its = run["config"].pop("wandb")
    run_id, _, name, group, tags, note = read["run"]
    assert (its["id"], run["name"], run["group"], run["note"]) == (run_id, name, group, note)
    assert ([tag["name"] for tag in run["tags"]], run["config"], read["exit"]) == (tags, read["config"], 0)
    # The page of a run is JSON, which has no NaN.
    summary = [(key, "NaN" if value != value else value) for key, value in flat(read["summary"]) if key[0] != "_"]
    assert sorted(map(repr, flat(run["meta"]["summary"]))) == sorted(map(repr, summary))
    assert run["meta"]["x_axes"].items() <= read["metrics"].items()


def flat(row: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and "_type" not in value:
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def sample(tmp_path: Path) -> Path:
    folder = tmp_path / "offline-run-1"
    shutil.copytree(OLD, folder)
    return folder


def losses(folder: Path) -> tuple[list[Any], list[str]]:
    problems = Problems()
    (run,) = runs((folder,), problems)
    items = [placed.item for placed in run.sections["history"](problems)]
    return [item for item in items if getattr(item, "key", "") == "loss"], problems.lines()


def test_a_file_that_grows_is_imported_to_its_end_and_later_further(site: Site, tmp_path: Path) -> None:
    folder, project = sample(tmp_path), unique("growing")
    (file,) = folder.glob("*.wandb")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])  # in the middle of a record
    (report,) = imported(site, "wandb", str(folder), "-p", project)
    first = site.find(f"{project}/my run")
    assert first["state"] == "lost" and "no end" in first["state_why"]
    file.write_bytes(whole)
    (again,) = imported(site, "wandb", str(folder), "-p", project, code=1)
    run = site.find(f"{project}/my run")
    assert (again["run"], again["before"]) == (report["run"], report["points"]) and run["state"] == "completed"
    # What is said about the run is new, too.
    assert run["meta"]["summary"]["best"] == 0.5 and "summary" not in first["meta"]
    assert len(points(site, f"{project}/my run", "loss")) == 11 and run["points"] == again["points"]


def test_what_is_damaged_is_left_out_and_told_with_its_place(tmp_path: Path) -> None:
    folder = sample(tmp_path)
    (file,) = folder.glob("*.wandb")
    data = file.read_bytes()
    whole, _ = losses(folder)
    # Records that fill two blocks, of which the first is damaged in its middle: all but one record are read.
    twice = bytearray(data + bytes(BLOCK_BYTES - len(data)) + data[7:])
    at = data.index(b"0.16666666666666666")
    twice[at] ^= 1
    file.write_bytes(twice)
    items, problems = losses(folder)
    place = problems[0]
    assert len(items) == 2 * len(whole) - 1 and len(problems) == 1
    assert "a wrong checksum at byte" in place and str(file) in place


def test_attempts_of_a_resumed_run_are_one_run(site: Site, tmp_path: Path) -> None:
    first, second = sample(tmp_path), tmp_path / "offline-run-2"
    shutil.copytree(first, second)
    project = unique("resumed")
    imported(site, "wandb", str(tmp_path), "-p", project, code=1)
    run = site.find(f"{project}/my run")
    assert (run["attempt"], len(points(site, f"{project}/my run", "loss"))) == (2, 22)


def test_what_is_no_run_of_wandb_is_refused_with_a_line(site: Site, tmp_path: Path) -> None:
    done = site.cli("import", "wandb", str(tmp_path))
    assert done.returncode == 1 and "holds no .wandb files" in done.stderr
    (tmp_path / "run-x.wandb").write_bytes(b"something else")
    done = site.cli("import", "wandb", str(tmp_path))
    assert done.returncode == 1 and "is not a file of W&B" in done.stderr


def history(folder: Path, run_id: str, began: int, steps: range, value: float, branch: tuple[str, int] | None) -> None:
    """Write a file of W&B as `fork_from` and `resume_from` leave it: after the branch point, steps continue."""
    path = folder / f"offline-run-{began}-{run_id}" / f"run-{run_id}.wandb"
    path.parent.mkdir(parents=True)
    run = field(1, run_id.encode()) + field(3, b"proj") + field(8, run_id.encode())
    run += field(17, b"\x08" + varint(began))
    if branch is not None:
        at = b"\x11" + struct.pack("<d", branch[1])
        run += field(23, field(1, branch[0].encode()) + at + field(3, b"_step"))
    rows = [{"loss": value + step, "_step": step, "_timestamp": float(began + step)} for step in steps]
    items = [
        b"".join(field(1, field(1, name.encode()) + field(16, repr(its).encode())) for name, its in row.items())
        for row in rows
    ]
    wandb_records(path, [field(17, run), *(field(2, one) for one in items), field(18, b"")])


def test_forks_begin_with_the_curves_of_their_parents_and_rewinds_hide_what_came_behind(
    site: Site, tmp_path: Path
) -> None:
    project = unique("forks")
    history(tmp_path / "young", "grandchild", 4_000, range(7, 9), 0.75, ("child", 6))
    history(tmp_path / "young", "child", 2_000, range(5, 8), 0.5, ("parent", 4))
    reports = imported(site, "wandb", str(tmp_path / "young"), "-p", project, code=1)
    assert [one["name"] for one in reports] == ["child", "grandchild"]
    assert ["together with that one" in " ".join(one["problems"]) for one in reports] == [True, False]
    history(tmp_path / "old", "parent", 1_000, range(8), 0.0, None)
    history(tmp_path / "old", "parent", 3_000, range(3, 6), 0.25, ("parent", 2))  # resume_from, after the fork
    history(tmp_path / "old", "late", 5_000, range(5, 6), 0.125, ("parent", 4))
    reports = imported(site, "wandb", str(tmp_path), "-p", project)
    assert [one["name"] for one in reports] == ["parent", "late", "child", "grandchild"]
    curves = {name: [(step, value - step) for step, value, _ in sorted(points(site, f"{project}/{name}", "loss"))]
              for name in ("child", "grandchild", "late")}  # fmt: skip
    assert curves["child"] == [*((step, 0.0) for step in range(5)), (5, 0.5), (6, 0.5), (7, 0.5)]
    assert curves["grandchild"] == [*curves["child"][:7], (7, 0.75), (8, 0.75)]
    assert curves["late"] == [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.25), (4, 0.25), (5, 0.125)]
    runs = {name: site.find(f"{project}/{name}") for name in ("parent", *curves)}
    for name, parent, step in (("child", "parent", 4), ("grandchild", "child", 6), ("late", "parent", 4)):
        assert (runs[name]["fork"]["parent"], runs[name]["fork"]["step"]) == (runs[parent]["id"], step)
    assert runs["parent"]["attempt"] == 2 and runs["parent"]["fork"] is None
