"""What surrounds a program: its git repository, the machine, environment variables, and the packages of its Python."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..capture import machine
from ..capture.argv import command_line
from ..capture.command import Command
from ..capture.git import NoRepositoryError, git_state
from ..capture.variables import own_variables
from ..client.saying import say_once
from .command_line import script_of

CAPTURE_S = 5.0
_LIST_PACKAGES = (
    "import importlib.metadata as m, json, platform; "
    "print(json.dumps([platform.python_version(), {d.metadata['Name']: d.version for d in m.distributions()}]))"
)


def surroundings(command: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a `packages` event. Blocks for CAPTURE_S at most. What cannot be read is left out."""
    deadline = time.monotonic() + CAPTURE_S
    gpus = machine.start_gpu_query(deadline)
    python = interpreter_of(command)
    listing = _list_packages(python, deadline) if python else None
    fields: dict[str, Any] = {
        "packages": {},
        "git": _git(command, deadline),
        "system": machine.system(gpus),
        "command": command_line(command),
        "variables": own_variables(say_once),
    }
    if listing is not None:
        output = listing.finish(4 << 20)
        if output.ok:
            fields["python"], fields["packages"] = json.loads(output.text)
    return fields


def interpreter_of(command: Sequence[str]) -> str | None:
    """Return the Python that runs the program: itself, or the one that its first line names (torchrun, accelerate)."""
    path = shutil.which(command[0])
    if path is None:
        return None
    if os.path.basename(path).startswith("python"):
        return path
    try:
        with open(path, "rb") as file:
            first = file.readline(512)
    except OSError:
        return None
    words = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    named = words[1] if len(words) > 1 and os.path.basename(words[0]) == "env" else words[0] if words else ""
    return shutil.which(named) if os.path.basename(named).startswith("python") else None


def _list_packages(python: str, deadline: float) -> Command | None:
    try:
        return Command(python, "-I", "-c", _LIST_PACKAGES, deadline=deadline)
    except OSError:
        return None


def _git(command: Sequence[str], deadline: float) -> dict[str, Any]:
    """Return the state of the repository of the script, else of the working folder; {} where there is none."""
    script = script_of(command)
    for folder in dict.fromkeys([os.path.dirname(os.path.abspath(script))] if script else [], True) | {os.curdir: True}:
        try:
            state = git_state(Path(folder), deadline)
        except (NoRepositoryError, OSError):
            continue
        of_it = {"hash": state.commit, "origin": state.remote, "branch": state.branch, "dirty": state.dirty}
        return {**of_it, "root": state.root, "diff": state.diff, "diff_cut": state.cut}
    return {}
