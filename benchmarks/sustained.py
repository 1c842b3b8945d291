"""How many points per second does one producer get to the lab, flat out, until the lab has acknowledged the last one?

Producer, uploader and lab share the machine's cores. Memory of the three is sampled on the way: it must not grow with
the number of points.
"""

from __future__ import annotations

import os
import threading
import time

import psutil
from _common import Number, arguments, lab, report

from pyhectiqlab import read


class Sampler(threading.Thread):
    """Resident bytes of some processes, twice a second. Lives in the producer, whose speed it costs a little."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.bytes: dict[str, list[int]] = {name: [] for name in pids}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.5):
            for name, process in self.processes.items():
                self.bytes[name].append(process.memory_info().rss)

    def growth_mib(self, name: str) -> float:
        """Peak of the last third over the peak of the first third."""
        samples = self.bytes[name]
        third = max(1, len(samples) // 3)
        return (max(samples[-third:]) - max(samples[:third])) / (1 << 20)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--points", type=int, default=4_000_000)
    parser.add_argument("--keys", type=int, default=10)
    args = parser.parse_args()
    keys = [f"train/scalar{i}" for i in range(args.keys)]

    with lab() as real:
        from pyhectiqlab import Run

        with Run("sustained", project="benchmarks", should_create_project=True) as run:
            run.add_metrics("warm/up", 0.0, 0)
            assert run.flush(30), "the lab did not acknowledge the first point within 30 s"
            uploader = run.status().uploader_pid
            assert run.id and uploader
            sampler = Sampler({"producer": os.getpid(), "uploader": uploader, "lab": real.pid})
            sampler.start()

            add = run.add_metrics
            start = time.perf_counter()
            for step in range(args.points // len(keys)):
                for key in keys:
                    add(key, 0.5, step)
            produced = time.perf_counter() - start
            assert run.flush(600), "the lab did not acknowledge everything within 600 s"
            acked = time.perf_counter() - start
            sampler.done.set()
            sampler.join()
            status = run.status()
            assert not status.losses, f"events were lost: {status.losses}"
            stored = sum(info.count for info in read.run(run.id).key_infos() if info.key in keys)
    sent = args.points // len(keys) * len(keys)
    assert stored == sent, f"the lab has {stored} of {sent} points"

    memory = []
    for name in sampler.bytes:
        memory.append(Number(f"{name}: resident, peak", max(sampler.bytes[name]) / (1 << 20), "MiB"))
        memory.append(Number("  growth from the first to the last third", sampler.growth_mib(name), "MiB"))
    report(
        __doc__,
        [
            Number("points", sent, ""),
            Number("until acknowledged", sent / acked, "points/s", 400_000, at_least=True),
            Number("  the producer's loop alone", sent / produced, "points/s"),
            Number("  from the last put to the last acknowledgement", acked - produced, "s"),
            *memory,
        ],
        args.json,
    )


if __name__ == "__main__":
    main()
