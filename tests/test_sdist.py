"""What a source distribution and a wheel made of it carry."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools")

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "*.egg-info", "tests", "benchmarks", "docs")


def build(what: str, tree: Path, target: Path) -> Path:
    call = f"import sys; from setuptools import build_meta; build_meta.build_{what}(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", call, str(target)], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = target.iterdir()
    return made


def test_a_wheel_made_of_the_sources_has_the_built_pages_and_not_their_sources(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=LEFT_OUT)
    static = tree / "pyhectiqlab" / "server" / "static"
    static.mkdir(exist_ok=True)
    (static / "index.html").write_text("<!doctype html>")  # as scripts/build-web leaves it
    (tree / "pyhectiqlab" / "web" / "node_modules").mkdir()
    (tree / "pyhectiqlab" / "web" / "node_modules" / "x.js").touch()
    (tmp_path / "sdist").mkdir()
    made = build("sdist", tree, tmp_path / "sdist")
    (tmp_path / "sources").mkdir()
    subprocess.run(["tar", "-xf", made, "-C", tmp_path / "sources"], check=True)
    (sources,) = (tmp_path / "sources").iterdir()
    for path in ("scripts/build-web", "pyhectiqlab/web/package-lock.json", "pyhectiqlab/web/src/main.tsx", "LICENSE"):
        assert (sources / path).is_file(), path
    assert not (sources / "pyhectiqlab" / "web" / "node_modules").exists()
    (tmp_path / "wheel").mkdir()
    with zipfile.ZipFile(build("wheel", sources, tmp_path / "wheel")) as wheel:
        names = set(wheel.namelist())
    assert {
        "pyhectiqlab/server/static/index.html",
        "pyhectiqlab/store/sqlite_points/points.sql",
        "pyhectiqlab/py.typed",
        "pyhectiqlab/standins/site/sitecustomize.py",
        "_hectiqlab_hook.py",
        "hectiqlab.pth",
    } <= names
    assert not [name for name in names if name.startswith("pyhectiqlab/web/")]


def test_git_tracks_no_link() -> None:
    """`git add -A` once took a link to a program of one machine, which whoever copied the tree elsewhere failed at."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if line.startswith("120000")]
