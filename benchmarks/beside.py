"""How much slower is a loop of 10 ms steps that logs to W&B if the lab gets the same, beside W&B or instead of it?

Four processes with torch and wandb loaded take turns, one stretch of steps after the other, in changing order: a step
is so many products of matrices, then one `wandb.log` of ten scalars. `bare` logs nothing; `alone` is W&B, offline;
`beside` is that with the mirror; `instead` has the stand-in. The numbers are medians of the ratios within a round. At
the end every value must be in the lab.

Also: what the mirror and the stand-in add to `import torch, wandb`, and what the hook costs at the start of a Python
without its variables: what `site` does with `hectiqlab.pth`, timed alone, as it is lost in the start of a process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import Number, arguments, lab, medians, report

from pyhectiqlab.standins import site as hook_folder
from pyhectiqlab.transport.http import LabClient

ROOT = Path(__file__).resolve().parents[1]
HOOK = os.path.dirname(os.path.abspath(hook_folder.__file__))
KINDS = {"bare": {}, "alone": {}, "beside": {"HECTIQLAB_BESIDE": "wandb"}, "instead": {"HECTIQLAB_INSTEAD_OF": "wandb"}}
QUIET = {"WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "HECTIQLAB_QUIET": "1", "HECTIQLAB_SYSTEM_METRICS": "0"}
KEYS = 10
IMPORTS = "import torch, wandb"

# Reads lines: "work N" sets the products in a step, "go N" takes N steps and answers their seconds, by the clock and of
# this thread; "rate" answers seconds a product; "end" ends the run.
TRAINER = """
import sys, time
import torch, wandb
name, folder = sys.argv[1:]
torch.set_num_threads(1)
matrix = torch.rand(64, 64)
run = None if name == "bare" else wandb.init(project="benchmarks", name=name, dir=folder)
keys, step, products = [f"train/scalar{n}" for n in range(KEYS)], 0, 1

def work():
    for _ in range(products):
        torch.mm(matrix, matrix)

for line in sys.stdin:
    what, _, number = line.strip().partition(" ")
    clock, cpu = time.perf_counter(), time.thread_time()
    if what == "work":
        products = int(number)
    elif what == "go":
        for _ in range(int(number)):
            work()
            if run is not None:
                run.log(dict.fromkeys(keys, float(step)))
            step += 1
    elif what == "rate":
        for _ in range(1000):
            work()
    elif run is not None:
        run.finish()
    print("took", time.perf_counter() - clock, time.thread_time() - cpu, flush=True)
""".replace("KEYS", str(KEYS))


def environment(kind: str) -> dict[str, str]:
    mode = {} if kind == "instead" else {"WANDB_MODE": "offline"}
    path = {"PYTHONPATH": HOOK} if KINDS[kind] else {}
    return {**os.environ, **QUIET, **mode, **path, **KINDS[kind]}


class Trainer:
    """One of the processes."""

    def __init__(self, kind: str, folder: str) -> None:
        pipe, command = subprocess.PIPE, [sys.executable, "-c", TRAINER, kind, folder]
        self._process = subprocess.Popen(command, env=environment(kind), cwd=folder, stdin=pipe, stdout=pipe, text=True)
        self.steps = 0

    def ask(self, line: str) -> tuple[float, float]:
        """(seconds by the clock, seconds of its thread)"""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        for answer in self._process.stdout:
            if answer.startswith("took "):
                _, clock, cpu = answer.split()
                return float(clock), float(cpu)
        raise SystemExit(f"A process of the benchmark has ended ({self._process.wait()}).")

    def go(self, steps: int) -> tuple[float, float]:
        self.steps += steps
        return self.ask(f"go {steps}")

    def end(self) -> None:
        self.ask("end")
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def rounds(trainers: dict[str, Trainer], count: int, steps: int) -> list[dict[str, tuple[float, float]]]:
    kinds, taken = list(trainers), []
    for trainer in trainers.values():  # the first steps open files and fill caches
        trainer.go(steps)
    for number in range(count):
        turn = number % len(kinds)
        order = kinds[turn:] + kinds[:turn]
        taken.append({kind: trainers[kind].go(steps) for kind in (order if number % 2 else order[::-1])})
    return taken


def ratios(taken: list[dict[str, tuple[float, float]]], one: str, other: str, at: int = 0) -> list[float]:
    return [times[one][at] / times[other][at] for times in taken]


def check_lab(real: Any, trainers: dict[str, Trainer]) -> None:
    """Every value is in the lab, once and in order."""
    with LabClient(real.url, real.api_key) as client:
        for kind in ("beside", "instead"):
            run = client.get("/runs/resolve", {"ref": kind})
            for key in ("train/scalar0", f"train/scalar{KEYS - 1}"):
                values = [value for page in client.points(run["id"], key) for value in page.value]
                assert values == list(map(float, range(trainers[kind].steps))), f"{kind}: {key} is not complete"


def loop_numbers(args: Any) -> list[Number]:
    with lab() as real, tempfile.TemporaryDirectory(prefix="hectiqlab-bench-") as folder:
        trainers = {kind: Trainer(kind, folder) for kind in KINDS}
        try:
            first = trainers["bare"]
            first.ask("rate")
            products = max(1, round(args.step_ms / 1e3 / (first.ask("rate")[0] / 1000)))
            for trainer in trainers.values():
                trainer.ask(f"work {products}")
            taken = rounds(trainers, args.rounds, args.steps)
            for trainer in trainers.values():
                trainer.end()
            check_lab(real, trainers)
        finally:
            for trainer in trainers.values():
                trainer.kill()
    numbers = [Number("a bare step", statistics.median(t["bare"][0] for t in taken) / args.steps * 1e3, "ms")]
    pairs = (("beside", "alone", 1.01), ("instead", "alone", None), ("instead", "bare", None), ("alone", "bare", None))
    for one, other, reach in pairs:
        found = ratios(taken, one, other)
        low, _, high = statistics.quantiles(found, n=4)
        numbers += [
            Number(f"a step: {one} over {other}", statistics.median(found), "×", reach),
            Number("  quartiles of the rounds, lower", low, "×"),
            Number("  quartiles of the rounds, upper", high, "×"),
            Number("  by CPU time of the loop's thread", statistics.median(ratios(taken, one, other, 1)), "×"),
        ]
    return numbers


def import_numbers(repeat: int) -> list[Number]:
    def started(kind: str, code: str) -> None:
        subprocess.run([sys.executable, "-c", code], env=environment(kind), check=True, cwd="/")

    kinds = ("alone", "beside", "instead")
    taken = medians({kind: lambda kind=kind: started(kind, IMPORTS) for kind in kinds}, repeat)
    starts = medians({kind: lambda kind=kind: started(kind, "pass") for kind in kinds}, repeat)
    return [
        Number(f"`{IMPORTS}`", taken["alone"] * 1e3, "ms"),
        Number("  beside: more than that", (taken["beside"] - taken["alone"]) * 1e3, "ms"),
        Number("  instead: more than that", (taken["instead"] - taken["alone"]) * 1e3, "ms"),
        Number(
            "start of Python with HECTIQLAB_BESIDE, over without",
            (starts["beside"] - starts["alone"]) * 1e3,
            "ms",
        ),
    ]


def hook_number(repeat: int) -> Number:
    """What the start of Python does with our .pth file, where no variable is set. (Python reads it in any case.)"""
    for name in ("HECTIQLAB_INSTEAD_OF", "HECTIQLAB_BESIDE"):
        os.environ.pop(name, None)
    import site

    taken = []
    for _ in range(repeat * 20):
        start = time.perf_counter()
        site.addpackage(str(ROOT), "hectiqlab.pth", set())
        taken.append(time.perf_counter() - start)
    return Number("the hook at the start of Python, without its variables", statistics.median(taken) * 1e3, "ms", 1.0)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--steps", type=int, default=50, help="steps in a stretch")
    parser.add_argument("--step-ms", type=float, default=10.0)
    parser.add_argument("--repeat", type=int, default=9, help="processes for each time of an import")
    args = parser.parse_args()
    numbers = [*loop_numbers(args), *import_numbers(args.repeat), hook_number(args.repeat)]
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
