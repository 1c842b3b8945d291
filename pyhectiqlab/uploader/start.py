"""Starting an uploader: forked or spawned, detached, and invisible to the training process.

fork: two forks and setsid; the grandchild shares the parent's pages until either writes. Only for a process that is
    "fork-clean".
spawn: the same two forks, then exec of a fresh interpreter. It needs no `__main__` guard and imports nothing of the
    user's script. Where no interpreter could run this package, as in a frozen application, it forks instead.

A direct child would surprise a user's `os.wait()`; hence the second fork, whose parent is gone at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

from .. import settings
from ..capture.process import open_pidfd

FORK_RSS_BYTES_MAX = 100 << 20


def is_fork_clean() -> bool:
    """Return whether forking this process is safe and cheap: Linux, one thread, small, no GPU or RDMA device open.

    Copy-on-write makes the next pass of a large parent over its heap several times slower, and the child grows. A CUDA
    context in a forked child keeps the GPU's memory after the trainer died.
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
    """Return "fork" or "spawn", as HECTIQLAB_START_METHOD says. Raises ConfigurationError."""
    method: str = settings.get("start_method")
    if method == "auto":
        return "fork" if is_fork_clean() else "spawn"
    return method


def start_uploader(
    session: Path, *, is_owner: bool, method: str | None = None, adopt: bool = True, channel: int = -1
) -> None:
    """Start an uploader for the session. Return without waiting for it. Raises OSError where the process limit is
    reached.

    Args:
        channel: the uploader's end of a socket by which it gets the terminal, or -1. It stays open here.

    One uploader too many is harmless: it sees that the lease is taken, and ends.
    """
    method = method or start_method()
    python = interpreter() if method == "spawn" else None
    owner_fd = open_pidfd(os.getpid()) if is_owner else -1
    try:
        if python is not None:
            try:
                _spawn(python, session, owner_fd, channel, adopt)
            except OSError:  # no program may be started, or there is no /dev/null
                python = None
        if python is None:  # fork is wanted, or nothing could be spawned
            _fork(session, owner_fd, channel, adopt)
    finally:
        if owner_fd >= 0:
            os.close(owner_fd)


def interpreter() -> str | None:
    """Return the Python that can run this package in a process of its own; None where there is none.

    In a frozen application (PyInstaller and the like), or one that embeds Python, `sys.executable` is the application
    itself. If it were started, it would run the user's script, which would start it again, without end. So a program
    counts only if it has the name of an interpreter. A program that is not the running one must also be in the same
    installation.
    """
    if (
        getattr(sys, "frozen", False)
        or hasattr(sys, "_MEIPASS")
        or not (settings.ROOT and os.path.exists(settings.ROOT))
    ):
        return None
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folders = dict.fromkeys((sys.exec_prefix, sys.base_exec_prefix))
    inside = [os.path.join(folder, "bin", name) for folder in folders for name in (version, "python3")]
    for path in (sys.executable, *inside):
        named = path and re.fullmatch(r"(python|pypy|graalpy)[0-9a-z._-]*", os.path.basename(path).lower())
        if named and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


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


# The shell starts a program in the background and ends within a millisecond or two. In images without a shell, Python
# does the same.
_SHELL = "/bin/sh"
_IN_BACKGROUND = "import os, sys\nif not os.fork(): os.execv(sys.argv[1], sys.argv[1:])"


def _spawn(python: str, session: Path, owner_fd: int, channel: int, adopt: bool) -> None:
    import subprocess

    isolated = ["-I"]
    if os.environ.get("PYTHONHOME") and not sys.flags.ignore_environment:  # else the interpreter has no library
        isolated = ["-s"]
    # By default, glibc reserves 64 MiB of addresses for each thread: under a small `ulimit -v`, no thread could be
    # started.
    env = {"MALLOC_ARENA_MAX": "1"}
    env |= {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") or k == "PYTHONHOME"}
    first = [_SHELL, "-c", '"$@" &', "sh"] if os.path.exists(_SHELL) else [python, *isolated, "-c", _IN_BACKGROUND]
    numbers = [str(owner_fd), "1" if adopt else "0", str(channel)]
    with contextlib.suppress(ChildProcessError):
        subprocess.Popen(
            [*first, python, *isolated, *_program(), str(session), *numbers, settings.ROOT, *import_path()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**env, **settings.pinned()},
            pass_fds=[fd for fd in (owner_fd, channel) if fd >= 0],
            start_new_session=True,
        ).wait()


def _program() -> list[str]:
    """Return what the interpreter is to run: the file __main__.py, or its text where the package is in a zip file."""
    path = os.path.join(settings.ROOT, "pyhectiqlab", "uploader", "__main__.py")
    if os.path.isfile(path):
        return [path]
    import pkgutil

    return ["-c", (pkgutil.get_data("pyhectiqlab.uploader", "__main__.py") or b"").decode()]


def import_path() -> list[str]:
    """Return where the fresh interpreter finds our dependencies: this process's folders without the script's. They come
    behind the interpreter's own.

    The interpreter starts with -I, and the standard library and its own site-packages come first. So a user's token.py
    cannot shadow ours.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    unwanted = {"", os.path.dirname(os.path.abspath(script)) if script and os.path.isabs(script) else ""}
    with contextlib.suppress(FileNotFoundError):  # the working folder may be gone
        unwanted.add(os.getcwd())
    return [p for p in sys.path if isinstance(p, str) and os.path.isabs(p) and p not in unwanted]


def _reap(child: int) -> None:
    """Wait for the middle process, which ends at once. Python retries EINTR. A SIGCHLD handler of the user may have
    been faster.
    """
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
