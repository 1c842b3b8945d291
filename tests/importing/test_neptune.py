"""Exports of Neptune: of its exporter (samples/make_neptune.py), and others made here in the same format."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import Site, imported, points, unique

SAMPLES = Path(__file__).parent / "samples"
SCHEMA = pa.schema(
    [
        ("project_id", pa.string()), ("run_id", pa.string()), ("attribute_path", pa.string()),
        ("attribute_type", pa.string()), ("step", pa.decimal128(18, 6)), ("timestamp", pa.timestamp("ms", "UTC")),
        ("int_value", pa.int64()), ("float_value", pa.float64()), ("string_value", pa.string()),
        ("bool_value", pa.bool_()), ("datetime_value", pa.timestamp("ms", "UTC")),
        ("string_set_value", pa.list_(pa.string())), ("file_value", pa.struct([("path", pa.string())])),
        ("histogram_value", pa.struct([("type", pa.string()), ("edges", pa.list_(pa.float64())),
                                       ("values", pa.list_(pa.float64()))])),
    ]
)  # fmt: skip
BEGAN = 1_700_000_000.5


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(BEGAN + seconds, tz=timezone.utc)


def one(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"attribute_path": name, "attribute_type": kind, f"{kind}_value": value}


def series(name: str, kind: str, step: str, value: Any, seconds: float = 0.0) -> dict[str, Any]:
    column = {"float_series": "float", "string_series": "string", "histogram_series": "histogram"}.get(kind, "file")
    place = {"step": Decimal(step), "timestamp": at(seconds)}
    return {"attribute_path": name, "attribute_type": kind, f"{column}_value": value, **place}


def export(folder: Path, run: str, *parts: list[dict[str, Any]]) -> None:
    data = folder / "data" / "org_proj_1a2b"
    data.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(parts):
        whole = [{"project_id": "org/proj", "run_id": run, **row} for row in rows]
        pq.write_table(pa.Table.from_pylist(whole, SCHEMA), data / f"{run}_part_{number}.parquet")


def test_a_run_of_an_export_is_what_it_was(site: Site, tmp_path: Path) -> None:
    files = tmp_path / "files" / "org_proj_1a2b"
    files.mkdir(parents=True)
    (files / "net.bin").write_bytes(b"123")
    (files / "img.png").write_bytes(b"png")
    export(
        tmp_path,
        "RUN-1",
        [
            one("sys/name", "string", "my run"), one("sys/creation_time", "datetime", at(0)),
            one("sys/running_time", "float", 60.0), one("sys/failed", "bool", True),
            one("sys/tags", "string_set", ["a", "b"]), one("sys/description", "string", "a note"),
            one("sys/owner", "string", "ada"), one("params/lr", "float", 0.1), one("params/layers", "int", 3),
            one("model/weights", "file", {"path": "org_proj_1a2b/net.bin"}),
            *(series("train/loss", "float_series", str(i), 1 / (i + 1), i) for i in range(3)),
            series("train/loss", "float_series", "2", 1 / 3, 2), series("train/loss", "float_series", "3", math.nan, 3),
        ],
        [
            series("valid/acc", "float_series", "0.5", 0.25, 1),
            series("valid/acc", "float_series", "0.500001", 0.5, 2),
            series("valid/acc", "float_series", "-1.5", 0.75, 3), series("samples", "string_series", "1", "a text", 1),
            series("monitoring/1a2b/stdout", "string_series", "0", "hello", 1),
            series("monitoring/1a2b/cpu", "float_series", "0", 12.5, 4),
            series("weights", "histogram_series", "1", {"type": "COUNTING", "edges": [0, 1, 2], "values": [3, 4]}, 1),
            series("images", "file_series", "7", {"path": "org_proj_1a2b/img.png"}, 7),
        ],
    )  # fmt: skip
    project = unique("neptune")
    (report,) = imported(site, "neptune", str(tmp_path), "-p", project)
    name = f"{project}/my run"
    run = site.find(name)
    assert [p[:2] for p in points(site, name, "train/loss")][:4] == [(0, 1.0), (1, 0.5), (2, 1 / 3), (2, 1 / 3)]
    assert math.isnan(points(site, name, "train/loss")[4][1])
    assert points(site, name, "valid/acc") == [(0, 0.25, BEGAN + 1), (0, 0.5, BEGAN + 2), (-2, 0.75, BEGAN + 3)]
    assert [value for _, value, _ in points(site, name, "neptune/step/valid/acc")] == [0.5, 0.500001, -1.5]
    assert points(site, name, "system/cpu") == [(4, 12.5, BEGAN + 4)]
    assert (run["state"], run["created"], run["ended"]) == ("failed", BEGAN, BEGAN + 60)
    assert (run["note"], [tag["name"] for tag in run["tags"]]) == ("a note", ["a", "b"])
    assert run["config"]["params"] == {"lr": 0.1, "layers": 3} and run["config"]["neptune"]["run_id"] == "RUN-1"
    with site.client() as lab:
        media = {item["name"]: item["kind"] for item in lab.pages(f"/runs/{run['id']}/media")}
        assert media == {"samples": "text", "weights": "histogram", "images": "image"}
        names = {item["name"]: item["step"] for item in lab.pages(f"/runs/{run['id']}/artifacts")}
        assert names == {"model%2Fweights.bin": None, "images.png": 7}
        assert [log["text"] for log in lab.pages(f"/runs/{run['id']}/logs")] == ["hello\n"]
    (again,) = imported(site, "neptune", str(tmp_path), "-p", project)
    assert again["was_there"] and again["run"] == report["run"]


def test_a_damaged_part_is_told_and_the_rest_comes(site: Site, tmp_path: Path) -> None:
    export(
        tmp_path,
        "RUN-2",
        [series("loss", "float_series", "1", 0.5), one("model", "file", {"path": "../../../secret"})],
        [series("loss", "float_series", "2", 0.25)],
    )
    part = tmp_path / "data" / "org_proj_1a2b" / "RUN-2_part_1.parquet"
    part.write_bytes(part.read_bytes()[:200])
    project = unique("neptune")
    done = site.cli("import", "neptune", str(tmp_path), "-p", project)
    assert done.returncode == 1 and "RUN-2_part_1.parquet" in done.stderr and "'model' is not at" in done.stderr
    assert [p[:2] for p in points(site, f"{project}/RUN-2", "loss")] == [(1, 0.5)]
    done = site.cli("import", "neptune", str(tmp_path / "none"))
    assert done.returncode == 1 and "does not exist" in done.stderr


def test_what_the_exporter_itself_wrote_is_what_it_was(site: Site) -> None:
    project = unique("neptune")
    reports = imported(site, "neptune", str(SAMPLES / "neptune-exporter-0.1.0"), "-p", project)
    assert [(one["name"], one["points"], one["problems"]) for one in reports] == [("my run", 11, []), ("child", 9, [])]
    one, two = site.find(f"{project}/my run"), site.find(f"{project}/child")
    began = 1_704_164_645.678
    assert points(site, one["id"], "train/loss") == [
        (step, 1 / (step + 1), pytest.approx(began + step)) for step in range(4)
    ]
    assert [p[:2] for p in points(site, one["id"], "valid/acc")] == [(0, 0.25), (0, 0.5), (1, 0.75)]
    assert [value for _, value, _ in points(site, one["id"], "neptune/step/valid/acc")] == [0.5, 0.500001, 1.0]
    assert one["config"]["params"] == {"lr": 0.1, "layers": 3, "bias": True}
    # The exporter writes a row without a value for what only another run of its table has.
    assert "params" not in two["config"] and two["config"]["only"] == {"of": {"child": "x"}}
    assert two["config"]["neptune"]["forking"] == {"parent": "one", "step": 1.0}
    assert (one["state"], two["state"], [tag["name"] for tag in one["tags"]]) == ("completed", "failed", ["a", "b"])
    assert two["fork"] == {"parent": one["id"], "step": 1, "copying": False} and one["fork"] is None
    assert sorted(p[:2] for p in points(site, two["id"], "train/loss")) == [(0, 1.0), (1, 0.5), (2, 0.125)]
    assert sorted(p[:2] for p in points(site, two["id"], "neptune/step/valid/acc")) == [
        (0, 0.5),
        (0, 0.500001),
        (1, 1.0),
    ]
    with site.client() as lab:
        keys = {item["key"] for item in lab.pages(f"/runs/{two['id']}/keys")}
        assert keys == {"train/loss", "valid/acc", "neptune/step/valid/acc"}  # not how busy the parent's machine was
    with site.client() as lab:
        names = {item["name"]: item["step"] for item in lab.pages(f"/runs/{one['id']}/artifacts")}
        assert names == {"model%2Fnet.bin": None, "images.png": 7}
        assert list(lab.pages(f"/runs/{two['id']}/artifacts")) == []


def test_an_export_that_was_not_finished_is_left_out_until_it_is(site: Site, tmp_path: Path) -> None:
    export(tmp_path, "RUN-1", [series("loss", "float_series", "1", 0.5)], [series("loss", "float_series", "2", 0.25)])
    first = tmp_path / "data" / "org_proj_1a2b" / "RUN-1_part_0.parquet"
    first.rename(first.with_suffix(".parquet.tmp"))  # the exporter gives the first part its name at last
    project = unique("neptune")
    done = site.cli("import", "neptune", str(tmp_path), "-p", project)
    assert done.returncode == 1 and "RUN-1_part_0.parquet is missing" in done.stderr, done
    first.with_suffix(".parquet.tmp").rename(first)
    imported(site, "neptune", str(tmp_path), "-p", project)
    assert [p[:2] for p in points(site, f"{project}/RUN-1", "loss")] == [(1, 0.5), (2, 0.25)]


def curve(run: str, steps: range, value: float, *forking: dict[str, Any]) -> list[dict[str, Any]]:
    about = [one("sys/custom_run_id", "string", f"own {run}"), *forking]
    return [*about, *(series("loss", "float_series", str(step), value, step) for step in steps)]


def fork_of(parent: str, step: float) -> tuple[dict[str, Any], dict[str, Any]]:
    return one("sys/forking/parent", "string", parent), one("sys/forking/step", "float", step)


def test_forks_of_forks_begin_with_the_curves_that_they_have_in_neptune(site: Site, tmp_path: Path) -> None:
    """By name, a fork comes before the runs that it descends from. A parent is named by either of its ids."""
    export(tmp_path, "RUN-1", curve("RUN-1", range(6, 8), 3.0, *fork_of("own RUN-3", 5.0)))
    export(tmp_path, "RUN-3", curve("RUN-3", range(3, 9), 2.0, *fork_of("RUN-9", 2.0)))
    export(
        tmp_path, "RUN-4", curve("RUN-4", range(2, 4), 4.0, *fork_of("RUN-3", 1.0))
    )  # before its parent's own points
    export(tmp_path, "RUN-9", curve("RUN-9", range(9), 1.0))
    project = unique("neptune")
    reports = imported(site, "neptune", str(tmp_path), "-p", project)
    assert [(one["name"], one["problems"]) for one in reports] == [(f"RUN-{n}", []) for n in (9, 3, 1, 4)]
    runs = {name: site.find(f"{project}/{name}") for name in ("RUN-1", "RUN-3", "RUN-4", "RUN-9")}
    curves = {name: [p[:2] for p in points(site, run["id"], "loss")] for name, run in runs.items()}
    assert curves["RUN-1"] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0), (6, 3.0), (7, 3.0)]
    assert curves["RUN-3"] == [(step, 1.0 if step < 3 else 2.0) for step in range(9)]
    assert curves["RUN-4"] == [(0, 1.0), (1, 1.0), (2, 4.0), (3, 4.0)]
    assert runs["RUN-1"]["fork"] == {"parent": runs["RUN-3"]["id"], "step": 5, "copying": False}
    assert runs["RUN-4"]["fork"] == {"parent": runs["RUN-3"]["id"], "step": 1, "copying": False}
    again = imported(site, "neptune", str(tmp_path), "-p", project)
    assert all(one["was_there"] for one in again)
    assert {name: [p[:2] for p in points(site, run["id"], "loss")] for name, run in runs.items()} == curves


def test_a_fork_at_a_decimal_step_begins_with_the_points_up_to_it(site: Site, tmp_path: Path) -> None:
    parent = [series("loss", "float_series", str(n / 4), n / 4, n) for n in range(12)]
    child = [series("loss", "float_series", str(n), float(n), 20 + n) for n in (2, 3)]
    export(tmp_path, "RUN-1", parent)
    export(tmp_path, "RUN-2", [*fork_of("RUN-1", 1.25), *child])
    project = unique("neptune")
    imported(site, "neptune", str(tmp_path), "-p", project)
    exact = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 2.0, 3.0]
    for key in ("loss", "neptune/step/loss"):  # also of the fork's own steps, which are whole
        assert [value for _, value, _ in points(site, f"{project}/RUN-2", key)] == exact


def test_a_fork_whose_parent_is_missing_is_told_and_becomes_one_when_it_comes(site: Site, tmp_path: Path) -> None:
    export(tmp_path, "RUN-2", curve("RUN-2", range(3, 5), 2.0, *fork_of("RUN-1", 2.0)))
    project = unique("neptune")
    done = site.cli("import", "neptune", str(tmp_path), "-p", project)
    assert done.returncode == 1 and "RUN-2: the run that it is a fork of did not come with it" in done.stderr, done
    assert site.find(f"{project}/RUN-2")["fork"] is None
    export(tmp_path, "RUN-1", curve("RUN-1", range(4), 1.0))
    done = site.cli("import", "neptune", str(tmp_path), "-p", project)
    assert f"2 runs in {project}: {site.lab.url}/projects/{project}\n" in done.stdout, done
    assert sorted(p[:2] for p in points(site, f"{project}/RUN-2", "loss")) == [
        (n, 1.0 if n < 3 else 2.0) for n in range(5)
    ]
    assert site.find(f"{project}/RUN-2")["fork"]["parent"] == site.find(f"{project}/RUN-1")["id"]


def test_a_circle_of_forks_and_a_damaged_parent_stop_nothing(site: Site, tmp_path: Path) -> None:
    export(tmp_path, "RUN-1", curve("RUN-1", range(2), 1.0, *fork_of("RUN-2", 1.0)))
    export(tmp_path, "RUN-2", curve("RUN-2", range(2, 4), 2.0, *fork_of("RUN-1", 1.0)))
    export(tmp_path, "RUN-3", curve("RUN-3", range(3), 3.0))
    export(tmp_path, "RUN-4", curve("RUN-4", range(3, 5), 4.0, *fork_of("RUN-3", 2.0)))
    part = tmp_path / "data" / "org_proj_1a2b" / "RUN-3_part_0.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:200])
    project = unique("neptune")
    done = site.cli("import", "neptune", str(tmp_path), "-p", project)
    assert done.returncode == 1 and "RUN-3_part_0.parquet" in done.stderr and "Traceback" not in done.stderr, done
    assert [p[:2] for p in points(site, f"{project}/RUN-4", "loss")] == [(3, 4.0), (4, 4.0)]
    part.write_bytes(whole)
    done = site.cli("import", "neptune", str(tmp_path), "-p", project)
    assert "RUN-3" not in done.stderr and "Traceback" not in done.stderr, done
    assert sorted(p[:2] for p in points(site, f"{project}/RUN-4", "loss")) == [
        (n, 3.0 if n < 3 else 4.0) for n in range(5)
    ]
