"""The queries of docs/export.md run, and find what was logged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ..markdown import blocks
from ..process.conftest import Site
from .test_export import exported

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
SCRIPT = """
import math
from pyhectiqlab import Config, Run
for name, rate in (("one", 0.5), ("two", 0.25)):
    with Run(name, project="queried", should_create_project=True) as run:
        run.add_config(Config(learning_rate=rate))
        for step in range(10):
            run.add_metrics("valid/loss", math.nan if step == 3 else rate / (step + 1), step=step)
        run.start_recording_logs().warning("hello from " + name)
"""


@pytest.fixture(scope="module")
def folder(source: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert source.run(SCRIPT).returncode == 0
    at = tmp_path_factory.mktemp("queried")
    exported(source, "queried", str(at / "export"))
    return at


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_duckdb_reads_it() -> None:
    duckdb = pytest.importorskip("duckdb")
    best, printed = (duckdb.sql(query).fetchall() for query in blocks(PAGE, "sql"))
    assert best == [("two", 0.25, 0.025), ("one", 0.5, 0.05)]
    assert {(name, text.strip()) for name, _, text in printed} == {(n, f"hello from {n}") for n in ("one", "two")}


def test_pandas_reads_it() -> None:
    pytest.importorskip("pandas")
    table = _run("import pandas")["table"]
    assert dict(zip(table["name"], table["last"], strict=True)) == {"one": 0.05, "two": 0.025}


def test_polars_reads_it() -> None:
    pytest.importorskip("polars")
    names = _run("import polars")
    assert sorted(names["best"]["value"]) == [0.025, 0.05] and len(names["curve"]) == 20


def _run(word: str) -> dict[str, Any]:
    (block,) = (block for block in blocks(PAGE, "python") if word in block)
    names: dict[str, Any] = {}
    exec(compile(block, os.fspath(Path("docs/export.md")), "exec"), names)
    return names
