"""Processes: know one again although pids are reused, and find out whether it lives and how it ended."""

from __future__ import annotations

import os
import select
import struct
from functools import cache
from pathlib import Path
from typing import Any

from ..base.fds import lifted
from ..base.lazyclass import asdict, dataclass


@dataclass(frozen=True)
class Process:
    """A process of this or another machine.

    Attributes:
        start: its start time in the kernel's clock ticks since boot (Linux), else in seconds since 1970.
        pid_ns: inode of its pid namespace; 0 where there is none.
    """

    pid: int
    start: float
    host: str
    boot_id: str
    pid_ns: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Process:
        return cls(int(raw["pid"]), float(raw["start"]), str(raw["host"]), str(raw["boot_id"]), int(raw["pid_ns"]))

    def is_here(self) -> bool:
        """Return whether the process belongs to this machine, to its current boot, and to a pid namespace that we
        see.
        """
        return self.boot_id == boot_id() and self.pid_ns == pid_namespace()

    def has_ended(self) -> bool:
        """Return whether the process has surely ended. A process in another container, or on another machine, counts as
        alive.
        """
        if self.host == host() and self.boot_id != boot_id():
            return True  # the machine was restarted since
        if not self.is_here():
            return False
        return start_time(self.pid) != self.start


def this_process() -> Process:
    pid = os.getpid()
    return Process(pid, start_time(pid) or 0.0, host(), boot_id(), pid_namespace())


def start_time(pid: int) -> float | None:
    """Return when the process started; None where there is no such process, or it is a zombie."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        if os.path.isdir("/proc/self"):
            return None
        return _start_time_elsewhere(pid)
    fields = raw[raw.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else float(fields[19])


def _start_time_elsewhere(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


@cache
def host() -> str:
    return os.uname().nodename


@cache
def boot_id() -> str:
    """Return an id that changes with every boot; "" where it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def pid_namespace() -> int:
    """Return the pid namespace of this process, which never changes; 0 where it cannot be read."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=pid_namespace.cache_clear)


def open_pidfd(pid: int) -> int:
    """Return a descriptor that means this process and never another; -1 where the kernel has none (macOS, Linux before
    5.3).
    """
    try:
        return lifted(os.pidfd_open(pid))
    except (AttributeError, OSError):
        return -1


def wait_pidfd(pidfd: int, timeout_s: float) -> bool:
    """Return whether the process ended within the time."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(timeout_s * 1000))


# PIDFD_GET_INFO (linux/pidfd.h). Since Linux 6.15 it gives the exit status of a process that was reaped, as long as a
# pidfd of it is open.
_PIDFD_INFO = struct.Struct("=QQ11Ii")
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_GET_INFO = 0xC000FF0B | _PIDFD_INFO.size << 16


def exit_status(pid: int, pidfd: int) -> int | None:
    """Return the wait status (see os.WIFSIGNALED) of an ended process, which need not be a child of ours. None if the
    kernel does not say.

    A zombie's status is in /proc (since Linux 3.5, for the same user). The pidfd has that of a process that was reaped.
    """
    import fcntl

    try:
        # Before the status is read: for a process that was reaped meanwhile, it would return True.
        known = _may_know(pid)
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        if fields[0] == b"Z" and known:
            return int(fields[-1])
    except (OSError, IndexError):
        pass  # reaped, or no such /proc: ask the pidfd
    if pidfd < 0:
        return None
    request = bytearray(_PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, request)
    except OSError:
        return None
    mask, *_, status = _PIDFD_INFO.unpack(request)
    return int(status) if mask & _PIDFD_INFO_EXIT else None


def _may_know(pid: int) -> bool:
    """Return whether the kernel shows this process the true status of the other one. If the other one changed its user
    (setuid), the kernel shows the status 0 whatever it is: a failed run was shown as completed. Reading `exe` tells: a
    zombie has none, and a process that may not see the status gets a PermissionError.
    """
    try:
        os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return False
    except OSError:
        pass  # it has ended, or there is no /proc: nothing forbids us to ask
    return True


def kill_process(process: Process, signal: int) -> None:
    """Send a signal to that process, and never to another one that got its pid since. Do nothing if it has ended or is
    not on this machine.
    """
    if not process.is_here():
        return
    pidfd = open_pidfd(process.pid)
    try:
        if start_time(process.pid) != process.start:
            return
        if pidfd >= 0:
            import signal as signals

            signals.pidfd_send_signal(pidfd, signal)
        else:
            os.kill(process.pid, signal)
    except ProcessLookupError:
        return
    finally:
        if pidfd >= 0:
            os.close(pidfd)
