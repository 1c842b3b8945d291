"""The permission matrix: every route of the API, asked by everybody.

Each is asked about a project that is open to the lab and about one that is private.

The routes come from the application itself. A route without a line in ROUTES fails, and so does one whose guard
(server/access/access.py) asks for something else than its line says. A request is as small as it can be: what somebody
may do but said badly is answered 404 or 422 by what lies behind the guard, never 401 or 403.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from fastapi.routing import APIRoute

from pyhectiqlab.server import app as application
from pyhectiqlab.server.access.access import needs_of
from pyhectiqlab.server.app import API

from ..labs import ForkedLab
from .api import Api, batch, error_of, new_id, packed
from .conftest import PASSWORD
from .permission_world import EVERYBODY, LISTS, MAY, NOBODY, Project, World

# Method and path → what it needs. Routes that take the run or project in a query or a body look inside: their guard
# asks for an account (or, as ingest, for nothing), and `INSIDE` says how they are called.
ROUTES = """
GET /handshake open
POST /login open
POST /logout account
POST /logout/everywhere account
GET /me account
POST /command-logins open
GET /command-logins/{code} account
PUT /command-logins/{code} account
POST /command-logins/key open
GET /sso/login open
GET /sso/callback open
PUT /users/{username}/sso lab:admin
DELETE /users/{username}/sso lab:admin
PUT /me/password account
POST /keys account
GET /keys account
DELETE /keys/{key_id} account
GET /users account
POST /users lab:admin
PATCH /users/{username} lab:admin
DELETE /users/{username} lab:admin
GET /users/{username}/keys lab:admin
POST /users/{username}/keys lab:admin
DELETE /users/{username}/keys/{key_id} lab:admin
POST /users/{username}/hand-over lab:admin
GET /invites lab:admin
POST /invites lab:admin
DELETE /invites/{invite_id} lab:admin
POST /invites/accept open
GET /audit lab:admin
GET /metrics lab:metrics
GET /admin/status lab:admin
GET /projects account
POST /projects lab:member
GET /projects/{ref} project:read
PATCH /projects/{ref} project:admin
DELETE /projects/{ref} project:own
POST /projects/{ref}/restore project:own
PUT /projects/{ref}/retention project:admin
PUT /projects/{ref}/objective project:admin
DELETE /projects/{ref}/objective project:admin
GET /projects/{ref}/views project:read
POST /projects/{ref}/views project:read
GET /projects/{ref}/views/{view_id} project:read
PUT /projects/{ref}/views/{view_id} project:read
DELETE /projects/{ref}/views/{view_id} project:read
GET /projects/{ref}/members project:read
PUT /projects/{ref}/members/{username} project:admin
DELETE /projects/{ref}/members/{username} project:admin
POST /runs/attach project:add
POST /imports project:add
PUT /runs/{run_id}/record run:add
GET /runs/{run_id}/record run:read
POST /sessions/{session}/heartbeat account
POST /sessions/{session}/end account
POST /ingest run:add
GET /runs/{run_id}/keys run:read
GET /runs/{run_id}/points run:read
POST /runs/{run_id}/points run:read
GET /runs/{run_id}/export run:read
POST /series/buckets run:read
POST /series/groups run:read
POST /series/formulas run:read
POST /series/pairs run:read
GET /series/axes run:read
GET /stream run:read
GET /runs project:read
GET /table project:read
GET /table/groups project:read
GET /table/csv project:read
GET /table/columns project:read
GET /table/suggest project:read
GET /runs/resolve run:read
GET /runs/differences run:read
GET /runs/{run_id} run:read
PATCH /runs/{run_id} run:change
DELETE /runs/{run_id} run:change
POST /runs/{run_id}/restore run:change
POST /runs/actions run:change
GET /runs/{run_id}/capture run:read
GET /runs/{run_id}/attempts run:read
GET /runs/{run_id}/steps run:read
GET /runs/{run_id}/config run:read
GET /runs/{run_id}/meta run:read
GET /runs/{run_id}/events run:read
GET /runs/{run_id}/sessions run:read
GET /runs/{run_id}/writers run:read
GET /runs/{run_id}/logs run:read
POST /runs/{run_id}/verify run:read
GET /runs/{run_id}/media run:read
GET /runs/{run_id}/media/items run:read
HEAD /blobs/{digest} account
OPTIONS /uploads open
OPTIONS /uploads/{upload_id} open
POST /uploads lab:adder
HEAD /uploads/{upload_id} account
DELETE /uploads/{upload_id} account
PATCH /uploads/{upload_id} lab:adder
POST /runs/{run_id}/artifacts run:add
POST /projects/{ref}/artifacts project:add
GET /runs/{run_id}/artifacts run:read
GET /projects/{ref}/artifacts project:read
GET /artifacts/{uuid} artifact:read
GET /artifacts/{uuid}/content artifact:read
HEAD /artifacts/{uuid}/content artifact:read
GET /runs/{run_id}/registry run:read
"""
FOR_BOTH_KINDS = """
POST /projects/{ref}/KIND/{name}/versions project:add
GET /projects/{ref}/KIND project:read
GET /projects/{ref}/KIND/{name} project:read
GET /projects/{ref}/KIND/{name}/versions project:read
GET /projects/{ref}/KIND/{name}/versions/{version} project:read
PUT /projects/{ref}/KIND/{name}/aliases/{alias} project:add
DELETE /projects/{ref}/KIND/{name}/aliases/{alias} project:add
POST /projects/{ref}/KIND/{name}/versions/{version}/usage project:read
GET /KIND/{uuid}/content version:read
HEAD /KIND/{uuid}/content version:read
"""
IN_A_PROJECT = {"project", "run", "artifact", "version"}
INSIDE = {
    *("POST /runs/attach", "POST /imports", "POST /ingest", "POST /series/buckets", "GET /stream", "GET /runs/resolve"),
    *(
        "POST /series/groups",
        "POST /series/formulas",
        "POST /series/pairs",
        "GET /series/axes",
        "POST /runs/actions",
        "GET /runs/differences",
        *LISTS,
    ),
}


def listed() -> dict[str, str]:
    lines = ROUTES + FOR_BOTH_KINDS.replace("KIND", "models") + FOR_BOTH_KINDS.replace("KIND", "datasets")
    return dict(line.rsplit(" ", 1) for line in lines.split("\n") if line)


def routes() -> dict[str, set[str]]:
    """Return every route of the API as it is served, with what its guards ask for; once for each kind of
    `{kind:registry}`.
    """
    api_routes = (r for module in application.MODULES for r in module.router.routes if isinstance(r, APIRoute))
    return {
        f"{method} {route.path.removeprefix(API).replace('{kind:registry}', kind)}": needs_of(route.dependant)
        for route in api_routes
        for method in route.methods or ()
        for kind in ("models", "datasets")
    }


def test_every_route_has_a_line_here_and_the_guard_that_it_says() -> None:
    served, table = routes(), listed()
    assert sorted(served) == sorted(table), "a new route needs a line in ROUTES"
    for route, need in table.items():
        if route in INSIDE:
            assert served[route] & {"account", "batch:add"}, route
        else:
            assert need in served[route], (route, served[route])


def test_a_route_without_a_guard_is_not_served() -> None:
    from fastapi import APIRouter

    from pyhectiqlab.server.access.access import TheCaller, check_guarded

    router = APIRouter()

    @router.get("/secrets")
    def unguarded() -> None: ...

    @router.get("/runs/{run_id}/secrets")
    def looks_at_no_run(run_id: str, caller: TheCaller) -> None: ...

    for route in router.routes:
        with pytest.raises(RuntimeError, match=r"secrets has not a"):
            check_guarded(route)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("permissions")
    with ForkedLab(folder / "data", folder / "home", "--lost-after", "600") as lab:
        yield World(lab)


NEVER = Project("0" * 8, "1" * 12, "2" * 32, {"models": "3" * 32, "datasets": "4" * 32})


def refused(answer: requests.Response, route: str) -> int | None:
    """Return 401, 403, or 404 for what does not exist for the caller; None: the caller may."""
    if route == "POST /ingest" and answer.status_code == 200:
        status = answer.json()["results"][0]["status"]
        return None if status == 200 else int(status)
    if answer.status_code in {401, 403}:
        return answer.status_code
    if answer.status_code == 404:
        hidden = {"run_not_found", "project_not_found", "artifact_not_found", "file_not_found"}
        if not answer.content:  # HEAD
            return 404 if listed()[route].endswith(":read") else None
        return 404 if answer.json()["error"]["code"] in hidden else None
    return None


def about(route: str) -> str:
    """Return what a route is about: project, run, …; a lab or an account is no more private in one project than in
    another.
    """
    return listed()[route].partition(":")[0]


KINDS = [(r, k) for r in listed() for k in ("public", "private") if k == "private" or about(r) in IN_A_PROJECT]


@pytest.mark.parametrize(("route", "kind"), KINDS)
def test_each_may_what_the_matrix_says(world: World, route: str, kind: str) -> None:
    need = listed()[route]
    asked = (*NOBODY, *EVERYBODY)
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda who: world.ask(who, route, world.projects[kind]), asked))
    for who, answer in zip(asked, answers, strict=True):
        refusal = refused(answer, route)
        answer.close()
        case = (route, kind, who, answer.status_code)
        assert answer.status_code < 500, case
        if need == "open":
            assert refusal in (None, 401) and (refusal is None or route == "POST /login"), case
        elif who in NOBODY:
            assert refusal == 401, case
        elif kind == "private" and who == "stranger" and about(route) in IN_A_PROJECT:
            assert refusal == 404, case
        elif who in MAY[need]:
            assert refusal is None, case
        else:
            assert refusal == 403, case


@pytest.mark.parametrize("route", [r for r in listed() if about(r) in IN_A_PROJECT])
def test_what_is_private_is_answered_as_what_never_was(world: World, route: str) -> None:
    """Status, code and message, but for the id that the caller gave."""
    private = world.projects["private"]

    def without_ids(answer: requests.Response) -> tuple[int, str]:
        text = answer.text
        for project in (private, NEVER):
            for value in (project.ref, project.run, project.artifact):
                text = text.replace(value, "ID")
        return answer.status_code, text

    def ask(project: Project) -> tuple[int, str]:
        with world.ask("stranger", route, project) as answer:
            if route == "POST /ingest":
                result = answer.json()["results"][0]
                return result["status"], result["error"]
            return without_ids(answer)

    assert ask(private) == ask(NEVER)


def test_a_key_for_metrics_alone_opens_nothing_else(world: World) -> None:
    admin = world.callers["lab_admin"]
    world.callers["scraper"] = Api(
        world.url, admin.call("POST", "/keys", 201, json={"name": "p", "scope": "metrics"})["key"]
    )
    for route, need in listed().items():
        if need == "open":
            continue
        with world.ask("scraper", route, world.projects["public"]) as answer:
            if need == "lab:metrics":
                assert answer.status_code == 200 and "hectiqlab_runs{" in answer.text
                continue
            assert answer.status_code == 403, route
            assert not answer.content or answer.json()["error"]["code"] == "key_scope", route
    assert [key["scope"] for key in admin.get("/keys")["items"]] == ["all", "metrics"]
    member = world.callers["member"]
    assert error_of(member.raw("POST", "/keys", json={"name": "p", "scope": "metrics"}))["code"] == "not_admin"


def test_lists_hold_nothing_of_a_private_project(world: World) -> None:
    private = world.projects["private"]
    stranger, member = world.callers["stranger"], world.callers["member"]
    for api, seen in ((stranger, False), (member, True)):
        assert (private.ref in {p["id"] for p in api.get("/projects", limit=1000)["items"]}) is seen
        assert (private.run in {r["id"] for r in api.get("/runs", limit=1000)["items"]}) is seen
        assert (
            private.run in {r["id"] for r in api.get("/runs", limit=1000, sort="metric.loss.last")["items"]}
        ) is seen
        name = world.callers["author"].run(private.run)["name"]
        assert api.raw("GET", "/runs/resolve", params={"ref": name}).status_code == (200 if seen else 404)
    digest = world.callers["author"].get(f"/artifacts/{private.artifact}")["digest"]
    assert stranger.raw("HEAD", f"/blobs/{digest}").status_code == 404, "a guessed digest is no way to a file"
    assert member.raw("HEAD", f"/blobs/{digest}").status_code == 200


def test_what_leads_into_a_private_project_is_not_told_outside(world: World) -> None:
    """A version of a public project tells neither of the private run that made it nor of one that used it."""
    author, stranger = world.callers["author"], world.callers["stranger"]
    private, public = world.projects["private"], world.projects["public"]
    data = new_id().encode()
    digest = hashlib.sha256(data).hexdigest()
    world.upload(author, data, digest)
    body = {"files": [{"path": "w", "digest": digest, "bytes": len(data)}], "run": private.run}
    of_project = f"/projects/{public.ref}/models/leak"
    author.call("POST", f"{of_project}/versions", 201, json=body)
    author.call("POST", f"{of_project}/versions/latest/usage", json={"run": private.run})
    for path in ("", "/versions", "/versions/latest"):
        assert private.run not in stranger.raw("GET", of_project + path).text, path
        assert private.run in author.raw("GET", of_project + path).text, path


def test_a_disabled_user_and_a_changed_role_count_from_the_next_request_on(world: World) -> None:
    owner = world.callers["lab_admin"]
    user = world.user("member", PASSWORD)
    name = user.name  # type: ignore[attr-defined]
    run = user.attach(project=world.projects["public"].ref, session="5e551011")["run"]["id"]
    writer = new_id()
    assert user.statuses(batch(run, writer, 1, 1)) == [200]
    owner.call("PATCH", f"/users/{name}", json={"role": "viewer"})
    assert user.statuses(batch(run, writer, 2, 2)) == [403]
    assert user.raw("POST", "/projects", json={"name": new_id(4)}).status_code == 403
    owner.call("PATCH", f"/users/{name}", json={"role": "member", "disabled": True})
    assert user.ingest_raw(packed([batch(run, writer, 2, 2)])).status_code == 401
    login = requests.post(f"{world.url}/api/v1/login", json={"username": name, "password": PASSWORD}, timeout=30)
    assert login.status_code == 401 and login.json()["error"]["code"] == "wrong_password"
    owner.call("PATCH", f"/users/{name}", json={"disabled": False})
    assert user.ingest_raw(packed([batch(run, writer, 2, 2)])).status_code == 401, "keys of before stay revoked"
    proof = {"auth": (name, PASSWORD), "json": {"name": "new"}, "headers": {"Authorization": ""}}
    again = Api(world.url, Api(world.url, "").call("POST", "/keys", 201, **proof)["key"])
    assert again.statuses(batch(run, writer, 2, 2)) == [200]


def test_the_last_admin_stays(world: World) -> None:
    owner, admin = Api.of(world.lab), world.callers["lab_admin"]
    me = owner.get("/me")["user"]["username"]
    owner.call("PATCH", f"/users/{admin.name}", json={"role": "member"})  # type: ignore[attr-defined]
    for change in ({"role": "member"}, {"disabled": True}):
        answer = owner.raw("PATCH", f"/users/{me}", json=change)
        assert answer.status_code == 409 and answer.json()["error"]["code"] == "last_admin"
    assert owner.get("/me")["user"]["role"] == "owner"
    owner.call("PATCH", f"/users/{admin.name}", json={"role": "admin"})  # type: ignore[attr-defined]
    assert owner.call("PATCH", f"/users/{me}", json={"role": "member"})["role"] == "member"
    admin.call("PATCH", f"/users/{me}", json={"role": "admin"})


def test_the_audit_log_says_who_changed_what(world: World) -> None:
    admin, author = world.callers["lab_admin"], world.callers["author"]
    run = author.attach(project=world.projects["public"].ref)["run"]["id"]
    author.call("PATCH", f"/runs/{run}", json={"name": f"new-{run}"})
    newest = admin.get("/audit", limit=1)
    (entry,) = newest["items"]
    assert (entry["who"], entry["via"], entry["action"], entry["detail"]) == (
        author.name,  # type: ignore[attr-defined]
        "key k",
        "renamed",
        f"to new-{run}",
    )
    assert entry["address"] == "127.0.0.1" and run in entry["subject"]
    assert admin.get("/audit", limit=1, after=newest["next"])["items"][0] != entry
