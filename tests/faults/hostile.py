"""Hostile surroundings of a trainer, entered inside its process, so that the uploader (a fork of it) meets them too.

Real wherever the kernel lets us: limits, seccomp for a file system without locks, small and full tmpfs. Hooks on the
functions of `os`, `time` and `socket` otherwise: a clock that is set, a disk over quota, a resolver that is gone; they
ask the ledger at every call, so that the harness turns them on and off in a living process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyhectiqlab.base import crashpoints
from pyhectiqlab.journal import Journal
from pyhectiqlab.ring import mapping

from .ledger import CLOCK_S, DISK, NO_DNS, STOP, Ledger

DISK_ERRORS = (0, errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the word DISK is an index into these
CHILDREN = 64
CHILD_POINTS = 150
HELD_S = 0.7  # how long the limits stay exhausted


def enter(spec: dict[str, Any], ledger: Ledger) -> None:
    """Set up the surroundings of a trainer before it makes its run."""
    flavour = spec["flavour"]
    _resolver(ledger)
    _disk(ledger, spec["home"])
    _synced(Path(spec["folder"], "synced"))
    arm(spec)
    if flavour == "clock":
        _clock(ledger)
    elif flavour == "no_locks":
        without_locks()
    elif flavour in ("shm_tiny", "shm_full", "shm_missing"):
        mapping.SHM_DIR = Path(spec["shm"])
        if spec.get("tmp"):
            tempfile.tempdir = spec["tmp"]
    elif flavour == "processes":
        become(spec)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 4096))  # room for this process, and not for an uploader beside it


def become(spec: dict[str, Any]) -> None:
    """Become another user, if the spool is another user's."""
    if "uid" in spec:
        os.setgid(spec["uid"])
        os.setuid(spec["uid"])


def arm(spec: dict[str, Any]) -> None:
    """Arm the crash point in this process and in those that it forks. Those that it spawns have the variable."""
    if spec["crash"]:
        crashpoints.passing = crashpoints.armed(spec["crash"])


# Faults that are turned on and off -----------------------------------------------------------------------------------


def _clock(ledger: Ledger) -> None:
    words, real = ledger.words, time.time
    time.time = lambda: real() + words[CLOCK_S]


def _resolver(ledger: Ledger) -> None:
    words, real = ledger.words, socket.getaddrinfo

    def getaddrinfo(*arguments: Any, **more: Any) -> Any:
        if words[NO_DNS]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(*arguments, **more)

    socket.getaddrinfo = getaddrinfo


def _disk(ledger: Ledger, home: str) -> None:
    """Fill the disk of the home: a write that is under way gets half of its bytes there (ENOSPC in the middle of a
    record), the next ones none.
    """
    words, write, open_, half = ledger.words, os.write, os.open, [True]

    def hostile_write(fd: int, data: Any) -> int:
        number = words[DISK]
        if not number:
            half[0] = True
            return write(fd, data)
        if not os.readlink(f"/proc/self/fd/{fd}").startswith(home):
            return write(fd, data)
        if half[0] and number == 1 and len(data) > 1:
            half[0] = False
            return write(fd, bytes(data)[: len(data) // 2])
        raise OSError(DISK_ERRORS[number], os.strerror(DISK_ERRORS[number]))

    def hostile_open(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        number = words[DISK]
        if number and flags & os.O_CREAT and os.fspath(path).startswith(home):
            raise OSError(DISK_ERRORS[number], os.strerror(DISK_ERRORS[number]), os.fspath(path))
        return open_(path, flags, mode, **more)

    os.write, os.open = hostile_write, hostile_open


def _synced(note: Path) -> None:
    """Note how much of each file is surely on disk, so that the harness can take the rest away: `inode size` a line."""
    real = os.fsync
    note.touch()
    note.chmod(0o666)  # the process may become another user's

    def fsync(file: int) -> None:
        real(file)
        status = os.fstat(file)
        # The file is opened each time: the uploader closes what it did not open itself, and soon another file has the
        # number.
        fd = os.open(note, os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"{status.st_ino} {status.st_size}\n".encode())
        os.close(fd)

    os.fsync = fsync
    defaults = Journal.__init__.__kwdefaults__
    assert defaults is not None
    Journal.__init__.__kwdefaults__ = {**defaults, "fsync": fsync}


def without_locks() -> None:
    """Let flock fail with ENOLCK from now on, in this process and its descendants, as on a network file system whose
    lock service is down. It is done by seccomp, because nothing in Python would reach a spawned uploader.
    """
    number = {"x86_64": 73, "aarch64": 32}[platform.machine()]
    load, equal, give = 0x20, 0x15, 0x06
    allow, fail = 0x7FFF0000, 0x00050000 | errno.ENOLCK
    steps = ((load, 0, 0, 0), (equal, 0, 1, number), (give, 0, 0, fail), (give, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


# Companions: what a trainer does beside its loop ---------------------------------------------------------------------

Finish = Callable[[], None]


def start_companions(flavour: str, run: Any, ledger: Ledger, logging: Any) -> Callable[[], Finish]:
    """Return a function that the trainer calls once, in its loop. That one returns a function that waits for the
    companions to end.
    """
    makers: dict[str, Callable[[], Finish]] = {
        "threads": lambda: _threads(run, ledger, logging),
        "signals": lambda: _signals(run, ledger, logging),
        "fork_in_put": lambda: _fork_in_put(run, ledger, logging),
        "forks_of_forks": lambda: _forks_of_forks(run, ledger, logging),
        "forks_64": lambda: _forks(run, ledger, logging, range(1, 1 + CHILDREN)),
        "descriptors": _descriptors,
        "processes": _processes,
    }
    return makers.get(flavour, lambda: lambda: None)


def _threads(run: Any, ledger: Ledger, logging: Any) -> Finish:
    def work(slot: int) -> None:
        stream = logging(run, ledger, slot)
        while not ledger.words[STOP]:
            stream.points(30)
            time.sleep(0.01)
        stream.well()

    threads = [threading.Thread(target=work, args=(slot,)) for slot in (1, 2, 3)]
    for thread in threads:
        thread.start()
    return lambda: [t.join(30) for t in threads] and None


def _signals(run: Any, ledger: Ledger, logging: Any) -> Finish:
    stream = logging(run, ledger, 1)

    inside = [False]

    def handler(number: int, frame: Any) -> None:
        if not inside[0]:  # a thread that interrupts itself has no order of calls to keep
            inside[0] = True
            stream.points(3)
            inside[0] = False

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)

    def finish() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        stream.well()

    return finish


def _child(run: Any, ledger: Ledger, logging: Any, slot: int, then: Callable[[], None] = lambda: None) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        stream = logging(run, ledger, slot)
        stream.points(CHILD_POINTS)
        then()
        stream.points(CHILD_POINTS)
        stream.well()
        status = 0
    finally:
        os._exit(status)


def _reap(children: list[int]) -> Finish:
    def finish() -> None:
        for child in children:
            os.waitpid(child, 0)

    return finish


def _forks(run: Any, ledger: Ledger, logging: Any, slots: Any) -> Finish:
    return _reap([_child(run, ledger, logging, slot) for slot in slots])


def _forks_of_forks(run: Any, ledger: Ledger, logging: Any) -> Finish:
    def generation(slot: int) -> None:
        if slot <= 4:
            os.waitpid(_child(run, ledger, logging, slot, lambda: generation(slot + 1)), 0)

    generation(1)
    return lambda: None


def _fork_in_put(run: Any, ledger: Ledger, logging: Any) -> Finish:
    """Keep a thread inside a put nearly always, and fork each child at such a moment."""
    ended = threading.Event()

    def hammer() -> None:
        stream = logging(run, ledger, 1)
        while not ended.is_set():
            stream.points(50)
        stream.well()

    thread = threading.Thread(target=hammer)
    thread.start()
    children = []
    for slot in range(2, 12):
        time.sleep(0.002)
        children.append(_child(run, ledger, logging, slot))
    ended.set()
    thread.join(30)
    return _reap(children)


def _descriptors() -> Finish:
    """Take all descriptors for a while, then give them back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    held = []
    while True:
        try:
            held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break

    def give_back() -> None:
        for fd in held:
            os.close(fd)
        held.clear()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    timer = threading.Timer(HELD_S, give_back)
    timer.start()
    return timer.join


def _processes() -> Finish:
    """Lift the limit of processes, so that the uploader's supervisor can start one."""
    resource.setrlimit(resource.RLIMIT_NPROC, (4096, 4096))
    return lambda: None
