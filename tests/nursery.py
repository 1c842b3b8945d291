"""Nurseries: processes that have imported everything and fork others in milliseconds, as they are told line by line.

An order names files: `output`, and where they are given `error` (else that, too, is the output) and `input`.
`serve` is the loop of such a process: it reads a line of JSON a child from stdin and answers with its pid, later with
its wait status. `Nursery` is the harness's side; several worlds may share one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class Nursery:
    """Of the module `python -m MODULE`. Several threads may use it; it has none of its own, as tests fork."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, env=_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._told = self._process.stdin, self._process.stdout
        self._lock = threading.Lock()
        self._unfinished = b""  # of a line
        self._pids: dict[str, int] = {}
        self._ended: dict[int, tuple[int, float]] = {}
        self._asked = 0

    def fork(self, order: dict[str, Any]) -> int:
        """A process that does it; its pid. Blocks until it runs."""
        with self._lock:
            self._asked += 1
            ident = str(self._asked)
            self._orders.write(json.dumps({**order, "id": ident}).encode() + b"\n")
            self._orders.flush()
        if not self._wait_for(lambda: ident in self._pids, 180):
            raise RuntimeError("the process that others are forked from does not answer")
        return self._pids.pop(ident)

    def wait(self, pid: int, timeout: float) -> int | None:
        """The wait status; None where it has not ended by then."""
        self._wait_for(lambda: pid in self._ended, timeout)
        return self._ended[pid][0] if pid in self._ended else None

    def ended(self, pid: int) -> tuple[int, float] | None:
        """Wait status, and when. Does not block."""
        self._read(0)
        return self._ended.get(pid)

    def close(self) -> None:
        """Ends it, and with it what it forked and still runs."""
        with contextlib.suppress(OSError):
            self._orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._told.close()

    def _wait_for(self, said: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not said():
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(min(left, 0.05)):
                return said()
        return True

    def _read(self, timeout: float) -> bool:
        """What the process told, waiting so long for it. False where it has ended."""
        with self._lock:
            fd = self._told.fileno()
            if not select.select([fd], [], [], timeout)[0]:
                return True
            block = os.read(fd, 1 << 16)
            *lines, self._unfinished = (self._unfinished + block).split(b"\n")
            for told in map(json.loads, lines):
                if "ended" in told:
                    self._ended[told["ended"]] = told["status"], told["at"]
                else:
                    self._pids[told["id"]] = told["pid"]
                    self._ended.pop(told["pid"], None)  # another process had that pid before
            return bool(block)


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_") and k != "CI"}
    return {**kept, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


# The process itself --------------------------------------------------------------------------------------------------


def serve(work: Callable[[dict[str, Any]], int]) -> None:
    """Forks a child a line, which does the work and ends with the status that it returns. Until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    waiting = b""
    children: set[int] = set()
    try:
        while True:
            ready, _, _ = select.select([0], [], [], 0.03)
            if ready:
                block = os.read(0, 1 << 16)
                if not block:
                    break
                waiting += block
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = _fork(order, work)
                children.add(pid)
                print(json.dumps({"id": order["id"], "pid": pid}), flush=True)
            for pid in tuple(children):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    children.discard(pid)
                    told = {"ended": pid, "status": status, "at": time.monotonic()}  # the clock of all processes
                    print(json.dumps(told), flush=True)
    finally:  # the harness may have been killed: nobody reads any more
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _fork(order: dict[str, Any], work: Callable[[dict[str, Any]], int]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        into = [order["output"], order.get("error", order["output"])]
        opened = [os.open(order.get("input", os.devnull), os.O_RDONLY)]
        opened += [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for path in into]
        for at, to in zip(opened, (0, 1, 2), strict=True):
            os.dup2(at, to)
        for other in opened:
            os.close(other)
        os.environ.update(order["env"])
        status = work(order)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # a command may have given it up
                stream.flush()
        os._exit(status)
