"""The command, forked from the process that labs are forked from (labs.py): that saves a second of importing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .labs import nursery

AT_START = ("PYTHON", "LC_", "LANG")  # variables that Python reads only when it starts


def command(*args: str) -> list[str]:
    """Return the argument list of a command, for tests that start one by themselves."""
    return [sys.executable, "-m", "pyhectiqlab", *args]


def run_command(
    *args: str, env: dict[str, str] | None = None, input: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `hectiqlab ARGS…` to its end, as subprocess.run does with `capture_output` and text. `env`: all of its
    variables; those of this process by default.
    """
    env = dict(os.environ) if env is None else env
    if any(env.get(name) != os.environ.get(name) for name in {*env, *os.environ} if name.startswith(AT_START)):
        return subprocess.run(command(*args), env=env, input=input, capture_output=True, text=True, timeout=timeout)
    with TemporaryDirectory(prefix="command") as folder:
        paths = {name: Path(folder, name) for name in ("input", "output", "error")}
        paths["input"].write_text(input)
        places = {name: str(path) for name, path in paths.items()}
        order: dict[str, Any] = {"what": "command", "arguments": args, "env": env, "folder": os.getcwd(), **places}
        pid = nursery().fork(order)
        status = nursery().wait(pid, timeout)
        if status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            nursery().wait(pid, 10)
        texts = [paths[name].read_text() for name in ("output", "error")]
    if status is None:
        raise subprocess.TimeoutExpired(args, timeout, *texts)
    return subprocess.CompletedProcess(args, os.waitstatus_to_exitcode(status), *texts)
