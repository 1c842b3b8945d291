"""The script: which process it began as, where forks and multiprocessing made several processes of it.

A process is a part of its parent's script if it was forked from it and went on with the same program, or if
multiprocessing (or loky, joblib's) started it. Whatever else a script starts, by `subprocess` perhaps, is a script of
its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .process import Process, boot_id, host, pid_namespace, start_time, this_process

STARTED_BY_MULTIPROCESSING = (b"--multiprocessing-fork", b"multiprocessing.forkserver", b"loky.backend.popen_loky")
GENERATIONS_MAX = 64


def script() -> Process:
    """Return the process that this process's script began as; perhaps this one. Reads a few small files, never
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
    """As the lab is told of it: the same for all processes of one script, and for no other's."""
    return f"{script.boot_id or script.host}/{script.pid_ns}/{script.pid}/{script.start:.0f}"


def _part_of(pid: int) -> int | None:
    """Return the parent of a process, where both are of one script."""
    try:
        parent, stack = _parent_and_stack(pid)
        if parent <= 0:
            return None
        if stack and stack == _parent_and_stack(parent)[1]:
            return parent
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        started = any(mark in words for mark in STARTED_BY_MULTIPROCESSING)
        # A parent that has ended was replaced by init, which runs another program.
        if started and os.readlink(f"/proc/{pid}/exe") == os.readlink(f"/proc/{parent}/exe"):
            return parent
    except (OSError, ValueError, IndexError):
        pass
    return None


def _parent_and_stack(pid: int) -> tuple[int, int]:
    """Return its parent, and the address at which its stack begins: a fork keeps that, a new program gets another at
    random. 0 where the kernel does not tell.
    """
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[1]), int(fields[25])


def _parent_by_multiprocessing(pid: int) -> int | None:
    """Where there is no /proc: of this process alone."""
    process = sys.modules.get("multiprocessing.process")
    parent = process.parent_process() if process is not None and pid == os.getpid() else None
    return None if parent is None else int(parent.pid)
