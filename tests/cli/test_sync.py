"""`status` and `sync` over what real scripts left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .conftest import Hectiqlab, well

SCRIPT = """
from pyhectiqlab import Run

run = Run("kept", project="p", should_create_project=True)
for step in range(500):
    run.add_metrics("loss", 1 / (step + 1), step)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as lab:
        yield lab


def script(environment: dict[str, str], **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**environment, **variables}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, ""), done


def steps(hectiqlab: Hectiqlab) -> list[int]:
    lines = well(hectiqlab("metrics", "kept", "loss", "--format", "jsonl")).splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_what_was_logged_offline_or_without_a_lab_is_shown_and_sent(
    lab: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    environment |= {"HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}
    script(environment, HECTIQLAB_MODE="offline")
    reports = json.loads(well(hectiqlab("status", "--json")))
    assert [(r["state"], r["runs"]) for r in reports] == [("waits", ["kept"])]
    shown = well(hectiqlab("status"))
    assert reports[0]["session"] in shown and "hectiqlab sync" in shown

    lab.stop()
    failed = hectiqlab("sync")
    assert failed.returncode == 1 and "Error: session" in failed.stderr and "cannot be reached" in failed.stderr
    lab.start()

    done = hectiqlab("sync")
    assert done.returncode == 0 and done.stdout.endswith("; 0 left.\n"), done
    assert steps(hectiqlab) == list(range(500))
    assert "Nothing waits" in well(hectiqlab("status"))
    assert well(hectiqlab("sync")) == "Sent 0 events; 0 left.\n"


def test_what_a_lab_that_was_down_missed_is_sent_later(
    lab: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    environment |= {"HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}
    before = len(steps(hectiqlab))
    lab.stop()
    script(environment)
    assert [r["state"] for r in json.loads(well(hectiqlab("status", "--json")))] == ["waits"]
    lab.start()
    assert hectiqlab("sync").returncode == 0
    assert len(steps(hectiqlab)) == before + 500
