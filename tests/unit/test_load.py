"""What the machine and a tree of processes are busy with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pyhectiqlab.capture.load import Load


def test_the_tree_is_a_process_and_what_it_started(tmp_path: Path) -> None:
    alone = Load(os.getpid(), tmp_path).sample()
    code = "x = bytearray(80 << 20); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        both = Load(os.getpid(), tmp_path).sample()
        child.communicate(b"\n")
    assert both["system/process/memory"] - alone["system/process/memory"] > 70 << 20
    assert both["system/disk_free"] > 0 and 0 <= both["system/memory"] <= 100


def test_a_busy_process_is_told_from_one_sample_to_the_next(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile 1: pass"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        load = Load(child.pid, tmp_path)
        before = os.times().elapsed
        while os.times().elapsed - before < 0.3:
            pass
        busy = load.sample()["system/process/cpu"]
        child.kill()
        child.wait()
    assert busy > 5
    assert "system/process/cpu" not in load.sample()


def test_no_process_is_no_tree(tmp_path: Path) -> None:
    assert not [key for key in Load(None, tmp_path).sample() if key.startswith("system/process")]
