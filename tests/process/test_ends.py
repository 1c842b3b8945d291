"""How a process ends is what the lab shows, and the script's own exit status is what it was without us."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest

from .conftest import Site, eventually

STEPS = 50


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


SCRIPT = """
import os, signal, sys, time
from pyhectiqlab import Run
run = Run(sys.argv[1])
for step in range(50):
    run.add_metrics("loss", 1 / (step + 1), step)
"""


@pytest.mark.parametrize(
    ("ending", "status", "state", "cause"),
    [
        ("", 0, "completed", "exit"),
        ("sys.exit(0)", 0, "completed", "exit"),
        ("sys.exit(3)", 3, "failed", "sys.exit(3)"),
        ("raise SystemExit(4)", 4, "failed", "exit status 4"),
        ("sys.exit('bad luck')", 1, "failed", "sys.exit('bad luck')"),
        ("raise ValueError('the data is gone')", 1, "failed", "ValueError: the data is gone"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "stopped", "KeyboardInterrupt"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", -signal.SIGINT, "stopped", "KeyboardInterrupt"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", -signal.SIGTERM, "stopped", "SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "killed", "SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, "failed", "crashed: SIGSEGV"),
        ("os._exit(5)", 5, "killed", "os._exit(5)"),
        ("os._exit(0)", 0, "ended", "os._exit(0)"),
        ("run.completed(); os._exit(0)", 0, "completed", "os._exit(0)"),
        ("run.failed()", 0, "failed", "exit"),
        ("run.completed(); run.training()", 0, "completed", "exit"),
        ("run.close()", 0, "completed", "closed"),
        ("run.close(); raise ValueError('later')", 1, "completed", "closed"),
    ],
)
def test_the_end_of_a_process_is_told_as_it_was(site: Site, ending: str, status: int, state: str, cause: str) -> None:
    name = unique("end")
    done = site.run(SCRIPT + ending, name)
    assert done.returncode == status, done.stderr
    run = site.ended(name)
    assert (run["state"], run["sessions"][0]["cause"]) == (state, cause), (run, site.logs())
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(STEPS))


@pytest.mark.parametrize(
    ("ending", "state", "cause"), [("", "completed", "exit"), ("sys.exit(3)", "failed", "exit status 3")]
)
def test_an_end_that_no_disk_and_no_queue_had_room_for_is_told_by_the_header_of_the_queue(
    site: Site, ending: str, state: str, cause: str
) -> None:
    name = unique("full")
    full = """
from pyhectiqlab.client import sessions
def full(*arguments, **named):
    raise OSError(28, "No space left on device")
sessions.write_json = run._outbox.event = full
"""
    assert "Traceback" not in site.run(SCRIPT + full + ending, name).stderr
    run = site.ended(name)
    assert (run["state"], run["sessions"][0]["cause"]) == (state, cause), (run, site.logs())


def test_the_traceback_of_an_uncaught_exception_reaches_the_lab(site: Site) -> None:
    name = unique("traceback")
    site.run(SCRIPT + "def train():\n    raise ValueError('gone')\ntrain()", name)
    detail = site.ended(name)["sessions"][0]["detail"]
    assert "in train" in detail and "ValueError: gone" in detail


def test_sigterm_ends_a_process_at_once_that_is_stuck_in_c_and_its_stacks_reach_the_lab(site: Site) -> None:
    name = unique("stuck")
    process = site.start(
        SCRIPT + "print('stuck', flush=True)\nimport ctypes; ctypes.PyDLL(None).sleep(60)  # with the GIL held\n", name
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.terminate()
    process.communicate(timeout=5)
    assert process.returncode == -signal.SIGTERM
    run = site.ended(name)
    assert run["state"] == "stopped"
    assert "<module>" in run["sessions"][0]["detail"]


def test_a_with_block_that_raises_fails_the_run_and_one_that_ends_completes_it(site: Site) -> None:
    good, bad = unique("good"), unique("bad")
    script = """
    import sys
    from pyhectiqlab import Run
    with Run(sys.argv[1]) as run:
        run.add_metrics("a", 1, 1)
    try:
        with Run(sys.argv[2]) as run:
            raise RuntimeError("in the block")
    except RuntimeError:
        pass
    """
    assert site.run(script, good, bad).returncode == 0
    assert site.ended(good)["state"] == "completed"
    run = site.ended(bad)
    assert (run["state"], run["sessions"][0]["cause"]) == ("failed", "RuntimeError: in the block")


def test_a_user_who_has_taken_sigterm_and_faulthandler_keeps_them(site: Site) -> None:
    name = unique("taken")
    script = """
    import faulthandler, os, signal, sys
    faulthandler.enable()
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(7))
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    run.add_metrics("loss", 1.0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
    """
    done = site.run(script, name)
    assert done.returncode == 7
    run = site.ended(name)
    assert (run["state"], run["sessions"][0]["exit_code"]) == ("failed", 7)


def test_a_running_run_is_shown_as_running_and_training_as_training(site: Site) -> None:
    name = unique("live")
    process = site.start(SCRIPT + "run.training()\nprint(run.flush(20), flush=True)\nsys.stdin.read()", name)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    eventually(lambda: site.state(name) == "training")
    process.kill()
    process.communicate()
    assert site.ended(name)["state"] == "killed"


def test_a_closed_run_with_a_file_stays_completed_when_the_script_fails_later(site: Site, tmp_path: Path) -> None:
    name = f"with-file-{uuid.uuid4().hex[:8]}"
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights")
    done = site.run(
        "import sys\n"
        "from pyhectiqlab import Run\n"
        "run = Run(sys.argv[1])\n"
        "run.add_artifact(sys.argv[2])\n"
        "run.close()\n"
        "sys.exit(3)\n",
        name,
        str(path),
    )
    assert done.returncode == 3, done.stderr
    run = site.ended(name)
    assert (run["state"], run["state_why"]) == ("completed", "closed")
