"""The state of a run is the truth: out of memory, crashed in C, silent, back again, taken away and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyhectiqlab.capture.oom import counter_of

from ..labs import ForkedLab
from .conftest import Site, _nothing_stays, eventually
from .test_ends import SCRIPT, unique

LOST_AFTER_S = 10  # two heartbeats

LIVE = """
import os, sys, threading, time
from pyhectiqlab import Run
run = Run(sys.argv[1])
print(run.flush(20), flush=True)
threading.Thread(target=sys.stdin.read, daemon=True).start()
step = 0
while True:
    run.add_metrics("loss", 1.0, step)
    step += 1
    time.sleep(0.05)
"""


def states_of(site: Site, name: str) -> list[str]:
    return [change["state"] for change in site.find(name)["history"]]


# Ends -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def memory_cgroup(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Return a memory cgroup below this process's own, and the name of the file with its limit."""
    counter = counter_of(os.getpid())
    if counter is None or os.geteuid() != 0:
        pytest.skip("needs root and a memory cgroup")
    group = counter.parent / f"hectiqlab-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if counter.name == "memory.oom_control" else "memory.max"
    try:
        group.mkdir()
    except OSError as e:
        pytest.skip(f"no cgroup can be made here: {e}")
    try:
        if not (group / limit).exists():
            pytest.skip("the memory controller is not passed on to new cgroups")
        yield group, limit
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text().split())
        group.rmdir()


def test_a_run_that_the_out_of_memory_killer_ended_says_so(site: Site, memory_cgroup: tuple[Path, str]) -> None:
    group, limit = memory_cgroup
    name = unique("oom")
    script = SCRIPT.replace("run = Run", "open(sys.argv[2] + '/cgroup.procs', 'w').write('0')\nrun = Run") + (
        "run.flush(20)\nopen(sys.argv[2] + '/' + sys.argv[3], 'w').write(str(250 << 20))\n"
        "full = [bytearray(b'x') * (8 << 20) for _ in range(1000)]"
    )
    assert site.run(script, name, str(group), limit).returncode == -signal.SIGKILL
    run = site.ended(name)
    assert (run["state"], run["state_why"]) == ("killed", "SIGKILL: out of memory"), site.logs()
    assert "out-of-memory killer ended" in run["sessions"][0]["detail"]


def test_a_sigkill_by_somebody_is_no_lack_of_memory(site: Site) -> None:
    name = unique("killed")
    site.run(SCRIPT + "os.kill(os.getpid(), signal.SIGKILL)", name)
    run = site.ended(name)
    assert (run["state"], run["state_why"]) == ("killed", "SIGKILL")
    assert "out-of-memory" in run["sessions"][0]["detail"]  # it says that it was not, or that this cannot be read here


@pytest.mark.parametrize(
    ("crash", "cause"),
    [
        ("import ctypes; ctypes.string_at(0)", "crashed: SIGSEGV"),
        ("os.abort()", "crashed: SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGFPE); time.sleep(9)", "crashed: SIGFPE"),
    ],
)
def test_a_crash_in_c_shows_the_stacks_of_all_threads(site: Site, crash: str, cause: str) -> None:
    name = unique("crash")
    script = SCRIPT + (
        "import threading\n"
        "there = threading.Event()\n"
        "def waits_elsewhere():\n    there.set(); time.sleep(60)\n"
        "threading.Thread(target=waits_elsewhere, daemon=True).start(); there.wait()\n"
        f"def crashes():\n    {crash}\n"
        "crashes()"
    )
    assert site.run(script, name).returncode < 0
    run = site.ended(name)
    assert (run["state"], run["state_why"]) == ("failed", cause)
    detail = run["sessions"][0]["detail"]
    assert "in crashes" in detail and "in waits_elsewhere" in detail


# Ranks ----------------------------------------------------------------------------------------------------------


def test_the_rank_that_failed_is_the_state_of_the_run_though_others_completed(site: Site) -> None:
    name = unique("ranks")
    script = (
        SCRIPT
        + """
run.flush(20)
print("there", flush=True)
sys.stdin.readline()
if run.rank == 1:
    raise ValueError("bad batch")
"""
    )
    ranks = [site.start(script, name, RANK=str(r), WORLD_SIZE="3") for r in range(3)]
    for process in ranks:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
    for process in ranks[1:]:
        process.communicate("\n", timeout=30)
    eventually(lambda: site.state(name) == "failed")  # though rank 0 lives
    ranks[0].communicate("\n", timeout=30)
    run = site.ended(name)
    assert (run["state"], run["state_rank"], run["state_why"]) == ("failed", 1, "ValueError: bad batch")
    assert {s["rank"]: s["state"] for s in run["sessions"]} == {0: "completed", 1: "failed", 2: "completed"}


# Silence --------------------------------------------------------------------------------------------------------


@dataclass
class Job:
    """A job that logs for ever, on a machine of its own: nobody there adopts what it leaves."""

    site: Site
    name: str
    process: subprocess.Popen[str]

    @property
    def uploader(self) -> int:
        (pid,) = eventually(self.site.uploaders)
        return pid

    @property
    def state(self) -> str:
        return self.site.state(self.name)

    @property
    def history(self) -> list[str]:
        return states_of(self.site, self.name)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[dict[str, Job]]:
    """Run jobs on a lab that gives up soon: all at once, because they wait for the same clock."""
    lab = ForkedLab(tmp_path / "lab", tmp_path / "labhome", "--lost-after", str(LOST_AFTER_S))
    lab.start()
    sites = {who: Site(lab, tmp_path / who) for who in ("asleep", "dark", "stopped", "orphaned")}
    try:
        by_name = {who: Job(site, who, site.start(LIVE, who)) for who, site in sites.items()}
        for job in by_name.values():
            assert job.process.stdout is not None and job.process.stdout.readline() == "True\n"
        yield by_name
    finally:
        for site in sites.values():
            _nothing_stays(site)
        lab.kill()


@pytest.mark.timeout(120)
def test_silence_is_told_as_it_is(jobs: dict[str, Job]) -> None:
    asleep, dark, stopped, orphaned = (jobs[who] for who in ("asleep", "dark", "stopped", "orphaned"))
    suspended = [asleep.uploader, asleep.process.pid]
    for pid in suspended:  # as Slurm does when it suspends a whole job
        os.kill(pid, signal.SIGSTOP)
    for pid in (dark.uploader, dark.process.pid):  # the power fails
        os.kill(pid, signal.SIGKILL)
    os.kill(stopped.uploader, signal.SIGKILL)
    stopped.process.terminate()  # only its own faulthandler sees it
    for job in (dark, stopped):
        job.process.communicate()  # reaped: the kernel no longer says anything about it
    first = orphaned.uploader
    os.kill(first, signal.SIGKILL)

    silent_since = time.time()
    for job in (asleep, dark, stopped):
        eventually(lambda job=job: job.state == "lost", 3 * LOST_AFTER_S, f"{job.name} is not lost")
    assert time.time() - silent_since > LOST_AFTER_S - 6  # the last heartbeat before was up to 5 s old

    for pid in suspended:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: asleep.state == "running", 15, "it does not come back")
    back = asleep.site.find("asleep")["history"][-1]
    assert back["why"].startswith("came back after ") and back["at"] > silent_since
    assert asleep.history == ["running", "lost", "running"]

    for job, state, why in ((dark, "ended", "ended, cause unknown"), (stopped, "stopped", "SIGTERM")):
        done = job.site.cli("sync")
        assert done.returncode == 0, done.stderr
        run = job.site.find(job.name)
        assert (run["state"], run["state_why"]) == (state, why)
        assert job.history == ["running", "lost", state]

    assert orphaned.uploader != first, "the next put, flush or close brings another"
    assert orphaned.history == ["running"]


# Again ----------------------------------------------------------------------------------------------------------


def test_a_job_that_slurm_took_away_and_started_again_is_a_preempted_attempt_and_a_new_one(site: Site) -> None:
    name = unique("requeued")
    script = LIVE.replace("while True:", "while step < 5 or sys.argv[2] == 'long':")
    script += "\nassert run.flush(20)"
    slurm = {"SLURM_JOB_ID": "4242", "SLURM_RESTART_COUNT": "0"}
    first = site.start(script, name, "long", **slurm)
    assert first.stdout is not None and first.stdout.readline() == "True\n"
    eventually(lambda: len(site.points(name, "loss")) >= 5)
    first.terminate()
    first.communicate(timeout=20)
    assert (ended := site.ended(name))["state"] == "stopped", (
        ended
    )  # preempted, cancelled, or out of time: nobody knows yet
    again = site.start(script, name, "short", **{**slurm, "SLURM_RESTART_COUNT": "1"})
    again.communicate(timeout=60)
    assert again.returncode == 0
    run = site.ended(name)
    assert (run["state"], run["attempt"]) == ("completed", 2)
    assert [s["state"] for s in run["sessions"]] == ["preempted", "completed"]
    assert states_of(site, name) == ["running", "stopped", "preempted", "running", "completed"]
    with site.client() as client:
        pages = list(client.points(run["id"], "loss"))
    steps = [(a, s) for page in pages for a, s in zip(page.attempt, page.step, strict=True)]
    assert {(a, s) for a in (1, 2) for s in range(5)} <= set(steps), "the steps of both attempts are kept"
