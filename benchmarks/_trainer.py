"""A training for beside.py: takes steps as it is told, by lines of JSON, and says what they took."""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import wandb

Log = Callable[[dict[str, float]], None]
TICKS = os.sysconf("SC_CLK_TCK")


class Training:
    """A small network, and the run that it reports to."""

    def __init__(self, kind: str, name: str, folder: str, keys: int) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self._net = torch.nn.Sequential(torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
        self._optimizer = torch.optim.SGD(self._net.parameters(), lr=1e-3)
        self._images, self._labels = torch.rand(64, 128), torch.randint(10, (64,))
        self._batches = 1  # of a step
        self._keys = [f"train/scalar{number}" for number in range(keys)]
        self._run = None if kind == "bare" else wandb.init(project="benchmarks", name=name, dir=folder)
        self._value, self._logged = 0.0, list[float]()
        self.mirrored: Log = self._run.log if self._run is not None else lambda values: None
        wrapped = getattr(type(self._run).log, "__wrapped__", None) if kind == "beside" else None
        self.plain: Log = (lambda values: wrapped(self._run, values)) if wrapped is not None else self.mirrored

    def work(self) -> None:
        for _ in range(self._batches):
            self._optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self._net(self._images), self._labels).backward()
            self._optimizer.step()

    def step(self, log: Log) -> tuple[float, float, float]:
        """Log, then train. Return (seconds by the clock, seconds of this thread, those of the call of `log` alone)."""
        self._value += 1.0
        if log is self.mirrored:
            self._logged.append(self._value)
        clock, cpu = time.perf_counter(), time.thread_time()
        log(dict.fromkeys(self._keys, self._value))
        logged = time.thread_time() - cpu
        self.work()
        return time.perf_counter() - clock, time.thread_time() - cpu, logged

    def calibrate(self, seconds: float) -> int:
        """Choose as many batches for a step as take so long. Return how many."""
        for _ in range(4):
            taken = statistics.median(self.step(lambda values: None)[0] for _ in range(50))
            self.repeat(max(1, round(self._batches * seconds / taken)))
        return self._batches

    def repeat(self, batches: int) -> None:
        self._batches = batches

    def go(self, steps: int) -> tuple[float, float]:
        taken = [self.step(self.mirrored) for _ in range(steps)]
        return sum(clock for clock, _, _ in taken), sum(cpu for _, cpu, _ in taken)

    def pairs(self, count: int) -> list[dict[str, tuple[float, float, float]]]:
        """Pairs of steps, one with the mirror and one without, in random order."""
        order = random.Random(0)
        logs = {"mirrored": self.mirrored, "plain": self.plain}
        return [{kind: self.step(logs[kind]) for kind in order.sample(list(logs), 2)} for _ in range(count)]

    def turns(self, count: int, seconds: float) -> list[dict[str, dict[str, float]]]:
        """Stretches with the mirror and without, in turn and in either order."""
        logs, taken = {"mirrored": self.mirrored, "plain": self.plain}, []
        for number in range(int(count)):
            order = list(logs)[:: 1 if number % 2 else -1]
            taken.append({kind: self._stretch(logs[kind], seconds) for kind in order})
        return taken

    def _stretch(self, log: Log, seconds: float) -> dict[str, float]:
        before, start, steps = self._uploader_s(), time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.step(log)
            steps += 1
        took = (time.perf_counter() - start) / steps
        return {"steps": steps, "step": took, "uploader": self._uploader_s() - before}

    def _uploader_s(self) -> float:
        """CPU seconds of the uploader until now (Linux)."""
        from pyhectiqlab.standins.wandb.beside import _mirrors

        fields = (
            Path(f"/proc/{_mirrors[self._run]._run.status().uploader_pid}/stat").read_text().rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / TICKS

    def end(self) -> list[float]:
        if self._run is not None:
            self._run.finish()
        return self._logged


def main() -> None:
    kind, name, folder, keys = sys.argv[1:]
    training = Training(kind, name, folder, int(keys))
    for line in sys.stdin:
        what, *numbers = json.loads(line)
        call: Any = getattr(training, what)
        print("answer", json.dumps(call(*numbers)), flush=True)


if __name__ == "__main__":
    main()
