"""Runs of Aim, made by the real tool, which also reads them. Without it, everything here is skipped, as it says.

`scripts/test` installs what these tests need of it, where it has packages for this Python (3.10 to 3.12).
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from .conftest import Site, imported, points, unique

SAMPLES = Path(__file__).parent / "samples"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aim") is None, reason="aim is not installed: imports of Aim are not tested"
)
RESUMED = """
import sys
from aim import Run
run = Run(sys.argv[2], repo=sys.argv[1], system_tracking_interval=None, capture_terminal_logs=False)
run.track(0.125, name="loss", step=7, context={"subset": "train"})
run.track(1.0, name="new", step=0)
run.close()
"""


def tracked(folder: Path, script: str, *arguments: str) -> list[str]:
    """Run a script with Aim. Return the words of the last line that it printed."""
    env = {**os.environ, "HOME": str(folder)}  # Aim puts a file of its own there
    command = [sys.executable, *script.split("\0"), str(folder), *arguments]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return (done.stdout.strip().splitlines() or [""])[-1].split()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Make a repository with the installed Aim. Return it, and the hashes of its runs."""
    folder = tmp_path_factory.mktemp("aim") / "vision"
    folder.mkdir()
    return folder, tracked(folder, str(SAMPLES / "make_aim.py"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of an older Aim."""
    folder = tmp_path_factory.mktemp("old") / "vision"
    with tarfile.open(SAMPLES / "aim-3.17.5.tar.xz") as archive:
        archive.extractall(folder)
    return folder


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in (folder / ".aim").rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("release", ["installed", "3.17.5"])
def test_a_run_is_what_its_script_tracked(
    site: Site, made: tuple[Path, list[str]], old: Path, tmp_path: Path, release: str
) -> None:
    folder = made[0] if release == "installed" else old
    before = contents(folder)
    project = unique("aim")
    report = imported(site, "aim", str(folder), "-p", project)
    assert contents(folder) == before  # the repository is only read
    assert [line for one in report for line in one["problems"]] == []
    name = f"{project}/my run"
    run = site.find(name)
    train, valid = ([p[:2] for p in points(site, name, f"{subset}/loss")] for subset in ("train", "val"))
    assert train[:5] == [(step, 1 / (step + 1)) for step in range(5)]
    assert math.isnan(train[5][1]) and train[6] == (6, math.inf)
    assert sorted(valid) == [(0, 2.0), (1, 1.0), (2, 2 / 3), (3, -1.5), (4, 0.4)]
    assert [p[:2] for p in points(site, name, "acc")] == [(0, 0.0), (10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0)]
    assert [p[:2] for p in points(site, name, "auto")] == [(0, 5.0), (1, 6.0)]
    assert [p[1] for p in points(site, name, "train/norm/layer=3")] == [7.0]
    assert [p[:2] for p in points(site, name, "aim/epoch/train/loss")] == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)]
    assert (run["note"], sorted(tag["name"] for tag in run["tags"])) == ("a note", ["first", "good"])
    assert (run["group"], run["state"]) == ("first tries", "completed") and run["ended"] > run["created"]
    config = run["config"]
    assert config["hparams"] == {"lr": 0.1, "layers": [1, 2, 3], "deep": {"a": None, "b": True}}
    assert (config["plain"], config["aim"]["arguments"]) == (3, ["train.py", "--lr=0.1"])
    with site.client() as lab:
        at = f"/runs/{run['id']}"
        media = {(one["name"], one["step_min"]): one["kind"] for one in lab.pages(f"{at}/media")}
        assert media.pop(("fig", 4), "figure") == "figure"  # where Plotly is installed
        assert media == {
            ("img", 1): "image", ("imgs/0", 2): "image", ("imgs/1", 2): "image", ("words", 2): "text",
            ("weights", 3): "histogram", ("logo", None): "image",
        }  # fmt: skip
        files = {one["name"]: one["step"] for one in lab.pages(f"{at}/artifacts")}
        assert files["sound.wav"] == 1 and ("model.txt" in files) == (release == "installed")
        assert [log["text"] for log in lab.pages(f"{at}/logs")] == ['an info line {"where": "here"}\n']
        meta = lab.get(f"{at}/meta")["meta"]["contexts"]
        assert meta["train/norm/layer=3"] == {"name": "norm", "context": {"subset": "train", "layer": 3}}
        captured = lab.get(at)["capture"]["packages"]
        assert captured["variables"] == {"OMP_NUM_THREADS": "3"} and captured["git"]["hash"] == "abc123"
        second, third = (lab.get(f"/runs/{one['run']}") for one in report[1:])
        assert [log["text"] for log in lab.pages(f"/runs/{second['id']}/logs")] == ["printed here\n"]
        assert {info["key"] for info in lab.pages(f"/runs/{second['id']}/keys")} >= {"m", "system/cpu"}
    assert second["archived"] and (third["state"], third["points"]) == ("lost", 1)
    if release == "installed":
        assert all(one["was_there"] for one in imported(site, "aim", str(folder / ".aim"), "-p", project))


def test_what_was_tracked_since_is_added_and_what_is_damaged_is_told(
    site: Site, made: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "vision"
    shutil.copytree(made[0], folder)
    first, second, _ = made[1]
    project = unique("aim")
    damaged = folder / ".aim" / "meta" / "chunks" / second / "CURRENT"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"no name of a file")
    done = site.cli("import", "aim", str(folder), "-p", project)
    assert done.returncode == 1 and f"the run {second} of {folder / '.aim'} cannot be read" in done.stderr
    assert len(points(site, f"{project}/my run", "train/loss")) == 7
    damaged.write_bytes(whole)
    tracked(folder, f"-c\0{RESUMED}", first)
    report = imported(site, "aim", str(folder), "-p", project, code=1)  # its artifact is in another folder now
    assert [(one["points"] - one["before"], one["was_there"]) for one in report] == [(2, False), (5, False), (0, True)]
    assert points(site, f"{project}/my run", "train/loss")[7][:2] == (7, 0.125)
    assert any("name its folder by --artifacts" in line for line in report[0]["problems"])
    report = imported(site, "aim", str(folder), "-p", project, "--artifacts", str(made[0]))
    assert report[0]["problems"] == []


def test_another_format_another_folder_and_a_missing_aim_are_told(
    site: Site, made: tuple[Path, list[str]], tmp_path: Path
) -> None:
    (tmp_path / ".aim" / "meta").mkdir(parents=True)
    (tmp_path / ".aim" / "VERSION").write_text("9.1\n")
    (tmp_path / "hidden" / "aim").mkdir(parents=True)
    (tmp_path / "hidden" / "aim" / "__init__.py").write_text("raise ImportError('No module named aim')")
    hidden = {"PYTHONPATH": str(tmp_path / "hidden")}
    for arguments, env, said in (
        ([str(tmp_path)], {}, "has version 9.1 of Aim's format, and the Aim here knows"),
        ([str(tmp_path / "none")], {}, "does not exist: give the folder that has it"),
        ([str(SAMPLES)], {}, "holds no repository of Aim (.aim)"),
        ([str(made[0])], hidden, "install pyhectiqlab there"),
    ):
        done = site.cli("import", "aim", *arguments, **env)
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done
