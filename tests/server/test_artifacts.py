"""Artifacts: named files with versions, listed, and read back safely."""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import unquote

import pytest

from pyhectiqlab.server.files.files import KEEP_UNUSED_S, KEEP_UPLOADS_S
from pyhectiqlab.server.lab import KEEP_DELETED_S, Lab
from pyhectiqlab.server.models import models_files
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.testing.lab import RealLab

from .api import Api, error_of, new_id
from .test_openapi import fits
from .test_uploads import create, digest_of, keep, patch


@pytest.fixture(scope="module")
def run(api: Api) -> str:
    return str(api.attach()["run"]["id"])


@pytest.fixture(scope="module")
def project(api: Api) -> str:
    return str(api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"])


def add(api: Api, where: str, name: str, data: bytes, status: int = 201, **more: Any) -> Any:
    body = {"name": name, "digest": keep(api, data), "bytes": len(data), **more}
    return api.call("POST", f"{where}/artifacts", status, json=body)


def names(api: Api, where: str, **params: Any) -> list[tuple[str, Any, int]]:
    """Return (name, step, version) of all pages."""
    versions, after = [], None
    while True:
        page = api.get(f"{where}/artifacts", **params, **({"after": after} if after else {}))
        fits(models_files.Artifacts, page)
        versions += [(a["name"], a["step"], a["version"]) for a in page["items"]]
        after = page["next"]
        if after is None:
            return versions


def test_an_artifact_is_told_and_read_back(api: Api, run: str) -> None:
    data = os.urandom(1000)
    added = add(api, f"/runs/{run}", "model.pt", data, kind="file", meta={"framework": "torch", "epoch": 3})
    fits(models_files.ArtifactAnswer, added)
    assert (added["name"], added["version"], added["step"], added["bytes"]) == ("model.pt", 1, None, 1000)
    assert added["meta"] == {"framework": "torch", "epoch": 3} and added["run"] == run
    assert api.get(f"/artifacts/{added['uuid']}") == added
    answer = api.http.get(added["url"], timeout=30)
    assert answer.content == data and answer.headers["ETag"] == f'"{digest_of(data)}"'


def test_the_same_name_again_is_a_new_version_and_earlier_ones_stay(api: Api) -> None:
    where = f"/runs/{api.attach()['run']['id']}"
    first = add(api, where, "a.txt", b"one")
    assert add(api, where, "a.txt", b"two")["version"] == 2
    assert add(api, where, "b.txt", b"two")["version"] == 1
    assert names(api, where) == [("a.txt", None, 2), ("b.txt", None, 1)]
    assert names(api, where, versions="all") == [("a.txt", None, 2), ("a.txt", None, 1), ("b.txt", None, 1)]
    assert api.http.get(first["url"], timeout=30).content == b"one"


def test_steps_of_a_name_are_a_group_and_have_versions_of_their_own(api: Api) -> None:
    where = f"/runs/{api.attach()['run']['id']}"
    for step in (10, 5, 10, -3):
        add(api, where, "test.png", os.urandom(9), step=step)
    add(api, where, "test.png", b"no step")
    newest = [("test.png", None, 1), ("test.png", -3, 1), ("test.png", 5, 1), ("test.png", 10, 2)]
    assert names(api, where) == newest
    assert names(api, where, limit=1) == newest
    assert names(api, where, versions="all", limit=2) == [*newest, ("test.png", 10, 1)]
    assert names(api, where, step=10) == [("test.png", 10, 2)]
    assert names(api, where, name="other.png") == []


def test_shared_ones_belong_to_the_project_alone(api: Api, other: Api, project: str) -> None:
    added = add(other, f"/projects/{project}", "train.csv", b"a,b")
    assert added["run"] is None and added["project"]["id"] == project
    run = api.attach(project=project)["run"]["id"]
    add(api, f"/runs/{run}", "mine.csv", b"1")
    assert names(api, f"/projects/{project}") == [("train.csv", None, 1)]
    assert names(api, f"/runs/{run}") == [("mine.csv", None, 1)]


def test_a_repeated_request_makes_no_second_version(api: Api, other: Api, run: str, project: str) -> None:
    uuid = new_id()
    first = add(api, f"/runs/{run}", "once.txt", b"1", id=uuid, created=1e9)
    assert (first["uuid"], first["created"]) == (uuid, 1e9)
    assert add(api, f"/runs/{run}", "once.txt", b"1", 200, id=uuid) == first
    body = {"name": "else.txt", "digest": keep(other, b"1"), "bytes": 1, "id": uuid}
    answer = other.raw("POST", f"/projects/{project}/artifacts", json=body)
    assert answer.status_code == 409 and error_of(answer)["code"] == "id_taken"
    assert api.get(f"/artifacts/{uuid}") == first


def test_only_the_author_adds_to_a_run_and_everybody_reads(api: Api, other: Api, run: str) -> None:
    body = {"name": "x", "digest": keep(other, b"x"), "bytes": 1}
    answer = other.raw("POST", f"/runs/{run}/artifacts", json=body)
    assert answer.status_code == 403 and error_of(answer)["code"] == "not_yours"
    added = add(api, f"/runs/{run}", "for-all", b"for all")
    assert other.http.get(added["url"], timeout=30).content == b"for all"
    assert other.raw("HEAD", f"/blobs/{digest_of(b'for all')}").status_code == 200


def test_bytes_that_are_not_there_cannot_be_named(api: Api, run: str) -> None:
    digest = digest_of(os.urandom(9))
    for body in ({"digest": digest, "bytes": 9}, {"digest": keep(api, b"123"), "bytes": 4}):
        answer = api.raw("POST", f"/runs/{run}/artifacts", json={"name": "x", **body})
        assert answer.status_code == 409 and error_of(answer)["code"] == "blob_missing"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", "a\n", "\x1b[31m", "é" * 257, "\ud800", 5, None])
def test_no_name_may_be_a_path_or_hold_controls(api: Api, run: str, name: Any) -> None:
    digest = keep(api, b"x")
    answer = api.raw("POST", f"/runs/{run}/artifacts", json={"name": name, "digest": digest, "bytes": 1})
    assert answer.status_code == 422, answer.text
    error_of(answer)


@pytest.mark.parametrize(
    "more",
    [
        {"digest": "x"},
        {"bytes": -1},
        {"bytes": True},
        {"step": 1.5},
        {"step": 1 << 63},
        {"kind": "<b>"},
        {"id": "../x"},
        {"created": 1e300},
        {"meta": []},
        {"meta": {"a": 1 << 70}},
        {"meta": {"a": "x" * 70_000}},
    ],
)
def test_odd_fields_are_refused(api: Api, run: str, more: dict[str, Any]) -> None:
    body = {"name": "odd", "digest": keep(api, b"x"), "bytes": 1, **more}
    answer = api.raw("POST", f"/runs/{run}/artifacts", json=body)
    assert answer.status_code == 422, answer.text
    assert error_of(answer)["message"]
    assert ("odd", None, 1) not in names(api, f"/runs/{run}")


def test_what_is_not_there_is_told(api: Api) -> None:
    for path in (f"/artifacts/{'0' * 32}", f"/artifacts/{'0' * 32}/content", "/artifacts/x/content"):
        assert error_of(api.raw("GET", path))["code"] == "artifact_not_found"
    assert error_of(api.raw("GET", "/projects/nowhere/artifacts"))["code"] == "project_not_found"
    assert error_of(api.raw("GET", "/runs/000000000000/artifacts"))["code"] == "run_not_found"


# Reading


@pytest.fixture(scope="module")
def ten(api: Api, run: str) -> str:
    """Return the URL of an artifact of ten bytes."""
    return str(add(api, f"/runs/{run}", "ten.bin", b"0123456789")["url"])


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-30", 206, b"0123456789"),
        ("bytes=9-1000", 206, b"9"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=5-3", 200, b"0123456789"),
        ("bytes=x-", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
    ],
)
def test_a_range_is_read(api: Api, ten: str, header: str, status: int, body: bytes) -> None:
    answer = api.http.get(ten, headers={"Range": header}, timeout=30)
    assert (answer.status_code, answer.content) == (status, body)
    assert int(answer.headers["Content-Length"]) == len(body)
    if status == 206:
        start = b"0123456789".index(body)
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/10"


def test_a_range_behind_the_end_is_refused(api: Api, ten: str) -> None:
    for header in ("bytes=10-", "bytes=99999999999999999999999-", "bytes=-0"):
        answer = api.http.get(ten, headers={"Range": header}, timeout=30)
        assert answer.status_code == 416 and answer.headers["Content-Range"] == "bytes */10", header


def test_conditions_of_caches_and_downloads_hold(api: Api, ten: str) -> None:
    etag = api.http.head(ten, timeout=30).headers["ETag"]
    assert api.http.get(ten, headers={"If-None-Match": etag}, timeout=30).status_code == 304
    other = api.http.get(ten, headers={"Range": "bytes=0-1", "If-Range": '"another"'}, timeout=30)
    assert (other.status_code, other.content) == (200, b"0123456789")
    head = api.http.head(ten, timeout=30)
    assert head.headers["Content-Length"] == "10" and head.content == b""


@pytest.mark.parametrize(
    "name", ["page.html", "x.svg", "x.xml", "x.js", "x.pdf", "x", "x.htm", "a.png.html", "x.PNG", "n.txt"]
)
@pytest.mark.parametrize("inline", ["0", "1"])
def test_a_hostile_file_is_never_a_page(api: Api, run: str, name: str, inline: str) -> None:
    url = add(api, f"/runs/{run}", name, b"<script>alert(1)</script>")["url"]
    answer = api.http.get(url, params={"inline": inline}, timeout=30)
    kind = answer.headers["Content-Type"]
    shown = inline == "1" and name in {"x.PNG", "n.txt"}
    assert kind == (
        {"x.PNG": "image/png", "n.txt": "text/plain; charset=utf-8"}[name] if shown else "application/octet-stream"
    )
    assert answer.headers["Content-Disposition"].startswith("inline" if shown else "attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ['a"b.txt', "été.txt", "日本.bin", "a;b.txt", "a%0d%0aX: y"])
def test_a_name_cannot_leave_its_header(api: Api, run: str, name: str) -> None:
    answer = api.http.get(add(api, f"/runs/{run}", name, b"x")["url"], timeout=30)
    header = answer.headers["Content-Disposition"]
    assert header.isascii() and header.count('"') == 2 and "X" not in answer.headers
    assert unquote(header.rpartition("''")[2]) == name


def test_a_name_that_would_be_read_backwards_is_saved_under_one_that_is_not(api: Api, run: str) -> None:
    answer = api.http.get(add(api, f"/runs/{run}", "x\u202egnp.exe", b"x")["url"], timeout=30)
    assert unquote(answer.headers["Content-Disposition"].rpartition("''")[2]) == "x_gnp.exe"


def test_a_deleted_run_takes_its_artifacts_along(api: Api) -> None:
    run = api.attach()["run"]["id"]
    data = os.urandom(50)
    added = add(api, f"/runs/{run}", "x", data)
    api.call("DELETE", f"/runs/{run}")
    assert api.http.get(added["url"], timeout=30).status_code == 410
    api.call("POST", f"/runs/{run}/restore")
    assert api.http.get(added["url"], timeout=30).content == data


def test_bytes_that_nothing_refers_to_go_and_others_stay(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    run = api.attach()["run"]["id"]
    kept, shared, lone = os.urandom(10), os.urandom(11), os.urandom(12)
    add(api, f"/runs/{run}", "kept", kept)
    gone = api.attach()["run"]["id"]
    add(api, f"/runs/{gone}", "gone", shared)
    keep(api, lone)
    patch(api, create(api, digest_of(b"unfinished"), 100), 0, b"unfin")
    api.call("DELETE", f"/runs/{gone}")
    own_lab.stop()

    lab = Lab(open_storage(own_lab.data_dir))
    lab.start()
    try:
        now = time.time()
        lab.files.tidy(now)
        assert set(lab.blobs.digests()) == {digest_of(kept), digest_of(shared), digest_of(lone)}
        later = now + max(KEEP_DELETED_S, KEEP_UNUSED_S, KEEP_UPLOADS_S) + 60
        lab.watch_once(later, later)
        lab.files.tidy(later + 120)
        assert set(lab.blobs.digests()) == {digest_of(kept)}
        assert list((own_lab.data_dir / "blobs" / "uploads").iterdir()) == []
    finally:
        lab.stop()
