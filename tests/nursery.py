"""Nurseries: processes that have imported everything and fork others in milliseconds, as they are told line by line.

An order names files: `output`, and where they are given `error` (else that, too, is the output) and `input`. They may
be pipes of the harness, by their names in /proc. `serve` is the loop of such a process: it reads a line of JSON a child
from stdin and answers with its pid, later with its wait status. `Nursery` is the harness's side; several worlds may
share one.
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
    """Of the module `python -m MODULE`. Several threads may use it; it has none of its own, as tests fork.

    Args:
        env: all its variables.
        errors: what its sys.stderr is made for; subprocess.PIPE for children whose errors go to pipes.
    """

    def __init__(self, module: str, env: dict[str, str] | None = None, errors: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, env=env or _environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._reports = self._process.stdin, self._process.stdout
        self._lock = threading.Lock()
        self._unfinished = b""  # of a line
        self._pids: dict[str, int] = {}
        self._ended: dict[int, tuple[int, float]] = {}
        self._asked = 0

    def fork(self, order: dict[str, Any]) -> int:
        """Fork a process that does the work. Return its pid when it runs."""
        with self._lock:
            self._asked += 1
            ident = str(self._asked)
            self._orders.write(json.dumps({**order, "id": ident}).encode() + b"\n")
            self._orders.flush()
        if not self._wait_for(lambda: ident in self._pids, 180):
            said = self._process.stderr.read() if self._process.stderr and self._process.poll() is not None else b""
            raise RuntimeError(f"the process that others are forked from does not answer: {said.decode()}")
        return self._pids.pop(ident)

    def wait(self, pid: int, timeout: float) -> int | None:
        """Return the wait status; None: it has not ended by then."""
        self._wait_for(lambda: pid in self._ended, timeout)
        return self._ended[pid][0] if pid in self._ended else None

    def ended(self, pid: int) -> tuple[int, float] | None:
        """Wait status, and when. Does not block."""
        self._read(0)
        return self._ended.get(pid)

    def close(self) -> None:
        """End the nursery, and with it what it forked and what still runs."""
        with contextlib.suppress(OSError):
            self._orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._reports.close()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _wait_for(self, said: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not said():
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(min(left, 0.05)):
                return said()
        return True

    def _read(self, timeout: float) -> bool:
        """Return what the process reported, waiting so long for it; False: it has ended."""
        with self._lock:
            fd = self._reports.fileno()
            if not _ready([fd], timeout):
                return True
            block = os.read(fd, 1 << 16)
            *lines, self._unfinished = (self._unfinished + block).split(b"\n")
            for report in map(json.loads, lines):
                if "ended" in report:
                    self._ended[report["ended"]] = report["status"], report["at"]
                else:
                    self._pids[report["id"]] = report["pid"]
                    self._ended.pop(report["pid"], None)  # another process had that pid before
            return bool(block)


def _ready(fds: list[int], timeout: float | None = None) -> list[int]:
    """Wait until some can be read. Not by `select`, which takes no descriptor from 1024 on."""
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return [fd for fd, _ in poller.poll(None if timeout is None else timeout * 1000)]


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_") and k != "CI"}
    return {**kept, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


# The process itself --------------------------------------------------------------------------------------------------


def serve(work: Callable[[dict[str, Any]], int]) -> None:
    """Fork a child a line, which does the work and ends with the status that it returns. Until stdin ends."""
    order = next_order()
    if order is None:
        return
    status = 70
    try:
        status = work(order)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # a command may have given it up
                stream.flush()
        os._exit(status)


def next_order() -> dict[str, Any] | None:
    """Return an order in each child that is forked for one, and None in the process itself, once stdin has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bell, ringing = os.pipe()  # a child that ends writes to it
    for end in (bell, ringing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = b""
    children: set[int] = set()
    try:
        while True:
            ready = _ready([0, bell])
            if bell in ready:
                os.read(bell, 1 << 10)
            if 0 in ready:
                block = os.read(0, 1 << 16)
                if not block:
                    return None
                waiting += block
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                order: dict[str, Any] = json.loads(line)
                pid = _fork(order, (bell, ringing))
                if not pid:
                    children.clear()  # they are not ours
                    return order
                children.add(pid)
                print(json.dumps({"id": order["id"], "pid": pid}), flush=True)
            for pid in tuple(children):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    children.discard(pid)
                    row = {"ended": pid, "status": status, "at": time.monotonic()}  # the clock of all processes
                    print(json.dumps(row), flush=True)
    finally:  # the harness may have been killed: nobody reads any more
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _fork(order: dict[str, Any], bell: tuple[int, int]) -> int:
    """Fork a child with the order's files and variables; 0 in the child."""
    sys.stdout.flush()
    # Before the fork: whoever passed a pipe closes its end as soon as there is a child.
    opened = [os.open(order.get("input", os.devnull), os.O_RDONLY)]
    for path in (order["output"], order.get("error", order["output"])):
        opened.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for at, to in zip(opened, (0, 1, 2), strict=True):
            os.dup2(at, to)
        os.environ.update(order["env"])
    for fd in (*opened, *(() if child else bell)):
        os.close(fd)
    return child
