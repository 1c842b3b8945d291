"""The watch: whether the processes that feed the session live, and how each of them ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..base.loops import Loop
from ..capture.oom import OomWatch
from ..capture.process import Process, exit_status, open_pidfd, wait_pidfd
from ..protocol import states
from ..spool import SessionDir, read_json

ASK_STATUS_S = 3.0  # how long to ask the kernel for a status, which it has once the parent reaped the process
CRASH_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
STACKS_BYTES_MAX = 64 << 10

OUT_OF_MEMORY = {
    True: "The kernel's out-of-memory killer ended the process.",
    False: "It was not the kernel's out-of-memory killer, which ended no process of its cgroup.",
    None: "This machine does not show whether the kernel's out-of-memory killer did it.",
}


@dataclass(frozen=True)
class End:
    """How an owner's process ended: the fields of the lab's `end` request."""

    state: str
    cause: str
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "cause": self.cause,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "detail": self.detail,
        }


class Owner:
    """One process that feeds queues. A look at it costs a system call.

    Args:
        gone: the process is known to have ended; this machine's kernel cannot be asked about it.

    Attributes:
        ended_at: when it was seen to have ended, in seconds since 1970; None while it lives.
    """

    def __init__(self, process: Process, session: SessionDir, pidfd: int = -1, *, gone: bool = False) -> None:
        self.process = process
        self._gone = gone
        self._session = session
        self._pidfd = pidfd
        if pidfd < 0 and not gone and not process.has_ended():
            self._pidfd = open_pidfd(process.pid)
            if self._pidfd >= 0 and process.has_ended():
                # It ended between looking and opening, and another process may have its pid now.
                os.close(self._pidfd)
                self._pidfd = -1
        self._oom = OomWatch(process.pid) if not process.has_ended() and process.is_here() else None
        self._ended_at: float | None = None
        self.ended_at: float | None = None
        if gone:
            self.note_end()
        self._status: int | None = None

    @property
    def pidfd(self) -> int:
        return self._pidfd

    def has_ended(self) -> bool:
        if self._ended_at is None:
            ended = wait_pidfd(self._pidfd, 0) if self._pidfd >= 0 else self.process.has_ended()
            if ended:
                self.note_end()
            elif self._oom is not None:
                self._oom.look()
        return self._ended_at is not None

    def note_end(self) -> None:
        """Note that the process has ended. Call it from any thread."""
        if self._ended_at is None:
            self.ended_at, self._ended_at = time.time(), time.monotonic()

    def end(self, said: dict[str, Any] | None = None) -> End | None:
        """Return how the process ended. None: the kernel may still tell; never after ASK_STATUS_S.

        Args:
            said: what the process said of its end in its stream of events. It is used where the disk had no room for
                the file.
        """
        if not self.has_ended():
            return None
        if self._status is None and self.process.is_here():
            self._status = exit_status(self.process.pid, self._pidfd)
        assert self._ended_at is not None
        if self._status is None and time.monotonic() - self._ended_at < (ASK_STATUS_S if self._pidfd >= 0 else 0):
            return None
        own_words = read_json(self._session.end_path(self.process)) or said
        if self._gone and own_words is None and not self._stacks():
            return End(states.ENDED, f"the machine {self.process.host} is gone")
        return how_it_ended(self._status, own_words, self._stacks, self._out_of_memory)

    def _out_of_memory(self) -> bool | None:
        return self._oom.struck(self.process.start, self.process.pid_ns) if self._oom is not None else None

    def _stacks(self) -> str:
        """Return what faulthandler left, "" where it left nothing."""
        try:
            with open(self._session.crash_path(self.process.pid), "rb") as f:
                return f.read(STACKS_BYTES_MAX).decode(errors="replace")
        except OSError:
            return ""

    def close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class EndWatch:
    """A thread that notes when each owner ends, at the moment that the kernel says so. A thread that polls sees it some
    hundredths of a second later, or when a slow disk lets it. Peers of a killed rank fail within a millisecond.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self.loop = Loop("watch of processes", self._turn, log)
        self._new: deque[Owner] = deque()
        self._owners: dict[int, Owner] = {}
        self._poller: select.poll | None = None
        self._stopped = False
        self._woken, self._waker = -1, -1
        self._changing = threading.Lock()

    def add(self, owner: Owner) -> None:
        """Watch an owner. Does nothing where it has ended, or where the kernel has no descriptors for processes. From
        any thread.
        """
        with self._changing:
            if owner.pidfd < 0 or self._stopped:
                return
            # Suppressed: no descriptor or no thread can be had. The thread that polls sees the end a little later.
            with contextlib.suppress(OSError, RuntimeError):
                if self._waker < 0:
                    self._woken, self._waker = os.pipe()
                self._new.append(owner)
                self.loop.start()
                os.write(self._waker, b"w")

    def stop(self) -> None:
        """Stop the thread. Blocks until it has ended, which is at once. Safe twice."""
        with self._changing:
            if self._stopped or self._waker < 0:
                self._stopped = True
                return
            self._stopped = True
            os.write(self._waker, b"w")
        self.loop.stop()
        os.close(self._woken)
        os.close(self._waker)

    def _turn(self) -> float | None:
        if self._poller is None:
            self._poller = select.poll()
            self._poller.register(self._woken, select.POLLIN)
        while self._new:
            owner = self._new.popleft()
            self._owners[owner.pidfd] = owner
            self._poller.register(owner.pidfd, select.POLLIN)
        for fd, event in self._poller.poll():
            if fd == self._woken:
                os.read(fd, 4096)
                continue
            self._poller.unregister(fd)
            owner = self._owners.pop(fd)
            if event & select.POLLIN:
                owner.note_end()
        return None if self._stopped else 0.0


def how_it_ended(
    status: int | None,
    own_words: dict[str, Any] | None,
    stacks: Callable[[], str],
    out_of_memory: Callable[[], bool | None],
) -> End:
    """Return the verdict on an ended process.

    Args:
        status: its wait status; None where the kernel does not tell it.
        own_words: what the process wrote of itself at its end (state, cause, exit_code, detail); None where it wrote
            nothing.
        stacks: returns what faulthandler wrote.
        out_of_memory: returns whether the kernel's out-of-memory killer struck; None where that cannot be read.

    What the process said of itself counts, with one exception: it cannot know its exit code. If it says that all went
    well, the code may still be an error. If it saw an error (a `sys.exit(3)`), somebody may have caught it.
    """
    if own_words is not None:
        code = os.waitstatus_to_exitcode(status) if status is not None else None
        if own_words["state"] == states.COMPLETED and code is not None and code > 0:
            return End(states.FAILED, f"exit status {code}", exit_code=code)
        if own_words["state"] == states.FAILED and code == 0:
            return End(states.COMPLETED, "exit", exit_code=0)
        exit_code = own_words.get("exit_code") if code is None or code < 0 else code
        return End(
            str(own_words["state"]),
            str(own_words["cause"]),
            exit_code,
            own_words.get("signal"),
            str(own_words.get("detail", "")),
        )
    if status is None:
        trace = stacks()
        if "SIGTERM" in trace or trace.startswith(("Stack", "Current thread", "Thread")):
            # faulthandler names a deadly signal ("Fatal Python error: …"), but not the one it was registered for.
            return End(states.STOPPED, "SIGTERM", signal=int(signal.SIGTERM), detail=trace)
        if trace:
            return End(states.FAILED, "crashed", detail=trace)
        return End(states.ENDED, "ended, cause unknown", detail=OUT_OF_MEMORY[True] if out_of_memory() else "")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            return End(states.STOPPED, name, signal=number, detail=stacks())
        if number in CRASH_SIGNALS:
            return End(states.FAILED, f"crashed: {name}", signal=number, detail=stacks())
        if number == signal.SIGKILL:
            struck = out_of_memory()
            return End(
                states.KILLED, f"{name}: out of memory" if struck else name, signal=number, detail=OUT_OF_MEMORY[struck]
            )
        return End(states.KILLED, name, signal=number)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        # No exit hook ran. Whether the work was done, only the script can say, by completed() or close().
        return End(states.ENDED, "os._exit(0)", exit_code=0)
    return End(states.KILLED, f"os._exit({code})", exit_code=code)
