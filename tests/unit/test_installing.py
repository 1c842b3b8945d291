"""What is advised to install: this package, and never the other one that PyPI has under its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyhectiqlab
from pyhectiqlab.base.installing import install_advice, upgrade_advice

ROOT = Path(__file__).parents[2]


def advice(folder: Path, call: str) -> str:
    """Return what a copy that is installed in `folder` says."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n"
         f"from pyhectiqlab.base.installing import *; print({call})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Make a folder of installed packages, with this one, and with what pip notes of it."""
    (tmp_path / "pyhectiqlab" / "base").mkdir(parents=True)
    for name in ("__init__.py", "_version.py", "base/__init__.py", "base/installing.py"):
        (tmp_path / "pyhectiqlab" / name).write_bytes((Path(pyhectiqlab.__file__).parent / name).read_bytes())
    (tmp_path / "pyhectiqlab" / "__init__.py").write_text("")
    info = tmp_path / "pyhectiqlab-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pyhectiqlab\nVersion: 0.1.0\n")
    return tmp_path


def note(installed: Path, **fields: object) -> None:
    (installed / "pyhectiqlab-0.1.0.dist-info" / "direct_url.json").write_text(json.dumps(fields))


def test_a_clone_is_installed_again_from_its_folder() -> None:
    assert install_advice("server").replace("-e ", "") == f"pip install '{ROOT}[server]'"
    assert install_advice("server", here=False) == "pip install 'path/to/clone[server]'"
    assert upgrade_advice().replace("-e ", "") == f"bring its clone up to date, then pip install '{ROOT}'"
    lab = upgrade_advice("server").replace("-e ", "")
    assert lab == f"bring its clone up to date, run scripts/build-web there, then pip install '{ROOT}[server]'"


@pytest.mark.parametrize("editable", [True, False])
def test_a_clone_that_was_installed_in_place_is_installed_in_place_again(
    installed: Path, tmp_path: Path, editable: bool
) -> None:
    clone = tmp_path / "a clone"
    clone.mkdir()
    (installed / "pyhectiqlab").rename(clone / "pyhectiqlab")
    (clone / "setup.cfg").touch()
    note(installed, url=clone.as_uri(), dir_info={"editable": True} if editable else {})
    call = f"install_advice('server') if not sys.path.append({str(installed)!r}) else ''"
    flag = "-e " if editable else ""
    assert advice(clone, call) == f"pip install {flag}'{clone}[server]'"


def test_a_wheel_is_followed_by_a_newer_one(installed: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "pyhectiqlab-0.1.0-py3-none-any.whl"
    wheel.touch()
    note(installed, url=wheel.as_uri(), archive_info={})
    assert advice(installed, "install_advice('server')") == f"pip install '{wheel}[server]'"
    assert f"'{tmp_path}/NEWER.whl[server]'" in advice(installed, "upgrade_advice('server')")
    note(installed, url="https://host.example/pyhectiqlab-0.1.0-py3-none-any.whl", archive_info={})
    wanted = "'pyhectiqlab @ https://host.example/pyhectiqlab-0.1.0-py3-none-any.whl'"
    assert advice(installed, "install_advice()") == f"pip install {wanted}"


def test_what_was_installed_from_a_folder_or_an_address_is_installed_from_there(installed: Path) -> None:
    note(installed, url=f"file://{installed}/a%20clone", dir_info={})
    assert advice(installed, "install_advice('gpu')") == "pip install 'path/to/clone[gpu]'"  # which is gone
    (installed / "a clone").mkdir()
    assert advice(installed, "install_advice('gpu')") == f"pip install '{installed}/a clone[gpu]'"
    note(installed, url="https://ada:token@git.example/lab.git", vcs_info={"vcs": "git", "commit_id": "1"})
    wanted = "'pyhectiqlab[gpu] @ git+https://git.example/lab.git'"
    assert advice(installed, "install_advice('gpu')") == f"pip install {wanted}"
    assert advice(installed, "upgrade_advice('gpu')") == f"pip install --upgrade {wanted}"


def test_where_nobody_knows_it_is_said_as_in_the_readme(installed: Path) -> None:
    assert advice(installed, "install_advice()") == "pip install 'path/to/clone'"  # without direct_url.json
    note(installed, url=3)
    assert advice(installed, "install_advice('yaml')") == "pip install 'path/to/clone[yaml]'"


def test_nothing_advises_to_install_the_bare_name() -> None:
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("scripts/*")]
    for folder, folders, names in os.walk(ROOT / "pyhectiqlab"):
        folders[:] = [name for name in folders if name not in ("node_modules", "static", "__pycache__")]
        paths += [Path(folder) / name for name in names if name.endswith((".py", ".md", ".ts", ".tsx"))]
    bare = re.compile(r"pip install (--upgrade )?['\"]?pyhectiqlab")
    wrong = [str(path) for path in paths if path.is_file() and bare.search(path.read_text(errors="replace"))]
    assert not wrong
