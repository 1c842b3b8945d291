"""What does a training cost whose lab is down from beginning to end, and does all of it arrive afterwards?

1 ms of pure Python and 10 scalars a step, 1,000,000 points. Stretches with and without logging take turns, in either
order, in one process; the number is the median of the ratios of neighbouring stretches. Once with the lab down before
`Run(...)` (dry mode, kept), once with the lab stopped right behind it. Meanwhile the memory, descriptors and threads of
the trainer and its uploader are sampled. Then the script's end is timed, the lab is started, `hectiqlab sync` sends,
and every point is read back and counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from _common import Number, arguments, lab, private_bytes, report
from loop_overhead import KEYS, REFERENCE, Turns, amount_for, dumping, numbers_of, work

NAME = "lab-down"
REFERENCE_PAIRS = 60
EXIT_TIMEOUT_S = 10.0  # HECTIQLAB_EXIT_TIMEOUT unless set
EXIT_MARGIN_S = 1.0  # the interpreter's own end, on a machine with neighbours


def train(points: int, stretch: int) -> None:
    """The training process: prints its numbers as JSON, then ends as any script does."""
    from pyhectiqlab import Run

    amount = amount_for(0.001)
    run = Run(sys.argv[4], project="benchmarks", should_create_project=True)
    print("open", flush=True)
    sys.stdin.readline()
    step = 0

    def bare() -> None:
        for _ in range(stretch):
            work(amount)

    def logging() -> None:
        nonlocal step
        for _ in range(stretch):
            work(amount)
            for key in KEYS:
                run.add_metrics(key, float(step), step)
            step += 1

    bare()
    logged = Turns(stretch)
    while step * len(KEYS) < points:
        logged.take(bare, logging)
    losses = run.status().losses
    dumped = Turns(stretch)
    for _ in range(REFERENCE_PAIRS):
        dumped.take(bare, lambda: dumping(stretch, amount))
    result = {
        "logging": logged.summary(),
        "dumping": dumped.summary(),
        "points": step * len(KEYS),
        "losses": losses,
        "ended": time.monotonic(),
    }
    print(json.dumps(result), flush=True)


class Samples(threading.Thread):
    """Memory that is private (bytes), descriptors and threads of the trainer and its uploader, every two seconds."""

    def __init__(self, pid: int, home: Path) -> None:
        super().__init__(daemon=True)
        self._pid, self._home = pid, home
        self._quit = threading.Event()
        self.of: dict[str, list[tuple[int, int, int]]] = {"trainer": [], "uploader": []}

    def run(self) -> None:
        from pyhectiqlab.uploader.lease import Lease

        while not self._quit.wait(2.0):
            pids = {"trainer": self._pid}
            for session in (self._home / "spool").glob("*"):
                holder = Lease(session).holder()
                if holder is not None:
                    pids["uploader"] = holder.pid
            for who, pid in pids.items():
                try:
                    threads = len(os.listdir(f"/proc/{pid}/task"))
                    self.of[who].append((private_bytes(pid), len(os.listdir(f"/proc/{pid}/fd")), threads))
                except OSError:
                    pass  # it ended meanwhile

    def stop(self) -> None:
        self._quit.set()
        self.join()

    def numbers(self) -> list[Number]:
        """Of the last third over the first third that was sampled, the first tenth left out."""
        numbers = []
        for who, samples in self.of.items():
            some = samples[len(samples) // 10 :]
            third = max(1, len(some) // 3)
            if len(some) < 6:
                continue
            for i, (what, unit, scale) in enumerate(
                (("memory", "MiB", 1 << 20), ("descriptors", "", 1), ("threads", "", 1))
            ):
                first, last = (statistics.median(s[i] for s in part) / scale for part in (some[:third], some[-third:]))
                numbers.append(Number(f"  {who}: {what} in the last third", last, unit))
                numbers.append(Number("    more than in the first", last - first, unit, 8 if i == 0 else 0))
        return numbers


def measure(down: str, points: int, stretch: int) -> list[Number]:
    with lab() as real:
        name = f"{NAME}-{down}"
        if down == "before":
            real.stop()
        command = [sys.executable, __file__, "--train", str(points), str(stretch), name]
        trainer = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert trainer.stdin is not None and trainer.stdout is not None
        assert trainer.stdout.readline() == "open\n"
        if down == "behind":
            real.stop()
        samples = Samples(trainer.pid, real.home)
        samples.start()
        trainer.stdin.write("\n")
        trainer.stdin.flush()
        result: dict[str, Any] = json.loads(trainer.stdout.readline())
        samples.stop()
        assert trainer.wait() == 0
        exit_s = time.monotonic() - result["ended"]
        assert not result["losses"], f"events were lost: {result['losses']}"
        real.start()
        start = time.monotonic()
        sync = subprocess.run([sys.executable, "-m", "pyhectiqlab", "sync"], capture_output=True, text=True)
        sync_s = time.monotonic() - start
        assert sync.returncode == 0, sync.stdout + sync.stderr
        check(name, result["points"])
    label = "lab down before Run" if down == "before" else "lab down behind Run"
    return [
        *numbers_of(f"{label}: with the run over without", result["logging"], 1.03),
        *numbers_of(REFERENCE, result["dumping"]),
        *samples.numbers(),
        Number("  end of the script", exit_s, "s", EXIT_TIMEOUT_S + EXIT_MARGIN_S),
        Number("  hectiqlab sync, once the lab is back", sync_s, "s"),
        Number("  points at the lab, each once, in order", result["points"], "", result["points"], at_least=True),
    ]


def check(name: str, points: int) -> None:
    """Every point is at the lab once, in order."""
    from pyhectiqlab import read

    run = read.run(name)
    count = sum(info.count for info in run.key_infos() if not info.key.startswith("system/"))
    assert count == points, f"{count:,} points at the lab instead of {points:,}"
    steps = points // len(KEYS)
    for key in KEYS:
        stored = [(p.step, p.value) for p in run.iter_points(key)]
        assert stored == [(step, float(step)) for step in range(steps)], f"{key} is not what was logged"


def main() -> None:
    if sys.argv[1:2] == ["--train"]:
        train(int(sys.argv[2]), int(sys.argv[3]))
        return
    parser = arguments(__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=100, help="steps in a stretch")
    parser.add_argument(
        "--down", choices=("before", "behind", "both"), default="both", help="when the lab went, of Run"
    )
    args = parser.parse_args()
    when = ("before", "behind") if args.down == "both" else (args.down,)
    numbers = [number for down in when for number in measure(down, args.points, args.steps)]
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
