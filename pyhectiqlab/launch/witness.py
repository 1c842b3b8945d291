"""Whether a signal came to our whole process group: a process beside us, which blocks signals and says which it gets.

`kill -TERM -GROUP`, Slurm and `timeout` send to all processes of a group. Then the program has its signal already, and
passing ours on would give it a second one: a handler that asks Slurm to start the job again would ask twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from ..base.fds import wait_ready

WAIT_S = 1.0  # for the word of the witness, before a signal counts as ours alone

# Ends by itself within seconds if we were killed: it is nobody's child then.
_SCRIPT = """
import os, signal, sys
numbers, parent = set(map(int, sys.argv[2:])), int(sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
os.write(1, b"\\0")
while os.getppid() == parent:
    info = signal.sigtimedwait(numbers, 2.0)
    if info is not None:
        os.write(1, bytes([info.si_signo]))
"""


class Witness:
    """Says of a signal whether it came to this process alone. Starting it blocks some 20 ms, at most WAIT_S.

    Args:
        numbers: of the signals.
        pass_on: called with the number of each signal that the others of the group have not got.
    """

    def __init__(self, numbers: Iterable[int], pass_on: Callable[[int], None]) -> None:
        self._pass_on = pass_on
        self._ours: list[tuple[int, float]] = []  # signals that came to us, and when
        self._groups: list[tuple[int, float]] = []  # signals that came to the witness, and when
        self._process: subprocess.Popen[bytes] | None = None
        self._source = -1
        if hasattr(signal, "sigtimedwait"):  # not on macOS
            words = [sys.executable, "-I", "-S", "-c", _SCRIPT, str(os.getpid()), *map(str, numbers)]
            nothing = subprocess.DEVNULL
            with contextlib.suppress(OSError):
                self._process = subprocess.Popen(words, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing)
                assert self._process.stdout is not None
                self._source = self._process.stdout.fileno()
                os.set_blocking(self._source, False)
                wait_ready([self._source], WAIT_S)
        self.is_there = b"\0" in self._read()

    def came(self, number: int) -> None:
        """Note a signal that came to us. Call it from the handler."""
        self._ours.append((number, time.monotonic()))

    def look(self) -> None:
        """Pass on what came to us alone. Call it every tenth of a second."""
        now = time.monotonic()
        self._groups = [(number, at) for number, at in self._groups if now - at < WAIT_S]
        self._groups += [(number, now) for number in self._read()]
        for one in list(self._ours):
            known = next((other for other in self._groups if other[0] == one[0]), None)
            if known is not None:
                self._groups.remove(known)
                self._ours.remove(one)
            elif now - one[1] > WAIT_S:
                self._ours.remove(one)
                self._pass_on(one[0])

    def _read(self) -> bytes:
        with contextlib.suppress(OSError):
            return os.read(self._source, 1024) if self._source >= 0 else b""
        return b""

    def close(self) -> None:
        self.is_there, self._source = False, -1
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
