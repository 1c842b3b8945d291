"""Sweeps: many runs in one process (15 here), each closed before the next. A closed run costs the process nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import pytest

from .conftest import Site, eventually
from .test_ends import unique

RUNS = 15  # five times as many as one may leave behind

SWEEP = """
import json, os, sys, threading
from pathlib import Path
from pyhectiqlab import Run

name, count, capture, timeout = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1", json.loads(sys.argv[4])

def held():
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if ".q" in line.split("/")[-1]]
    return len(os.listdir("/proc/self/fd")), len(mapped)

def one(i):
    with Run(f"{name}-{i}") as run:
        if capture:
            run.start_recording_logs(capture_console=True)
            os.write(1, b"printed by C\\n")
        for step in range(100):
            run.add_metrics("x", step, step)
        if timeout is not None:
            run.close(timeout)
    return run

one(0)
before = held()
runs = [one(i) for i in range(1, count)]
after = held()
last = runs[-1]
try:
    last.add_metrics("x", 1.0, 1)
except ValueError as e:
    refused = type(e).__name__
report = {"before": before, "after": after, "refused": refused, "close": last.close()}
print(json.dumps(report), file=sys.stderr, flush=True)
sys.stdin.readline()
report = {"flush": last.flush(20), "status": [last.status().produced, last.status().acked, last.status().backlog]}
print(json.dumps(report), file=sys.stderr, flush=True)
sys.stdin.readline()
"""


def told_on(stream: IO[str]) -> dict[str, Any]:
    """Return the next line that is the script's, not ours."""
    while not (line := stream.readline()).startswith("{"):
        assert line
    printed: dict[str, Any] = json.loads(line)
    return printed


def queues(site: Site) -> list[Path]:
    """Return the queues of the runs' writers that are not done."""
    items = [json.loads(p.read_text()) for s in site.sessions() for p in (s / "writers").glob("*.json")]
    return [Path(w["queue"]) for w in items if Path(w["queue"]).exists()]


@pytest.mark.parametrize("capture", [False, True], ids=["metrics", "console"])
def test_a_closed_run_gives_back_its_descriptors_and_its_memory(site: Site, capture: bool) -> None:
    name = unique("sweep")
    process = site.start(SWEEP, name, str(RUNS), str(int(capture)), "null")
    assert process.stderr is not None and process.stdin is not None
    line_read = told_on(process.stderr)
    assert line_read["after"][0] <= line_read["before"][0] + 3, line_read
    assert line_read["after"][1] == 0, line_read
    assert line_read["refused"] == "RunClosedError" and line_read["close"] is True
    (uploader,) = site.uploaders()
    eventually(lambda: not queues(site), what="queues of runs that are at the lab are removed")
    assert len(list(Path(f"/proc/{uploader}/fd").iterdir())) < 40
    process.stdin.write("\n")
    process.stdin.flush()
    line_read = told_on(process.stderr)
    assert line_read["flush"] is True
    assert line_read["status"][0] == line_read["status"][1] >= 101 and line_read["status"][2] == 0
    process.communicate("\n", timeout=20)
    for i in (0, RUNS - 1):
        assert site.ended(f"{name}-{i}")["state"] == "completed"
        assert len(site.points(f"{name}-{i}", "x")) == 100


AWAY = """
import json, sys
from pathlib import Path
from pyhectiqlab import Run

name = sys.argv[1]
runs = [Run(f"{name}-{i}") for i in range(10)]
for run in runs:
    for step in range(100):
        run.add_metrics("x", step, step)
print(flush=True)
sys.stdin.readline()
print([run.close(0) for run in runs].count(True), Path("/proc/self/maps").read_text().count(".q\\n"), flush=True)
sys.stdin.readline()
s = runs[-1].status()
print(runs[-1].flush(20), s.produced == s.journaled, s.backlog == s.produced - s.acked, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_runs_that_are_closed_while_the_lab_is_away_hold_no_memory_and_arrive_later(own_site: Site, mode: str) -> None:
    name = unique("away")
    process = own_site.start(AWAY, name, HECTIQLAB_MODE=mode)
    out, into = process.stdout, process.stdin
    assert out is not None and into is not None

    def go_on() -> str:
        into.write("\n")
        into.flush()
        return out.readline()

    assert out.readline() == "\n"
    own_site.lab.kill()
    assert go_on().split()[1] == "0"
    eventually(lambda: not queues(own_site), what="queues of closed runs are put away once they are journaled")
    own_site.lab.start()
    assert go_on() == "True True True\n"
    process.communicate("\n", timeout=60)
    eventually(lambda: not own_site.uploaders())
    if mode == "offline":
        assert own_site.cli("sync").returncode == 0
    for i in range(10):
        assert len(own_site.points(f"{name}-{i}", "x")) == 100
        assert own_site.find(f"{name}-{i}")["state"] == "completed"
