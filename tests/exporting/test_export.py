"""An export has everything, goes on where it was, and adds what is new."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pyhectiqlab.base.filedigest import digest_of_file
from pyhectiqlab.exporting import layout
from pyhectiqlab.exporting.export import export

from ..process.conftest import Site


def exported(site: Site, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = site.cli("export", *arguments, "--json")
    assert done.returncode == code, done
    printed: dict[str, Any] = json.loads(done.stdout) if code == 0 else {"error": done.stderr}
    return printed


def test_points_are_exact_and_every_file_has_its_digest(source: Site, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    printed = exported(source, "source", str(folder))
    assert (printed["projects"], sorted(printed["runs"])) == (["source"], ["everything", "fork", "small"])
    run = source.find("everything")
    one = folder / "runs" / run["id"]
    written = layout.read_json(one / "run.json")
    rows = pq.read_table(one / "points-000001.parquet").to_pylist()
    with source.client() as client:
        want = [
            (info["key"], *point)
            for info in client.pages(f"/runs/{run['id']}/keys")
            for page in client.points(run["id"], info["key"])
            for point in zip(page.step, page.value, page.time_us, page.rank, page.attempt, strict=True)
        ]
    got = [(r["key"], r["step"], r["value"], round(r["time"].timestamp() * 1e6), r["rank"], r["attempt"]) for r in rows]
    assert repr(got) == repr(want) and len(got) == run["points"]  # by repr, because NaN does not equal NaN
    assert {r["run"] for r in rows} == {run["id"]}
    for name, its in written["files"].items():
        assert digest_of_file(one / name) == its["digest"]
    for artifact in written["artifacts"]:
        assert digest_of_file(folder / layout.file_of(artifact["digest"])) == artifact["digest"]
    assert math.isnan(written["config"]["nan"]) and written["note"] == "a note\nof two lines"
    assert sum(its["rows"] for name, its in written["files"].items() if name.startswith("events")) == run["events"]
    project = layout.read_json(folder / "projects" / run["project"]["id"] / "project.json")
    assert project["models"][0]["aliases"] == ["best"] and project["views"][0]["name"] == "mine"


def test_an_export_that_is_killed_goes_on_and_ends_as_any_other(source: Site, tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    exported(source, "source", str(whole))
    command = "import sys; from pyhectiqlab.cli import main; main(sys.argv[1:])"
    for pattern in ("runs/*/events-*", "runs/*/points-*"):
        process = source.start(command, "export", "source", str(folder))
        while process.poll() is None and not list(folder.glob(pattern)):
            time.sleep(0.001)
        process.kill()
        process.communicate()
    exported(source, "source", str(folder))
    assert contents(folder) == contents(whole)


def test_an_export_writes_each_file_of_a_run_once_and_none_of_one_that_did_not_change(
    source: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk takes milliseconds for each file that it has to keep safe: most of the time of an export of small runs."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    folder = tmp_path / "out"
    with source.client() as lab:
        export(lab, [source.find("everything")["id"]], folder)
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != layout.INDEX]
        assert len(files) > 4 and len(synced) == len(files) + 2  # the index, at the beginning and at the end
        synced.clear()
        export(lab, [source.find("everything")["id"]], folder)
        assert not synced


def test_a_later_export_adds_what_is_new(source: Site, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    script = """
    import sys
    from pyhectiqlab import Run
    run = Run("growing", project="growing", should_create_project=True)
    for step in range(int(sys.argv[1]), int(sys.argv[1]) + 10):
        run.add_metrics("loss", step / 3, step=step)
    assert run.flush(timeout=60)
    run.close()
    """
    assert source.run(script, "0").returncode == 0
    assert exported(source, "growing", str(folder))["points"] == 10
    first = contents(folder)
    assert source.run(script, "10").returncode == 0
    assert exported(source, "growing", str(folder))["points"] == 10
    run = folder / "runs" / source.find("growing")["id"]
    rows = [row for n in (1, 2) for row in pq.read_table(run / f"points-{n:06}.parquet").to_pylist()]
    assert [(row["step"], row["value"]) for row in rows] == [(n, n / 3) for n in range(20)]
    name = f"runs/{run.name}/points-000001.parquet"
    assert contents(folder)[name] == first[name]
    again = exported(source, "growing", str(folder))
    assert (again["points"], again["events"], again["files"]) == (0, 0, 0)


def test_what_is_not_there_or_another_folder_is_refused_with_a_line(source: Site, tmp_path: Path) -> None:
    assert "No run is 'nothing'" in exported(source, "nothing", str(tmp_path / "out"), code=1)["error"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert "holds other files" in exported(source, "source", str(tmp_path / "mine"), code=1)["error"]
    newer = tmp_path / "newer"
    exported(source, "source/small", str(newer))
    index = json.loads((newer / layout.INDEX).read_text())
    (newer / layout.INDEX).write_text(json.dumps({**index, "version": 99}))
    assert "version 99 of the format" in exported(source, "source", str(newer), code=1)["error"]


def test_a_run_exports_itself(source: Site, tmp_path: Path) -> None:
    done = source.run(
        "import sys; from pyhectiqlab import Run; print(Run.existing('small').export(sys.argv[1]))",
        str(tmp_path / "one"),
    )
    assert done.stdout.strip() == str(tmp_path / "one"), done
    assert layout.open_index(tmp_path / "one")["runs"] == [source.find("small")["id"]]


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "é"]},
        {"b": b"\x00\xff", "inf": math.inf, "deep": {"n": -math.inf}},
        {1: "one", (2): {"$float": 3}},
        {"$bytes": "no bytes"},
        {},
    ],
)
def test_values_come_back_as_they_were(value: Any, tmp_path: Path) -> None:
    layout.write_json(tmp_path / "v.json", value)
    assert layout.read_json(tmp_path / "v.json") == value
    assert layout.exact(json.loads(layout.line_of(value))) == value


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files but the index, which has the time when it was made."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != layout.INDEX]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
