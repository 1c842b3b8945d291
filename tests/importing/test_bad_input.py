"""What cannot be read or may not be brought is told in a line, and the rest comes."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pyhectiqlab.transport.http import LabClient

from .conftest import Site, imported, points, unique
from .test_neptune import export, series
from .test_tensorboard import scalar_event

SAMPLES = Path(__file__).parent / "samples"


def left_out(site: Site, *arguments: str) -> list[str]:
    """What an import that brings a part says on stderr."""
    done = site.cli("import", *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done
    lines = done.stderr.splitlines()
    assert lines and all(line.startswith("Left out: ") for line in lines), lines
    return lines


def test_a_file_of_wandb_of_a_newer_format_is_left_out(site: Site, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "wandb-0.19.11", tmp_path / "good")
    shutil.copytree(SAMPLES / "wandb-0.16.6", tmp_path / "newer")
    (file,) = (tmp_path / "newer").glob("*.wandb")
    data = bytearray(file.read_bytes())
    data[6] = 1
    file.write_bytes(data)
    project = unique("bad")
    lines = left_out(site, "wandb", str(tmp_path), "-p", project)
    assert any(f"{file} is of version 1 of W&B's format" in line and "upgrade" in line for line in lines)
    assert len(points(site, f"{project}/my run", "loss")) == 11
    data[6] = 0
    file.write_bytes(data)
    told = imported(site, "wandb", str(tmp_path), "-p", project, code=1)  # of artifacts on another machine
    assert len(told) == 2 and all(len(points(site, one["run"], "loss")) == 11 for one in told)


def test_a_run_of_mlflow_that_cannot_be_read_is_left_out_until_it_can(site: Site, tmp_path: Path) -> None:
    place, project = tmp_path / "mlflow.db", unique("bad")
    place.write_bytes(gzip.decompress((SAMPLES / "mlflow-2.22.0" / "mlflow.db.gz").read_bytes()))
    with sqlite3.connect(place) as db:
        db.execute("UPDATE runs SET name = '..' WHERE name = 'child'")
        db.execute("UPDATE tags SET value = '..' WHERE value = 'child'")
        db.execute("ALTER TABLE metrics RENAME COLUMN is_nan TO other")
    lines = left_out(site, "mlflow", str(place), "-p", project)
    assert sum("no such column: is_nan" in line for line in lines) == 3
    with sqlite3.connect(place) as db:
        db.execute("ALTER TABLE metrics RENAME COLUMN other TO is_nan")
        damaged = db.execute("SELECT key FROM metrics WHERE key = 'x'").fetchall()
    told = imported(site, "mlflow", str(place), "-p", project, code=1)
    assert sorted(one["points"] for one in told) == [1, 1, 11 - len(damaged) + 1]
    assert [one["name"].startswith(".. ") for one in told].count(True) == 1  # a name that cannot be gets an id


def test_rows_of_trackio_that_are_damaged_or_of_another_format_are_told(site: Site, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", tmp_path / "a.db")
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("UPDATE metrics SET metrics = '{broken' WHERE id = 2")
        db.execute("UPDATE metrics SET timestamp = 'never' WHERE id = 3")
    with sqlite3.connect(tmp_path / "b.db") as db:
        db.execute("ALTER TABLE metrics RENAME COLUMN timestamp TO at")
    project = unique("bad")
    lines = left_out(site, "trackio", str(tmp_path), "-p", project)
    assert [
        next(
            what for what in ("a row that is no JSON", "'never' is no time", "a row of another format") if what in line
        )
        for line in lines
    ] == ["a row that is no JSON", "'never' is no time", "a row of another format"]
    assert [step for step, _, _ in points(site, f"{project}/my run", "loss")] == [0, 3, 4, 5, 6]


def test_an_export_of_neptune_of_another_format_is_told_and_others_come(site: Site, tmp_path: Path) -> None:
    export(tmp_path, "RUN-1", [series("loss", "float_series", "1", 0.5)])
    folder = tmp_path / "data" / "org_proj_1a2b"
    pq.write_table(pa.table({"something": ["else"]}), folder / "RUN-2_part_0.parquet")
    project = unique("bad")
    (line,) = left_out(site, "neptune", str(tmp_path), "-p", project)
    assert "RUN-2_part_0.parquet is not of the format" in line
    assert len(points(site, f"{project}/RUN-1", "loss")) == 1


def test_names_that_cannot_be_and_runs_of_others_do_not_stop_the_rest(site: Site, tmp_path: Path) -> None:
    project = unique("bad")
    with site.client() as lab:
        name = unique("bob")
        lab.post("/users", {"username": name, "password": "a long password"})
        with LabClient(site.lab.url, auth=(name, "a long password")) as theirs:
            key = theirs.post("/keys", {"name": "k"})["key"]
    for folder in (" spaced", "theirs", "fine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.tfevents").write_bytes(scalar_event("loss", len(folder)))
    imported(site, "tensorboard", str(tmp_path / "theirs"), "-p", project)
    (tmp_path / "theirs" / "a.tfevents").write_bytes(scalar_event("loss", 99))
    bob = Site(site.lab, site.home, {"HECTIQLAB_URL": site.lab.url, "HECTIQLAB_API_KEY": key})
    first, second = left_out(bob, "tensorboard", str(tmp_path), "-p", project)
    assert "begins or ends with a space" in first and "--name" in first
    assert "belongs to" in second and "'theirs'" in second
    assert len(points(site, f"{project}/fine", "loss")) == 1
    # A run that somebody else has imported already is named, and the others come.
    shutil.copytree(SAMPLES / "wandb-0.19.11", tmp_path / "wandb" / "a")
    imported(site, "wandb", str(tmp_path / "wandb"), "-p", project, code=1)
    shutil.copytree(SAMPLES / "wandb-0.16.6", tmp_path / "wandb" / "b")
    with (tmp_path / "wandb" / "a" / "run-zcg4ei19.wandb").open("ab") as grown:
        grown.write(b"\0" * 7)
    lines = left_out(bob, "wandb", str(tmp_path / "wandb"), "-p", project)
    assert any("belongs to somebody else" in line for line in lines)
    assert site.find(f"{project}/my run ethl5o1s")["author"] == name
