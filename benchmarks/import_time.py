"""What does `import pyhectiqlab` add to the start of Python?

Whole processes, bare and importing, take turns; the number is the difference of the medians.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from _common import Number, arguments, medians, report

USUAL = "import json, logging, urllib.request"  # of the standard library; what a client of HTTP needs at least
HEAVY = ("requests", "numpy", "click", "fastapi", "sqlalchemy", "uvicorn", "pyhectiqlab.server", "pyhectiqlab.store")


def start_python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")


def cpu_ms(code: str, repeat: int) -> float:
    """CPU time of such a process, user and system: less at the mercy of what else the machine does."""
    taken = []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start_python(code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(taken) * 1e3


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=31)
    args = parser.parse_args()

    printing = f"import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    for importing in ("import pyhectiqlab", "from pyhectiqlab import Run, Config"):
        loaded = subprocess.check_output([sys.executable, "-c", f"{importing}; {printing}"], text=True, cwd="/").split()
        assert not loaded, f"`{importing}` loads {', '.join(loaded)}"

    taken = medians(
        {
            "bare": lambda: start_python("pass"),
            "package": lambda: start_python("import pyhectiqlab"),
            "usual": lambda: start_python(USUAL),
            "names": lambda: start_python("from pyhectiqlab import Run, Config"),
        },
        args.repeat,
    )
    added = taken["package"] - taken["bare"]
    cpu = cpu_ms("import pyhectiqlab", args.repeat) - cpu_ms("pass", args.repeat)
    report(
        __doc__,
        [
            Number("bare Python", taken["bare"] * 1e3, "ms"),
            Number("import pyhectiqlab, over that", added * 1e3, "ms", 60),
            Number("from pyhectiqlab import Run, Config, over that", (taken["names"] - taken["bare"]) * 1e3, "ms", 60),
            Number(f"… as a multiple of what `{USUAL}` costs", added / (taken["usual"] - taken["bare"]), "", 1.2),
            Number("CPU time of import pyhectiqlab, over bare Python", cpu, "ms"),
        ],
        args.json,
    )


if __name__ == "__main__":
    main()
