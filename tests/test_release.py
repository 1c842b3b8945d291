"""scripts/release, in a clone of this repository: a tag, a version, a changelog that says what is in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="this is not a clone")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    path = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(path)], check=True, timeout=120)
    (path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- News.\n\n## 0.1.0\n")
    (path / "docs" / "upgrading.md").write_text("| 0.1.0 | 18 | 4 | a |\n| Unreleased | 19 | 4 | b |\n")
    git(path, "commit", "-qam", "As before a release")
    return path


def git(clone: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{what}": f"{what}@lab" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(clone), *arguments], env={**os.environ, **who}, capture_output=True, text=True, check=True
    )
    return done.stdout


def release(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    who = {f"GIT_{role}_{what}": f"{what}@lab" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    script = str(clone / "scripts" / "release")
    return subprocess.run([script, *arguments], env={**os.environ, **who}, capture_output=True, text=True, timeout=60)


def test_a_release_is_a_tag_whose_version_and_changelog_are_its_own(clone: Path) -> None:
    done = release(clone, "7.8.9")
    assert done.returncode == 0, done
    assert git(clone, "show", "v7.8.9:pyhectiqlab/_version.py") == '__version__ = "7.8.9"\n'
    assert git(clone, "show", "v7.8.9:CHANGELOG.md") == "# Changelog\n\n## 7.8.9\n\n- News.\n\n## 0.1.0\n"
    assert "| 7.8.9 | 19 | 4 | b |" in git(clone, "show", "v7.8.9:docs/upgrading.md")
    assert git(clone, "show", "HEAD:pyhectiqlab/_version.py") == '__version__ = "7.9.0.dev0"\n'
    assert re.findall("^## (.+)$", git(clone, "show", "HEAD:CHANGELOG.md"), re.M) == ["Unreleased", "7.8.9", "0.1.0"]
    assert git(clone, "status", "--porcelain") == "" and git(clone, "rev-parse", "HEAD~1") == git(
        clone, "rev-parse", "v7.8.9^{}"
    )


@pytest.mark.parametrize(("version", "why"), [("", "Name the version"), ("v1.0", "Name the version")])
def test_what_is_no_version_is_refused(clone: Path, version: str, why: str) -> None:
    refused = release(clone, *[version] * bool(version))
    assert refused.returncode == 1 and why in refused.stderr


def test_changes_that_are_not_committed_and_tags_that_are_there_are_told(clone: Path) -> None:
    git(clone, "tag", "v7.8.9")
    assert "there already" in release(clone, "7.8.9").stderr
    (clone / "README.md").write_text("")
    assert "not committed" in release(clone, "7.8.8").stderr
