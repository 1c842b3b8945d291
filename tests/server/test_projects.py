"""Lives of projects over HTTP: renamed, archived, moved, deleted, restored; what running scripts and pages notice."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from queue import Queue
from typing import Any

import pytest
import requests

from pyhectiqlab.server.files.files import KEEP_UNUSED_S, KEEP_UPLOADS_S
from pyhectiqlab.server.lab import KEEP_DELETED_S, Lab
from pyhectiqlab.server.tending import project_lives
from pyhectiqlab.server.tending.project_lives import ProjectLives
from pyhectiqlab.store.accounts import Change
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.sql import meta_projects
from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, error_of, new_id
from .test_artifacts import add
from .test_uploads import keep


@pytest.fixture
def project(api: Api) -> dict[str, Any]:
    made: dict[str, Any] = api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})
    return made


def noted(api: Api) -> str:
    (change,) = api.get("/audit", limit=1)["items"]
    return f"{change['action']} {change['subject']} {change['detail']}".strip()


def listed(api: Api, **which: Any) -> set[str]:
    return {p["id"] for p in api.get("/projects", limit=1000, **which)["items"]}


def test_a_renamed_project_is_found_by_old_links_and_running_scripts(api: Api, project: dict[str, Any]) -> None:
    old, new = project["name"], f"team/{new_id(4)}"
    run, writer = api.attach("r", project=old, session="5e551011")["run"]["id"], new_id()
    assert api.statuses(batch(run, writer, 1, 3)) == [200]
    changed = api.call("PATCH", f"/projects/{old}", json={"name": new})
    assert (changed["name"], changed["id"], changed["former_names"]) == (new, project["id"], [old])
    assert noted(api) == f"renamed project {old} to {new}"
    assert api.statuses(batch(run, writer, 4, 6)) == [200]
    again = api.attach("r", project=old, create_project=True, session="5e551012")["run"]
    assert (again["id"], again["project"]["name"]) == (run, new)
    for path, params in ((f"/projects/{old}", {}), ("/runs", {"project": old}), ("/projects", {"name": old})):
        assert project["id"] in json.dumps(api.get(path, **params)) and new in json.dumps(api.get(path, **params))
    assert api.get("/runs/resolve", ref=f"{old}/r")["id"] == run
    third = api.call("POST", "/projects", 201, json={"name": old})
    assert api.get(f"/projects/{old}")["id"] == third["id"] != project["id"]
    refused = api.raw("PATCH", f"/projects/{project['id']}", json={"name": old})
    assert error_of(refused)["code"] == "name_taken"
    refused = api.raw("PATCH", f"/projects/{project['id']}", json={"name": " x"})
    assert error_of(refused)["code"] == "invalid"


def test_a_strangers_project_takes_no_name_that_still_leads_elsewhere(
    api: Api, other: Api, project: dict[str, Any]
) -> None:
    api.call("PATCH", f"/projects/{project['id']}", json={"name": f"{project['name']} new"})
    refused = other.raw("POST", "/projects", json={"name": project["name"]})
    assert error_of(refused)["code"] == "name_taken" and "still leads" in error_of(refused)["message"]


def test_an_archived_project_is_in_no_list_and_takes_no_new_runs(api: Api, project: dict[str, Any]) -> None:
    run, writer = api.attach("r", project=project["name"], session="5e551011")["run"]["id"], new_id()
    changed = api.call("PATCH", f"/projects/{project['id']}", json={"archived": True})
    assert changed["archived"] and noted(api) == f"archived project {project['name']}"
    assert project["id"] not in listed(api) and project["id"] in listed(api, archived=True)
    assert run not in {r["id"] for r in api.get("/runs", limit=1000)["items"]}
    assert [r["id"] for r in api.get("/runs", project=project["id"])["items"]] == [run]
    assert api.statuses(batch(run, writer, 1, 3)) == [200]
    refused = api.attach("new", project=project["name"], create_project=True, status=403)
    assert refused["error"]["code"] == "project_archived" and "unarchive" in refused["error"]["message"]
    assert api.attach("r", project=project["name"], session="5e551012")["mode"] == "read-write"
    assert api.call("PATCH", f"/projects/{project['id']}", json={"archived": False})["archived"] is None
    assert project["id"] in listed(api)
    api.attach("new", project=project["name"])


def test_a_project_is_given_away_by_its_owner(api: Api, other: Api) -> None:
    name = other.get("/me")["user"]["username"]
    me = api.get("/me")["user"]["username"]
    mine = other.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})
    assert mine["owner"] == name
    theirs = api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})
    api.call("PUT", f"/projects/{theirs['id']}/members/{name}", json={"role": "admin"})
    refused = other.raw("PATCH", f"/projects/{theirs['id']}", json={"owner": name})
    assert error_of(refused)["code"] == "not_owner", "an admin of the project is not its owner"
    assert other.raw("DELETE", f"/projects/{theirs['id']}").status_code == 403
    changed = other.call("PATCH", f"/projects/{mine['id']}", json={"owner": me})
    assert changed["owner"] == me and noted(api) == f"moved project {mine['name']} from {name} to {me}"
    assert other.raw("PATCH", f"/projects/{mine['id']}", json={"owner": name}).status_code == 403
    assert api.call("PATCH", f"/projects/{theirs['id']}", json={"owner": name})["owner"] == name
    assert error_of(api.raw("PATCH", f"/projects/{mine['id']}", json={"owner": "nobody"}))["code"] == "user_not_found"


def test_a_deleted_project_is_gone_and_comes_back(api: Api, other: Api, project: dict[str, Any]) -> None:
    ref = project["id"]
    name = other.get("/me")["user"]["username"]
    api.call("PUT", f"/projects/{ref}/members/{name}", json={"role": "admin"})
    run, writer = other.attach("r", project=ref, session="5e551011")["run"]["id"], new_id()
    assert other.statuses(batch(run, writer, 1, 3)) == [200]
    api.call("DELETE", f"/projects/{ref}")
    assert noted(api) == f"deleted project {project['name']} ({ref})"
    assert other.statuses(batch(run, writer, 4, 6)) == [410]
    assert error_of(other.raw("GET", f"/runs/{run}"))["code"] == "run_deleted"
    assert error_of(other.raw("POST", f"/runs/{run}/restore"))["code"] == "project_deleted"
    assert other.attach("r", project=ref, status=404)["error"]["code"] == "project_not_found"
    for path in (f"/projects/{ref}", f"/projects/{project['name']}", f"/runs?project={ref}", f"/stream?project={ref}"):
        assert error_of(api.raw("GET", path))["code"] == "project_not_found"
    assert ref in listed(api, deleted=True) and ref not in listed(api) | listed(other, deleted=True)
    assert other.raw("POST", f"/projects/{ref}/restore").status_code == 403
    back = api.call("POST", f"/projects/{project['name']}/restore")
    assert (back["id"], back["name"], back["runs"], back["deleted"]) == (ref, project["name"], 1, None)
    assert noted(api) == f"restored project {project['name']} ({ref})"
    assert other.statuses(batch(run, writer, 4, 6)) == [200] and other.steps(run) == [1, 2, 3, 4, 5, 6]
    assert api.call("POST", f"/projects/{ref}/restore")["id"] == ref, "it is there already"


def test_the_name_of_a_deleted_project_is_free(api: Api, project: dict[str, Any]) -> None:
    api.call("DELETE", f"/projects/{project['id']}")
    made = api.attach("r", project=project["name"], create_project=True)["run"]["project"]["id"]
    assert made != project["id"]
    assert error_of(api.raw("POST", f"/projects/{project['id']}/restore"))["code"] == "name_taken"
    api.call("PATCH", f"/projects/{made}", json={"name": f"{project['name']} 2"})
    assert api.call("POST", f"/projects/{project['id']}/restore")["name"] == project["name"]


def test_pages_hear_of_it(lab: RealLab, api: Api, project: dict[str, Any]) -> None:
    heard: Queue[str] = Queue()
    url = f"{lab.url}/api/v1/stream?project={project['id']}"
    with contextlib.closing(requests.get(url, headers=lab.headers, stream=True, timeout=30)) as stream:

        def listen() -> None:
            for line in stream.iter_lines(chunk_size=1):
                heard.put(line.decode())
            heard.put("end")

        thread = threading.Thread(target=listen)
        thread.start()
        assert heard.get(timeout=30) == ": connected"
        api.call("PATCH", f"/projects/{project['id']}", json={"name": f"{project['name']} new"})

        def wait_for(line: str) -> None:
            while heard.get(timeout=30) != line:
                pass

        wait_for("event: project")
        assert json.loads(heard.get(timeout=30).removeprefix("data: ")) == {"project": project["id"]}
        api.call("DELETE", f"/projects/{project['id']}")
        wait_for("end")  # whoever may not see it any more hears nothing more
        thread.join()


def test_what_was_deleted_a_week_ago_is_purged_with_its_files(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    made = api.call("POST", "/projects", 201, json={"name": "old"})
    run = api.attach("r", project="old", session="5e551011")["run"]["id"]
    assert api.statuses(batch(run, new_id(), 1, 300)) == [200]
    of_project, of_run, of_model = (os.urandom(9) for _ in range(3))
    artifacts = [add(api, f"/projects/{made['id']}", "shared", of_project), add(api, f"/runs/{run}", "a", of_run)]
    body = {"files": [{"path": "w", "digest": keep(api, of_model), "bytes": 9}], "run": run}
    api.call("POST", f"/projects/{made['id']}/models/m/versions", 201, json=body)
    api.call("DELETE", f"/projects/{made['id']}")
    assert {api.http.get(one["url"], timeout=30).status_code for one in artifacts} <= {404, 410}
    own_lab.stop()
    lab = Lab(open_storage(own_lab.data_dir))
    lab.writer.start()
    try:
        later = time.time() + max(KEEP_DELETED_S, KEEP_UNUSED_S, KEEP_UPLOADS_S) + 60
        lab.watch_once(later, later)
        lab.watch_once(later, later)
        with lab.meta.reading() as view:
            assert view.deleted_projects(9) == [] and view.purgeable_project(later) is None
            row = view.run(run)
            assert row is not None and row.purged is not None
        assert lab.points.keys(run) == []
        lab.files.tidy(later + 120)
        assert list(lab.blobs.digests()) == []
    finally:
        lab.stop()


def test_the_rows_of_many_runs_follow_turn_by_turn_but_not_of_a_project_that_is_restored(
    own_lab: RealLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api.of(own_lab.start())
    for n in range(4):
        project = api.attach(f"r{n}", project="many", create_project=True)["run"]["project"]["id"]
    own_lab.stop()
    monkeypatch.setattr(meta_projects, "RUNS_AT_ONCE", 1)
    monkeypatch.setattr(project_lives, "SECONDS_MAX", 0.0)
    lab = Lab(open_storage(own_lab.data_dir))
    hurried: list[int] = []
    lab.writer.start()
    lives = ProjectLives(lab.meta, lab.write, lab.accounts, lambda: hurried.append(1), lab.peers.notes)

    def marked() -> int:
        with lab.meta.reading() as view:
            return len(view.deleted(project))

    try:
        lives.delete(project, Change(1.0, "ada", "", "", "deleted", "project many"))
        assert marked() == 1 and len(hurried) == 1
        lives.finish()
        assert marked() == 2 and len(hurried) == 2, "there is more: the watch goes on at once"
        with lives._left_alone(project):
            lives.finish()
            assert marked() == 2 and len(hurried) == 2
        for _ in range(4):
            lives.finish()
        assert marked() == 4 and len(hurried) == 4
        with lab.meta.reading() as view:
            user = view.users()[0].id
        lives.restore(project, user, Change(2.0, "ada", "", "", "restored", "project many"))
        with lab.meta.reading() as view:
            assert view.project("many") is not None and view.deleted(project) == []
            assert [change.action for change in view.changes_told(2)] == ["restored", "deleted"]
    finally:
        lab.stop()
