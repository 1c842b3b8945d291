"""How much memory does the uploader add beside a trainer of 1 GiB that keeps changing its memory?

Counted is what only the uploader has (Private_* of smaps_rollup): its own memory, and each page that it shared with the
trainer since the fork and that the trainer has changed since, so that there are two of it now. The trainer changes all
of its pages, again and again, while it logs 10,000,000 points. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

from _common import Number, arguments, lab, private_bytes, report

MIB = 1 << 20
PAGE = 4096


def train(order: str, mib: int, points: int) -> dict[str, object]:
    """Runs as a process of its own; returns samples (points so far, the uploader's private bytes).

    order: "run first" makes the Run while the process is small, "memory first" when it has grown.
    """
    from pyhectiqlab import Run

    def make_run() -> Run:
        return Run(f"memory-{order}", project="benchmarks", should_create_project=True)

    run = make_run() if order == "run first" else None
    memory = bytearray(b"x") * (mib * MIB)
    if run is None:
        run = make_run()
    run.add_metrics("train/loss", 0.5, 0)
    assert run.flush(30), "the lab did not acknowledge the first point within 30 s"

    def uploader() -> int:
        pid = run.status().uploader_pid
        assert pid is not None, "no uploader is at work"
        return pid

    samples = []
    chunk = 10_000
    stride = mib * MIB // PAGE
    add = run.add_metrics
    for i, done in enumerate(range(0, points, chunk)):
        for step in range(done, done + chunk):
            add("train/loss", 0.5, step)
        if i % 10 == 0:
            memory[i % PAGE :: PAGE] = bytes([i % 256]) * stride  # one byte of every page
        if i % 20 == 0:
            samples.append((done, private_bytes(uploader())))
    assert run.flush(600), "the lab did not acknowledge everything within 600 s"
    time.sleep(1.0)
    samples.append((points, private_bytes(uploader())))
    assert not run.status().losses, f"events were lost: {run.status().losses}"
    start_method = "spawn" if b"uploader/__main__.py" in _command_line(uploader()) else "fork"
    run.close(60)
    return {"samples": samples, "start_method": start_method}


def _command_line(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--order", choices=("run first", "memory first"), default=None, help="only one of the two")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(train(args.order, args.mib, args.points)))
        return

    numbers = []
    with lab():
        for order in [args.order] if args.order else ["run first", "memory first"]:
            command = [sys.executable, __file__, "--child", "--order", order]
            command += ["--points", str(args.points), "--mib", str(args.mib)]
            result = json.loads(subprocess.check_output(command, text=True, env=os.environ))
            sizes = [size / MIB for _, size in result["samples"]]
            numbers += [
                Number(f"{order} (started by {result['start_method']}): peak", max(sizes), "MiB", 45),
                Number("  at the start", sizes[0], "MiB"),
                Number("  after a tenth of the points", sizes[len(sizes) // 10], "MiB"),
                Number("  after all of them", sizes[-1], "MiB"),
            ]
    report(__doc__, numbers, args.json)


if __name__ == "__main__":
    main()
