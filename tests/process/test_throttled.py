"""A lab that says "later": the uploader obeys, loses nothing, and delivers all of it when it may."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .conftest import Site, eventually

SCRIPT = """
import sys
from pyhectiqlab import Run
run = Run("throttled")
for step in range(3000):
    run.add_metrics("loss", step / 7, step)
for _ in range(20):
    run.flush(0.3)
print("logged", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RealLab]:
    real = ForkedLab(tmp_path / "data", tmp_path / "lab", env={"HECTIQLAB_TEST_BOUNDS": json.dumps(NOTHING)})
    yield real
    real.kill()


NOTHING = {"LAB_INGESTS_OF_USER": 0, "LAB_REFUSED_PAUSE_S": 0}


def refused(lab: RealLab) -> float:
    """Return the requests of ingest that got a 429."""
    text = requests.get(f"{lab.url}/api/v1/metrics", headers=lab.headers, timeout=30).text
    lines = [line for line in text.splitlines() if line.startswith("hectiqlab_http_requests_total{")]
    return sum(float(line.split()[-1]) for line in lines if '"/ingest"' in line and 'status="429"' in line)


def test_who_is_told_to_come_later_comes_later_and_loses_nothing(own_lab: RealLab, tmp_path: Path) -> None:
    site = Site(own_lab.start(), tmp_path / "home")
    began = time.monotonic()
    script = site.start(SCRIPT)
    try:
        assert script.stdout is not None and script.stdin is not None
        assert script.stdout.readline() == "logged\n"
        eventually(lambda: refused(own_lab) >= 1)
        # There is a second between two, though flushes hurry: the script waited in vain twenty times.
        assert refused(own_lab) <= 1 + (time.monotonic() - began)
        assert site.points("throttled", "loss") == []
        own_lab.stop()
        del own_lab.env["HECTIQLAB_TEST_BOUNDS"]
        own_lab.start()
        eventually(lambda: len(site.points("throttled", "loss")) == 3000, 40)
    finally:
        script.communicate("\n", timeout=60)
    points = site.points("throttled", "loss")
    assert [step for step, _, _ in points] == list(range(3000))
    assert site.find("throttled")["losses"] == {}
