"""What is read from the host: git repositories, packages, other programs' output. With the real git."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.capture.command import Command
from pyhectiqlab.capture.git import DIFF_BYTES_MAX, NoRepositoryError, git_state, without_credentials
from pyhectiqlab.capture.machine import read_gpu_query, system
from pyhectiqlab.capture.packages import location, versions


def soon() -> float:
    return time.monotonic() + 20


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "src" / "train.py").write_text("lr = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "remote", "add", "origin", "https://me:s3cret@example.org/team/project.git?token=t0ken")
    return folder


def test_a_clean_repository(repository: Path) -> None:
    state = git_state(repository / "src", soon())
    assert state.commit == git(repository, "rev-parse", "HEAD") and state.branch == "main"
    assert state.remote == "https://example.org/team/project.git"
    assert (state.dirty, state.diff, state.cut) == (False, "", False)
    assert Path(state.root).samefile(repository)


def test_changes_of_tracked_files_are_told(repository: Path) -> None:
    (repository / "src" / "train.py").write_text("lr = 2\n")
    (repository / "new.py").write_text("untracked\n")
    state = git_state(repository, soon())
    assert state.dirty and "-lr = 1\n+lr = 2" in state.diff and "untracked" not in state.diff and not state.cut


def test_a_large_diff_is_cut_and_that_is_said(repository: Path) -> None:
    (repository / "src" / "train.py").write_text("x = 1\n" * 200_000)
    state = git_state(repository, soon())
    assert state.dirty and state.cut and len(state.diff) == DIFF_BYTES_MAX


def test_a_detached_head_has_no_branch_and_a_new_repository_no_commit(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert git_state(repository, soon()).branch is None
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q")
    state = git_state(tmp_path / "new", soon())
    assert (state.commit, state.branch, state.dirty, state.remote) == (None, "main", None, None)


def test_what_is_in_no_repository_or_ignored_by_it_is_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(NoRepositoryError, match="not a git repository"):
        git_state(tmp_path / "elsewhere", soon())
    (repository / ".gitignore").write_text(".venv\n")
    (repository / ".venv").mkdir()
    with pytest.raises(NoRepositoryError, match="ignored"):
        git_state(repository / ".venv", soon())


def test_nothing_that_a_repository_configures_is_run(repository: Path) -> None:
    mark = repository.parent / "mark"
    git(repository, "config", "core.fsmonitor", f"touch {mark}; false")
    git(repository, "config", "diff.external", f"touch {mark}")
    (repository / "src" / "train.py").write_text("lr = 2\n")
    assert "+lr = 2" in git_state(repository, soon()).diff
    assert not mark.exists()


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:token@host.org/a/b.git", "https://host.org/a/b.git"),
        ("https://token@host.org:8443/a", "https://host.org:8443/a"),
        ("https://user:pa@ss@host.org/a", "https://host.org/a"),
        ("https://user:pa/ss@host.org/a", "https://host.org/a"),
        ("https://host.org/a.git?private_token=x#y", "https://host.org/a.git"),
        ("https://host.org:8443/@scope/a", "https://scope/a"),  # if in doubt, all before the last @
        ("//u:T@h/x", "h/x"),
        ("https:/u:T@h/x", "https://h/x"),
        ("https:////u:T@h/x", "https://h/x"),
        ("http://h/T@x", "http://x"),
        ("https://u:T", "https://"),
        ("https://h:T/x", "https://"),
        ("https:\\\\u:T@h/x", "h/x"),
        ("https://u:T@h/x;token=T", "https://h/x"),
        ("https://h/x?u:T@h", "https://h"),
        ("https://u:T?T@h/x", "https://h/x"),
        ("ext::curl -u u:T https://h/x", "ext::"),
        ("persistent-https::https://u:T@h/x", "persistent-https::https://h/x"),
        ("https://u:T@[::1]:8443/x", "https://[::1]:8443/x"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
        ("u:T@h", "h"),
        ("C:/work/a", "C:/work/a"),
        ("C:\\work\\a", "C:\\work\\a"),
        ("ssh://git@host.org:22/a.git", "ssh://git@host.org:22/a.git"),
        ("ssh://git:secret@host.org/a.git", "ssh://git@host.org/a.git"),
        ("git@host.org:team/a.git", "git@host.org:team/a.git"),
        ("git:secret@host.org:team/a.git", "git@host.org:team/a.git"),
        ("../beside", "../beside"),
        ("/srv/git/a.git", "/srv/git/a.git"),
    ],
)
def test_remotes_lose_their_credentials(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


_TOKEN = "s3cr3tT0ken"


@given(
    st.text("abch/:@.[]\\ ~%-", max_size=12),
    st.sampled_from(
        ["", "https:", "http:", "ssh:", "git+ssh:", "HTTPS:", "git@h:", "x::", "file:", "ext::", "//", "/"]
    ),
    st.text("/\\:", max_size=4),
    st.sampled_from(["", "u:", "u:p:", ":", "u/", "h/", "u@", "u:a/b"]),
    st.sampled_from(["@h", "@h/x", "@h:22/x", "@h:x", "/@h", ":@h/x", "@x@h/y", "/y@h", "?@h", "@[::1]/x"]),
    st.text("abch/.:-", max_size=6),
)
def test_no_token_before_an_at_sign_stays(
    before: str, scheme: str, slashes: str, user: str, after: str, path: str
) -> None:
    address = without_credentials(f"{scheme}{slashes}{before}{user}{_TOKEN}{after}{path}")
    user = rf"[\w.-]*{_TOKEN}"  # of ssh: part of the address there
    user_of_ssh = rf"([\w.+-]+::)*((git\+)?ssh://{user}@[^@]*|{user}@[^@/]*:[^@]*)"
    assert _TOKEN not in address or re.fullmatch(user_of_ssh, address), address


def test_a_program_that_hangs_or_floods_is_cut_short() -> None:
    start = time.monotonic()
    hung = Command("sh", "-c", "echo begun; exec sleep 60", deadline=start + 0.3).finish()
    assert (hung.text, hung.code) == ("begun\n", None)
    flood = Command("yes", deadline=start + 20).finish(bytes_max=10_000)
    assert (len(flood.text), flood.code, flood.cut) == (10_000, None, True)
    assert time.monotonic() - start < 10
    assert Command("sh", "-c", "echo no >&2; exit 3", deadline=soon(), errors=True).finish().text == "no\n"


def test_a_git_that_hangs_is_a_timeout(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(TimeoutError):
        git_state(repository, time.monotonic() + 0.2)


# Packages ---------------------------------------------------------------------------------------------------------


def test_a_namespace_tells_its_packages() -> None:
    namespace: dict[str, Any] = {}
    exec("import msgpack as m, os, requests.adapters\nfrom yaml import safe_load\nx = 3", namespace)
    packages = versions(namespace, soon())
    assert set(packages) == {"msgpack", "requests", "yaml"}
    assert packages["requests"] == sys.modules["requests"].__version__


def test_names_modules_and_nothing_are_taken() -> None:
    import yaml

    assert set(versions(["requests", yaml], soon())) == {"requests", "yaml"}
    assert {"pytest", "yaml"} <= set(versions(None, soon()))
    for wrong in (3, [3]):
        with pytest.raises(TypeError):
            versions(wrong, soon())


def test_a_package_whose_distribution_has_another_name_is_found() -> None:
    import attr  # of the distribution attrs; its __version__ is made when asked for

    assert versions([attr], soon()).keys() == {"attr"}


def test_a_package_is_found_without_importing_it() -> None:
    folder = location("nbclient")
    assert folder.name == "nbclient" and location(sys.modules["pytest"]).is_dir()
    for name in ("there_is_none", "sys", "a b"):
        with pytest.raises(ValueError, match=name):
            location(name)


def test_the_machine_is_told_and_its_cards_as_nvidia_smi_prints_them() -> None:
    machine = system(None)
    assert machine["memory_bytes"] > 1 << 28 and machine["cpus"] >= machine["cpus_usable"] >= 1 and machine["cpu"]
    cards, driver = read_gpu_query("NVIDIA H100 80GB HBM3, 81559, 550.54.15\nNVIDIA H100, [N/A], 550.54.15\n")
    assert cards[0] == {"name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 << 20}
    assert cards[1]["memory_bytes"] is None and driver == "550.54.15"
    assert read_gpu_query("NVIDIA-SMI has failed because it couldn't communicate with the driver") == ([], None)
