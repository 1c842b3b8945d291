"""Models and datasets: versions of named sets of files, who made and used them, and their bytes."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyhectiqlab.server.files.files import KEEP_UNUSED_S, KEEP_UPLOADS_S
from pyhectiqlab.server.lab import Lab
from pyhectiqlab.server.models import models_registry
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.testing.lab import RealLab

from .api import Api, error_of, new_id
from .test_openapi import fits
from .test_uploads import digest_of, keep


@pytest.fixture
def project(api: Api) -> str:
    return str(api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"])


def body(api: Api, files: dict[str, bytes], **more: Any) -> dict[str, Any]:
    items = [{"path": path, "digest": keep(api, data), "bytes": len(data)} for path, data in files.items()]
    return {"files": items, **more}


def add(api: Api, project: str, name: str, status: int = 201, kind: str = "models", **more: Any) -> Any:
    if "files" not in more:
        more |= body(api, {"a": b"a"})
    return api.call("POST", f"/projects/{project}/{kind}/{name}/versions", status, json=more)


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_a_version_comes_back_with_its_files(api: Api, project: str, kind: str) -> None:
    files = {"weights.bin": os.urandom(1000), "sub/dir/é.txt": b"text", "empty": b""}
    words = {"short_description": "short", "description": "# A model"}
    added = add(api, project, "net", kind=kind, **body(api, files, version="2.0.1", **words))
    fits(models_registry.VersionAnswer, added)
    assert (added["name"], added["version"], added["files"], added["bytes"]) == ("net", "2.0.1", 3, 1004)
    answer = api.get(f"/projects/{project}/{kind}/net/versions/latest")
    fits(models_registry.VersionDetailAnswer, answer)
    assert {k: answer[k] for k in words} == words and answer["used_by"] == []
    assert {f["path"]: api.http.get(f["url"], timeout=30).content for f in answer["contents"]} == files
    other_kind = {"models": "datasets", "datasets": "models"}[kind]
    assert api.get(f"/projects/{project}/{other_kind}")["items"] == []
    weights = next(f for f in answer["contents"] if f["path"] == "weights.bin")
    part = api.http.get(weights["url"], headers={"Range": "bytes=990-"}, timeout=30)
    assert (part.status_code, part.content) == (206, files["weights.bin"][990:])
    assert part.headers["ETag"] == f'"{weights["digest"]}"'
    assert api.raw("GET", f"/{other_kind}/{added['uuid']}/content", params={"path": "empty"}).status_code == 404
    assert api.raw("GET", f"/{kind}/{added['uuid']}/content", params={"path": "../empty"}).status_code == 404


def test_the_next_version_comes_by_itself(api: Api, project: str) -> None:
    def versions() -> list[str]:
        return [v["version"] for v in api.get(f"/projects/{project}/models/net/versions")["items"]]

    assert [add(api, project, "net")["version"] for _ in range(2)] == ["1.0.0", "1.1.0"]
    add(api, project, "net", version="1.10.3")
    add(api, project, "net", version="1.9.0")
    assert add(api, project, "net")["version"] == "1.11.0"
    assert versions() == ["1.11.0", "1.10.3", "1.9.0", "1.1.0", "1.0.0"]  # as numbers, not as text
    first = api.get(f"/projects/{project}/models/net/versions", limit=2)
    fits(models_registry.Versions, first)
    rest = api.get(f"/projects/{project}/models/net/versions", after=first["next"])
    assert [v["version"] for v in rest["items"]] == ["1.9.0", "1.1.0", "1.0.0"]


def test_versions_asked_for_at_once_are_all_different(api: Api, lab: RealLab, project: str) -> None:
    files = body(api, {"a": b"a"})
    with ThreadPoolExecutor(8) as pool:
        items = list(pool.map(lambda _: add(Api.of(lab), project, "net", **files)["version"], range(8)))
    assert sorted(items) == [f"1.{i}.0" for i in range(8)]


def test_lists_show_the_latest_of_each_name(api: Api, project: str) -> None:
    for name, version in (("b", "1.2.0"), ("b", "1.10.0"), ("a", "3.0.0")):
        add(api, project, name, version=version)
    page = api.get(f"/projects/{project}/models")
    fits(models_registry.Latest, page)
    assert [(v["name"], v["version"], v["versions"]) for v in page["items"]] == [("a", "3.0.0", 1), ("b", "1.10.0", 2)]
    first = api.get(f"/projects/{project}/models", limit=1)
    (second,) = api.get(f"/projects/{project}/models", after=first["next"])["items"]
    assert second == api.get(f"/projects/{project}/models/b") and second["name"] == "b"
    fits(models_registry.LatestAnswer, second)


def test_a_version_is_never_replaced_and_a_repeated_request_makes_no_second(api: Api, project: str) -> None:
    uuid = new_id()
    first = add(api, project, "net", version="1.0.0", id=uuid)
    assert add(api, project, "net", 200, version="1.0.0", id=uuid) == first
    where = f"/projects/{project}/models/net/versions"
    for more, code in (({"version": "1.0.0"}, "version_exists"), ({"id": uuid}, None)):
        answer = api.raw("POST", where, json=body(api, {"x": b"x"}, **more))
        assert (answer.status_code, code) == ((409, code) if code else (200, None)), answer.text
    answer = api.raw("POST", f"/projects/{project}/models/else/versions", json=body(api, {"x": b"x"}, id=uuid))
    assert answer.status_code == 409 and error_of(answer)["code"] == "id_taken"


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.0.0", "01.0.0", "v1.0.0", "1.0.0-rc1", "1.0.-1", "", "1.0.٣", 1])
def test_a_version_is_three_numbers(api: Api, project: str, version: Any) -> None:
    answer = api.raw("POST", f"/projects/{project}/models/net/versions", json=body(api, {"x": b"x"}, version=version))
    assert answer.status_code == 422, answer.text
    error_of(answer)


BAD_PATHS = ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.", "a\\b", "a\0", "a\n", "é" * 128, "\ud800"]


@pytest.mark.parametrize("path", [*BAD_PATHS, "/".join(["a" * 200] * 6), ".hectiqlab.json", 5])
def test_no_path_leads_out_of_a_folder(api: Api, project: str, path: Any) -> None:
    files = [{"path": path, "digest": keep(api, b"x"), "bytes": 1}]
    answer = api.raw("POST", f"/projects/{project}/models/net/versions", json={"files": files})
    assert answer.status_code == 422, answer.text
    error_of(answer)


@pytest.mark.parametrize("paths", [[], ["a", "a"], ["a", "a/b"], ["a/b/c", "a"]])
def test_files_of_a_version_do_not_stand_in_each_others_way(api: Api, project: str, paths: list[str]) -> None:
    files = [{"path": path, "digest": keep(api, b"x"), "bytes": 1} for path in paths]
    answer = api.raw("POST", f"/projects/{project}/models/net/versions", json={"files": files})
    assert answer.status_code == 422, answer.text


def test_bounds_of_files_and_names(api: Api, project: str) -> None:
    digest = keep(api, b"x")
    files = [{"path": f"{i:05}/{'d' * 100}/{'f' * 100}.bin", "digest": digest, "bytes": 1} for i in range(10_001)]
    where = f"/projects/{project}/models/net/versions"
    assert api.raw("POST", where, json={"files": files}).status_code == 422
    assert api.call("POST", where, 201, json={"files": files[1:]})["files"] == 10_000
    assert len(api.get(f"{where}/latest")["contents"]) == 10_000
    for name in ("%2E%2E%5C", "n" * 201, "%1B"):
        assert (
            api.raw("POST", f"/projects/{project}/models/{name}/versions", json={"files": files[:1]}).status_code == 422
        )


def test_bytes_that_are_not_there_cannot_be_named(api: Api, other: Api, project: str) -> None:
    own = os.urandom(9)
    for files in (
        [{"path": "a", "digest": digest_of(os.urandom(9)), "bytes": 9}],
        [{"path": "a", "digest": keep(api, b"123"), "bytes": 4}],
        [{"path": "a", "digest": keep(api, b"123"), "bytes": 3}, {"path": "b", "digest": keep(other, own), "bytes": 9}],
    ):
        answer = api.raw("POST", f"/projects/{project}/models/net/versions", json={"files": files})
        assert answer.status_code == 409 and error_of(answer)["code"] == "blob_missing"
    assert api.raw("GET", f"/projects/{project}/models/net").status_code == 404


def test_runs_that_made_and_used_a_version(api: Api, other: Api, project: str) -> None:
    maker, user = (api.attach(project=project)["run"]["id"] for _ in range(2))
    made = add(api, project, "net", run=maker)
    where = f"/projects/{project}/models/net/versions/latest"
    assert api.call("POST", f"{where}/usage", json={"run": user}) == made
    assert api.call("POST", f"{where}/usage", json={"run": user}) == made
    version = api.get(where)
    assert version["run"]["id"] == maker and [r["id"] for r in version["used_by"]] == [user]
    fits(models_registry.RunRegistryAnswer, api.get(f"/runs/{user}/registry"))
    assert api.get(f"/runs/{maker}/registry") == {"made": [made], "used": []}
    assert api.get(f"/runs/{user}/registry") == {"made": [], "used": [made]}
    for path, payload in (
        (f"{where}/usage", {"run": user}),
        (f"{where.rpartition('/')[0]}", body(other, {"a": b"a"}, run=maker)),
    ):
        answer = other.raw("POST", path, json=payload)
        assert answer.status_code == 403 and error_of(answer)["code"] == "not_yours"
    for run in (maker, user):
        api.call("DELETE", f"/runs/{run}")
    version = api.get(where)
    assert (version["run"], version["used_by"]) == (None, [])


def test_everybody_reads_and_adds_versions(api: Api, other: Api, project: str) -> None:
    added = add(api, project, "net")
    assert other.raw("GET", f"/models/{added['uuid']}/content", params={"path": "a"}).content == b"a"
    assert add(other, project, "net")["version"] == "1.1.0"


@pytest.mark.parametrize(
    "path", ["models/no", "models/no/versions", "models/no/versions/1.0.0", "datasets/no/versions/latest"]
)
def test_what_is_not_there_is_said(api: Api, project: str, path: str) -> None:
    answer = api.raw("GET", f"/projects/{project}/{path}")
    assert answer.status_code == 404 and error_of(answer)["code"] == "version_not_found"
    answer = api.raw("GET", f"/projects/no-such/{path}")
    assert answer.status_code == 404 and error_of(answer)["code"] == "project_not_found"
    assert api.raw("GET", f"/projects/{project}/models/no/versions/1.0").status_code == 422


def test_bytes_of_a_version_are_kept_when_nothing_else_has_them(own_lab: RealLab) -> None:
    own_lab.start()
    api = Api.of(own_lab)
    project = api.call("POST", "/projects", 201, json={"name": "p"})["id"]
    added = add(api, project, "net", **body(api, {"kept": b"kept"}))
    keep(api, b"unused")
    own_lab.stop()
    lab = Lab(open_storage(own_lab.data_dir))
    lab.start()
    try:
        far = time.time() + KEEP_UPLOADS_S + KEEP_UNUSED_S
        for i in range(3):
            lab.files.tidy(far + 1000 * i)
        assert lab.blobs.has(digest_of(b"kept")) and not lab.blobs.has(digest_of(b"unused"))
    finally:
        lab.stop()
    own_lab.start()
    assert api.raw("GET", f"/models/{added['uuid']}/content", params={"path": "kept"}).content == b"kept"


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_an_alias_names_one_version_and_moves_in_one_step(api: Api, project: str, kind: str) -> None:
    for _ in range(2):
        add(api, project, "net", kind=kind)
    place = f"/projects/{project}/{kind}/net"
    answer = api.call("PUT", f"{place}/aliases/production", 200, json={"version": "1.0.0"})
    fits(models_registry.VersionAnswer, answer)
    assert (answer["version"], answer["aliases"]) == ("1.0.0", ["production"])
    api.call("PUT", f"{place}/aliases/best", 200, json={})
    answer = api.get(f"{place}/versions/production")
    fits(models_registry.VersionDetailAnswer, answer)
    assert answer["version"] == "1.0.0" and len(answer["contents"]) == 1
    api.call("PUT", f"{place}/aliases/production", 200, json={"version": "best"})
    listed = {v["version"]: v["aliases"] for v in api.get(f"{place}/versions")["items"]}
    assert listed == {"1.1.0": ["best", "production"], "1.0.0": []}
    assert api.get(f"/projects/{project}/{kind}")["items"][0]["aliases"] == ["best", "production"]
    assert api.call("DELETE", f"{place}/aliases/best", 200) == {}
    assert error_of(api.raw("DELETE", f"{place}/aliases/best"))["code"] == "alias_not_found"
    assert api.get(f"{place}/versions/1.1.0")["aliases"] == ["production"]
    assert api.raw("GET", f"{place}/versions/best").status_code == 404


def test_an_alias_that_cannot_be_one_is_refused(api: Api, project: str) -> None:
    add(api, project, "net")
    place = f"/projects/{project}/models/net/aliases"
    for alias in ("latest", "Best", "1.0.0", "a" * 65, "a,b", "%2e%2e"):
        assert api.raw("PUT", f"{place}/{alias}", json={}).status_code in (404, 422), alias
    assert api.raw("PUT", f"{place}/best", json={"version": "9.0.0"}).status_code == 404
    assert api.raw("PUT", f"{place}/best", json={"version": "../1"}).status_code == 422
    assert api.raw("PUT", f"/projects/{project}/models/none/aliases/best", json={}).status_code == 404
    for i in range(100):
        api.call("PUT", f"{place}/a{i}", 200, json={})
    assert error_of(api.raw("PUT", f"{place}/one-more", json={}))["code"] == "too_many_aliases"
    api.call("PUT", f"{place}/a7", 200, json={"version": "1.0.0"})  # one that is there may still move


def test_an_alias_set_by_many_at_once_names_one_version(api: Api, lab: RealLab, project: str) -> None:
    files = body(api, {"a": b"a"})
    for _ in range(4):
        add(api, project, "net", **files)
    place = f"/projects/{project}/models/net"
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda i: Api.of(lab).call("PUT", f"{place}/aliases/best", 200, json={"version": f"1.{i % 4}.0"}),
                range(16),
            )
        )
    aliases = [v["aliases"] for v in api.get(f"{place}/versions")["items"]]
    assert sorted(aliases) == [[], [], [], ["best"]]
