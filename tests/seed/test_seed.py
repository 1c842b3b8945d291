"""Every block of the document runs as it is written, and the lab has afterwards what the document says."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import ConflictError
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from ..notebooks import new_notebook, read_notebook, run_notebook
from ..process.conftest import SLOW
from ..process.test_modes import lines_of_ours
from .conftest import NAMES, PASSWORD, USER, User, log_in, terminal
from .document import BLOCKS, PAGE, PYTHON, SHELL

BEGIN = PYTHON["Quickstart"]
IMAGE = "./data/test.png"
NEEDS = {"Push a config": ["Config"], "Download": ["Upload"]}  # blocks whose names or files another one uses
IN_A_SCRIPT = {"Special artifacts": "this is not a notebook"}  # what a script is told, in one line

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="the block imports torch, which is not installed: pip install '.[torch]'",
)
MARKS = {"Package versions": [needs_torch]}

CHECKS: dict[str, Callable[[User, dict[str, Any]], None]] = {}
Checker = Callable[[User, dict[str, Any]], None]


def check(heading: str) -> Callable[[Checker], Checker]:
    def keep(checker: Checker) -> Checker:
        CHECKS[heading] = checker
        return checker

    return keep


def artifacts(user: User, run: dict[str, Any]) -> dict[tuple[str, int | None], bytes]:
    """Return the content of artifacts by name and step."""
    rows = user.pages(f"/runs/{run['id']}/artifacts")
    return {(a["name"], a["step"]): user.content(a) for a in rows}


@check("Quickstart")
def _(user: User, run: dict[str, Any]) -> None:
    assert (run["name"], run["author"], run["state"]) == ("dev-run", USER, "completed")


@check("Metrics")
def _(user: User, run: dict[str, Any]) -> None:
    shown = user.shell(f"hectiqlab metrics {run['id']} train/loss --format csv")
    assert shown.returncode == 0 and run["points"] == 1
    assert "10" in shown.stdout and "0.982" in shown.stdout


@check("Classical run artifacts")
def _(user: User, run: dict[str, Any]) -> None:
    assert artifacts(user, run) == {("test.png", None): b"an image"}


@check("Step artifacts")
def _(user: User, run: dict[str, Any]) -> None:
    assert artifacts(user, run) == {("test.png", 5): b"an image"}


@check("Shared artifacts")
def _(user: User, run: dict[str, Any]) -> None:
    (shared,) = user.pages(f"/projects/{user.project['id']}/artifacts")
    assert shared["name"] == "test.png" and user.content(shared) == b"an image"


@check("Special artifacts")
def _(user: User, run: dict[str, Any]) -> None:
    versions = artifacts(user, run)
    assert versions.keys() >= {("results.zip", None), ("model.weights.h5", None)}
    assert versions["model.weights.h5", None] == b"weights of the model"
    with zipfile.ZipFile(io.BytesIO(versions["results.zip", None])) as archive:
        assert archive.read("deep/a.txt") == b"a result"


FILES = {
    "models": {"weights.bin": "weights", "vocabulary/words.txt": "words"},
    "datasets": {"images/1.txt": "an image of the set"},
}
VERSIONS = {"models": "test-model", "datasets": "train-imagenet"}


@check("Upload")
def _(user: User, run: dict[str, Any]) -> None:
    for kind, name in VERSIONS.items():
        version = user.ask(f"/projects/{user.project['id']}/{kind}/{name}/versions/1.0.0")
        digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in FILES[kind].items()}
        assert {file["path"]: file["digest"] for file in version["contents"]} == digests
        assert "ImageNet" in version["short_description"] and version["run"]["id"] == run["id"]


@check("Download")
def _(user: User, run: dict[str, Any]) -> None:
    for kind, name in VERSIONS.items():
        folder = user.place / f"{name}-1.0.0"
        by_name = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
        assert by_name.items() >= FILES[kind].items()
        version = user.ask(f"/projects/{user.project['id']}/{kind}/{name}/versions/1.0.0")
        assert [using["id"] for using in version["used_by"]] == [run["id"]]


@check("Config")
def _(user: User, run: dict[str, Any]) -> None:
    done = user.python(
        NAMES,
        PYTHON["Config"],
        "assert config.a.path == './here'",
        "assert model.parameters == dict(path='./here', b=1)",
    )
    assert (done.returncode, done.stderr) == (0, "")


@check("Push a config")
def _(user: User, run: dict[str, Any]) -> None:
    with LabClient(user.lab.url, user.lab.api_key) as client:
        assert client.config(run["id"]) == {"hello": "world", "a": {"path": "./here", "b": 1}}
        unseen = "from pyhectiqlab import Config\nconfig = Config(a=Config(c=2), new=True)"
        done = user.python(BEGIN, unseen, PYTHON["Push a config"])
        assert (done.returncode, done.stderr) == (0, "")
        user.run()
        merged = {"hello": "world", "a": {"path": "./here", "b": 1, "c": 2}, "new": True}
        assert client.config(run["id"]) == merged


@check("Package versions")
def _(user: User, run: dict[str, Any]) -> None:
    captured = run["capture"]["packages"]
    assert captured["packages"].keys() >= {"torch", "numpy", "pyhectiqlab"}
    assert captured["python"] and captured["system"]["memory_bytes"] > 0 and "git" in captured


@check("External git repos")
def _(user: User, run: dict[str, Any]) -> None:
    head = (user.place / "voxnet/.git/refs/heads/main").read_text().strip()
    repository = run["capture"]["repos"]["voxnet"]
    assert (repository["commit"], repository["branch"]) == (head, "main")
    assert repository["remote"] == "https://example.org/team/voxnet.git"


@check("States")
def _(user: User, run: dict[str, Any]) -> None:
    events = user.pages(f"/runs/{run['id']}/events", kind="state")
    items = [e["fields"]["state"] for e in events]
    written = re.findall(r"run\.(\w+)\(\)", PYTHON["States"])
    assert items[: len(written)] == written and run["state"] == "completed"


@check("Logs")
def _(user: User, run: dict[str, Any]) -> None:
    lines = user.shell(f"hectiqlab logs {run['id']}").stdout.splitlines()
    assert [line for line in lines if line.startswith(("test", "This", "Progress"))] == [
        "test",
        "This will be logged.",
        "Progress ----------",
    ]


@check("Others")
def _(user: User, run: dict[str, Any]) -> None:
    assert run["note"] == "This is a short description that will be featured on the tab General of the run."
    assert run["meta"] == {"hello": "world"}


@check("Tags")
def _(user: User, run: dict[str, Any]) -> None:
    assert [tag["name"] for tag in run["tags"]] == ["Train"]


def blocks(*parts: str) -> list[str]:
    """Return the blocks under these headings, each after those that it needs."""
    return [PYTHON[h] for part in parts for h in (*NEEDS.get(part, []), part)]


def test_the_document_has_the_blocks_that_are_tested_here() -> None:
    assert CHECKS.keys() == PYTHON.keys()
    assert len(PYTHON) == sum(block.language == "python" for block in BLOCKS), "two blocks share a heading"
    assert [block.code for block in SHELL] == [
        "hectiqlab add-profile\n",
        "hectiqlab add-profile\n",
        "hectiqlab projects\n",
        "hectiqlab artifacts [project_Id]\n",
        "hectiqlab post_artifact [project_Id] [filename]\n",
    ]


@pytest.mark.parametrize("heading", [pytest.param(h, marks=MARKS.get(h, [])) for h in PYTHON])
def test_a_block_of_python_does_what_the_document_says(user: User, voxnet: str, heading: str) -> None:
    before = [] if heading == "Quickstart" else [BEGIN]
    done = user.python(NAMES, *before, *blocks(heading))
    assert done.returncode == 0, done.stderr
    expected = IN_A_SCRIPT.get(heading)
    said = [line for line in lines_of_ours(done.stderr) if SLOW not in line]
    assert len(said) == 1 and expected in said[0] if expected else not said
    CHECKS[heading](user, user.run())


def together() -> list[str]:
    """Return the whole document except what needs a package that is not there."""
    left_out = set() if importlib.util.find_spec("torch") else {"Package versions"}
    return [code for heading, code in PYTHON.items() if heading not in left_out]


def test_the_whole_document_runs_in_a_notebook_cell_by_cell(
    user: User, voxnet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CI", "HECTIQLAB_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.setenv("HECTIQLAB_PROJECT", user.project["id"])
    monkeypatch.setenv("HECTIQLAB_SYSTEM_METRICS", "0")  # points are counted
    monkeypatch.setenv("HECTIQLAB_QUIET", "1")
    notebook = new_notebook(NAMES, *together(), "assert run.flush(30)")
    run_notebook(notebook, timeout=90, resources={"metadata": {"path": user.place}})  # raises where a cell fails
    run = user.run()
    for heading in ("Metrics", "Special artifacts", "Shared artifacts", "Download", "Logs", "Others", "Tags"):
        CHECKS[heading](user, run)
    (stored,) = [a for a in user.pages(f"/runs/{run['id']}/artifacts") if a["kind"] == "notebook"]
    stored_notebook = read_notebook(user.content(stored))
    assert stored_notebook.cells[1].source.strip() == PYTHON["Quickstart"].strip()


@pytest.mark.parametrize("why", ["the lab is down", "dry", "offline", "somebody else's run"])
def test_the_whole_document_runs_where_nothing_is_pushed(user: User, voxnet: str, why: str) -> None:
    env = {
        "the lab is down": {"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": user.lab.api_key},
        "dry": {"HECTIQLAB_MODE": "dry"},
        "offline": {"HECTIQLAB_MODE": "offline"},
    }.get(why, {})
    if why == "somebody else's run":
        somebody_elses_run(user)
    parts = [code for code in together() if code != PYTHON["Download"]]  # nothing was uploaded that it could find
    done = user.python(NAMES, *parts, **env)
    assert done.returncode == 0, done.stderr
    said = [line for line in lines_of_ours(done.stderr) if SLOW not in line]
    assert len(said) == len(set(said)) <= 5, said
    if why == "the lab is down":
        assert "cannot be reached" in said[0] and "Dry mode" in said[0], said
    if why == "somebody else's run":
        (run,) = user.runs()
        assert (run["author"], run["points"]) == ("bob", 0)
    else:
        assert user.runs() == []
    if why == "offline":
        sent = user.shell("hectiqlab sync")
        assert sent.returncode == 0, sent
        assert artifacts(user, user.run()).keys() >= {("test.png", None), ("test.png", 5), ("results.zip", None)}


def somebody_elses_run(user: User) -> None:
    """Make the run of the document in the test's project, as another user."""
    with LabClient(user.lab.url, user.lab.api_key) as client, contextlib.suppress(ConflictError):
        client.post("/users", {"username": "bob", "password": PASSWORD})
    with LabClient(user.lab.url, auth=("bob", PASSWORD)) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    with LabClient(user.lab.url, key) as client:
        request = {"name": "dev-run", "project": user.project["id"], "session": os.urandom(8).hex()}
        client.attach(request, timeout_s=10)


# The shell ------------------------------------------------------------------------------------------------------


def test_a_user_logs_in_by_name_and_password_and_the_profile_is_kept(lab: RealLab, tmp_path: Path) -> None:
    shown = log_in(lab, tmp_path / "home", SHELL[0].code)
    credentials = tmp_path / "home" / ".hectiqlab" / "credentials"
    assert "Logged in" in shown and PASSWORD not in shown
    assert credentials.stat().st_mode & 0o777 == 0o600
    text = credentials.read_text()
    assert f'username = "{USER}"' in text and "secret_api_key" in text and PASSWORD not in text


def test_the_projects_are_listed_with_their_ids(user: User) -> None:
    done = user.shell(block("List the projects"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"[{user.project['id']}] {user.project['name']}" in done.stdout.splitlines()


def test_a_file_is_pushed_to_the_shared_artifacts_listed_and_downloaded(user: User) -> None:
    ident = user.project["id"]
    pushed = user.shell(block("Push a shared artifacts").replace("[project_Id]", ident).replace("[filename]", IMAGE))
    assert pushed.returncode == 0, pushed
    (shared,) = user.pages(f"/projects/{ident}/artifacts")
    assert user.content(shared) == b"an image"
    line = block("Download shared artifacts").replace("[project_Id]", ident)
    listed = user.shell(line)
    assert listed.returncode == 0 and "test.png" in listed.stdout
    terminal(user.env, user.place, line, {"Download which": "1"})
    assert (user.place / "test.png").read_bytes() == b"an image"


def test_the_variables_name_the_credentials_file_and_the_profile(user: User) -> None:
    assert {"`HECTIQLAB_CREDENTIALS`", "`HECTIQLAB_PROFILE`"} <= set(PAGE.read_text().replace(":", " ").split())
    line, empty = block("List the projects"), user.place / "empty home"
    empty.mkdir()
    assert user.shell(line, HOME=str(empty)).returncode == 1
    credentials = str(user.home / ".hectiqlab" / "credentials")
    assert user.shell(line, HOME=str(empty), HECTIQLAB_CREDENTIALS=credentials).returncode == 0
    another = user.place / "credentials"
    text = Path(credentials).read_text()
    another.write_text(text.replace("[default]", "[work]") + text.replace('secret_api_key = "', 'secret_api_key = "x'))
    another.chmod(0o600)
    assert user.shell(line, HECTIQLAB_CREDENTIALS=str(another), HECTIQLAB_PROFILE="work").returncode == 0
    unknown = user.shell(line, HECTIQLAB_CREDENTIALS=str(another), HECTIQLAB_PROFILE="no-such")
    assert unknown.returncode == 1 and "no-such" in unknown.stderr


def block(heading: str) -> str:
    (code,) = [b.code for b in SHELL if b.heading == heading]
    return code
