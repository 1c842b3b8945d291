"""What admins do about people: anybody's keys, last activity, handing over, deleting; service accounts."""

from __future__ import annotations

import time

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, error_of, new_id
from .conftest import PASSWORD


def person(api: Api, **more: str) -> tuple[str, Api]:
    """Make a new user with a key."""
    name = f"u-{new_id(4)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD, **more})
    return name, with_key(api, name)


def with_key(api: Api, name: str) -> Api:
    made = requests.post(f"{api.url}/api/v1/keys", auth=(name, PASSWORD), json={"name": "laptop"}, timeout=30)
    assert made.status_code == 201, made.text
    return Api(api.url, made.json()["key"])


def bot(api: Api, **more: str) -> tuple[str, Api]:
    name = f"bot-{new_id(4)}"
    api.call("POST", "/users", 201, json={"username": name, "service": True, **more})
    return name, Api(api.url, api.call("POST", f"/users/{name}/keys", 201, json={"name": "nightly", "days": 7})["key"])


def noted(api: Api, n: int = 1) -> list[str]:
    return [f"{c['action']} {c['subject']} {c['detail']}".strip() for c in api.get("/audit", limit=n)["items"]]


def test_an_admin_lists_and_revokes_anybodys_keys(api: Api) -> None:
    name, theirs = person(api)
    theirs.get("/me")
    (key,) = api.get(f"/users/{name}/keys")["items"]
    assert key["name"] == "laptop" and abs(key["last_used"] - time.time()) < 120
    theirs.call("GET", f"/users/{name}/keys", 403)  # one's own are at /keys
    assert error_of(api.raw("DELETE", f"/users/{name}/keys/none"))["code"] == "key_not_found"
    api.call("DELETE", f"/users/{name}/keys/{key['id']}")
    assert theirs.raw("GET", "/me").status_code == 401
    assert api.get(f"/users/{name}/keys")["items"] == []
    assert noted(api) == [f"revoked key laptop ({key['id']}), user {name}"]
    assert error_of(api.raw("GET", "/users/nobody/keys"))["code"] == "user_not_found"


def test_admins_see_when_somebody_was_last_there(lab: RealLab, api: Api, other: Api) -> None:
    name, theirs = person(api)
    theirs.get("/me")
    api.get("/keys")  # what was used is stored
    seen = {u["username"]: u["last_seen"] for u in api.get("/users")["items"]}
    assert abs(seen[name] - time.time()) < 120
    assert {u["last_seen"] for u in other.get("/users")["items"]} == {None}
    silent = f"u-{new_id(4)}"
    api.call("POST", "/users", 201, json={"username": silent, "password": PASSWORD})
    assert {u["username"]: u["last_seen"] for u in api.get("/users")["items"]}[silent] is None
    body = {"username": silent, "password": PASSWORD}
    assert requests.post(f"{lab.url}/api/v1/login", json=body, timeout=30).status_code == 200
    assert {u["username"]: u["last_seen"] for u in api.get("/users")["items"]}[silent] is not None


def test_a_service_account_works_with_keys_that_admins_make(lab: RealLab, api: Api) -> None:
    name, its = bot(api)
    assert noted(api, 2) == [
        f"made key nightly, service account {name} for 7 days",
        f"added service account {name} as member",
    ]
    run = its.attach(project=f"p-{new_id(4)}", create_project=True, session="5e551011")["run"]["id"]
    assert its.statuses(batch(run, new_id(), 1, 3)) == [200]
    assert api.run(run)["author"] == name
    listed = {u["username"]: u for u in api.get("/users")["items"]}
    assert listed[name]["service"] is True and listed[name]["role"] == "member"
    for password in ("", PASSWORD):
        answer = requests.post(f"{lab.url}/api/v1/login", json={"username": name, "password": password}, timeout=30)
        assert answer.status_code == 401
    refused = api.raw("PATCH", f"/users/{name}", json={"password": PASSWORD})
    assert error_of(refused)["code"] == "service_account"
    refused = its.raw("PUT", "/me/password", json={"password": PASSWORD})
    assert error_of(refused)["code"] == "service_account"
    with_password = {"username": new_id(4), "password": PASSWORD, "service": True}
    assert error_of(api.raw("POST", "/users", json=with_password))["code"] == "invalid"
    assert error_of(api.raw("POST", "/users", json={"username": new_id(4)}))["code"] == "invalid"
    person_name, _ = person(api)
    assert error_of(api.raw("POST", f"/users/{person_name}/keys", json={"name": "k"}))["code"] == "not_service"
    api.call("PATCH", f"/users/{name}", json={"disabled": True})
    assert its.raw("GET", "/me").status_code == 401
    assert error_of(api.raw("POST", f"/users/{name}/keys", json={"name": "k"}))["code"] == "disabled"


def test_whoever_is_deleted_is_gone_but_for_their_name(lab: RealLab, api: Api, other: Api) -> None:
    name, theirs = person(api)
    project = theirs.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
    run = theirs.attach(project=project, session="5e551011")["run"]["id"]
    assert theirs.statuses(batch(run, new_id(), 1, 1)) == [200]
    api.call("DELETE", f"/users/{name}")
    assert noted(api) == [f"deleted user {name}"]
    assert theirs.raw("GET", "/me").status_code == 401
    answer = requests.post(f"{lab.url}/api/v1/login", json={"username": name, "password": PASSWORD}, timeout=30)
    assert answer.status_code == 401
    assert other.run(run)["author"] == name and other.steps(run) == [1]
    assert other.get("/runs", filter=f"author={name}")["items"][0]["id"] == run
    assert name not in {u["username"] for u in api.get("/users")["items"]}
    assert api.get(f"/projects/{project}/members")["items"] == []
    for way in (("DELETE", ""), ("GET", "/keys"), ("PATCH", "")):
        assert error_of(api.raw(way[0], f"/users/{name}{way[1]}", json={}))["code"] == "user_not_found"
    for taken in (name, name.upper()):
        again = api.raw("POST", "/users", json={"username": taken, "password": PASSWORD})
        assert error_of(again)["code"] == "name_taken"
    me = api.get("/me")["user"]["username"]
    assert error_of(api.raw("DELETE", f"/users/{me}"))["code"] == "yourself"
    assert other.raw("DELETE", f"/users/{me}").status_code == 403


@pytest.mark.parametrize("deleted", [False, True])
def test_runs_and_projects_are_handed_over(api: Api, deleted: bool) -> None:
    name, theirs = person(api)
    heir, heirs = person(api)
    project = theirs.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
    run = theirs.attach(project=project, session="5e551011")["run"]["id"]
    live = theirs.attach(project=project, session="5e551012")["run"]["id"]
    theirs.end("5e551011", run, "completed")
    if deleted:
        api.call("DELETE", f"/users/{name}")
    done = api.call("POST", f"/users/{name}/hand-over", json={"to": heir, "projects": True})
    assert done == {"runs": 1, "live": 1, "kept_out": 0, "projects": 1}
    assert noted(api) == [f"handed over the runs and projects user {name} to {heir}"]
    assert (api.run(run)["author"], api.run(live)["author"]) == (heir, name)
    heirs.call("PATCH", f"/runs/{run}", json={"name": f"mine-{run}"})
    again = heirs.attach(f"mine-{run}", project=project, session="5e551013")
    assert (again["run"]["id"], again["mode"], again["attempt"]) == (run, "read-write", 2)
    for wrong, code in ((name, "user_not_found" if deleted else "no_heir"), ("nobody", "user_not_found")):
        assert error_of(api.raw("POST", f"/users/{name}/hand-over", json={"to": wrong}))["code"] == code
