"""What the whole document leaves in a lab comes out and into another lab as it was."""

from __future__ import annotations

from pathlib import Path

from pyhectiqlab.testing.lab import RealLab

from ..exporting.equality import brought_equal
from ..labs import ForkedLab
from ..process.conftest import Site
from .conftest import NAMES, User
from .document import PYTHON


def test_what_the_document_makes_is_equal_in_another_lab(user: User, voxnet: str, lab: RealLab, tmp_path: Path) -> None:
    blocks = [code for heading, code in PYTHON.items() if heading != "Package versions"]  # it needs torch
    done = user.python(NAMES, *blocks, "run.add_package_versions()")
    assert done.returncode == 0, done.stderr
    user.run()
    source = Site(lab, tmp_path / "spool")
    with ForkedLab(tmp_path / "data", tmp_path / "admin") as other, Site(other, tmp_path / "its").client() as theirs:
        theirs.post("/users", {"username": user.run()["author"], "password": "a long password"})
        got = brought_equal(source, Site(other, tmp_path / "its"), tmp_path / "out", user.project["name"])
    assert got.keys() == {"the project", "dev-run"}
    assert len(got["the project"]["models"]) == len(got["the project"]["artifacts"]) == 1
