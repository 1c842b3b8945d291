"""Memory, descriptors and threads of a trainer and its uploader stay what they are while the lab is down."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.labs import ForkedLab
from tests.process.conftest import Site, eventually

SCRIPT = """
import sys, time
from pathlib import Path
from pyhectiqlab import Run


run, step, notes = Run(sys.argv[1]), 0, Path(sys.argv[2])
logger = run.start_recording_logs("flat")
notes.write_text("note")
for line in sys.stdin:
    for _ in range(int(line)):
        for key in ("a", "b", "c", "d", "e"):
            run.add_metrics(key, float(step), step)
        step += 1
    logger.error("at step %d", step)
    run.add_artifact(notes)
    run.flush(0)  # not what waits, but that it is cut now
    while (status := run.status()).journaled < status.produced:
        time.sleep(0.05)
    print(step, sum(status.losses.values()), flush=True)
"""
ROUNDS, STEPS = 8, 20_000
MEMORY_MAX = 8 << 20  # the peak of later rounds may be so much over that of earlier ones; they journal 16 MB
LOOKS = 20


def private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def used(pid: int) -> tuple[int, int]:
    """Return (descriptors, threads): the fewest of some looks, because the uploader has one more while it asks for the
    lab.
    """
    looks = []
    for _ in range(LOOKS):
        looks.append((len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))))
        time.sleep(0.01)
    return min(fds for fds, _ in looks), min(tasks for _, tasks in looks)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_grows_while_the_lab_is_down_and_all_of_it_is_delivered(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "lab", tmp_path / "labhome") as lab:
        site = Site(lab, tmp_path / "home", {"HECTIQLAB_EXIT_TIMEOUT": "0"})
        trainer = site.start(SCRIPT, "flat", str(tmp_path / "notes"))
        assert trainer.stdin is not None and trainer.stdout is not None
        (uploader,) = eventually(site.uploaders)
        lab.stop()
        seen = []
        for n in range(1, ROUNDS + 1):
            trainer.stdin.write(f"{STEPS}\n")
            trainer.stdin.flush()
            assert trainer.stdout.readline() == f"{n * STEPS} 0\n"
            seen.append({pid: (private_bytes(pid), used(pid)) for pid in (trainer.pid, uploader)})
        for pid in (trainer.pid, uploader):
            memory, things = [m for m, _ in (of[pid] for of in seen)], [t for _, t in (of[pid] for of in seen)]
            assert things[-1] == things[0]
            assert max(memory[ROUNDS // 2 :]) - max(memory[: ROUNDS // 2]) < MEMORY_MAX, memory
        trainer.communicate(timeout=30)
        assert trainer.returncode == 0
        lab.start()
        assert site.cli("sync", "--all").returncode == 0
        assert [step for step, _, _ in site.points("flat", "e")] == list(range(ROUNDS * STEPS))
