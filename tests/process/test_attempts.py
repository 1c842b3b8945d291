"""An attempt is one life of a script: who belongs to it, when it is over, and whose end is that of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site, by_turns, eventually
from .test_ends import unique

TRAIN = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("loss", 1.0, 0)
print(run.attempt, run.flush(20), flush=True)
sys.stdin.readline()
"""
HELPER = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_tag("seen")
if len(sys.argv) > 2:
    print(run.attempt, run.flush(20), flush=True)
    sys.stdin.readline()
"""


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def history(run: dict[str, Any]) -> list[tuple[int, str]]:
    return [(change["attempt"], change["state"]) for change in run["history"]]


def script_at(site: Site, path: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script from a file, because spawned children import it again."""
    path.write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, str(path), *arguments], env=site.env, capture_output=True, text=True, timeout=60
    )


# Helpers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lives", [False, True], ids=["helper ended", "helper lives"])
def test_a_job_that_is_killed_and_started_again_is_a_new_attempt_whoever_else_opened_the_run(
    site: Site, lives: bool
) -> None:
    name = unique("voiceless")
    first = site.start(TRAIN, name)
    assert line(first) == "1 True"
    helper = site.start(HELPER, name, *(["lives"] if lives else []))
    if lives:
        assert line(helper) == "1 True"
    else:
        assert helper.wait(30) == 0
        eventually(lambda: site.find(name)["sessions"][1]["ended"], what="the helper's end is never told")
    run = site.find(name)
    assert (run["state"], [s["sets_state"] for s in run["sessions"]]) == ("running", [True, False])
    first.kill()
    first.communicate()
    eventually(lambda: site.state(name) == "killed")
    again = site.start(TRAIN, name)
    assert line(again) == "2 True"
    assert site.state(name) == "running"
    helper.communicate("\n", timeout=30)
    again.communicate("\n", timeout=30)
    run = site.ended(name)
    assert (run["state"], run["attempt"], run["state_why"]) == ("completed", 2, "exit")
    assert history(run) == [(1, "running"), (1, "killed"), (2, "running"), (2, "completed")]
    assert all(s["ended"] for s in run["sessions"])


def test_what_a_helper_says_of_the_state_changes_nothing(site: Site) -> None:
    name = unique("says")
    train = site.start(TRAIN, name)
    assert line(train) == "1 True"
    assert site.run(HELPER + "run.failed()\nrun.flush(20)\nraise ValueError('mine alone')", name).returncode == 1
    eventually(lambda: site.find(name)["sessions"][1]["ended"])
    run = site.find(name)
    assert (run["state"], run["sessions"][1]["state"]) == ("running", "failed")
    train.communicate("\n", timeout=30)
    assert history(site.ended(name)) == [(1, "running"), (1, "completed")]


# Processes of one script ------------------------------------------------------------------------------------------

CHILDREN = """
import multiprocessing, sys
from pyhectiqlab import Run

def fit(name, key, error=None):
    run = Run(name)
    run.training()
    run.add_metrics(key, 1.0, 1)
    if error:
        raise ValueError(error)

def child(context, *arguments):
    process = context.Process(target=fit, args=arguments)
    process.start()
    process.join()

if __name__ == "__main__":
    name, context = sys.argv[1], multiprocessing.get_context(sys.argv[2])
"""
METHODS = ("fork", "spawn", "forkserver")


@pytest.mark.parametrize(("ends", "method"), by_turns("well", "badly", methods=METHODS))
def test_children_and_their_script_that_open_the_run_by_name_are_one_attempt_and_the_script_ends_it(
    site: Site, tmp_path: Path, method: str, ends: str
) -> None:
    name = unique(f"children-{method}")
    text = CHILDREN + (
        "    child(context, name, 'fit')\n"
        "    child(context, name, 'test')\n"
        "    run = Run(name)\n"
        "    run.add_metrics('parent', 1.0, 1)\n"
        "    child(context, name, 'beside')\n"
        "    if sys.argv[3] == 'badly': raise RuntimeError('after the fit')\n"
    )
    done = script_at(site, tmp_path / "train.py", text, name, method, ends)
    assert done.returncode == (ends == "badly"), done.stderr
    run = site.ended(name)
    state, why = ("failed", "RuntimeError: after the fit") if ends == "badly" else ("completed", "exit")
    assert (run["state"], run["attempt"], run["state_why"], run["state_rank"]) == (state, 1, why, None)
    assert {k for k in ("fit", "test", "parent", "beside") if site.points(name, k)} == {
        "fit", "test", "parent", "beside"
    }  # fmt: skip
    assert all(s["ended"] for s in run["sessions"])


@pytest.mark.parametrize("method", METHODS)
def test_children_alone_are_one_attempt_until_one_fails_and_the_next_is_another_life(
    site: Site, tmp_path: Path, method: str
) -> None:
    name = unique(f"alone-{method}")
    text = CHILDREN + (
        "    child(context, name, 'first')\n"
        "    child(context, name, 'second', 'bad batch')\n"
        "    child(context, name, 'third')\n"
    )
    assert script_at(site, tmp_path / "train.py", text, name, method).returncode == 0
    run = site.ended(name)
    assert (run["state"], run["attempt"]) == ("completed", 2), run["history"]
    first, second, third = run["sessions"]
    assert [s["attempt"] for s in run["sessions"]] == [1, 1, 2]
    assert [s["state"] for s in run["sessions"]] == ["completed", "failed", "completed"]
    assert second["cause"] == "ValueError: bad batch" and "in fit" in second["detail"]
    assert (1, "failed") in history(run)
    assert first["cause"] == third["cause"] == "exit"


def test_a_forked_child_that_opens_the_run_of_its_parent_by_name_logs_to_it_and_does_not_end_it(site: Site) -> None:
    name = unique("fork-by-name")
    script = (
        TRAIN.replace("sys.stdin.readline()", "")
        + """
import os
import signal
child = os.fork()
if not child:
    beside = Run(sys.argv[1])
    beside.add_metrics("child", 1.0, 1)
    other = Run(sys.argv[1] + "-other")
    other.add_metrics("child", 1.0, 1)
    sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
print("waited", flush=True)
sys.stdin.readline()
"""
    )
    process = site.start(script, name)
    assert (line(process), line(process)) == ("1 True", "waited")
    eventually(lambda: site.points(name, "child"))
    eventually(lambda: site.state(f"{name}-other") == "failed")
    assert (site.state(name), len(site.find(name)["sessions"])) == ("running", 1)
    process.communicate("\n", timeout=30)
    assert site.ended(name)["state"] == "completed"
    assert site.find(f"{name}-other")["state_why"] == "sys.exit(3)"


# Closed and opened again ------------------------------------------------------------------------------------------


def test_a_run_that_is_closed_and_opened_again_is_the_next_attempt(site: Site) -> None:
    name = unique("again")
    script = """
import sys
from pyhectiqlab import Run
for i in range(3):
    with Run(sys.argv[1]) as run:
        run.add_metrics("loss", float(i), 0)
        assert Run(sys.argv[1]).attempt == run.attempt  # open as it is, it is the same life
        print(run.attempt, flush=True)
        if i == 1: run.close(0)  # and nobody waits until the lab knows
"""
    assert site.run(script, name).stdout.split() == ["1", "2", "3"]
    run = site.ended(name)
    assert [(s["attempt"], s["state"], s["cause"]) for s in run["sessions"]] == [
        (attempt, "completed", "closed") for attempt in (1, 2, 3)
    ]
    with site.client() as client:
        items = [(a, v) for page in client.points(run["id"], "loss") for a, v in zip(page.attempt, page.value)]  # noqa: B905
    assert sorted(items) == [(1, 0.0), (2, 1.0), (3, 2.0)]


def test_offline_a_run_that_is_closed_and_opened_again_becomes_two_attempts(site: Site) -> None:
    name = unique("offline-again")
    script = """
import sys
from pyhectiqlab import Run
for i in range(2):
    with Run(sys.argv[1]) as run:
        run.add_metrics("loss", float(i), 0)
"""
    assert site.run(script, name, HECTIQLAB_MODE="offline").returncode == 0
    eventually(lambda: not site.uploaders())
    done = site.cli("sync")
    assert done.returncode == 0, done.stderr
    run = site.find(name)
    assert (run["state"], run["attempt"], [s["attempt"] for s in run["sessions"]]) == ("completed", 2, [1, 2])


def test_two_processes_that_open_close_and_open_again_leave_the_run_as_it_ended(site: Site) -> None:
    name = unique("reopened")
    script = """
import sys
from pyhectiqlab import Run
run = None
for line in sys.stdin:
    if line.strip() == "open":
        run = Run(sys.argv[1]); run.add_metrics("x", 1.0, 0); run.flush(20)
    else:
        run.close(20)
    print("done", flush=True)
"""
    both = [site.start(script, name) for _ in range(2)]
    for who, what in ((0, "open"), (1, "open"), (0, "close"), (0, "open"), (1, "close"), (1, "open"), (0, "close")):
        process = both[who]
        assert process.stdin is not None
        process.stdin.write(what + "\n")
        process.stdin.flush()
        assert line(process) == "done"
    both[1].communicate("close\n", timeout=30)
    both[0].communicate(timeout=30)
    run = site.ended(name)
    assert history(run) == [(1, "running"), (1, "completed"), (2, "running"), (2, "completed")]


# Ranks ------------------------------------------------------------------------------------------------------------

PEERS = """
import os, select, sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("loss", 1.0, 0)
assert run.flush(20)
print("there", flush=True)
other = int(sys.stdin.readline() or 0)
if other:  # what a collective does: it fails when its peer has gone
    gone = select.poll()
    gone.register(os.pidfd_open(other), select.POLLIN)
    gone.poll()
    raise RuntimeError("Connection closed by peer")
sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfds")
def test_a_rank_that_is_killed_is_why_its_peers_failed(site: Site) -> None:
    for _ in range(5):
        name = unique("peers")
        ranks = [site.start(PEERS, name, RANK=str(r), WORLD_SIZE="3") for r in range(3)]
        assert [line(p) for p in ranks] == ["there"] * 3
        for process in (ranks[0], ranks[2]):
            assert process.stdin is not None
            process.stdin.write(f"{ranks[1].pid}\n")
            process.stdin.flush()
        ranks[1].kill()
        for process in ranks:
            process.communicate(timeout=30)
        run = site.ended(name)
        assert (run["state"], run["state_rank"], run["state_why"]) == ("killed", 1, "SIGKILL"), run["history"]
        assert [s["state"] for s in run["sessions"]] == ["failed", "killed", "failed"]


def test_a_job_that_was_killed_with_its_uploaders_and_is_started_again_at_once_is_a_new_attempt(site: Site) -> None:
    """A batch system kills so: nobody is left to tell the lab, for which the ranks live a minute longer."""
    name = unique("all-killed")
    ranks = [site.start(TRAIN, name, RANK=str(r), WORLD_SIZE="2") for r in range(2)]
    assert [line(p) for p in ranks] == ["1 True"] * 2
    uploaders = eventually(lambda: len(pids := site.uploaders()) == 2 and pids)
    for pid in (*uploaders, *(p.pid for p in ranks)):
        os.kill(pid, signal.SIGKILL)
    for process in ranks:
        process.communicate()
    again = [site.start(TRAIN, name, RANK=str(r), WORLD_SIZE="2") for r in range(2)]
    assert [line(p) for p in again] == ["2 True"] * 2
    assert site.state(name) == "running"
    for process in again:
        process.communicate("\n", timeout=30)
    run = site.ended(name, 40)
    assert (run["state"], run["attempt"]) == ("completed", 2)
    assert sorted((s["attempt"], s["rank"], s["sets_state"]) for s in run["sessions"]) == [
        (attempt, rank, True) for attempt in (1, 2) for rank in (0, 1)
    ]
