"""Which system calls does a put make?

strace writes down every system call of a process and all its threads; counted are those of the training process between
marks around 100,000 puts, once all of its keys are known and the queue is empty. Linux only, needs strace.
"""

from __future__ import annotations

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import Number, arguments, lab, report

# The marks are stat calls of names that do not exist. The process prints its threads at the end, to tell them from the
# uploader's.
SCRIPT = """
import os, sys, time
from pyhectiqlab import Run

run = Run("syscalls", project="benchmarks", should_create_project=True)
scalars = {f"layer{i}": i / 7 for i in range(10)}
count = int(sys.argv[1])

def mark(name):
    try:
        os.stat("/hectiqlab-mark-" + name)
    except FileNotFoundError:
        pass

def puts(n):
    for step in range(n):
        run.add_metrics("train/loss", 0.5, step)

def dicts(n):
    for step in range(n // 10):
        run.add_metrics(scalars, step=step)

def put_in_chunks(what):
    # Under strace the uploader is the slower one: between the marked stretches it gets time to empty the queue.
    what(100), run.flush(60)
    for start in range(0, count, 10_000):
        mark("begin " + what.__name__)
        what(min(10_000, count - start))
        mark("end")
        assert run.flush(60)

put_in_chunks(puts)
put_in_chunks(dicts)
losses = run.status().losses
assert not losses, losses
print(*os.listdir("/proc/self/task"))
run.close(60)
"""

CALL = re.compile(r"^(\d+) +(\w+)\(")


def count_calls(trace: Path, threads: set[str]) -> dict[str, collections.Counter[str]]:
    """System calls by name of these threads, between the marks; one counter for each kind of put."""
    counts: dict[str, collections.Counter[str]] = {}
    stretch: collections.Counter[str] | None = None
    with trace.open(errors="replace") as lines:
        for line in lines:
            call = CALL.match(line)
            if not call or call[1] not in threads:
                continue
            if "/hectiqlab-mark-begin " in line:
                stretch = counts.setdefault(
                    line.split("/hectiqlab-mark-begin ")[1].split('"')[0], collections.Counter()
                )
            elif "/hectiqlab-mark-end" in line:
                stretch = None
            elif stretch is not None:
                stretch[call[2]] += 1
    return counts


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--puts", type=int, default=100_000)
    args = parser.parse_args()
    if not shutil.which("strace"):
        sys.exit("This needs strace: apt-get install strace.")

    with lab(), tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        command = ["strace", "-f", "-qq", "-o", str(trace), sys.executable, "-c", SCRIPT, str(args.puts)]
        threads = set(subprocess.check_output(command, text=True, env=os.environ, timeout=300).split())
        counts = count_calls(trace, threads)

    assert set(counts) == {"puts", "dicts"}, f"the marks were not found: {counts}"
    numbers = []
    for what, label in (("puts", "add_metrics(key, float, step)"), ("dicts", "add_metrics({…10 scalars}, step=…)")):
        numbers.append(Number(f"{label}: system calls in {args.puts:,} points", counts[what].total(), "calls", 0))
        numbers += [Number(f"  {name}", n, "calls") for name, n in counts[what].most_common(8)]
    numbers.append(Number("threads of the training process", len(threads), ""))
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
