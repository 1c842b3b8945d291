"""Scripts: `python -c SCRIPT`, forked from a process that has imported what most scripts import.

A script takes a third of a second of a processor before its first event, nearly all of it for imports, and the tests
run many hundreds. A forked script differs from a started one in nothing that a test looks at: it has its own
command line and `__main__`, its place among the processes, the variables, the folder and the pipes that it is given,
and it ends as Python ends. It cannot show what importing does, and the functions that run it are below its own on the
stack: tests about these have their scripts started (`forks=False`).
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import functools
import gc
import importlib
import importlib.machinery
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

from .nursery import Nursery, next_order

# Variables that Python, the C library and the hook of the stand-ins read once, before a script runs.
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "HECTIQLAB_INSTEAD_OF", "HECTIQLAB_BESIDE")

# What a script with a Run has imported at its end, and nothing else: some of the code looks at what a script has
# imported.
IMPORTED = (
    "pyhectiqlab.client.opening",
    "pyhectiqlab.transport.connecting",
    "pyhectiqlab.transport.deadline",
    "pyhectiqlab.transport.http",
    "pyhectiqlab.uploader.main",
)

PR_SET_MM, PR_SET_MM_MAP = 35, 14  # of <linux/prctl.h>


@functools.cache
def nursery() -> Nursery | None:
    """Return the nursery of all tests of this process; None: no script can be forked so that it looks like a started
    one.
    """
    if not sys.platform.startswith("linux") or sys.flags.dev_mode or sys.flags.isolated:
        return None
    env = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_") and k != "CI"}
    shared = Nursery(__name__, env, subprocess.PIPE)
    atexit.register(shared.close)
    with Script("", (), env, shared) as probe:  # some kernels do not let a process look like another one
        probe.communicate()
    return shared if probe.returncode == 0 else None


def start_script(script: str, *arguments: str, env: dict[str, str], forks: bool = True) -> subprocess.Popen[str]:
    """Start `python -c SCRIPT ARGUMENTS…` with pipes for its input, output and errors.

    Args:
        env: all its variables.
        forks: whether it may be forked. What is set at the start of Python has one started anyway.
    """
    at_start = [name for name in {*env, *os.environ} if name.startswith(AT_START)]
    relative = [v for k, v in env.items() if k in ("HECTIQLAB_HOME", "HECTIQLAB_CREDENTIALS") and v[:1] != "/"]
    as_here = all(env.get(name) == os.environ.get(name) for name in at_start)
    if forks and not relative and as_here and (shared := nursery()):
        return Script(script, arguments, env, shared)
    command = [sys.executable, "-c", script, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def run_script(
    script: str, *arguments: str, env: dict[str, str], timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `python -c SCRIPT ARGUMENTS…` to its end, without input."""
    with start_script(script, *arguments, env=env) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class Script(subprocess.Popen[str]):
    """A process that is a child of the nursery, with the calls of Popen."""

    def __init__(self, script: str, arguments: tuple[str, ...], env: dict[str, str], shared: Nursery) -> None:
        self._nursery = shared
        self.args = [sys.executable, "-c", script, *arguments]
        self.returncode: int | None = None
        # What Popen.communicate looks at.
        self.text_mode = self.universal_newlines = True
        self.encoding = self.errors = None
        self._communication_started = False
        self._input: Any = None
        self._child_created = False  # there is none to wait for by os.waitpid
        ends = {name: os.pipe() for name in ("input", "output", "error")}
        its = {name: pair[0 if name == "input" else 1] for name, pair in ends.items()}
        self.stdin = os.fdopen(ends["input"][1], "w")
        self.stdout, self.stderr = os.fdopen(ends["output"][0]), os.fdopen(ends["error"][0])
        try:
            files = {name: f"/proc/{os.getpid()}/fd/{fd}" for name, fd in its.items()}
            self.pid = shared.fork({"words": self.args, "env": env, "folder": os.getcwd(), **files})
        finally:
            for fd in its.values():
                os.close(fd)

    def poll(self) -> int | None:
        if self.returncode is None and (ended := self._nursery.ended(self.pid)):
            self.returncode = os.waitstatus_to_exitcode(ended[0])
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            status = self._nursery.wait(self.pid, 1e6 if timeout is None else timeout)
            if status is None:
                assert timeout is not None, "the process that scripts are forked from is gone"
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


# The process itself --------------------------------------------------------------------------------------------------


class _Memory(ctypes.Structure):
    """`struct prctl_mm_map`: what the kernel says in /proc of the memory of a process."""

    NUMBERS = (
        "start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack", "arg_start", "arg_end",
        "env_start", "env_end", "auxv",
    )  # fmt: skip
    _fields_ = [*((name, ctypes.c_uint64) for name in NUMBERS), ("auxv_size", ctypes.c_uint32), ("exe", ctypes.c_int32)]


def _look_started(words: list[str]) -> Any:
    """Give this process the command line, and a stack that begins at an address of its own: that tells a program from
    a fork. Return what must be kept.
    """
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()

    def field(number: int) -> int:  # as `man proc` numbers them
        return int(stat[number - 3])

    line = ctypes.create_string_buffer(b"".join(os.fsencode(word) + b"\0" for word in words))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    at = ctypes.addressof(line)
    memory = _Memory(
        field(26), field(27), field(45), field(46), field(47), libc.sbrk(0),
        field(28) - 16 * (1 + os.getpid() % 100_000), at, at + len(line) - 1, field(50), field(51), 0, 0, -1,
    )  # fmt: skip
    if libc.prctl(PR_SET_MM, PR_SET_MM_MAP, ctypes.byref(memory), ctypes.c_ulong(ctypes.sizeof(memory)), 0):
        raise OSError(ctypes.get_errno(), "this process cannot be given the look of another")
    return line


def _run(order: dict[str, Any]) -> int:
    """Run the script as `python -c` runs it, also where it raises SystemExit: by the same function of Python's. It does
    not return then.
    """
    words = order["words"]
    os.chdir(order["folder"])
    for name in os.environ.keys() - order["env"].keys():
        del os.environ[name]
    kept = _look_started(words)
    sys.argv, sys.orig_argv = ["-c", *words[3:]], words
    sys.path[0] = ""
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    main = types.ModuleType("__main__")
    given = {"__builtins__": builtins, "__loader__": importlib.machinery.BuiltinImporter, "__annotations__": {}}
    main.__dict__.update(given)
    sys.modules["__main__"] = main
    from pyhectiqlab.base import crashpoints

    if wish := os.environ.get("HECTIQLAB_CRASH_AT"):
        crashpoints.passing = crashpoints.armed(wish)
    failed = ctypes.pythonapi.PyRun_SimpleStringFlags(words[2].encode(), None)
    del kept
    return 1 if failed else 0


def main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    order = next_order()
    if order is not None:
        sys.exit(_run(order))


if __name__ == "__main__":
    main()
