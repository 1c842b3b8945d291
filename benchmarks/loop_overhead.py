"""How much slower is a Python-bound training loop that logs ten scalars a step?

A step is about 1 ms of pure Python. Stretches of the loop with and without logging take turns, in either order, while
the uploader sends to a lab on the same machine; the number is the median of the ratios of neighbouring stretches. The
ratio of the loop's own CPU time stands beside it: it leaves out what the neighbours on the two cores take. So does the
ratio of a loop that makes JSON of the ten scalars and throws it away: between two steps of work any call finds its code
and data out of the caches, the more so where others fill them, and this is what that costs here and now.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from _common import Number, arguments, lab, report

KEYS = [f"train/scalar{i}" for i in range(10)]
REFERENCE = "the ten made JSON instead: with it over without"


def work(n: int) -> int:
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


def amount_for(seconds: float) -> int:
    """How much work takes so long."""
    n = 10_000
    best = min(_timed(lambda: work(n))[0] for _ in range(50))
    return max(1, int(n * seconds / best))


def dumping(steps: int, amount: int) -> None:
    """What anything costs between such steps: a machine whose caches others fill makes every first call slow."""
    for step in range(steps):
        work(amount)
        json.dumps(dict.fromkeys(KEYS, float(step)))


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) seconds."""
    start, start_cpu = time.perf_counter(), time.thread_time()
    call()
    return time.perf_counter() - start, time.thread_time() - start_cpu


@dataclass
class Turns:
    """Stretches without and with something else in each step, in turn and in either order: a machine changes its mind
    in between, and neighbouring stretches less than distant ones.
    """

    steps: int
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)

    def take(self, without: Callable[[], object], with_it: Callable[[], object]) -> None:
        if len(self.pairs) % 2:
            bare, taken = _timed(without), _timed(with_it)
        else:
            taken, bare = _timed(with_it), _timed(without)
        self.pairs.append((taken, bare))

    def summary(self) -> dict[str, Any]:
        """Medians, by the clock and by CPU time."""
        ratios = [taken[0] / bare[0] for taken, bare in self.pairs]
        return {
            "ratio": statistics.median(ratios),
            "quartiles": statistics.quantiles(ratios, n=4),
            "cpu": statistics.median(taken[1] / bare[1] for taken, bare in self.pairs),
            "bare_ms": statistics.median(bare[0] for _, bare in self.pairs) / self.steps * 1e3,
        }


def numbers_of(label: str, summary: dict[str, Any], reach: float | None = None) -> list[Number]:
    return [
        Number(label, summary["ratio"], "×", reach),
        Number("  quartiles of the pairs, lower", summary["quartiles"][0], "×"),
        Number("  quartiles of the pairs, upper", summary["quartiles"][2], "×"),
        Number("  by CPU time of the loop", summary["cpu"], "×"),
        Number("  a bare step", summary["bare_ms"], "ms"),
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--steps", type=int, default=100, help="steps in a stretch")
    args = parser.parse_args()

    with lab():
        from pyhectiqlab import Run

        amount = amount_for(0.001)
        with Run("loop-overhead", project="benchmarks", should_create_project=True) as run:

            def bare() -> None:
                for _ in range(args.steps):
                    work(amount)

            def logging() -> None:
                for step in range(args.steps):
                    work(amount)
                    for key in KEYS:
                        run.add_metrics(key, 0.5, step)

            def logging_dict() -> None:
                for step in range(args.steps):
                    work(amount)
                    run.add_metrics(dict.fromkeys(KEYS, 0.5), step=step)

            numbers = []
            for label, in_a_step, reach in (
                ("ten calls a step: with the run over without", logging, 1.03),
                ("one dict a step: with the run over without", logging_dict, 1.03),
                (REFERENCE, lambda: dumping(args.steps, amount), None),
            ):
                bare()
                in_a_step()
                turns = Turns(args.steps)
                for _ in range(args.pairs):
                    turns.take(bare, in_a_step)
                numbers += numbers_of(label, turns.summary(), reach)
            assert run.flush(60), "the lab did not acknowledge everything within 60 s"
            assert not run.status().losses, f"events were lost: {run.status().losses}"
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
