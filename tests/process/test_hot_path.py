"""The hot path: no system call on the normal path of a put, no thread of ours in the training process, memory flat."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .conftest import Site
from .test_ends import unique

SCRIPT = """
import os, sys, threading
from pyhectiqlab import Run
run = Run(sys.argv[1])
def mark(name):
    try:
        os.stat("/mark-" + name)
    except FileNotFoundError:
        pass
values = {f"k{i}": float(i) for i in range(10)}
def puts(n):
    for step in range(n):
        run.add_metrics("loss", 0.5, step)
        if not step % 10:
            run.add_metrics(values, step=step)
puts(100)
# In stretches that the ring holds: under strace the uploader is the slower one.
for _ in range(20):
    assert run.flush(60)
    mark("begin")
    puts(5_000)
    mark("end")
print(threading.active_count(), len(os.listdir("/proc/self/task")), run.status().losses)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="strace is a program of Linux")
def test_a_hundred_thousand_puts_make_no_system_call(site: Site, tmp_path: Path) -> None:
    if not shutil.which("strace"):
        assert not os.environ.get("CI"), "strace is missing: scripts/test installs it"
        pytest.skip("strace is not installed")
    name, trace = unique("strace"), tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-o", str(trace), sys.executable, "-c", textwrap.dedent(SCRIPT), name]
    done = subprocess.run(command, env=site.env, capture_output=True, text=True, timeout=110)
    assert done.stdout == "1 1 {}\n", done.stderr
    lines = trace.read_text(errors="replace").splitlines()
    pid = next(line.split()[0] for line in lines if "/mark-begin" in line)
    calls, marks, inside = [], 0, False
    for line in lines:
        if line.split()[0] != pid:
            continue
        if "/mark-begin" in line:
            inside, marks = True, marks + 1
        elif "/mark-end" in line:
            inside = False
        elif inside and " resumed>" not in line:  # the end of a call that began before: that of the mark itself
            calls.append(line)
    assert marks == 20
    assert calls == []


def test_a_script_may_log_ten_times_what_the_ring_holds_and_grows_by_nothing(site: Site) -> None:
    name = unique("flat")
    script = """
    import resource, sys
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    def puts(n):
        for step in range(n):
            run.add_metrics("loss", 0.5, step)
    puts(200_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    puts(1_000_000)
    assert run.flush(60)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 2  # MiB
    assert site.ended(name)["points"] == 1_200_000
