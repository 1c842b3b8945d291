"""What does one user feel of what a stranger, a viewer or a member does to the lab at the same time?

A real lab on loopback, a fresh one for each attack (see _attacks.py). A victim sends small batches over one connection,
and opens a page over fresh ones: the list of runs, then the stream of live updates until it has begun. Both are timed
while the lab is quiet, and again under the attack. Beside them stands by how much the lab's peak of memory grew. A
request that fails, or has no answer in 10 s, counts with those 10 s.

    python benchmarks/neighbours.py [--only NAME…] [--quiet SECONDS] [--seconds SECONDS]
"""

from __future__ import annotations

import http.client
import json
import math
import multiprocessing
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgpack
import requests
from _attacks import ATTACKS, Attack, Target
from _common import Number, arguments, machine, report

from pyhectiqlab.testing.lab import RealLab

TIMES_MAX = 3.0  # the victim's p99 over that of the quiet lab
MEMORY_MAX_MIB = 200
TIMEOUT_S = 10.0
PAUSE_S = 0.01  # between two requests of the victim
POINTS = 100  # a batch
RUNS = 256  # of the owner
PASSWORD = "correct horse 7"
PROJECT = "shared"


class Lab(RealLab):
    """As RealLab, with a bound of descriptors."""

    def __init__(self, folder: Path, descriptors: int | None) -> None:
        super().__init__(folder / "data", folder / "home")
        self._descriptors = descriptors

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        if self._descriptors is not None:
            command = ["/bin/sh", "-c", f'ulimit -n {self._descriptors}; exec "$@"', "sh", *command]
        return super()._spawn(command, log)

    def forget_peak(self) -> None:
        """What was prepared took memory, too."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """The most memory that it has had (VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
        raise OSError("no VmHWM")


class Client:
    def __init__(self, lab: RealLab, key: str) -> None:
        self._lab, self._headers = lab, {"Authorization": f"Bearer {key}"}
        self._kept: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, value: Any = None, **kw: Any) -> Any:
        answer = requests.request(
            method, f"{self._lab.url}/api/v1{path}", json=value, timeout=60, **{"headers": self._headers, **kw}
        )
        answer.raise_for_status()
        return answer.json()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._lab.port, timeout=TIMEOUT_S)

    def send(self, batch: dict[str, Any]) -> bool:
        """Over one connection, which is made anew where it broke, as the uploader's is. Whether the batch was taken."""
        body = msgpack.packb({"v": 1, "session": "5e551011", "clock": time.time(), "batches": [batch]})
        headers = {**self._headers, "Content-Type": "application/x-msgpack"}
        try:
            if self._kept is None:
                self._kept = self._connection()
            self._kept.request("POST", "/api/v1/ingest", body, headers)
            answer = self._kept.getresponse()
            content = answer.read()
            return answer.status == 200 and json.loads(content)["results"][0]["status"] == 200
        except (OSError, http.client.HTTPException):
            if self._kept is not None:
                self._kept.close()
            self._kept = None
            return False

    def open_page(self) -> bool:
        """Whether the list of runs and the first byte of the stream came."""
        return self._first("/api/v1/runs?limit=20", whole=True) and self._first(f"/api/v1/stream?project={PROJECT}")

    def _first(self, path: str, whole: bool = False) -> bool:
        connection = self._connection()
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            return answer.status == 200 and bool(answer.read() if whole else answer.read(1))
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass
class Times:
    """Seconds of one kind of request."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def take(self, request: Callable[[], bool]) -> None:
        began = time.perf_counter()
        done = request()
        took = time.perf_counter() - began
        self.failed += not done
        self.seconds.append(took if done else max(took, TIMEOUT_S))

    def quantile_ms(self, q: float) -> float:
        ordered = sorted(self.seconds)
        return 1e3 * ordered[min(len(ordered) - 1, math.ceil(q * len(ordered)) - 1)]

    def __str__(self) -> str:
        failed = f", {self.failed} of {len(self.seconds)} failed" if self.failed else ""
        return f"{self.quantile_ms(0.5):.1f}/{self.quantile_ms(0.99):.1f} ms{failed}"


class Victim:
    """Somebody who works: an uploader, and a page."""

    def __init__(self, lab: RealLab, key: str) -> None:
        self._sender, self._reader = Client(lab, key), Client(lab, key)
        attach = {"name": "victim", "project": PROJECT, "session": "5e551011", "pid": os.getpid()}
        self._run = self._sender.call("POST", "/runs/attach", attach)["run"]["id"]
        self._writer, self._cursor = os.urandom(16).hex(), 0

    def _send(self) -> bool:
        import numpy as np

        first, n = self._cursor + 1, np.arange(POINTS)
        point = {
            "key": "train/loss",
            "seq": n.astype("<u4").tobytes(),
            "step": (n + first).astype("<i8").tobytes(),
            "value": np.sin(n + first).astype("<f8").tobytes(),
            "time": (n + time.time()).astype("<f8").tobytes(),
        }
        where = {"writer": self._writer, "run": self._run, "rank": 0, "attempt": 1}
        done = self._sender.send({**where, "first": first, "last": first + POINTS - 1, "series": [point], "events": []})
        if done:  # what was not acknowledged is sent again
            self._cursor += POINTS
        return done

    def live(self, seconds: float) -> tuple[Times, Times]:
        """(ingest, page) for that long."""
        ingest, page = Times(), Times()
        end = time.monotonic() + seconds

        def repeat(times: Times, request: Callable[[], bool]) -> None:
            while time.monotonic() < end:
                times.take(request)
                time.sleep(PAUSE_S)

        reading = threading.Thread(target=repeat, args=(page, self._reader.open_page))
        reading.start()
        repeat(ingest, self._send)
        reading.join()
        return ingest, page


@dataclass
class Row:
    attack: Attack
    quiet: tuple[Times, Times]
    under: tuple[Times, Times]
    memory_mib: float

    def times(self, which: int) -> float:
        return self.under[which].quantile_ms(0.99) / self.quiet[which].quantile_ms(0.99)

    def numbers(self) -> list[Number]:
        name = self.attack.name
        return [
            Number(f"{name}: p99 of ingest over that of a quiet lab", self.times(0), "×", TIMES_MAX),
            Number(f"{name}: p99 of a page over that of a quiet lab", self.times(1), "×", TIMES_MAX),
            Number(f"{name}: memory of the lab", self.memory_mib, "MiB more", MEMORY_MAX_MIB),
        ]

    def __str__(self) -> str:
        cells = [f"{self.attack.who}: {self.attack.what} ({self.attack.name})"]
        for which in (0, 1):
            cells += [str(self.quiet[which]), str(self.under[which]), f"{self.times(which):.1f} ×"]
        met = all(number.reached() for number in self.numbers())
        return " | ".join([*cells, f"+ {self.memory_mib:.0f} MiB", "yes" if met else "NO"])


def accounts(lab: RealLab) -> dict[str, str]:
    """API keys: the owner's, and those of a member, a viewer and the victim."""
    owner = Client(lab, lab.api_key)
    keys = {"owner": lab.api_key}
    for name, role in (("member", "member"), ("viewer", "viewer"), ("victim", "member")):
        owner.call("POST", "/users", {"username": name, "password": PASSWORD, "role": role})
        made = owner.call("POST", "/keys", {"name": "benchmark"}, headers={}, auth=(name, PASSWORD))
        keys[name] = made["key"]
    return keys


def measure(attack: Attack, quiet_s: float, seconds: float) -> Row:
    with tempfile.TemporaryDirectory(prefix="hectiqlab-bench-") as folder, Lab(Path(folder), attack.descriptors) as lab:
        keys = accounts(lab)
        owner = Client(lab, keys["owner"])
        owner.call("POST", "/projects", {"name": PROJECT})
        runs = []
        for i in range(RUNS):
            attach = {"name": f"run-{i}", "project": PROJECT, "session": "0b5e55ed", "pid": 1}
            runs.append(owner.call("POST", "/runs/attach", attach)["run"]["id"])
        target = Target(lab.port, keys, PROJECT, tuple(runs))
        if attack.prepare is not None:
            attack.prepare(target)
        victim = Victim(lab, keys["victim"])
        go, stop = multiprocessing.Event(), multiprocessing.Event()

        def attacker() -> None:
            os.nice(10)
            go.wait()
            attack.run(target, stop)

        process = multiprocessing.get_context("fork").Process(target=attacker, daemon=True)
        process.start()
        try:
            victim.live(1.0)  # what is done once is done
            lab.forget_peak()
            quiet, before = victim.live(quiet_s), lab.peak_bytes()
            go.set()
            time.sleep(0.5)
            under = victim.live(seconds)
            grown = lab.peak_bytes() - before
        finally:
            go.set()
            stop.set()
            process.join(5)
            process.kill()
        return Row(attack, quiet, under, grown / (1 << 20))


def main() -> None:
    parser = arguments(__doc__)
    names = [attack.name for attack in ATTACKS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quiet", type=float, default=4.0, metavar="SECONDS", help="of the quiet lab")
    parser.add_argument("--seconds", type=float, default=6.0, metavar="SECONDS", help="under each attack")
    args = parser.parse_args()
    if not args.json:
        print((__doc__ or "").splitlines()[0])
        print(", ".join(f"{k} {v}" for k, v in machine().items()))
        print("attack | ingest quiet p50/p99 | under it | p99 | page quiet | under it | p99 | memory | met", flush=True)
    numbers: list[Number] = []
    for attack in ATTACKS:
        if attack.name in args.only:
            row = measure(attack, args.quiet, args.seconds)
            numbers += row.numbers()
            if not args.json:
                print(row, flush=True)
    if args.json:
        report(__doc__, numbers, True)


if __name__ == "__main__":
    main()
