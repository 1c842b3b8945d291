"""How long from `Run(...)` to the first accepted put?

Fresh processes against a lab on loopback: each creates a run, puts one point and reports how long that took. The import
is told apart; whether the point arrived is checked when all are through.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from _common import Number, arguments, lab, report

from pyhectiqlab import read

SCRIPT = """
import json, sys, time
t0 = time.perf_counter()
from pyhectiqlab import Run
t1 = time.perf_counter()
run = Run(sys.argv[1], project="benchmarks", should_create_project=True)
t2 = time.perf_counter()
run.add_metrics("train/loss", 0.5, 0)
t3 = time.perf_counter()
assert run.mode == "online", run.mode
run.close(30)
print(json.dumps({"import": t1 - t0, "run": t2 - t1, "put": t3 - t2, "total": t3 - t1, "id": run.id}))
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    args = parser.parse_args()

    with lab():
        results = []
        for i in range(args.repeat + 1):
            answer = subprocess.check_output([sys.executable, "-c", SCRIPT, f"start-{i}"], text=True, cwd="/")
            results.append(json.loads(answer))
        first, results = results[0], results[1:]  # the first one also creates the project
        arrived = [read.run(r["id"]).points for r in results]
        assert arrived == [1] * len(results), f"not every point arrived: {arrived}"

    def of(name: str) -> list[float]:
        return [r[name] * 1e3 for r in results]

    report(
        __doc__,
        [
            Number("Run(...) to the first accepted put", statistics.median(of("total")), "ms", 400),
            Number("  slowest of all", max(of("total")), "ms"),
            Number("  in a project that has to be created", first["total"] * 1e3, "ms"),
            Number("  of it, Run(...)", statistics.median(of("run")), "ms"),
            Number("  of it, the first put", statistics.median(of("put")), "ms"),
            Number("before it, from pyhectiqlab import Run", statistics.median(of("import")), "ms"),
        ],
        args.json,
    )


if __name__ == "__main__":
    main()
