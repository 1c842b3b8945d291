"""Where only the client is installed, whoever looks after a lab reads which packages to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhectiqlab.cli.lab_packages import NAMES

from .conftest import Hectiqlab, error_line

# What Python runs first of all: it hides the packages, as if they were not installed.
BLIND = f"""
import importlib.machinery
find = importlib.machinery.PathFinder.find_spec
def find_others(name, *args, **more):
    return None if name.partition(".")[0] in {NAMES} else find(name, *args, **more)
importlib.machinery.PathFinder.find_spec = find_others
"""


@pytest.mark.parametrize(
    "command",
    ["server", "login-link", "admin status --data lab", "admin user list", "admin backup there", "admin purge --all"],
)
def test_commands_of_a_lab_say_what_to_install(hectiqlab: Hectiqlab, home: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLIND)
    words = [str(home / "lab") if word == "lab" else word for word in command.split()]
    (home / "lab").mkdir(parents=True)
    (home / "lab" / "lab.db").touch()
    line = error_line(hectiqlab(*words, PYTHONPATH=str(tmp_path)))
    assert "not installed (fastapi, uvicorn, sqlalchemy" in line and "[server]'" in line


def test_commands_of_the_client_need_none(hectiqlab: Hectiqlab, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLIND)
    assert hectiqlab("version", PYTHONPATH=str(tmp_path)).returncode == 0
