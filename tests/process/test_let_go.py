"""Tests of a closed run whose queue is let go of: `flush` and `status` stay true, whatever kills the uploader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Site
from .test_ends import unique
from .test_exits import go_on, lab_stopped, ready

# The present uploader is killed; the next one dies at the crash point.
SCRIPT = """
import json, os, signal
from pyhectiqlab.base import crashpoints
marker = os.environ["MARKER"]
crashpoints.passing = crashpoints.armed(f"{os.environ['POINT']}:1:{marker}")
os.kill(run.status().uploader_pid, signal.SIGKILL)
for step in range(100, 200):
    run.add_metrics("loss", float(step), step)
run.close(timeout=0)
flushed = []
while not os.path.exists(marker):
    flushed.append(run.flush(0.1))
flushed.append(run.flush(0))
status = run.status()
print(json.dumps({"flushed": any(flushed), "backlog": status.backlog, "produced": status.produced}), flush=True)
print(run.flush(2), flush=True)
sys.stdin.readline()
print(run.flush(60), run.status().backlog, flush=True)
"""


@pytest.mark.parametrize("point", ["drain.counted", "drain.advanced", "finish.unlinked"])
def test_a_flush_of_a_closed_run_is_not_done_before_the_lab_has_it_all(
    own_site: Site, tmp_path: Path, point: str
) -> None:
    site, name = own_site, unique("let-go")
    process = ready(site, name, SCRIPT, POINT=point, MARKER=str(tmp_path / "died"), HECTIQLAB_EXIT_TIMEOUT="1")
    assert process.stdout is not None
    with lab_stopped(site):
        go_on(process)
        said = json.loads(process.stdout.readline())
        # 100 points and the end of the run. Those that are being moved to the journal count twice for a moment.
        assert not said["flushed"] and said["backlog"] >= 101, said
        assert process.stdout.readline() == "False\n"
    go_on(process)
    assert process.stdout.readline() == "True 0\n"
    process.communicate(timeout=30)
    assert len(site.points(name, "loss")) == 200
