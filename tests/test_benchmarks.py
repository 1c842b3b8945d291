"""Benchmarks that fill a lab run to their end, on a small one: nobody notices for months where one does not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.slow  # fills a lab of 400 runs
def test_benchmarks_of_pages_of_runs_end_with_numbers(tmp_path: Path) -> None:
    size = ("--runs", "400", "--keys", "8", "--keys-per-run", "5")
    for script in ("runs_page.py", "table.py"):  # the first one fills the lab
        done = subprocess.run(
            [sys.executable, BENCHMARKS / script, *size, "--data", tmp_path / "lab", "--json"],
            cwd=BENCHMARKS.parent,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        numbers = json.loads(done.stdout)["numbers"]
        assert len(numbers) > 5 and all(number["value"] > 0 for number in numbers)


@pytest.mark.slow  # imports torch and wandb ten times
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "wandb")), reason="needs torch and wandb"
)
def test_the_benchmark_of_trackers_ends_with_numbers_and_loses_nothing() -> None:
    steps = ("--step-ms", "1", "--pairs", "20", "--turns", "2", "--turn-s", "0.2", "--rounds", "2", "--steps", "3")
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "beside.py", *steps, "--repeat", "1", "--json"],
        cwd=BENCHMARKS.parent,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    numbers = {number["what"]: number["value"] for number in json.loads(done.stdout)["numbers"]}
    assert numbers["stretches of 0.2 s: beside over alone"] > 0.1 and numbers["a step: instead over alone"] > 0.1
    assert 0 < numbers["the hook at the start of Python, without its variables"] < 100
