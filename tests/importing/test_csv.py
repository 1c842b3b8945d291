"""CSV files become runs."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import pytest

from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.importing.points import Point, Problems
from pyhectiqlab.importing.table import source
from pyhectiqlab.protocol import csvcells

from .conftest import Site, imported, points, unique

MODIFIED = 1_500_000_000.0


def read(path: Path, text: str) -> tuple[list[Point], list[str]]:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (MODIFIED, MODIFIED))
    problems = Problems()
    return list(source(path).read(problems)), problems.lines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def test_a_csv_becomes_a_run_named_after_the_file(site: Site, tmp_path: Path) -> None:
    name, project = unique("metrics"), unique("old")
    path = tmp_path / f"{name}.csv"
    path.write_text("step,time,loss,acc\n0,1600000000.5,2.0,\n10,1600000001,1.0,0.5\n")
    (report,) = imported(site, "csv", str(path), "--project", project)
    assert (report["name"], report["project"], report["points"], report["problems"]) == (name, project, 3, [])
    assert points(site, name, "loss") == [(0, 2.0, 1600000000.5), (10, 1.0, 1600000001.0)]
    assert points(site, name, "acc") == [(10, 0.5, 1600000001.0)]
    (again,) = imported(site, "csv", str(path))
    assert again == {**report, "was_there": True}
    # Other content under the same name is another attempt of that run.
    path.write_text("step,loss\n0,3.0\n")
    imported(site, "csv", str(path), "--project", project)
    assert site.find(name)["attempt"] == 2 and len(points(site, name, "loss")) == 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(path: Path, delimiter: str) -> None:
    items, problems = read(path, "step,train/loss,b\r\n1,0.5,inf\r\n\r\n2,-1e-3,\r\n".replace(",", delimiter))
    want = [
        Point("train/loss", 1, 0.5, MODIFIED),
        Point("b", 1, math.inf, MODIFIED),
        Point("train/loss", 2, -1e-3, MODIFIED),
    ]
    assert (items, problems) == (want, [])


def test_what_is_exported_comes_back_under_the_same_keys(path: Path) -> None:
    keys = ["train\nloss", "carriage\rreturn", "both\r\n", " loss", "loss ", " ", "a,b", 'quo"te', '"', "é", "\t"]
    text = ",".join(csvcells.COLUMNS) + "\n"
    text += "".join(f"{csvcells.cell(key)},{i},{i / 7!r},1600000000.5,0,1\n" for i, key in enumerate(keys))
    with io.StringIO(text, newline="") as file:
        assert [csvcells.text_of_cell(row[0]) for row in csv.reader(file)][1:] == keys
    path.write_bytes(text.encode())
    problems = Problems()
    items = list(source(path).read(problems))
    assert items == [Point(key, i, i / 7, 1600000000.5) for i, key in enumerate(keys)] and not problems.lines()


def test_a_cell_may_be_longer_than_python_allows_by_itself(path: Path) -> None:
    items, problems = read(path, f"step,loss,sample\n0,0.5,{'x' * 200_000}\n1,0.25,\n")
    assert [(p.key, p.step, p.value) for p in items] == [("loss", 0, 0.5), ("loss", 1, 0.25)]
    assert len(problems) == 1 and "'sample' is not a number" in problems[0]


def test_without_a_step_rows_count_from_zero(path: Path) -> None:
    assert [(p.key, p.step) for p in read(path, "loss\n5\n4\n")[0]] == [("loss", 0), ("loss", 1)]


def test_the_index_of_pandas_and_the_export_of_tensorboard_are_known(path: Path) -> None:
    assert read(path, ",loss\n3,0.5\n")[0] == [Point("loss", 3, 0.5, MODIFIED)]
    assert read(path, "Wall time,Step,Value\n1600000000.5,7,0.5\n")[0] == [Point("Value", 7, 0.5, 1600000000.5)]


def test_a_row_for_each_point(path: Path) -> None:
    text = "key,value,step,time\nloss,0.5,1,2020-09-13T12:26:40Z\nacc,1,2.0,2020-09-13T14:26:40+02:00\nloss,,3,\n"
    assert read(path, text) == ([Point("loss", 1, 0.5, 1.6e9), Point("acc", 2, 1.0, 1.6e9)], [])


def test_bad_cells_are_left_out_and_said_with_their_line(site: Site, path: Path) -> None:
    items, problems = read(path, "step,split,loss\n0,train,1\nx,,1\n2,train,none\n3,,0.5\n")
    assert [(p.key, p.step) for p in items] == [("loss", 0), ("loss", 3)]
    assert problems == [
        f"{path}, line 2: 'train' in the column 'split' is not a number (and 1 more like it)",
        f"{path}, line 3: 'x' in the column 'step' is not a step: the row is left out",
        f"{path}, line 4: 'none' in the column 'loss' is not a number",
    ]
    done = site.cli("import", "csv", str(path), "--name", unique("bad"))
    assert (done.returncode, done.stderr.count("Left out: "), done.stdout.count(": 2 points: http")) == (1, 3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column of a metric"),
        ("step,time\n1,2\n", "has no column of a metric"),
        ("1,0.5\n2,0.4\n", "has numbers in its first line"),
        ("step,a,a\n1,2,3\n", "is there twice"),
        ("step,a,\n1,2,3\n", "is empty"),  # an index column only where there is no step
    ],
)
def test_what_is_no_table_of_metrics_is_said(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        source(path)


def test_a_missing_file_is_said_in_one_line(site: Site, tmp_path: Path) -> None:
    done = site.cli("import", "csv", str(tmp_path / "none.csv"))
    assert done.returncode == 1 and "does not exist" in done.stderr and done.stderr.count("\n") == 1
