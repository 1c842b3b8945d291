"""Descriptors: their numbers, their locks, and waiting for them. 0, 1 and 2 are the terminal's, whatever is open there.

A program that was started without them (`<&- >&- 2>&-`, some daemons), or that closed them, gets these numbers for what
it opens next. Whatever is printed is then written into that.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Collection

_DESCRIPTORS_MAX = 65_536


def lifted(fd: int) -> int:
    """Return `fd` if it is beyond 2. Else return a copy beyond 2 that is not inherited, and close `fd`. Raises
    OSError.
    """
    if fd > 2:
        return fd
    import fcntl

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def wait_ready(fds: Collection[int], timeout_s: float, to_write: bool = False) -> set[int]:
    """Return the descriptors that can be read, or written with `to_write`, and those that have ended or failed, which
    reading or writing tells. Blocks until there is one, or for `timeout_s`. (`select.select` refuses numbers from 1024
    on, which a lab with many connections has.)
    """
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLOUT if to_write else select.POLLIN)
    return {fd for fd, _ in poller.poll(max(0.0, timeout_s) * 1000)}


def lock_alone(fd: int) -> bool:
    """Lock an open file or folder for this process, until it is closed. Return False if another process has it locked.
    Where the file system has no locks, nothing is locked, and the answer is True. Never waits.
    """
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def fill_standard() -> None:
    """Open /dev/null for those of 0, 1 and 2 that are closed, as the C library does for programs that it must protect.
    So no file or socket of ours, or of a library, is taken for the terminal. Never raises.
    """
    with contextlib.suppress(OSError):
        while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:
            os.set_inheritable(fd, True)  # programs that the script starts have them, too
        os.close(fd)


def open_null() -> int:
    """Open /dev/null or, in a container without devices, a file in memory. Raises OSError."""
    try:
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        if not hasattr(os, "memfd_create"):
            raise
        return os.memfd_create("null")


def open_descriptors() -> list[int]:
    """Return the open descriptors of this process; without /proc, all that it may have, up to a bound."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError, ValueError):
            return [int(name) for name in os.listdir(folder)]
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return list(range(most if 0 <= most < _DESCRIPTORS_MAX else _DESCRIPTORS_MAX))
