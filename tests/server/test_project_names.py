"""Names of projects as parts of paths: one that is taken is reached everywhere, one that could not be is not taken."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from sqlalchemy import text

from pyhectiqlab.errors import NotFoundError
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.projects import project_path

from ..stores import sql
from .api import Api, new_id

ODD = ["team/vision", "a/artifacts", "/a", "a/", "a//b", "../a", "a\\b", "50%2Foff", "a?b#c", "é ü", "a/b/models/c"]
BELOW = ["", "/artifacts", "/models", "/datasets", "/members"]


def made(api: Api, name: str) -> dict[str, str]:
    answer: dict[str, str] = api.call("POST", "/projects", 201, json={"name": name})
    assert answer["name"] == name
    return answer


@pytest.mark.parametrize("odd", ODD)
def test_a_project_is_reached_by_its_name_in_any_path(lab: RealLab, api: Api, odd: str) -> None:
    name = f"{odd}-{new_id(3)}"
    added = made(api, name)
    for below in BELOW:
        api.call("GET", f"/projects/{quote(name, safe='')}{below}", 200)
    assert api.call("GET", f"/projects/{quote(name, safe='')}", 200)["id"] == added["id"]
    assert [p["id"] for p in api.call("GET", "/projects", 200, params={"name": name})["items"]] == [added["id"]]
    with LabClient(lab.url, lab.api_key) as client:
        path = project_path(client, name)
        assert client.get(path)["id"] == added["id"]
        assert "%2f" not in path.lower() or "/" not in name
        assert list(client.pages(f"{path}/artifacts")) == []
        with pytest.raises(NotFoundError):
            client.get(project_path(client, name + "/nothing"))


@pytest.mark.parametrize(
    "name", [".", "..", " a", "a ", "", " ", "a\nb", "a\0", "a\u200db", "a\u202eb", "\u00a0", "x" * 513, "\ud800"]
)
def test_a_name_that_no_path_or_nobody_could_hold_is_refused(api: Api, name: str) -> None:
    answer = api.call("POST", "/projects", 422, json={"name": name})
    assert answer["error"]["message"].startswith("name: ") and "Value error" not in answer["error"]["message"]
    wanted = {"name": f"run-{new_id()}", "project": name, "create_project": True, "session": new_id(8)}
    assert api.raw("POST", "/runs/attach", json=wanted).status_code in (404, 422)


def test_a_project_of_an_older_lab_keeps_its_name_and_is_reached(lab: RealLab, api: Api) -> None:
    added = made(api, f"old-{new_id()}")
    with sql(lab.data_dir) as conn:
        conn.execute(text("UPDATE projects SET name = '..' WHERE id = :id"), {"id": added["id"]})
    with LabClient(lab.url, lab.api_key) as client:
        assert client.get(project_path(client, ".."))["id"] == added["id"]
    wanted = {"name": f"run-{new_id()}", "project": "..", "create_project": True, "session": new_id(8)}
    assert api.call("POST", "/runs/attach", 200, json=wanted)["run"]["project"]["id"] == added["id"]


def test_a_run_is_found_by_project_and_name_where_both_hold_slashes(api: Api) -> None:
    project, name = f"team/{new_id(3)}", "exp/runs/aaaaaaaaaaaa"
    wanted = {"name": name, "project": project, "create_project": True, "session": new_id(8)}
    run = api.call("POST", "/runs/attach", 200, json=wanted)["run"]
    assert api.call("GET", "/runs/resolve", 200, params={"ref": f"{project}/{name}"})["id"] == run["id"]
    api.call("GET", "/runs/resolve", 404, params={"ref": "/" * 4000})
