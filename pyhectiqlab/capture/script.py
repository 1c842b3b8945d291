"""Find the process that a script began as: forks and multiprocessing may have made several processes of it.

A process belongs to its parent's script if it was forked from it and went on with the same program, or if
multiprocessing (or joblib's loky) started it. Any other process that a script starts, such as by `subprocess`, is a
script of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .process import Process, boot_id, host, pid_namespace, start_time, this_process

STARTED_BY_MULTIPROCESSING = (b"--multiprocessing-fork", b"multiprocessing.forkserver", b"loky.backend.popen_loky")
GENERATIONS_MAX = 64


def script() -> Process:
    """Return the process that this process's script began as, which may be this one. Reads a few small files, never
    raises.
    """
    here = this_process()
    pid = here.pid
    for _ in range(GENERATIONS_MAX):
        parent = _part_of(pid) if os.path.isdir("/proc/self") else _parent_by_multiprocessing(pid)
        if parent is None:
            break
        pid = parent
    start = here.start if pid == here.pid else start_time(pid)
    return here if start is None else Process(pid, start, host(), boot_id(), pid_namespace())


def name_of(script: Process) -> str:
    """Return the script's name for the lab: the same for all processes of one script, and for no other script."""
    return f"{script.boot_id or script.host}/{script.pid_ns}/{script.pid}/{script.start:.0f}"


def _part_of(pid: int) -> int | None:
    """Return the parent of a process, if both belong to one script."""
    try:
        parent, stack = _parent_and_stack(pid)
        if parent <= 0:
            return None
        if stack and stack == _parent_and_stack(parent)[1]:
            return parent
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        started = any(mark in words for mark in STARTED_BY_MULTIPROCESSING)
        # If the parent has ended, init took its place, which runs another program.
        if started and os.readlink(f"/proc/{pid}/exe") == os.readlink(f"/proc/{parent}/exe"):
            return parent
    except (OSError, ValueError, IndexError):
        pass  # one of them has ended, is somebody else's, or there is no /proc
    return None


def _parent_and_stack(pid: int) -> tuple[int, int]:
    """Return a process's parent, and the address at which its stack begins. A fork keeps that address; a new program
    gets a random one. 0 if the kernel does not say.
    """
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[1]), int(fields[25])


def _parent_by_multiprocessing(pid: int) -> int | None:
    """Return the parent of this process, on systems without /proc."""
    process = sys.modules.get("multiprocessing.process")
    parent = process.parent_process() if process is not None and pid == os.getpid() else None
    return None if parent is None else int(parent.pid)
