"""How much slower is a Python-bound training loop that logs ten scalars a step?

A step is about 1 ms of pure Python. Stretches of the loop with and without logging take turns, in either order, while
the uploader sends to a lab on the same machine; the number is the median of the ratios of neighbouring stretches. The
ratio of the loop's own CPU time stands beside it: it leaves out what the neighbours on the two cores take.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from _common import Number, arguments, lab, report

KEYS = [f"train/scalar{i}" for i in range(10)]


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


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) seconds."""
    start, start_cpu = time.perf_counter(), time.thread_time()
    call()
    return time.perf_counter() - start, time.thread_time() - start_cpu


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
            for label, with_run in (("ten calls a step", logging), ("one dict a step", logging_dict)):
                bare()
                with_run()
                ratios, cpu_ratios, stretches = [], [], []
                for pair in range(args.pairs):
                    if pair % 2:
                        without, taken = _timed(bare), _timed(with_run)
                    else:
                        taken, without = _timed(with_run), _timed(bare)
                    ratios.append(taken[0] / without[0])
                    cpu_ratios.append(taken[1] / without[1])
                    stretches.append(without[0])
                numbers.append(Number(f"{label}: with the run over without", statistics.median(ratios), "×", 1.03))
                spread = statistics.quantiles(ratios, n=4)
                numbers.append(Number("  quartiles of the pairs, lower", spread[0], "×"))
                numbers.append(Number("  quartiles of the pairs, upper", spread[2], "×"))
                numbers.append(Number("  by CPU time of the loop", statistics.median(cpu_ratios), "×"))
                numbers.append(Number("  a bare step", statistics.median(stretches) / args.steps * 1e3, "ms"))
            assert run.flush(60), "the lab did not acknowledge everything within 60 s"
            assert not run.status().losses, f"events were lost: {run.status().losses}"
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
