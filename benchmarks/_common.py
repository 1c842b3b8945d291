"""Shared by the benchmarks: a lab to talk to, timing in blocks, the floor F, and how numbers are printed."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import datetime
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgpack

BLOCK = 1_000  # calls timed together; a number is the median over blocks
LOAD_BEFORE = os.getloadavg()[0]  # what else the machine did in the minute before

Block = Callable[[], object]


@dataclass(frozen=True)
class Number:
    """One measured number. `reach` is the number to reach: at most, or at least where `at_least`."""

    what: str
    value: float
    unit: str
    reach: float | None = None
    at_least: bool = False

    def reached(self) -> bool:
        assert self.reach is not None
        return self.value >= self.reach if self.at_least else self.value <= self.reach

    def __str__(self) -> str:
        text = f"{self.what:58} {self.value:>14,.4g} {self.unit:12}"
        if self.reach is not None:
            word = "at least" if self.at_least else "at most"
            text += f" reach: {word} {self.reach:g}: {'yes' if self.reached() else 'NO'}"
        return text.rstrip()


def machine() -> dict[str, Any]:
    """What a reader must know to compare numbers."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory / (1 << 30), 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": round(LOAD_BEFORE, 1),
    }


def arguments(question: str | None) -> argparse.ArgumentParser:
    """The parser every benchmark starts from; `question` is the benchmark's docstring."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON object")
    return parser


def asked(question: str | None, usual: str, given: str) -> str:
    """Return the question as it was asked this time: of another size than the usual one, where an argument says so."""
    assert question and usual in question
    return question.replace(usual, given)


def report(question: str | None, numbers: list[Number], as_json: bool) -> None:
    first = (question or "").splitlines()[0]
    if as_json:
        print(json.dumps({"question": first, "machine": machine(), "numbers": [asdict(n) for n in numbers]}, indent=2))
        return
    print(first)
    print(", ".join(f"{k} {v}" for k, v in machine().items()))
    for number in numbers:
        print(number)


@contextlib.contextmanager
def lab() -> Iterator[Any]:
    """A real lab on loopback in a process of its own; this process gets a new home with a profile that leads to it."""
    from pyhectiqlab.testing.lab import RealLab

    before = {name: value for name, value in os.environ.items() if name.startswith("HECTIQLAB_")}
    for name in before:
        del os.environ[name]
    with (
        tempfile.TemporaryDirectory(prefix="hectiqlab-bench-") as folder,
        RealLab(Path(folder) / "data", Path(folder) / "home") as real,
    ):
        os.environ["HECTIQLAB_HOME"] = str(real.home)
        try:
            yield real
        finally:
            del os.environ["HECTIQLAB_HOME"]
            os.environ.update(before)


def medians(blocks: dict[str, Block], repeat: int, pause_s: float = 0.0) -> dict[str, float]:
    """Seconds of each block, the median of `repeat` rounds.

    The blocks take turns, so that a slow moment of the machine hits all of them.
    pause_s: rest after each block, for what a block leaves behind (a queue to be drained) to be worked off.
    """
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(repeat):
        for name, block in blocks.items():
            start = time.perf_counter()
            block()
            seconds[name].append(time.perf_counter() - start)
            if pause_s:
                time.sleep(pause_s)
    return {name: statistics.median(values) for name, values in seconds.items()}


def floor_new_packer(key: str = "train/loss", value: float = 0.5) -> Block:
    """A block of the floor F as the target words it: a new Packer for each event."""

    def block() -> None:
        packer, now = msgpack.Packer, time.time
        for step in range(BLOCK):
            packer().pack([key, value, step, now()])

    return block


def floor_reused_packer(key: str = "train/loss", value: float = 0.5) -> Block:
    """A block of the stricter floor: one Packer, reused."""

    def block() -> None:
        pack, now = msgpack.Packer().pack, time.time
        for step in range(BLOCK):
            pack([key, value, step, now()])

    return block


def single_calls(
    call: Callable[[int], object], count: int, pause_every: int = BLOCK, pause_s: float = 0.01
) -> list[int]:
    """Nanoseconds of each single call, less what reading the clock takes, sorted."""
    clock = time.perf_counter_ns
    clock_ns = statistics.median(-(clock() - clock()) for _ in range(10_000))
    taken: list[int] = []
    for step in range(count):
        start = clock()
        call(step)
        taken.append(int(clock() - start - clock_ns))
        if step % pause_every == pause_every - 1:
            time.sleep(pause_s)
    return sorted(taken)


def private_bytes(pid: int) -> int:
    """Memory that only this process has: what would be free again if it ended (Linux)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in rollup if line.startswith("Private_"))


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Polls until the condition holds; ends the benchmark with a sentence where it does not."""
    deadline = time.monotonic() + timeout_s
    for _ in itertools.count():
        if condition():
            return
        if time.monotonic() > deadline:
            sys.exit(f"Waited {timeout_s:.0f} s in vain for {what}.")
        time.sleep(0.02)


def leave() -> None:
    """End this process without waiting for threads of an engine that is embedded in it. What was started is stopped."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(0)
