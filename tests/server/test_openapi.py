"""/openapi.json is true: real answers fit the models it documents, every route is in it, and it needs no other site."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import requests
from pydantic import BaseModel

from pyhectiqlab.protocol import media, registry, roles, states
from pyhectiqlab.server.app import openapi_schema
from pyhectiqlab.server.models import (
    models,
    models_accounts,
    models_actions,
    models_media,
    models_registry,
    models_runs,
    models_series,
    models_views,
)
from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, events_batch, new_id


@pytest.fixture(scope="module")
def schema(lab: RealLab) -> Any:
    return requests.get(f"{lab.url}/api/v1/openapi.json", timeout=30).json()


@pytest.fixture(scope="module")
def run(api: Api) -> str:
    """Make a run that has some of everything."""
    attached = api.attach(session="0a")
    run, writer = attached["run"]["id"], new_id()
    api.ingest(batch(run, writer, 1, 50), session="0a")
    events = [
        ("config", {"values": {"a": {"b": 1}}}),
        ("tag", {"name": "t", "color": None, "description": None}),
        ("meta", {"key": "k", "value": None}),
        ("loss", {"reason": "r", "count": 1}),
        ("log", {"text": "a line\n", "level": "INFO", "channel": "default"}),
    ]
    api.ingest(events_batch(run, writer, 51, events), session="0a")
    api.end("0a", run, "killed", signal=9)
    return str(run)


def fits(model: type[BaseModel], value: Any) -> None:
    """Assert that a value has all fields of the model, of their types, and no other field."""
    fields = model.model_validate(value, strict=True).model_dump()
    assert set(fields) == set(value)
    items, values = fields.get("items") or [], value.get("items") or []
    assert [set(item) for item in items] == [set(item) for item in values]


def test_answers_fit_their_models(api: Api, run: str) -> None:
    project = api.run(run)["project"]["id"]
    fits(models.HandshakeAnswer, api.get("/handshake"))
    fits(models.LoginAnswer, api.get("/me"))
    fits(models.Keys, api.get("/keys"))
    fits(models.Users, api.get("/users"))
    fits(models.Projects, api.get("/projects"))
    fits(models.ProjectDetailAnswer, api.get(f"/projects/{project}"))
    gone = api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
    api.call("DELETE", f"/projects/{gone}")
    fits(models.Projects, api.get("/projects", deleted=True))
    fits(models_runs.Runs, api.get("/runs", config=True))
    fits(models_runs.RunAnswer, api.get("/runs/resolve", ref=run))
    fits(models_runs.RunDetailAnswer, api.run(run))
    note = {"actions": [{"action": "note", "runs": [run], "text": new_id()}]}
    fits(models_actions.ActionsAnswer, api.call("POST", "/runs/actions", json=note))
    view = {"name": new_id(), "document": {"a": 1}}
    fits(models_views.ViewAnswer, api.call("POST", f"/projects/{project}/views", 201, json=view))
    fits(models_views.Views, api.get(f"/projects/{project}/views"))
    fits(models_series.SeriesKeys, api.get(f"/runs/{run}/keys"))
    fits(models_series.Attempts, api.get(f"/runs/{run}/attempts"))
    fits(models_series.StepsAnswer, api.get(f"/runs/{run}/steps"))
    fits(models_runs.MetaAnswer, api.get(f"/runs/{run}/meta"))
    fits(models_series.PointsPage, api.get(f"/runs/{run}/points", key="loss"))
    fits(models_runs.Events, api.get(f"/runs/{run}/events"))
    fits(models_runs.Logs, api.get(f"/runs/{run}/logs"))
    fits(models_runs.Writers, api.get(f"/runs/{run}/writers"))
    fits(models_runs.AttachAnswer, api.attach())
    body = {"selectors": [{"run": run, "key": "loss"}]}
    fits(
        models_series.BucketsAnswer,
        api.call("POST", "/series/buckets", json=body, headers={"Accept": "application/json"}),
    )
    fits(models.NewKeyAnswer, api.call("POST", "/keys", 201, json={"name": "k"}))
    fits(models.ErrorAnswer, api.get("/runs/000000000000", 404))
    fits(models_runs.Sessions, api.get(f"/runs/{run}/sessions"))
    fits(models_runs.CaptureAnswer, api.get(f"/runs/{run}/capture"))
    fits(models_runs.ConfigAnswer, api.get(f"/runs/{run}/config"))
    new_user = {"username": f"user-{new_id(4)}", "password": new_id()}
    fits(models.UserAnswer, api.call("POST", "/users", 201, json=new_user))
    bot = api.call("POST", "/users", 201, json={"username": f"bot-{new_id(4)}", "service": True})["username"]
    fits(models.NewKeyAnswer, api.call("POST", f"/users/{bot}/keys", 201, json={"name": "k"}))
    fits(models.Keys, api.get(f"/users/{bot}/keys"))
    to = {"to": new_user["username"]}
    fits(models_accounts.HandedOverAnswer, api.call("POST", f"/users/{bot}/hand-over", json=to))
    api.call("PUT", f"/projects/{project}/members/{new_user['username']}", json={"role": "viewer"})
    fits(models_accounts.Members, api.get(f"/projects/{project}/members"))
    fits(models_accounts.NewInviteAnswer, api.call("POST", "/invites", 201, json={}))
    fits(models_accounts.Invites, api.get("/invites"))
    fits(models_accounts.Changes, api.get("/audit"))
    begun = api.call("POST", "/command-logins", 201, json={"name": "k"})
    fits(models_accounts.NewCommandLogin, begun)
    fits(
        models_accounts.CommandLoginState,
        api.call("POST", "/command-logins/key", json={"secret": begun["secret"]}),
    )
    fits(models.HandshakeAnswer, api.get("/handshake"))


def test_the_words_of_answers_are_those_of_the_protocol() -> None:
    assert set(words_of(models_runs.RunState)) == states.ALL_STATES
    assert set(words_of(models_runs.ScriptState)) == states.SCRIPT_STATES
    assert set(words_of(models_runs.FinalState)) == states.FINAL_STATES
    state = models_runs.StateChangeAnswer.model_fields["state"].annotation
    kind = models_registry.VersionAnswer.model_fields["kind"].annotation
    assert set(words_of(state)) == states.ALL_STATES | {states.PREEMPTED}
    assert set(words_of(models.ProjectRole)) == {roles.VIEWER, roles.MEMBER, roles.ADMIN}
    assert set(words_of(models.LabRole)) == {*words_of(models.ProjectRole), roles.OWNER}
    assert words_of(models_media.MediaKind) == media.KINDS
    assert words_of(kind) == (registry.MODELS, registry.DATASETS)


def words_of(annotation: Any) -> tuple[str, ...]:
    """Return the members of a Literal, or of a union of some."""
    return tuple(word for part in get_args(annotation) for word in (words_of(part) or (part,)))


def test_the_schema_is_the_same_without_a_lab(schema: Any) -> None:
    assert openapi_schema() == schema


def test_every_route_of_the_contract_is_documented(schema: Any) -> None:
    documented = {f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods}
    for route in (
        "GET /handshake",
        "POST /runs/attach",
        "POST /ingest",
        "POST /sessions/{session}/heartbeat",
        "POST /sessions/{session}/end",
        "POST /login",
        "POST /logout",
        "GET /me",
        "POST /keys",
        "GET /keys",
        "DELETE /keys/{key_id}",
        "GET /projects",
        "POST /projects",
        "GET /projects/{ref}",
        "GET /runs",
        "GET /runs/resolve",
        "GET /runs/{run_id}",
        "DELETE /runs/{run_id}",
        "POST /runs/{run_id}/restore",
        "GET /runs/{run_id}/keys",
        "GET /runs/{run_id}/points",
        "GET /runs/{run_id}/export",
        "GET /runs/{run_id}/events",
        "GET /runs/{run_id}/logs",
        "GET /runs/{run_id}/writers",
        "GET /runs/{run_id}/record",
        "POST /series/buckets",
        "GET /stream",
        "HEAD /blobs/{digest}",
        "OPTIONS /uploads",
        "POST /uploads",
        "HEAD /uploads/{upload_id}",
        "PATCH /uploads/{upload_id}",
        "DELETE /uploads/{upload_id}",
        "POST /runs/{run_id}/artifacts",
        "GET /runs/{run_id}/artifacts",
        "POST /projects/{ref}/artifacts",
        "GET /projects/{ref}/artifacts",
        "GET /artifacts/{uuid}",
        "GET /artifacts/{uuid}/content",
        "POST /projects/{ref}/{kind}/{name}/versions",
        "GET /projects/{ref}/{kind}/{name}/versions/{version}",
        "GET /{kind}/{uuid}/content",
        "GET /runs/{run_id}/registry",
    ):
        method, path = route.split()
        assert f"{method} /api/v1{path}" in documented


def test_errors_and_msgpack_are_documented(schema: Any) -> None:
    ingest = schema["paths"]["/api/v1/ingest"]["post"]
    assert "application/x-msgpack" in ingest["requestBody"]["content"]
    assert {"200", "400", "401", "413", "415", "422"} <= set(ingest["responses"])
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            for status, answer in route["responses"].items():
                if status >= "400":
                    reference = answer["content"]["application/json"]["schema"]
                    assert reference == {"$ref": "#/components/schemas/ErrorAnswer"}, (method, path, status)
    assert "application/x-msgpack" in schema["paths"]["/api/v1/series/buckets"]["post"]["responses"]["200"]["content"]


def test_no_page_loads_anything_from_elsewhere(lab: RealLab) -> None:
    for path in ("/docs", "/redoc", "/api/v1/docs"):
        assert requests.get(lab.url + path, timeout=30).status_code == 404
