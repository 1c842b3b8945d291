"""`hectiqlab delete`, `restore` and `login-link`, at a real lab."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab import Run, utils
from pyhectiqlab.errors import ConflictError, GoneError, NotFoundError, PermissionDeniedError
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from .conftest import Hectiqlab


@pytest.fixture
def lab(tmp_path: Path, home: Path) -> Iterator[RealLab]:
    with ForkedLab(tmp_path / "data", home) as lab:
        yield lab


def make(lab: RealLab, name: str, key: str | None = None, project: str = "vision") -> str:
    with LabClient(lab.url, key or lab.api_key) as client:
        asked = {"name": name, "project": project, "create_project": True, "session": secrets.token_hex(8)}
        return str(client.attach(asked, timeout_s=10)["run"]["id"])


def names(hectiqlab: Hectiqlab) -> set[str]:
    return set(re.findall(r"run-\w", hectiqlab("runs", "vision").stdout))


def test_runs_are_deleted_after_asking_and_restored_by_name(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    run = make(lab, "run-a")
    make(lab, "run-b"), make(lab, "run-c")
    refused = hectiqlab("delete", "run-a", "run-b", input="n\n")
    assert refused.returncode == 1 and names(hectiqlab) == {"run-a", "run-b", "run-c"}
    assert f"vision/run-a ({run}): running, 0 points" in refused.stderr and "Delete these 2 runs?" in refused.stderr
    done = hectiqlab("delete", "run-a", "vision/run-b", input="y\n")
    assert (done.returncode, names(hectiqlab)) == (0, {"run-c"}), done.stderr
    assert f"Deleted vision/run-a ({run}). hectiqlab restore {run} takes it back within 7 days." in done.stdout
    assert hectiqlab("restore", "run-a", "vision/run-b").returncode == 0
    assert names(hectiqlab) == {"run-a", "run-b", "run-c"}
    again = hectiqlab("restore", "run-a")
    assert again.returncode == 1 and "No run that was deleted is 'run-a'" in again.stderr


def test_nothing_is_deleted_where_one_of_the_names_is_wrong(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    make(lab, "run-a")
    done = hectiqlab("delete", "--yes", "run-a", "run-z")
    assert done.returncode == 1 and "run-z" in done.stderr and names(hectiqlab) == {"run-a"}


def test_a_run_is_deleted_and_restored_from_python(lab: RealLab, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HECTIQLAB_HOME", str(home))
    run = make(lab, "run-a")
    view = Run.existing("run-a")
    view.delete()
    with pytest.raises(NotFoundError):
        Run.existing("run-a")
    with pytest.raises(GoneError):
        view.delete()
    utils.restore_run("run-a")
    utils.delete_run(f"{lab.url}/runs/{run}")
    view.restore()
    assert Run.existing("run-a").id == run
    utils.delete_run("run-a")
    make(lab, "run-a")
    with pytest.raises(ConflictError, match="Another run is named"):
        utils.restore_run(run)


def test_who_may_not_delete_a_run_is_told(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    make(lab, "run-a")
    with LabClient(lab.url, lab.api_key) as client:
        client.post("/users", {"username": "bob", "password": "correct horse 7"})
    with LabClient(lab.url, auth=("bob", "correct horse 7")) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    done = hectiqlab("delete", "-y", "run-a", HECTIQLAB_URL=lab.url, HECTIQLAB_API_KEY=key)
    assert done.returncode == 1 and "ask them, or an admin" in done.stderr and names(hectiqlab) == {"run-a"}
    assert PermissionDeniedError.__name__ not in done.stderr


def test_a_new_login_link_logs_in_once_beside_a_running_lab(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    assert lab.login_link is not None
    for _ in range(2):
        requests.get(lab.login_link, timeout=10)
    used = requests.get(lab.login_link, timeout=10)
    assert used.status_code == 410 and "hectiqlab login-link" in used.text
    with LabClient(lab.url, lab.api_key) as client:
        client.post("/users", {"username": "bob", "password": "correct horse 7"})
    for arguments, name in ((), None), (("--user", "bob"), "bob"):
        done = hectiqlab("login-link", "--data", str(lab.data_dir), *arguments)
        link = done.stdout.strip()
        assert done.returncode == 0 and link.startswith(f"{lab.url}/login-link?token="), done.stderr
        with requests.Session() as browser:
            assert browser.get(link, timeout=10).status_code == 200
            answer = browser.get(f"{lab.url}/api/v1/me", timeout=10).json()["user"]
            assert answer["username"] == (name or answer["username"])
        assert requests.get(link, timeout=10).status_code == 410
    wrong = hectiqlab("login-link", "--data", str(lab.data_dir), "--user", "nobody")
    assert wrong.returncode == 1 and "No user is named 'nobody'" in wrong.stderr
    nowhere = hectiqlab("login-link", "--data", str(lab.data_dir / "none"))
    assert nowhere.returncode == 1 and "holds no lab" in nowhere.stderr
