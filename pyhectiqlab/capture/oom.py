"""Find out whether the kernel's out-of-memory killer ended a process, as far as the kernel shows that.

There are two sources. The process's memory cgroup counts the kills among its processes, whatever ran out (the cgroup's
memory or the machine's). The count is read while the process lives and again after its end: if it grew, the answer is
yes. The kernel's log names the victim, but may be unreadable for us.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

LOOK_INTERVAL_S = 0.5
LOG_RECORDS_MAX = 100_000  # of the kernel's log, each read by itself
LOG_READ_MAX_S = 0.5
_RECORD_BYTES = 8192
_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # the log names pids of this one (linux/proc_ns.h)


class OomWatch:
    """The count of kills while the process lived. `look` reads one small file, at most twice a second.

    Args:
        counter: a file with a line `oom_kill N`; None: the file of the process's cgroup.
    """

    def __init__(self, pid: int, counter: Path | None = None) -> None:
        self._pid = pid
        self._counter = counter or counter_of(pid)
        self._before = kills(self._counter)
        self._looked_at = time.monotonic()

    def look(self) -> None:
        """Read the counter; call it while the process lives."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_INTERVAL_S:
            self._looked_at = now
            self._before = kills(self._counter)

    def struck(self, started: float, pid_namespace: int) -> bool | None:
        """Return whether the killer ended the process; None if that is not known. Call this once the process has ended
        by SIGKILL.

        Args:
            started: the process's start in clock ticks since boot.
        """
        if pid_namespace == _FIRST_PID_NAMESPACE and log_names(self._pid, started / os.sysconf("SC_CLK_TCK")):
            return True
        after = kills(self._counter)
        if self._before is None or after is None:
            return None
        return after > self._before


def counter_of(pid: int, proc: Path = Path("/proc")) -> Path | None:
    """Return the file that counts kills in the memory cgroup of a process (cgroup v1 or v2); None if there is none to
    see.
    """
    try:
        groups = (proc / str(pid) / "cgroup").read_text().splitlines()
        mounts = (proc / "self" / "mountinfo").read_text().splitlines()
    except OSError:
        return None
    paths = {}
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            paths["cgroup2"] = path
        elif "memory" in controllers.split(","):
            paths["cgroup"] = path
    for line in mounts:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mounted = before.split(" ")[3:5]
        if kind not in paths or (kind == "cgroup" and "memory" not in options.split(",")):
            continue
        path = paths[kind]
        inside = path if root == "/" else path.removeprefix(root) if path.startswith(root) else None
        if inside is None or ".." in inside:
            continue
        folder = Path(mounted + "/" + inside.strip("/"))
        for name in ("memory.oom_control",) if kind == "cgroup" else ("memory.events.local", "memory.events"):
            if kills(folder / name) is not None:
                return folder / name
    return None


def kills(counter: Path | None) -> int | None:
    """Return how many processes were killed; None if that cannot be read."""
    if counter is None:
        return None
    try:
        match = re.search(r"^oom_kill (\d+)$", counter.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) if match else None


def log_names(pid: int, since_s: float, log: str = "/dev/kmsg") -> bool:
    """Return whether the kernel's log says that the killer ended this process, which started `since_s` seconds after
    the boot.

    Also False if the log may not be read. Blocks for at most LOG_READ_MAX_S.
    """
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    victim = re.compile(rb"^\d+,\d+,(\d+),[^;]*;.*Killed process %d \(" % pid)
    deadline = time.monotonic() + LOG_READ_MAX_S
    try:
        for _ in range(LOG_RECORDS_MAX):
            try:
                record = os.read(fd, _RECORD_BYTES)
            except BlockingIOError:
                return False  # the end of the log
            except OSError:
                continue  # EPIPE: records were overwritten meanwhile; the next read continues behind them
            match = victim.match(record)
            if match and int(match[1]) / 1e6 >= since_s:
                return True
            if not record or time.monotonic() > deadline:
                return False
        return False
    finally:
        os.close(fd)
