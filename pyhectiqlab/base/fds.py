"""Numbers of descriptors: 0, 1 and 2 are the terminal's, whatever is open there.

A program that was started without them (`<&- >&- 2>&-`, some daemons), or that closed them, gets these numbers for what
it opens next; and whatever anybody prints is then written into it.
"""

from __future__ import annotations

import contextlib
import os

_DESCRIPTORS_MAX = 65_536


def lifted(fd: int) -> int:
    """`fd`; or a copy of it beyond 2, not inherited, and `fd` closed. Raises OSError."""
    if fd > 2:
        return fd
    import fcntl

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def fill_standard() -> None:
    """Lead those of 0, 1 and 2 that are closed to /dev/null, as the C library does for programs that it must protect:
    no file or socket of ours, or of a library, is then taken for the terminal. Never raises.
    """
    with contextlib.suppress(OSError):
        while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:
            os.set_inheritable(fd, True)  # programs that the script starts have them, too
        os.close(fd)


def open_null() -> int:
    """/dev/null; in a container without devices, a file of memory. Raises OSError."""
    try:
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        if not hasattr(os, "memfd_create"):
            raise
        return os.memfd_create("null")


def open_descriptors() -> list[int]:
    """Return those of this process; without /proc, all that it may have, up to a bound."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError, ValueError):
            return [int(name) for name in os.listdir(folder)]
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return list(range(most if 0 <= most < _DESCRIPTORS_MAX else _DESCRIPTORS_MAX))
