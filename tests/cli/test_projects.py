"""`hectiqlab projects` and `read.project`: renamed, archived, moved, deleted and restored, at a real lab."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab import read
from pyhectiqlab.errors import ConflictError, NotFoundError, PermissionDeniedError
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from .conftest import Hectiqlab, output


@pytest.fixture
def home(lab: RealLab, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HECTIQLAB_HOME", str(lab.home))
    return lab.home


@pytest.fixture
def project(lab: RealLab) -> Any:
    """Make a project whose name contains a slash, which a part of a path cannot."""
    with LabClient(lab.url, lab.api_key) as client:
        return client.post("/projects", {"name": f"team/{secrets.token_hex(4)}"})


def make(lab: RealLab, name: str, project: str) -> str:
    with LabClient(lab.url, lab.api_key) as client:
        asked = {"name": name, "project": project, "session": secrets.token_hex(8)}
        return str(client.attach(asked, timeout_s=10)["run"]["id"])


def test_a_project_is_renamed_and_found_by_the_name_that_it_had(
    lab: RealLab, hectiqlab: Hectiqlab, project: Any
) -> None:
    old, new = project["name"], f"{project['name']} new"
    run = make(lab, "r", old)
    assert output(hectiqlab("projects", "rename", old, new)) == f"{old} is {new} now.\n"
    shown = json.loads(output(hectiqlab("projects", "rename", old, new, "--json")))
    assert (shown["id"], shown["name"], shown["former_names"]) == (project["id"], new, [old])
    assert "profile" not in shown and lab.api_key not in json.dumps(shown)
    assert f"[{project['id']}] {new}\n" in output(hectiqlab("projects"))
    assert run in output(hectiqlab("runs", old)) and run in output(hectiqlab("runs", "-p", new))
    assert make(lab, "r", old) == run
    taken = hectiqlab("projects", "rename", make_project(lab), new)
    assert taken.returncode == 1 and "exists already" in taken.stderr


def make_project(lab: RealLab) -> str:
    with LabClient(lab.url, lab.api_key) as client:
        return str(client.post("/projects", {"name": secrets.token_hex(4)})["name"])


def test_a_project_is_archived_and_back(lab: RealLab, hectiqlab: Hectiqlab, project: Any) -> None:
    assert "unarchive" in output(hectiqlab("projects", "archive", project["name"]))
    assert project["id"] not in output(hectiqlab("projects"))
    archived = json.loads(output(hectiqlab("projects", "--archived", "--json")))
    (shown,) = (p for p in archived if p["id"] == project["id"])
    assert shown["archived"] is not None
    with pytest.raises(PermissionDeniedError, match="takes no new runs"):
        make(lab, "r", project["name"])
    assert "takes runs again" in output(hectiqlab("projects", "unarchive", project["id"]))
    assert make(lab, "r", project["name"])


def test_a_project_is_deleted_after_asking_and_restored(lab: RealLab, hectiqlab: Hectiqlab, project: Any) -> None:
    name, ref = project["name"], project["id"]
    make(lab, "r", name)
    asked = hectiqlab("projects", "delete", name, input="n\n")
    assert asked.returncode == 1 and f"Delete {name} with 1 run?" in asked.stderr
    assert f"projects restore {ref}" in output(hectiqlab("projects", "delete", name, "-y"))
    assert ref not in output(hectiqlab("projects")) and ref in output(hectiqlab("projects", "--deleted"))
    assert output(hectiqlab("projects", "restore", name)) == f"Restored {name} with 1 run.\n"
    assert ref in output(hectiqlab("projects"))
    wrong = hectiqlab("projects", "restore", "nothing")
    assert wrong.returncode == 1 and "can restore" in wrong.stderr


def test_a_project_is_given_to_somebody_else(lab: RealLab, hectiqlab: Hectiqlab, project: Any) -> None:
    with LabClient(lab.url, lab.api_key) as client:
        client.post("/users", {"username": "bob", "password": "correct horse 7"})
    assert "belongs to bob" in output(hectiqlab("projects", "move", project["name"], "bob"))
    wrong = hectiqlab("projects", "move", project["name"], "nobody")
    assert wrong.returncode == 1 and "No user is named 'nobody'" in wrong.stderr


def test_all_of_it_from_python(lab: RealLab, home: Path, project: Any) -> None:
    its = read.project(project["name"])
    assert its == read.project(its.id) and its.archived is its.deleted is None
    renamed = its.rename(f"{its.name} new")
    assert read.project(its.name) == renamed and renamed.former_names == [its.name]
    assert its.archive().archived is not None
    assert its.id in {p.id for p in read.projects(archived=True)} - {p.id for p in read.projects()}
    assert its.unarchive().archived is None
    its.delete()
    with pytest.raises(NotFoundError):
        read.project(its.id)
    gone = read.project(renamed.name, deleted=True)
    assert gone.id == its.id and gone.deleted is not None and gone in read.projects(deleted=True)
    with LabClient(lab.url, lab.api_key) as client:
        client.post("/projects", {"name": renamed.name})
    with pytest.raises(ConflictError):
        gone.restore()
    read.project(renamed.name).rename(f"{renamed.name} 2")
    assert gone.restore().name == renamed.name
    assert "api_key" not in repr(its)


def test_views_and_the_objective_of_a_project_are_kept(home: Path, hectiqlab: Hectiqlab, project: Any) -> None:
    name = project["name"]
    document = {"columns": ["config.lr"], "n": 1.0}
    made = read.save_view(name, "best", document)
    again = read.save_view(name, "best", {}, shared=True)
    assert (again.id, again.version, again.shared, again.own) == (made.id, 2, True, True)
    with pytest.raises(ConflictError):
        made.put({})
    changed = again.put(document, name="by loss")
    assert read.saved_view(name, "by loss") == read.saved_view(name, made.id) == changed
    assert (changed.document, changed.shared) == (document, True)
    changed.delete()
    assert read.saved_views(name) == []
    with pytest.raises(NotFoundError):
        read.saved_view(name, "by loss")

    assert output(hectiqlab("projects", "objective", name)) == "no objective\n"
    assert output(hectiqlab("projects", "objective", name, "valid/loss", "min")) == "min valid/loss\n"
    assert read.project(name).objective == read.Objective("valid/loss", "min")
    shown = json.loads(output(hectiqlab("projects", "objective", name, "--none", "--json")))
    assert shown["objective"] is None and read.project(name).objective is None
    assert hectiqlab("projects", "objective", name, "valid/loss").returncode == 2
