"""How much slower is a step of 10 ms that logs ten scalars to W&B if the lab gets them, beside W&B or instead of it?

Beside is measured within one process, which has torch, wandb and the mirror: steps with the mirrored `log` and with
the real one under it come in pairs, in random order. A step lasts from its `log` to the next one, so that what the
mirror puts out of the caches counts. The median of the differences and its interval of 95 % confidence tell a fraction
of 1 %; the call alone, which varies less, is told beside it. Then stretches of seconds take turns, which tell what the
uploader takes on the same cores.

The stand-in is another module, so it takes turns with W&B alone and with no tracker from process to process; there the
numbers are medians of ratios within a round. At the end every value must be in the lab.

Also: what the mirror and the stand-in add to `import torch, wandb`, and what the hook costs at the start of a Python
without its variables: what `site` does with `hectiqlab.pth`, timed alone, as it is lost in the start of a process.
"""

from __future__ import annotations

import json
import math
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
TRAINER = Path(__file__).with_name("_trainer.py")
PARTS = ("mirror", "standin", "imports")


def environment(kind: str) -> dict[str, str]:
    mode = {} if kind == "instead" else {"WANDB_MODE": "offline"}
    path = {"PYTHONPATH": HOOK} if KINDS[kind] else {}
    return {**os.environ, **QUIET, **mode, **path, **KINDS[kind]}


class Trainer:
    """A process that takes steps when it is told to: `_trainer.py`."""

    def __init__(self, kind: str, folder: str, run: str) -> None:
        pipe, command = subprocess.PIPE, [sys.executable, str(TRAINER), kind, run, folder, str(KEYS)]
        self._process = subprocess.Popen(command, env=environment(kind), cwd=folder, stdin=pipe, stdout=pipe, text=True)

    def ask(self, what: str, *numbers: float) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, *numbers]) + "\n")
        self._process.stdin.flush()
        for answer in self._process.stdout:
            if answer.startswith("answer "):
                return json.loads(answer.removeprefix("answer "))
        raise SystemExit(f"A process of the benchmark has ended ({self._process.wait()}).")

    def end(self) -> list[float]:
        """End its run. Return what it has logged to the lab."""
        logged: list[float] = self.ask("end")
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0
        return logged

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def middle(values: list[float]) -> tuple[float, float, float]:
    """(median, lower and upper end of its interval of 95 % confidence: order statistics)"""
    ordered, count = sorted(values), len(values)
    low = max(0, math.floor(count / 2 - 0.98 * math.sqrt(count)))
    return statistics.median(ordered), ordered[low], ordered[count - 1 - low]


def with_interval(what: str, values: list[float], unit: str, reach: float | None = None) -> list[Number]:
    median, low, high = middle(values)
    return [
        Number(what, median, unit, reach),
        Number("  with 95 % confidence at least", low, unit),
        Number("  with 95 % confidence at most", high, unit),
    ]


def check_lab(real: Any, run: str, logged: list[float]) -> None:
    """Every value is in the lab, once and in order."""
    with LabClient(real.url, real.api_key) as client:
        ident = client.get("/runs/resolve", {"ref": run})["id"]
        for key in ("train/scalar0", f"train/scalar{KEYS - 1}"):
            values = [value for page in client.points(ident, key) for value in page.value]
            assert values == logged, f"{run}: {key} is not complete"


def mirror_numbers(args: Any) -> list[Number]:
    """Beside over alone, within one process."""
    with lab() as real, tempfile.TemporaryDirectory(prefix="hectiqlab-bench-") as folder:
        trainer = Trainer("beside", folder, "mirror")
        try:
            trainer.ask("calibrate", args.step_ms / 1e3)
            trainer.ask("pairs", 50)  # the first steps open files and fill caches
            pairs = trainer.ask("pairs", args.pairs)
            turns = trainer.ask("turns", args.turns, args.turn_s)
            check_lab(real, "mirror", trainer.end())
        finally:
            trainer.kill()
    added = [[1e6 * (pair["mirrored"][at] - pair["plain"][at]) for pair in pairs] for at in (0, 1, 2)]
    mean = statistics.fmean(added[1])
    error = 1.96 * statistics.stdev(added[1]) / math.sqrt(len(pairs))
    steps = sum(turn["mirrored"]["steps"] for turn in turns)
    uploader = sum(turn["mirrored"]["uploader"] + turn["plain"]["uploader"] for turn in turns)
    return [
        Number("a step with W&B alone", statistics.median(pair["plain"][0] for pair in pairs) * 1e3, "ms"),
        *with_interval("beside: longer by the clock, a step", added[0], "µs", 10.0 * args.step_ms),
        *with_interval("beside: CPU time of the thread, a step", added[1], "µs", 10.0 * args.step_ms),
        Number("  the mean", mean, "µs"),
        Number("  ± with 95 % confidence", error, "µs"),
        *with_interval("  of it in the call of `log`", added[2], "µs"),
        *with_interval(
            f"stretches of {args.turn_s:g} s: beside over alone",
            [turn["mirrored"]["step"] / turn["plain"]["step"] for turn in turns],
            "×",
            1.01,
        ),
        Number("  CPU time of the uploader a step", uploader / steps * 1e6, "µs"),
    ]


def standin_numbers(args: Any) -> list[Number]:
    """Processes that take turns."""
    with lab() as real, tempfile.TemporaryDirectory(prefix="hectiqlab-bench-") as folder:
        trainers = {kind: Trainer(kind, folder, kind) for kind in ("bare", "alone", "instead")}
        try:
            kinds, taken = list(trainers), []
            times = trainers["bare"].ask("calibrate", args.step_ms / 1e3)
            for trainer in trainers.values():
                trainer.ask("repeat", times)
                trainer.ask("go", args.steps)
            for number in range(args.rounds):
                turn = number % len(kinds)
                order = (kinds[turn:] + kinds[:turn])[:: 1 if number % 2 else -1]
                taken.append({kind: trainers[kind].ask("go", args.steps) for kind in order})
            for kind, trainer in trainers.items():
                logged = trainer.end()
                if kind == "instead":
                    check_lab(real, kind, logged)
        finally:
            for trainer in trainers.values():
                trainer.kill()
    numbers = []
    for one, other in (("instead", "alone"), ("instead", "bare"), ("alone", "bare")):
        numbers += with_interval(f"a step: {one} over {other}", [t[one][0] / t[other][0] for t in taken], "×")
        cpu = statistics.median(times[one][1] / times[other][1] for times in taken)
        numbers.append(Number("  by CPU time of the thread", cpu, "×"))
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
        hook_number(repeat),
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
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument("--step-ms", type=float, default=10.0)
    parser.add_argument("--pairs", type=int, default=2_000, help="pairs of steps, with the mirror and without")
    parser.add_argument("--turns", type=int, default=60, help="pairs of stretches, with the mirror and without")
    parser.add_argument("--turn-s", type=float, default=1.0, help="seconds of a stretch")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of the processes")
    parser.add_argument("--steps", type=int, default=20, help="steps of a process in a round")
    parser.add_argument("--repeat", type=int, default=9, help="processes for each time of an import")
    args = parser.parse_args()
    parts = {
        "mirror": lambda: mirror_numbers(args),
        "standin": lambda: standin_numbers(args),
        "imports": lambda: import_numbers(args.repeat),
    }
    numbers = [number for name in PARTS if args.only in (None, name) for number in parts[name]()]
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
