"""Run's verbs for the surroundings of a run: package versions, the machine, git repositories."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..client.saying import say_once
from .guard import never_breaks

if TYPE_CHECKING:
    from ..capture.git import GitState
    from ..client.outbox import Outbox

CAPTURE_S = 2.0  # how long one call waits for other programs, in all


class CaptureVerbs:
    """Mixed into Run."""

    _outbox: Outbox

    @never_breaks
    def add_package_versions(
        self,
        packages: Any = None,
        with_sys: bool = True,
        with_python: bool = True,
        with_git: bool = True,
        with_command: bool = True,
        with_variables: bool = True,
    ) -> dict[str, Any]:
        """Store the versions of packages, the machine, the state of the git repository that the script is in, the
        command line, and environment variables that bear on a training.

            run.add_package_versions(globals())

        Of the repository: commit, branch, remote without credentials, and how tracked files differ from the commit (up
        to 256 KiB; untracked files are not looked at). Waits for git and nvidia-smi, usually some hundredths of a
        second and never more than 2 s; what they have not answered by then is left out. Never waits for the network.

        Args:
            packages: globals() means the packages that your script imported. Or give modules and names. None: all that
                is imported.
            with_sys: store the machine.
            with_python: store the version of Python.
            with_git: store the git state.
            with_command: store the command line. Values of options that are named like secrets (`--hf-token`,
                `--password`), and users in addresses, are stored as `***`.
            with_variables: store environment variables such as CUDA_VISIBLE_DEVICES, OMP_NUM_THREADS, those that
                begin with NCCL or SLURM, and those of the setting HECTIQLAB_VARIABLES; never one that is
                named like a secret. HECTIQLAB_STORE_VARIABLES=0 leaves them out, too.

        Returns:
            {"python": version, "system": {…}, "packages": {name: version}, "git": {"hash", "origin", "branch",
            "dirty"}, "command": text, "variables": {name: text}}, only with the entries that were asked for. "git" is
            empty outside a repository.

        Raises:
            TypeError: `packages` is none of these.
        """
        from ..capture import machine
        from ..capture.argv import command_line, own_words
        from ..capture.packages import versions
        from ..capture.variables import own_variables

        deadline = time.monotonic() + CAPTURE_S
        gpus = machine.start_gpu_query(deadline) if with_sys else None  # nvidia-smi works while git does
        stored: dict[str, Any] = {"packages": versions(packages, deadline)}
        diff: dict[str, Any] = {}
        if with_git:
            state = _script_repository(packages, deadline)
            stored["git"] = _git_fields(state) if state else {}
            diff = {"root": state.root, "diff": state.diff, "diff_cut": state.cut} if state else {}
        if with_sys:
            stored["system"] = machine.system(gpus)
        if with_python:
            stored["python"] = platform.python_version()
        if with_command:
            stored["command"] = command_line(own_words())
        if with_variables:
            stored["variables"] = own_variables(say_once)
        self._outbox.event("packages", {**stored, "git": {**stored.get("git", {}), **diff}})
        return stored

    @never_breaks
    def add_package_repo_state(self, package: str | ModuleType) -> dict[str, Any]:
        """Store the git commit of a package that you work on. The package is not imported.

            run.add_package_repo_state("voxnet")

        Waits for git, never more than 2 s; never for the network.

        Returns:
            {"branch", "commit", "remote", "dirty"}.

        Raises:
            TypeError: `package` is neither a name nor a module.
            ValueError: the package is not installed, or not in a git repository.
        """
        from ..capture.git import NoRepositoryError, git_state
        from ..capture.packages import location

        folder = location(package)
        name = (package if isinstance(package, str) else package.__name__).partition(".")[0]
        try:
            state = git_state(folder, time.monotonic() + CAPTURE_S)
        except NoRepositoryError as e:
            raise ValueError(f"{name!r} is not in a git repository: {e}") from None
        except OSError as e:
            say_once(f"the repository of {name!r} was not stored: {_why(e)}")
            return {"branch": None, "commit": None, "remote": None, "dirty": None}
        state_fields = {"branch": state.branch, "commit": state.commit, "remote": state.remote, "dirty": state.dirty}
        more = {"root": state.root, "diff": state.diff, "diff_cut": state.cut}
        self._outbox.event("repo", {"package": name, **state_fields, **more})
        return state_fields


def _git_fields(state: GitState) -> dict[str, Any]:
    return {"hash": state.commit, "origin": state.remote, "branch": state.branch, "dirty": state.dirty}


def _script_repository(packages: Any, deadline: float) -> GitState | None:
    """Return the state of the git repository that holds the namespace's file, else of the one that holds the script. If
    there is neither file (in a notebook), it is the repository of the working directory.
    """
    from ..capture.git import NoRepositoryError, git_state

    files = [packages.get("__file__")] if isinstance(packages, Mapping) else []
    files.append(getattr(sys.modules.get("__main__"), "__file__", None))
    folders = [os.path.dirname(os.path.abspath(file)) for file in files if isinstance(file, str)]
    for folder in dict.fromkeys(folders or [os.curdir]):
        try:
            return git_state(Path(folder), deadline)
        except NoRepositoryError as e:
            if "not a git repository" not in str(e):
                say_once(f"the git state was not stored: {e}")
        except OSError as e:
            say_once(f"the git state was not stored: {_why(e)}")
            break
    return None


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "git is not installed"
    return error.strerror or str(error)
