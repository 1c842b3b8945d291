"""The exit of a script waits for the lab, bounded: what it shows meanwhile, and what carries on afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from .conftest import Site, eventually
from .test_ends import unique
from .test_modes import SCRIPT, lines_of_ours


def ready(site: Site, name: str, then: str, **env: str) -> subprocess.Popen[str]:
    """Start SCRIPT, which goes on with `then` when a line comes in. Return it once the lab has what it logged."""
    wait = """
assert run.flush(20)
print("ready", flush=True)
sys.stdin.readline()
"""
    process = site.start(SCRIPT + wait + then, name, **env)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    assert [process.stdout.readline() for _ in range(2)][1] == "ready\n"
    return process


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@contextlib.contextmanager
def lab_stopped(site: Site) -> Iterator[None]:
    os.kill(site.lab.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(site.lab.pid, signal.SIGCONT)


def test_a_lab_that_goes_away_and_comes_back_gets_everything_and_the_end_is_bounded(own_site: Site) -> None:
    site, name = own_site, unique("away")
    process = ready(
        site,
        name,
        """
for step in range(100, 10_000):
    run.add_metrics("loss", float(step), step)
print(run.flush(0.5), flush=True)
""",
        HECTIQLAB_EXIT_TIMEOUT="2",
    )
    site.lab.kill()
    start = time.monotonic()
    out, err = process.communicate("go\n", timeout=30)
    assert (process.returncode, out) == (0, "False\n")
    assert time.monotonic() - start < 10
    assert "9,9" in err and "hectiqlab sync" in err and "background" in err
    assert len(site.uploaders()) == 1
    site.lab.start()
    assert site.ended(name, 90)["state"] == "completed"
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(10_000))


def test_how_a_run_was_closed_past_the_budget_of_the_spool_is_told_while_its_process_lives_on(own_site: Site) -> None:
    site, name = own_site, unique("over")
    process = ready(
        site,
        name,
        """
for step in range(100, 200_100):
    run.add_metrics("loss", float(step), step)
print(run.close(0.5), flush=True)
sys.stdin.readline()
""",
        HECTIQLAB_SPOOL_MAX_BYTES="1MiB",
    )
    site.lab.kill()
    go_on(process)
    assert process.stdout.readline() == "False\n"
    site.lab.start()
    eventually(lambda: site.state(name) == "completed", 30)
    assert process.poll() is None
    run = site.find(name)
    lost = eventually(lambda: site.find(name)["losses"])
    assert run["sessions"][0]["cause"] == "closed" and lost["spool_full"] > 0
    process.communicate("end\n", timeout=30)


def test_an_exit_that_takes_longer_shows_what_is_left_and_then_says_what_carries_on(own_site: Site) -> None:
    site, name = own_site, unique("progress")
    process = ready(
        site,
        name,
        """
for step in range(100, 1000):
    run.add_metrics("loss", float(step), step)
""",
        HECTIQLAB_EXIT_TIMEOUT="3",
    )
    with lab_stopped(site):
        start = time.monotonic()
        _, err = process.communicate("go\n", timeout=30)
        assert process.returncode == 0 and time.monotonic() - start < 9
    said = lines_of_ours(err)
    assert len(said) == 2, err
    assert "sending what is left: 901 events, 0.0 MB" in said[0]  # the 900 and the end of the run
    assert "901 events are not at the lab yet" in said[1] and "background" in said[1]
    assert site.ended(name, 60)["state"] == "completed"


def test_ctrl_c_while_the_exit_waits_ends_the_wait_and_not_the_delivery(own_site: Site) -> None:
    site, name = own_site, unique("impatient")
    process = ready(
        site,
        name,
        """
run.add_metrics("loss", 100.0, 100)
""",
        HECTIQLAB_EXIT_TIMEOUT="60",
    )
    with lab_stopped(site):
        go_on(process)
        while "sending what is left" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0 and "not waiting any longer" in err and "Traceback" not in err
    assert site.ended(name, 60)["state"] == "completed"
    assert site.points(name, "loss")[-1][0] == 100


def test_an_exit_in_a_terminal_draws_a_bar_for_each_file_and_one_for_all(own_site: Site, tmp_path: Path) -> None:
    """The lab is stopped in the middle of the script, so that the file cannot be there before somebody looks."""
    site, name = own_site, unique("bars")
    (tmp_path / "weights.bin").write_bytes(os.urandom(3_000_000))
    script = """
import os, signal, sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
assert run.flush(20)
os.kill(int(sys.argv[3]), signal.SIGSTOP)
run.add_artifact(sys.argv[2])
print(len(run.status().files[0]["id"]), flush=True)
"""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    command = [sys.executable, "-c", script, name, str(tmp_path / "weights.bin"), str(site.lab.pid)]
    env = {**site.env, "HECTIQLAB_EXIT_TIMEOUT": "20"}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    shown, stopped = b"", True
    try:
        while True:
            try:
                read = os.read(leader, 65536)
            except OSError:  # Linux's way to say that nobody holds the other end any more
                break
            if not read:
                break
            shown += read
            if stopped and b"all files" in shown:
                os.kill(site.lab.pid, signal.SIGCONT)
                stopped = False
        out, _ = process.communicate(timeout=30)
    finally:
        os.close(leader)
        os.kill(site.lab.pid, signal.SIGCONT)
        process.kill()
        process.wait()
    assert (process.returncode, out) == (0, b"32\n"), shown
    assert b"all files" in shown and b"/3.00M" in shown
    assert b"not at the lab" not in shown
