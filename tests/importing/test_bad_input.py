"""What cannot be read or may not be brought is told in a line, and the rest comes."""

from __future__ import annotations

import codecs
import gzip
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.importing import table, tensorboard, trackio, wandb
from pyhectiqlab.importing.points import Problems
from pyhectiqlab.transport.http import LabClient

from .conftest import Site, imported, points, unique
from .test_neptune import export, series
from .test_tensorboard import scalar_event
from .wandb_files import wandb_file

SAMPLES = Path(__file__).parent / "samples"


def left_out(site: Site, *arguments: str) -> list[str]:
    """Return what an import that brings a part says on stderr."""
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
    report = imported(site, "wandb", str(tmp_path), "-p", project, code=1)  # its artifacts are on another machine
    assert len(report) == 2 and all(len(points(site, one["run"], "loss")) == 11 for one in report)


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
    report = imported(site, "mlflow", str(place), "-p", project, code=1)
    assert sorted(one["points"] for one in report) == [1, 1, 11 - len(damaged) + 1]
    assert [one["name"].startswith(".. ") for one in report].count(True) == 1  # a name that is not allowed gets an id


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
            problem
            for problem in ("a row that is not JSON", "'never' is not a time", "a row of another format")
            if problem in line
        )
        for line in lines
    ] == ["a row that is not JSON", "'never' is not a time", "a row of another format"]
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
    # A run that somebody else has imported already is named, and the others are imported.
    shutil.copytree(SAMPLES / "wandb-0.19.11", tmp_path / "wandb" / "a")
    imported(site, "wandb", str(tmp_path / "wandb"), "-p", project, code=1)
    shutil.copytree(SAMPLES / "wandb-0.16.6", tmp_path / "wandb" / "b")
    with (tmp_path / "wandb" / "a" / "run-zcg4ei19.wandb").open("ab") as grown:
        grown.write(b"\0" * 7)
    lines = left_out(bob, "wandb", str(tmp_path / "wandb"), "-p", project)
    assert any("belongs to somebody else" in line for line in lines)
    assert site.find(f"{project}/my run ethl5o1s")["author"] == name


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may look into; pytest's own are for one user."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def without_rights(*places: Path) -> Iterator[None]:
    """Make these unreadable for everybody. Root may read everything, so root becomes somebody else meanwhile."""
    for place in places:
        place.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for place in places:
            place.chmod(0o755)


def read(kind: str, folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the runs in a folder, and the problems that are reported."""
    problems = Problems()
    if kind == "tensorboard":
        return sorted(one.name for one in tensorboard.sources([folder], problems)), problems.lines()
    reader = wandb.runs if kind == "wandb" else trackio.runs
    return sorted(one.names[0] for one in reader((folder,), problems)), problems.lines()


def test_what_may_not_be_read_is_named_and_the_rest_comes(open_folder: Path) -> None:
    for name in "abc":
        (open_folder / name).mkdir()
        wandb_file(open_folder / name / f"{name}.wandb", name, name)
        (open_folder / name / f"{name}.tfevents").write_bytes(scalar_event("loss", ord(name)))
    closed = open_folder / "c"
    for kind, ending in (("wandb", ".wandb"), ("tensorboard", ".tfevents")):
        assert read(kind, open_folder) == (["a", "b", "c"], [])
        file = open_folder / "b" / f"b{ending}"
        with without_rights(file, closed):
            names, problems = read(kind, open_folder)
        assert names == ["a"]
        assert sorted(problems) == [f"{place} cannot be read: Permission denied" for place in (file, closed)]
    shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", open_folder / "good.db")
    file = Path(shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", open_folder / "bad.db"))
    assert read("trackio", open_folder) == (["my run", "my run"], [])
    with without_rights(file):
        assert read("trackio", open_folder) == (["my run"], [f"{file} cannot be read: Permission denied"])
    with without_rights(closed):
        assert read("trackio", closed) == ([], [f"{closed} cannot be read: Permission denied"])


def test_a_run_of_event_files_waits_for_its_first_one(open_folder: Path) -> None:
    """The first file says which run it is: without it, the others would become another one."""
    for name in "ab":
        (open_folder / f"{name}.tfevents").write_bytes(scalar_event("loss", ord(name)))
    with without_rights(open_folder / "b.tfevents"):
        assert read("tensorboard", open_folder)[0] == [open_folder.name]
    with without_rights(open_folder / "a.tfevents"):
        names, problems = read("tensorboard", open_folder)
    assert names == [] and "its first file cannot be read: import it again" in problems[1]


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + b"x" * 200, b"PAR1 and nothing behind"])
def test_a_file_that_is_none_of_trackio_is_named_and_the_others_come(tmp_path: Path, content: bytes) -> None:
    shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", tmp_path / "good.db")
    wrong = tmp_path / "more" / "wrong.parquet"
    wrong.parent.mkdir()
    wrong.write_bytes(content)
    problems = Problems()
    assert len(list(trackio.runs((wrong, tmp_path), problems))) == 1
    (line,) = problems.lines()
    assert line.startswith(str(wrong)), line


def test_a_database_of_trackio_with_a_damaged_table_keeps_the_others(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", place)
    with sqlite3.connect(place) as db:
        db.execute("CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name TEXT, config TEXT)")
        db.execute("INSERT INTO configs VALUES (1, 'my run', '{}')")
        page, size = (db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'configs'").fetchone()[0], 4096)
    data = bytearray(place.read_bytes())
    data[(page - 1) * size] = 77  # the kind of a page
    place.write_bytes(data)
    problems = Problems()
    (run,) = trackio.runs((place,), problems)
    assert len(list(run.sections["metrics"](Problems()))) == 17
    (line,) = problems.lines()
    assert "its table configs" in line and ".recover" in line


def test_a_table_that_is_no_utf_8_is_read_or_named(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    place.write_bytes(codecs.BOM_UTF16_LE + "step,loss\n1,0.5\n".encode("utf-16-le"))  # as spreadsheets save it
    assert [point.value for point in table.source(place).read(Problems())] == [0.5]
    for content in (gzip.compress(b"step,loss\n1,0.5\n"), b"PK\3\4\x14\0\6\0", b"step,lo\xffss\n1,0.5\n"):
        place.write_bytes(content)
        with pytest.raises(ConfigurationError, match="is not text, or its first line is damaged: save the table"):
            table.source(place)


def test_event_files_that_hold_no_record_are_named(site: Site, tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"hello", scalar_event("loss", 1)[:30])):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.tfevents").write_bytes(content)
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / "a.tfevents").write_bytes(scalar_event("loss", 1))
    lines = left_out(site, "tensorboard", str(tmp_path), "-p", unique("none"))
    said = "nothing in its files could be imported: they hold no values yet, or are of another kind"
    assert lines == [f"Left out: {number}: {said}" for number in range(3)]


def test_a_file_that_was_repaired_is_imported_whole(site: Site, tmp_path: Path) -> None:
    """Going on behind what was read before would double some points and miss others."""
    place, project = tmp_path / "proj.db", unique("repaired")
    shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", place)
    (row,) = sqlite3.connect(place).execute("SELECT metrics FROM metrics WHERE id = 2").fetchone()
    with sqlite3.connect(place) as db:
        db.execute("UPDATE metrics SET metrics = '{broken' WHERE id = 2")
    left_out(site, "trackio", str(place), "-p", project)
    first = site.find(f"{project}/my run")["id"]
    with sqlite3.connect(place) as db:
        db.execute("UPDATE metrics SET metrics = ? WHERE id = 2", (row,))
    done = site.cli("import", "trackio", str(place), "-p", project)
    assert done.returncode == 0 and f"`hectiqlab restore {first}` brings back the run that was there" in done.stdout
    assert [step for step, _, _ in points(site, f"{project}/my run", "loss")] == [0, 1, 2, 3, 4, 5, 6]
    assert imported(site, "trackio", str(place), "-p", project)[0]["was_there"]
    # The same for an import that brought everything, and for a file that was changed since. A file that has grown
    # continues.
    second = site.find(f"{project}/my run")["id"]
    with sqlite3.connect(place) as db:
        db.execute("INSERT INTO metrics SELECT id + 100, timestamp, run_name, step + 100, metrics FROM metrics")
    (grown,) = imported(site, "trackio", str(place), "-p", project)
    assert (grown["run"], grown["before"], grown["points"]) == (second, 12, 24)
    with sqlite3.connect(place) as db:
        db.execute("UPDATE metrics SET metrics = json_set(metrics, '$.loss', -1.0) WHERE id = 2")
    (changed,) = imported(site, "trackio", str(place), "-p", project)
    assert changed["instead_of"] == second
    assert [value for _, value, _ in points(site, f"{project}/my run", "loss")].count(-1.0) == 1
