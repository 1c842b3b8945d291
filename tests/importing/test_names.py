"""Names that a run of a script has already, and names that no run can have: nothing is mixed, and the rest comes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from pyhectiqlab.exporting import layout
from pyhectiqlab.testing.lab import RealLab

from ..exporting.equality import whole_run
from .conftest import Site, unique
from .kinds import KINDS, prepare, runs_in
from .test_neptune import export, one, series
from .test_tensorboard import scalar_event
from .wandb_files import wandb_file

GROWING = {"csv": "table", "tensorboard": "logs"}  # send.py imports these; they never get another name by themselves
NAMES = {"wandb": "my run", "mlflow": "first", "trackio": "my run", "neptune": "RUN-1", "aim": "my run",
         "folder": "one", **GROWING}  # fmt: skip


@pytest.fixture(scope="module")
def taken(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a project in which a script has made a run of each of these names."""
    site, project = Site(lab, tmp_path_factory.mktemp("script")), unique("taken")
    script = """
    import sys
    from pyhectiqlab import Run
    for name in sys.argv[2:]:
        with Run(name, project=sys.argv[1], should_create_project=True) as run:
            run.add_config({"lr": 0.1})
            run.add_tag("mine")
            run.add_metrics("loss", -1.0, step=1)
        assert run.flush(timeout=60)
    """
    done = site.run(script, project, *sorted(set(NAMES.values())))
    assert done.returncode == 0, done
    return project


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_a_script_made_is_left_as_it_is(site: Site, taken: str, tmp_path: Path, kind: str) -> None:
    source, name = prepare(kind, site, tmp_path), NAMES[kind]
    if kind == "tensorboard":
        (source / "more").mkdir()
        (source / "more" / "a.tfevents").write_bytes(scalar_event("loss", 2))
    mine = next(run["id"] for run in runs_in(site, taken) if run["name"] == name)
    with site.client() as lab:
        before, known = whole_run(lab, mine, {}), {run["id"] for run in runs_in(site, taken)}
    done = site.cli("import", kind, str(source), "-p", taken)
    new = [run["name"] for run in runs_in(site, taken) if run["id"] not in known]
    with site.client() as lab:
        assert whole_run(lab, mine, {}) == before
    if kind not in GROWING:
        assert name not in new and any(its.startswith(f"{name} ") for its in new), new
        return
    (line,) = (line for line in done.stderr.splitlines() if repr(name) in line)
    assert (
        done.returncode == 1
        and "which comes from elsewhere and is left as it is: choose another name with --name" in line
    )
    assert new == ["more"] * (kind == "tensorboard")
    assert site.cli("import", kind, str(source), "-p", taken, "--name", unique("other")).returncode == 0


LONG = "x" * 1_000
BAD = ("a\0b", "  ", LONG)  # names that other tools may keep


def named_badly(kind: str, source: Path) -> Path:
    """Give the runs in the files of this tool the names of BAD. Return what to import."""
    if kind == "wandb":
        shutil.rmtree(source)
        source.mkdir()
        for number, name in enumerate(BAD):
            wandb_file(source / f"run-{number}.wandb", f"{number}bcdefgh", name)
    elif kind == "neptune":
        for number, name in enumerate(BAD):
            rows = [one("sys/name", "string", name), series("loss", "float_series", "1", 0.5)]
            export(source, f"RUN-{number}", rows)
    else:
        path = source / ".aim" / "run_metadata.sqlite" if kind == "aim" else source
        table = {"mlflow": "runs", "trackio": "metrics", "aim": "run"}[kind]
        column = "run_name" if kind == "trackio" else "name"
        with sqlite3.connect(path) as db:
            if kind == "mlflow":
                db.execute("DELETE FROM tags WHERE key = 'mlflow.runName'")
            rows = db.execute(f"SELECT rowid FROM {table} ORDER BY rowid LIMIT 3").fetchall()
            for (rowid,), name in zip(rows, BAD, strict=True):
                db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (name, rowid))
    return source


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {*GROWING, "folder"}])
def test_a_name_that_cannot_be_is_changed_as_little_as_can_be(site: Site, tmp_path: Path, kind: str) -> None:
    source = named_badly(kind, prepare(kind, site, tmp_path))
    project = unique("bad")
    done = site.cli("import", kind, str(source), "-p", project, "--json")
    assert "Traceback" not in done.stderr, done
    printed = json.loads(done.stdout)
    names = {its["name"] for its in printed}
    assert len(names) == len(printed) >= 3 and {"a_b", LONG[:500]} <= names, names
    assert all(name.strip() == name and name for name in names), names
    again = site.cli("import", kind, str(source), "-p", project, "--json")
    assert {(its["name"], its["run"]) for its in json.loads(again.stdout)} == {
        (its["name"], its["run"]) for its in printed
    }


def test_the_name_of_a_file_that_cannot_be_is_told_and_another_may_be_given(site: Site, tmp_path: Path) -> None:
    source = prepare("csv", site, tmp_path)
    project = unique("bad")
    for number, (name, why) in enumerate({"a\nb": "not shown", " ": "is empty", " x": "with a space"}.items()):
        path = Path(shutil.copy(source, tmp_path / f"{name}.csv"))
        done = site.cli("import", "csv", str(path), "-p", project)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1 and why in line and line.endswith("give another with --name"), done
        done = site.cli("import", "csv", str(path), "-p", project, "--name", f"good {number}")
        assert (done.returncode, done.stderr) == (0, ""), done
    for name, why in ((LONG, "is longer than 512 bytes"), ("  ", "is empty"), ("..", "means a folder")):
        done = site.cli("import", "csv", str(source), "-p", project, "--name", name)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1 and why in line, done
    assert {run["name"] for run in runs_in(site, project)} == {"good 0", "good 1", "good 2"}


def test_a_folder_of_event_files_whose_name_cannot_be_does_not_stop_the_others(site: Site, tmp_path: Path) -> None:
    for name in ("a\nb", "  ", "fine"):
        (tmp_path / "logs" / name).mkdir(parents=True)
        (tmp_path / "logs" / name / "a.tfevents").write_bytes(scalar_event("loss", len(name)))
    project = unique("bad")
    done = site.cli("import", "tensorboard", str(tmp_path / "logs"), "-p", project)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2, done
    assert [run["name"] for run in runs_in(site, project)] == ["fine"]


def test_a_run_of_an_export_whose_name_cannot_be_is_told_and_the_others_come(site: Site, tmp_path: Path) -> None:
    folder, project = prepare("folder", site, tmp_path), unique("bad")
    index = layout.read_json(folder / layout.INDEX)
    (run,) = index["runs"]
    for number, name in enumerate(BAD):
        copy = folder / "runs" / f"{number:012}"
        shutil.copytree(folder / "runs" / run, copy)
        layout.write_json(copy / layout.RUN, {**layout.read_json(copy / layout.RUN), "name": name})
    layout.write_json(folder / layout.INDEX, {**index, "runs": ["0" * 11 + "0", "0" * 11 + "1", "0" * 11 + "2", run]})
    done = site.cli("import", "folder", str(folder), "-p", project)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 3 and all(line.startswith("Left out: the run ") for line in lines)
    assert [run["name"] for run in runs_in(site, project)] == ["one"], done
