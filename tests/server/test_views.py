"""Saved views over HTTP: who sees and changes them; versions; the objective of a project."""

from __future__ import annotations

from typing import Any

import pytest

from .api import Api, error_of, new_id

DOCUMENT = {"columns": ["config.lr", "metric.loss.min"], "b": 1.0, "a": {"deep": [None, True, "é"]}}


@pytest.fixture
def views(api: Api) -> str:
    """Return the path of the views of a new project."""
    project = api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
    return f"/projects/{project}/views"


def save(api: Api, views: str, name: str = "v", **more: Any) -> Any:
    return api.call("POST", views, 201, json={"name": name, "document": DOCUMENT, **more})


def refused(api: Api, method: str, path: str, **more: Any) -> tuple[int, str]:
    answer = api.raw(method, path, **more)
    return answer.status_code, error_of(answer)["code"]


def newest(api: Api) -> str:
    (change,) = api.get("/audit", limit=1)["items"]
    return f"{change['action']} {change['subject']} {change['detail']}".strip()


def test_a_view_is_kept_as_it_is_and_changed_by_version(api: Api, views: str) -> None:
    made = save(api, views)
    assert (made["document"], made["version"], made["shared"], made["own"], made["can_change"]) == (
        (DOCUMENT, 1, False, True, True)
    )
    assert list(made["document"]) == list(DOCUMENT)
    listed = api.get(views)["items"]
    assert [(v["name"], v["document"], v["chars"]) for v in listed] == [("v", None, made["chars"])]
    assert [v["document"] for v in api.get(views, documents=True)["items"]] == [DOCUMENT]
    body = {"name": "w", "document": {}, "shared": True, "version": 1}
    changed = api.call("PUT", f"{views}/{made['id']}", json=body)
    assert (changed["name"], changed["document"], changed["version"]) == ("w", {}, 2)
    assert newest(api).startswith("changed view v of project p-") and newest(api).endswith("to w, shared")
    assert refused(api, "PUT", f"{views}/{made['id']}", json=body) == (409, "version_conflict")
    assert refused(api, "DELETE", f"{views}/{made['id']}?version=1") == (409, "version_conflict")
    api.call("DELETE", f"{views}/{made['id']}?version=2")
    assert newest(api).startswith("deleted view w") and api.get(views)["items"] == []
    assert refused(api, "GET", f"{views}/{made['id']}") == (404, "view_not_found")


def test_what_is_private_is_nobody_elses_and_what_is_shared_is_its_authors_and_the_admins(
    api: Api, other: Api, views: str
) -> None:
    private, shared = save(api, views, "private"), save(api, views, "shared", shared=True)
    assert [(v["name"], v["own"], v["can_change"]) for v in other.get(views)["items"]] == [("shared", False, False)]
    body = {"name": "mine now", "document": {}, "version": 1}
    for method, more in (("GET", {}), ("PUT", {"json": body}), ("DELETE", {})):
        assert refused(other, method, f"{views}/{private['id']}", **more) == (404, "view_not_found")
    assert refused(other, "PUT", f"{views}/{shared['id']}", json=body) == (403, "not_yours")
    assert refused(other, "DELETE", f"{views}/{shared['id']}") == (403, "not_yours")
    theirs = save(other, views, "shared", shared=True)
    assert [v["name"] for v in api.get(views, limit=2)["items"]] == ["private", "shared"]
    first = api.get(views, limit=2)
    assert len(api.get(views, limit=2, after=first["next"])["items"]) == 1, "pages neither repeat nor hide one"
    changed = api.call("PUT", f"{views}/{theirs['id']}", json={**body, "shared": True})
    assert changed["author"] == theirs["author"], "an admin of the project changes it, and it stays the author's"


def test_a_viewer_keeps_views_private(api: Api, other: Api, views: str) -> None:
    project = views.removesuffix("/views")
    username = other.get("/me")["user"]["username"]
    api.call("PUT", f"{project}/members/{username}", json={"role": "viewer"})
    api.call("PATCH", project, json={"private": True})
    made = save(other, views)
    body = {"name": "v", "document": {}, "shared": True}
    assert refused(other, "PUT", f"{views}/{made['id']}", json={**body, "version": 1}) == (403, "may_not_add")
    assert refused(other, "POST", views, json={**body, "name": "w"}) == (403, "may_not_add")


def test_what_is_no_view_is_refused(api: Api, views: str) -> None:
    save(api, views)
    for body, wanted in (
        ({"name": "v", "document": {}}, (409, "name_taken")),
        ({"name": "w", "document": []}, (422, "invalid")),
        ({"name": "w", "document": {"a": "x" * 131_072}}, (422, "too_long")),
        ({"name": " ", "document": {}}, (422, "invalid")),
    ):
        assert refused(api, "POST", views, json=body) == wanted, body
    nan = api.raw("POST", views, data='{"name": "w", "document": {"a": NaN}}')
    assert nan.status_code in (400, 422)


def test_a_project_says_its_objective_to_all_who_see_it(api: Api, other: Api, views: str) -> None:
    project = views.removesuffix("/views")
    assert api.get(project)["objective"] is None
    wanted = {"key": "valid/loss", "goal": "min"}
    assert api.call("PUT", f"{project}/objective", json=wanted)["objective"] == wanted
    assert newest(api).startswith("set the objective project p-") and newest(api).endswith("min valid/loss")
    assert other.get(project)["objective"] == wanted
    name = api.get(project)["name"]
    assert [p["objective"] for p in other.get("/projects", name=name)["items"]] == [wanted]
    assert refused(other, "PUT", f"{project}/objective", json=wanted) == (403, "may_not_add")
    assert refused(api, "PUT", f"{project}/objective", json={"key": "", "goal": "min"}) == (422, "invalid")
    assert refused(api, "PUT", f"{project}/objective", json={"key": "a", "goal": "best"}) == (422, "invalid")
    assert api.call("DELETE", f"{project}/objective")["objective"] is None
