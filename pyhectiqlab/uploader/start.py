"""Starting an uploader: forked or spawned, detached, without a trace in the training process.

fork: two forks and setsid; the grandchild shares the parent's pages until either writes. Only for a process that is
    "fork-clean".
spawn: the same two forks, then exec of a fresh interpreter. It needs no `__main__` guard and imports nothing of the
    user's script.

A direct child would surprise a user's `os.wait()`; hence the second fork, whose parent is gone at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from .. import settings
from ..capture.process import open_pidfd

FORK_RSS_BYTES_MAX = 100 << 20


def is_fork_clean() -> bool:
    """Whether forking this process is safe and cheap: Linux, one thread, small, no GPU or RDMA device open.

    Copy-on-write makes the next pass of a large parent over its heap several times slower and grows the child; a CUDA
    context in a
    forked child keeps the GPU's memory after the trainer died.
    """
    if sys.platform != "linux":
        return False
    try:
        if len(os.listdir("/proc/self/task")) != 1:
            return False
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        if pages * os.sysconf("SC_PAGE_SIZE") > FORK_RSS_BYTES_MAX:
            return False
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{fd}").startswith(
                    ("/dev/nvidia", "/dev/kfd", "/dev/dri", "/dev/infiniband")
                ):
                    return False
    except OSError:
        return False
    return True


def start_method() -> str:
    """ "fork" or "spawn", as HECTIQLAB_START_METHOD says. Raises ConfigurationError."""
    method: str = settings.get("start_method")
    if method == "auto":
        return "fork" if is_fork_clean() else "spawn"
    return method


def start_uploader(
    session: Path, *, is_owner: bool, method: str | None = None, adopt: bool = True, channel: int = -1
) -> None:
    """Starts an uploader for the session and returns without waiting for it. Raises OSError where the process limit
    is reached.

    Args: channel: its end of a socket by which it is handed the terminal, or -1; stays open here.

    Starting one too many is harmless: it finds the lease taken and ends.
    """
    method = method or start_method()
    owner_fd = open_pidfd(os.getpid()) if is_owner else -1
    try:
        if method == "fork":
            _fork(session, owner_fd, channel, adopt)
        else:
            _spawn(session, owner_fd, channel, adopt)
    finally:
        if owner_fd >= 0:
            os.close(owner_fd)


def _fork(session: Path, owner_fd: int, channel: int, adopt: bool) -> None:
    import warnings

    # Imported before the fork: the child shares these pages instead of reading the files again.
    from . import main

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork in a process with threads; forced by the user
        child = os.fork()
    if child:
        _reap(child)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        main.run_forked(session, owner_fd, channel, adopt)
    finally:
        os._exit(70)


def _spawn(session: Path, owner_fd: int, channel: int, adopt: bool) -> None:
    """A shell is the process in between: it starts the interpreter in the background and is gone within a
    millisecond or two.
    """
    import subprocess

    script = Path(__file__).resolve().with_name("__main__.py")
    python = [
        sys.executable or "python3",
        "-I",
        str(script),
        str(session),
        str(owner_fd),
        "1" if adopt else "0",
        import_path(),
        str(channel),
    ]
    with contextlib.suppress(ChildProcessError):
        subprocess.Popen(
            ["/bin/sh", "-c", '"$@" &', "sh", *python],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=[fd for fd in (owner_fd, channel) if fd >= 0],
            start_new_session=True,
        ).wait()


def import_path() -> str:
    """Where the fresh interpreter finds our dependencies, appended behind its own: the folders of this process but
    the script's.

    It starts with -I, and the standard library and its own site-packages come first: a user's token.py cannot shadow
    ours.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    unwanted = {"", os.getcwd(), os.path.dirname(os.path.abspath(script)) if script else ""}
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(
        [root, *(p for p in sys.path if isinstance(p, str) and os.path.isabs(p) and p not in unwanted)]
    )


def _reap(child: int) -> None:
    """Waits for the middle process, which ends at once. EINTR is retried by Python; a SIGCHLD handler of the user
    may have been faster.
    """
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
