"""What somebody mistypes is answered with what there is; -p names a project, and a slash a folder."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab import Run
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.utils import download_existing_run_artifact

from ..labs import ForkedLab
from .conftest import Hectiqlab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as lab:
        with LabClient(lab.url, lab.api_key) as client:
            for project, name in (("playground", "first-run"), ("secret", "hidden-run")):
                asked = {"name": name, "project": project, "create_project": True, "session": secrets.token_hex(8)}
                client.attach(asked, timeout_s=10)
            client.patch("/projects/secret", {"private": True})
            client.post("/users", {"username": "bob", "password": "correct horse 7", "role": "member"})
        yield lab


@pytest.fixture
def asks(lab: RealLab, hectiqlab: Hectiqlab) -> Hectiqlab:
    return lambda *arguments, **env: hectiqlab(*arguments, **{"HECTIQLAB_CREDENTIALS": str(lab.credentials), **env})


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("rnus",), 2, "There is no command 'rnus'. Did you mean 'runs'?"),
        (("download_mlmodl",), 2, "Did you mean 'download-mlmodel'?"),
        (("admin", "usr"), 2, "There is no command 'usr'. Did you mean 'user'?"),
        (("zzz",), 2, "No such command 'zzz'"),
        (("runs", "playgruond"), 1, "see `hectiqlab projects`. Did you mean 'playground'?"),
        (("metrics", "frist-run"), 1, "Did you mean 'first-run'?"),
        (("logs", "playground/firstrun"), 1, "Did you mean 'first-run'?"),
        (("metrics", "quite-another"), 1, "give an id, a link or a name (`hectiqlab runs`)."),
        (
            ("-p", "playground", "runs"),
            2,
            "-p names a project, after a command. To name a profile: --profile playground.",
        ),
        (("runs", "playground", "-p", "playground"), 2, "Name the project once"),
    ],
)
def test_what_is_mistyped_is_answered_with_what_there_is(
    asks: Hectiqlab, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = asks(*arguments)
    assert done.returncode == status and said in done.stderr, done.stderr
    assert "Did you mean" in said or "Did you mean" not in done.stderr


def test_nobody_is_told_names_that_they_cannot_see(lab: RealLab, asks: Hectiqlab) -> None:
    assert "'secret'" in asks("runs", "secrte").stderr and "'hidden-run'" in asks("metrics", "hiden-run").stderr
    with LabClient(lab.url, auth=("bob", "correct horse 7")) as client:
        key = client.post("/keys", {"name": secrets.token_hex(4)})["key"]
    bob = {"HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": key}
    for arguments in (("runs", "secrte"), ("metrics", "hiden-run"), ("metrics", "secret/hiden-run")):
        done = asks(*arguments, **bob)
        assert done.returncode == 1 and "Did you mean" not in done.stderr, done.stderr


def test_a_script_with_a_project_that_is_mistyped_is_told_the_near_one(lab: RealLab, tmp_path: Path) -> None:
    import subprocess
    import sys

    env = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
    env |= {"HECTIQLAB_HOME": str(tmp_path / "home"), "HECTIQLAB_CREDENTIALS": str(lab.credentials)}
    script = "from pyhectiqlab import Run; Run('x', project='playgruond')"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert "Did you mean 'playground'?" in done.stderr


def test_the_option_p_is_the_project_wherever_there_is_one(lab: RealLab, asks: Hectiqlab, tmp_path: Path) -> None:
    assert "first-run" in asks("runs", "-p", "playground").stdout
    for command in ("models", "datasets", "artifacts"):
        assert asks(command, "-p", "playground").returncode == 0
        assert "No project named 'nowhere'" in asks(command, "-p", "nowhere").stderr
    (tmp_path / "m.csv").write_text("step,loss\n1,0.5\n")
    assert asks("import", "csv", str(tmp_path / "m.csv"), "-p", "imports").returncode == 0
    assert "m" in asks("runs", "-p", "imports").stdout


def test_a_slash_at_the_end_means_a_folder(
    lab: RealLab, asks: Hectiqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vocabulary.json"
    file.write_text("{}")
    posted = json.loads(asks("post-artifact", "playground", str(file), "--json").stdout)
    for place in (f"{tmp_path}/new/", f"{tmp_path}/new", f"{tmp_path}/a/b/"):
        done = asks("artifacts", "-p", "playground", "-d", "vocabulary.json", "-o", place)
        assert done.stdout.strip() == f"{place.rstrip('/')}/vocabulary.json", done.stderr
    named = asks("artifacts", "-p", "playground", "-d", "vocabulary.json", "-o", f"{tmp_path}/other.json")
    assert named.stdout.strip() == f"{tmp_path}/other.json"
    for place in (f"{tmp_path}/points/", f"{tmp_path}/points"):
        assert asks("metrics", "first-run", "--format", "csv", "-o", place).returncode == 0
    assert os.listdir(tmp_path / "points") == ["first-run.csv"]
    monkeypatch.setenv("HECTIQLAB_CREDENTIALS", str(lab.credentials))
    assert download_existing_run_artifact(posted["uuid"], f"{tmp_path}/c/") == tmp_path / "c" / "vocabulary.json"
    assert Run.existing("first-run").export(f"{tmp_path}/d/", format="jsonl") == tmp_path / "d" / "first-run.jsonl"
