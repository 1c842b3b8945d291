"""What does `import pyhectiqlab` add to the start of Python?

Whole processes, bare and importing, take turns; the number is the difference of the medians.
"""

from __future__ import annotations

import subprocess
import sys

from _common import Number, arguments, medians, report

HEAVY = ("requests", "numpy", "click", "fastapi", "sqlalchemy", "uvicorn", "pyhectiqlab.server", "pyhectiqlab.store")


def start_python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=31)
    args = parser.parse_args()

    found = f"import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    for importing in ("import pyhectiqlab", "from pyhectiqlab import Run, Config"):
        loaded = subprocess.check_output([sys.executable, "-c", f"{importing}; {found}"], text=True, cwd="/").split()
        assert not loaded, f"`{importing}` loads {', '.join(loaded)}"

    taken = medians(
        {
            "bare": lambda: start_python("pass"),
            "package": lambda: start_python("import pyhectiqlab"),
            "names": lambda: start_python("from pyhectiqlab import Run, Config"),
        },
        args.repeat,
    )
    report(
        __doc__,
        [
            Number("bare Python", taken["bare"] * 1e3, "ms"),
            Number("import pyhectiqlab, over that", (taken["package"] - taken["bare"]) * 1e3, "ms", 60),
            Number("from pyhectiqlab import Run, Config, over that", (taken["names"] - taken["bare"]) * 1e3, "ms", 60),
        ],
        args.json,
    )


if __name__ == "__main__":
    main()
