"""What does a trainer feel while a file of 2 GiB is uploaded, and what if the uploader is killed at half of it?

A trainer logs a point every 10 ms and uploads one large file of random bytes. Another process looks, ten times a
second, at the memory of the trainer (RssAnon), at that only the uploader has (Private_* of smaps_rollup) and at how
many points the lab acknowledges. Then the same with a new file, whose uploader gets a SIGKILL at half: how many bytes
are sent again, and is the digest right? Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from _common import Number, arguments, lab, private_bytes, report, wait_for

from pyhectiqlab.profile import resolve
from pyhectiqlab.transport import LabClient

MIB = 1 << 20


def train(name: str, path: str) -> None:
    """Runs as a process of its own. Tells a line for each sample: points sent and acked, files left, the uploader."""
    from pyhectiqlab import Run

    run = Run(name, project="benchmarks", should_create_project=True)
    step = 0

    def log_for(seconds: float) -> None:
        nonlocal step
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            run.add_metrics("alive", 1.0, step)
            step += 1
            time.sleep(0.01)

    def tell(phase: str) -> bool:
        run.flush(0)  # replaces an uploader that was killed; waits for nothing
        status = run.status()
        print(phase, time.monotonic(), status.acked, status.files_left, status.uploader_pid or 0, flush=True)
        return status.files_left > 0

    log_for(5.0)
    tell("base")
    run.add_artifact(path)
    while tell("upload"):
        log_for(0.1)
    run.close(60)


@dataclass
class Samples:
    """What one trainer printed, and its memory and its uploader's at each line."""

    trainer_base: int = 0
    uploader_base: int = 0
    trainer: list[int] = field(default_factory=list)
    uploader: list[int] = field(default_factory=list)
    acks: list[float] = field(default_factory=list)  # when more points had been acked than at the line before
    seconds: float = 0.0

    def longest_silence(self) -> float:
        return max((b - a for a, b in zip(self.acks, self.acks[1:], strict=False)), default=float("inf"))


def watch(name: str, path: Path, kill_at: float | None, data: Path) -> Samples:
    """Follows one trainer. kill_at: the share of the file at which its uploader is killed, once."""
    samples = Samples()
    command = [sys.executable, __file__, "--child", name, "--file", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acked_before, started, size = 0, 0.0, path.stat().st_size
    for line in process.stdout:
        phase, at, acked, _, uploader = line.split()
        try:
            trainer_bytes, uploader_bytes = own_bytes(process.pid), private_bytes(int(uploader))
        except OSError:  # the uploader was killed, the next one is on its way
            continue
        if phase == "base":
            samples.trainer_base, samples.uploader_base = trainer_bytes, uploader_bytes
            continue
        started = started or float(at)
        samples.seconds = float(at) - started
        samples.trainer.append(trainer_bytes)
        samples.uploader.append(uploader_bytes)
        if int(acked) > acked_before:
            acked_before = int(acked)
            samples.acks.append(float(at))
        if kill_at is not None and arrived(data) >= kill_at * size:
            os.kill(int(uploader), signal.SIGKILL)
            kill_at = None
    assert process.wait() == 0, "the trainer failed"
    assert kill_at is None, "the file was there before its uploader could be killed"
    return samples


def arrived(data: Path) -> int:
    """Bytes of the upload that is on its way, by the size of the largest unfinished file in the lab's folder."""
    sizes = [p.stat().st_size for p in data.glob("*/uploads/*") if p.is_file()]
    return max(sizes, default=0)


def own_bytes(pid: int) -> int:
    """Memory of a process that is no file's. Not Private_*: that grows when a forked uploader, which shared it,
    ends.
    """
    (line,) = (x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("RssAnon"))
    return int(line.split()[1]) << 10


def make(path: Path, mib: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(mib):
            block = os.urandom(MIB)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--mib", type=int, default=2048, help="size of the file (default: %(default)s)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train(options.child, options.file)
        return
    numbers = []
    with lab() as real, tempfile.TemporaryDirectory() as folder:
        profile = resolve()
        for name, kill_at in (("whole", None), ("killed", 0.5)):
            path = Path(folder) / f"{name}.bin"
            digest = make(path, options.mib)
            samples = watch(name, path, kill_at, real.data_dir)
            path.unlink()
            with LabClient(profile.url, profile.secret_api_key) as client:

                def stored(ref: str = name, client: LabClient = client) -> list[dict[str, object]]:
                    run = client.get("/runs/resolve", {"ref": ref})
                    return list(client.pages(f"/runs/{run['id']}/artifacts", {}))

                wait_for(lambda: bool(stored()), 60, "the artifact")
                (artifact,) = stored()
            assert artifact["digest"] == digest, "the lab has other bytes than those of the file"
            what = "uploader killed at half" if kill_at else f"{options.mib} MiB"
            numbers += [
                Number(f"{what}: trainer over its base", (max(samples.trainer) - samples.trainer_base) / MIB, "MiB", 1),
                Number("  uploader over its base", (max(samples.uploader) - samples.uploader_base) / MIB, "MiB", 16),
                Number("  longest time without points at the lab", samples.longest_silence(), "s", 5 if kill_at else 1),
                Number("  until the lab has it", samples.seconds, "s"),
            ]
    report(__doc__, numbers, options.json)


if __name__ == "__main__":
    main()
