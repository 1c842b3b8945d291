"""The real command in a process of its own, with a home folder of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab

Hectiqlab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """Start a lab, which the tests of a module share."""
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as real:
        yield real


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """Return what the command sees: nothing of ours but HECTIQLAB_HOME."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HECTIQLAB_")}
    return {**kept, "HECTIQLAB_HOME": str(home)}


@pytest.fixture
def hectiqlab(environment: dict[str, str]) -> Hectiqlab:
    """Run `hectiqlab ARGS…`; keyword arguments are environment variables, and `input` for standard input."""

    def run(*args: str, input: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return run_command(*args, env={**environment, **variables}, input=input)

    return run


def error_line(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Return the one line with which a command failed. It has printed nothing else."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def output(done: subprocess.CompletedProcess[str]) -> str:
    """Return the output of a command that succeeded. It has printed nothing on stderr."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout
