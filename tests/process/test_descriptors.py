"""Scripts that are started without standard descriptors, or close them.

No file of ours is taken for the terminal, and everything arrives.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site, by_turns, eventually
from .test_ends import unique

SCRIPT = """
import json, os, sys
from pyhectiqlab import Run

name, note, capture, close_later = sys.argv[1], sys.argv[2], sys.argv[3] == "1", json.loads(sys.argv[4])
run = Run(name)
if capture:
    run.start_recording_logs(capture_console=True)
for fd in close_later:
    os.close(fd)
child = os.fork()
if not child:
    run.add_metrics("child", 1.0, 1)
    os._exit(0)
os.waitpid(child, 0)
with open(note + ".art", "w") as f:
    f.write("hello")
run.add_artifact(note + ".art")
for step in range(60_000):  # more than the ring takes at once: some of it goes through the spill file
    run.add_metrics("x", step, step)
for fd in (0, 1, 2):  # what a C library would print
    try:
        os.write(fd, b"printed\\n" * 100)
    except OSError:
        pass
os.system("echo from a child; echo from a child >&2")
low = []
for fd in range(3):
    try:
        low.append(os.readlink(f"/proc/self/fd/{fd}"))
    except OSError:
        pass
closed = run.close(30)
with open(note, "w") as f:
    json.dump({"mode": run.mode, "closed": closed, "low": low}, f)
"""


def run_script(site: Site, tmp_path: Path, how: str, capture: bool, later: list[int], **env: str) -> dict[str, Any]:
    name, note = unique("descriptors"), tmp_path / "note"
    arguments = [sys.executable, "-c", SCRIPT, name, str(note), str(int(capture)), json.dumps(later)]
    shell = ["sh", "-c", f'exec "$@" {how}', "sh", *arguments]
    done = subprocess.run(shell, env={**site.env, **env}, capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = {"name": name, **json.loads(note.read_text())}
    assert report["mode"] == "online" and report["closed"] is True, done.stderr.decode()
    assert [step for step, _, _ in site.points(name, "x")] == list(range(60_000))
    eventually(lambda: site.points(name, "child"))
    with site.client() as client:
        assert len(list(client.pages(f"/runs/{site.find(name)['id']}/artifacts"))) == 1
    return report


@pytest.mark.parametrize("capture", [False, True], ids=["metrics", "console"])
@pytest.mark.parametrize(("how", "method"), by_turns("<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"))
def test_a_script_without_standard_descriptors_loses_nothing(
    site: Site, tmp_path: Path, how: str, capture: bool, method: str
) -> None:
    printed = run_script(site, tmp_path, how, capture, [], HECTIQLAB_START_METHOD=method)
    ours = [path for path in printed["low"] if ".q" in path or "socket" in path or str(site.home) in path]
    assert [path for path in ours if "/console/" not in path] == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_descriptors_that_are_closed_later_are_not_taken_for_files_of_ours(
    site: Site, tmp_path: Path, method: str
) -> None:
    printed = run_script(site, tmp_path, "", False, [0, 1, 2], HECTIQLAB_START_METHOD=method)
    assert printed["low"] == []


SPEAKS = """
import sys
from pyhectiqlab import Run
from pyhectiqlab.client.saying import say

run = Run(sys.argv[1])
logger = run.start_recording_logs()
sys.stdin.readline()
logger.warning("echoed")
run.close(30)
say("something")
"""


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", "a pipe without a reader"])
def test_what_we_say_where_nobody_can_read_it_leaves_the_exit_status(site: Site, how: str) -> None:
    """Python ends with 120 where it cannot write what lies in the buffer of stderr."""
    redirect = how if how.startswith("2>") else ""
    command = ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-c", SPEAKS, unique("speaks")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=site.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as script:
        assert script.stdin is not None and script.stderr is not None
        script.stderr.close()
        script.stdin.write("\n")
        script.stdin.close()
        assert script.wait(timeout=60) == 0


def test_a_close_claims_nothing_of_a_queue_that_somebody_wrote_into(site: Site) -> None:
    """Whose header is not a header any more: what is in it is lost, and not said to be at the lab."""
    done = site.run(
        """
        import sys
        from pyhectiqlab import Run
        run = Run(sys.argv[1])
        run._outbox._mapping.words[0] = 0
        run.add_metrics("x", 1.0, 1)
        print(run.close(1))
        """,
        unique("overwritten"),
        HECTIQLAB_START_METHOD="spawn",
    )
    assert done.stdout == "False\n" and "it is not known whether the lab has everything" in done.stderr
