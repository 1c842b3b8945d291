"""Raw points as a file: every format has every point, exactly, however many there are."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.importing.points import Problems
from pyhectiqlab.importing.table import source
from pyhectiqlab.protocol.csvcells import text_cell, text_of_cell
from pyhectiqlab.server.tables.export import FormatMissingError, exported
from pyhectiqlab.store.points import PointStore
from pyhectiqlab.testing.lab import RealLab

from .api import NOW_US, Api, batch, column, error_of, new_id

HEADER = ["key", "step", "value", "time", "rank", "attempt"]
LONG = 1_000_000
VALUES = [0.1, math.nan, math.inf, -math.inf, -0.0, 1e-320, 123456789.123456789]
KEY = 'a "key", with\ta tab,\na line break,\ra return and a space '


@pytest.fixture(scope="module")
def run(api: Api) -> str:
    """Make a run with two keys: one odd key with odd values, and one of two ranks."""
    run: str = api.attach("export/ed")["run"]["id"]
    steps = list(range(len(VALUES)))
    api.ingest(batch(run, new_id(), 1, len(VALUES), series=[column(KEY, steps, VALUES, steps)]))
    for rank in (0, 1):
        api.ingest(batch(run, new_id(), 1, 3, rank=rank, key="loss"))
    return run


def content(api: Api, run: str, **asked: Any) -> bytes:
    answer = api.raw("GET", f"/runs/{run}/export", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def same(a: float, b: float) -> bool:
    return math.copysign(1, a) == math.copysign(1, b) and (a == b or (math.isnan(a) and math.isnan(b)))


def test_csv_has_every_point_exactly(api: Api, run: str) -> None:
    rows = list(csv.reader(io.StringIO(content(api, run).decode(), newline="")))
    assert rows[0] == HEADER
    mine = [row for row in rows if row[0] == KEY]
    assert all(same(float(row[2]), value) for row, value in zip(mine, VALUES, strict=True))
    assert [float(row[3]) for row in mine] == [(NOW_US + n) / 1e6 for n in range(len(VALUES))]
    assert sorted((row[1], row[4]) for row in rows if row[0] == "loss") == [
        (str(n), r) for n in (1, 2, 3) for r in "01"
    ]


FORMULAS = [
    '=HYPERLINK("http://evil","x")',
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "''+x",
    "＝1",
    "a=1",
    "'a",
]


def test_no_key_is_a_formula_in_a_spreadsheet_and_import_reads_what_it_was(
    api: Api, lab: RealLab, tmp_path: Path
) -> None:
    run = api.attach("export/formulas")["run"]["id"]
    series = [column(key, [i], [-1.5 * i], [i]) for i, key in enumerate(FORMULAS)]
    api.ingest(batch(run, new_id(), 1, len(FORMULAS), series=series))
    rows = list(csv.reader(io.StringIO(content(api, run).decode(), newline="")))[1:]
    assert len(rows) == len(FORMULAS)
    assert not any(row[0][0] in "=+-@\t\r\n＝" for row in rows)
    assert {float(row[2]) for row in rows} == {-1.5 * i for i in range(len(FORMULAS))}, "numbers are as they are"
    path = tmp_path / "points.csv"
    path.write_bytes(content(api, run))
    read = {point.key: point.value for point in source(path).read(Problems())}
    assert read == {key: -1.5 * i for i, key in enumerate(FORMULAS)}


@given(st.text(max_size=8), st.sampled_from(["", "'", "''", "=", "'="]))
def test_what_a_cell_was_made_of_is_read_from_it(text: str, before: str) -> None:
    assert text_of_cell(text_cell(before + text)) == before + text


def test_json_lines_are_json_and_tell_one_rank(api: Api, run: str) -> None:
    points = [json.loads(line) for line in content(api, run, format="jsonl", key=KEY).splitlines()]
    assert [set(p) for p in points] == [set(HEADER)] * len(VALUES)
    assert points[0]["value"] == 0.1 and [p["value"] for p in points[1:4]] == ["NaN", "Infinity", "-Infinity"]
    other = [json.loads(line) for line in content(api, run, format="jsonl", key="loss", rank=1).splitlines()]
    assert [(p["step"], p["rank"]) for p in other] == [(1, 1), (2, 1), (3, 1)]


def test_parquet_reads_back_as_a_table(api: Api, run: str) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(io.BytesIO(content(api, run, format="parquet")))
    assert table.column_names == HEADER
    rows = [row for row in table.to_pylist() if row["key"] == KEY]
    assert all(same(row["value"], value) for row, value in zip(rows, VALUES, strict=True))
    assert rows[0]["time"].timestamp() == pytest.approx(NOW_US / 1e6, abs=1e-6)
    assert table.num_rows == len(VALUES) + 6


def test_what_cannot_be_exported_is_refused_before_the_first_byte(api: Api, run: str) -> None:
    assert error_of(api.raw("GET", f"/runs/{run}/export", params={"key": "none"}))["code"] == "key_not_found"
    assert error_of(api.raw("GET", f"/runs/{run}/export", params={"format": "xml"}))["status"] == 422
    assert error_of(api.raw("GET", "/runs/000000000000/export"))["code"] == "run_not_found"
    empty = api.attach()["run"]["id"]
    assert content(api, empty).decode().strip().split(",") == HEADER


def test_a_lab_without_pyarrow_says_what_to_install(points: PointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FormatMissingError, match=r"pip install 'path/to/clone\[parquet\]'"):
        exported(points, "run", None, "parquet", None, None)


@pytest.fixture(scope="module")
def long_run(api: Api) -> str:
    """Make a run with LONG points of one series, and return its id."""
    run: str = api.attach()["run"]["id"]
    writer, n = new_id(), LONG // 4
    for first in range(1, LONG, n):
        api.ingest(batch(run, writer, first, first + n - 1))
    return run


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_long_series_takes_no_memory_of_its_length(lab: RealLab, api: Api, long_run: str, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    answer = api.raw("GET", f"/runs/{long_run}/export", params={"format": form, "key": "loss"}, stream=True)
    server, size, peak = psutil.Process(lab.pid), 0, 0
    before = server.memory_info().rss
    for piece in answer.iter_content(1 << 18):
        size += len(piece)
        peak = max(peak, server.memory_info().rss)
    assert size > 8 * LONG
    assert peak - before < 96 << 20
