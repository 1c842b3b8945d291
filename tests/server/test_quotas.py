"""Quotas of projects and of the whole lab, at the lab's door."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.testing.lab import RealLab

from .api import Api, error_of, new_id
from .test_uploads import TUS, digest_of, keep


@pytest.fixture
def quota(lab: RealLab) -> Iterator[None]:
    yield
    for words in (["quota", "none"], ["quota", "none", "--project", "bounded"]):
        CliRunner().invoke(main, ["admin", *words, "--data", str(lab.data_dir)])


def set_quota(lab: RealLab, *words: str) -> str:
    done = CliRunner().invoke(main, ["admin", "quota", *words, "--data", str(lab.data_dir)])
    assert done.exit_code == 0, done.output
    return done.output


def announce(api: Api, size: int, **fields: str) -> tuple[int, str]:
    fields = {"digest": digest_of(new_id().encode()), **fields}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in fields.items())
    answer = api.raw("POST", "/uploads", headers={**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata})
    return answer.status_code, "" if answer.status_code == 201 else error_of(answer)["code"]


def project_id(api: Api) -> str:
    known = api.raw("GET", "/projects/bounded")
    made = known if known.ok else api.raw("POST", "/projects", json={"name": "bounded"})
    return str(made.json()["id"])


def test_the_quota_of_the_lab_bounds_what_is_announced(lab: RealLab, quota: None) -> None:
    api = Api.of(lab)
    keep(api, b"something")
    set_quota(lab, "1GB")
    assert announce(api, 900_000_000) == (201, "")
    assert announce(api, 900_000_000) == (413, "quota_exceeded"), "what is on its way counts"
    set_quota(lab, "none")
    assert announce(api, 900_000_000) == (201, "")


def test_the_quota_of_a_project_is_asked_where_it_is_named_and_where_a_file_is_registered(
    lab: RealLab, quota: None
) -> None:
    api = Api.of(lab)
    project = project_id(api)
    set_quota(lab, "20B", "--project", "bounded")
    assert announce(api, 21, project=project) == (413, "quota_exceeded")
    assert announce(api, 21) == (201, ""), "it may be for another project"

    def register(data: bytes, name: str) -> int:
        body = {"name": name, "digest": keep(api, data), "bytes": len(data)}
        answer = api.raw("POST", f"/projects/{project}/artifacts", json=body)
        if answer.status_code == 413:
            error = error_of(answer)
            assert error["code"] == "quota_exceeded" and "'bounded' holds 12 B of the 20 B" in error["message"]
        return answer.status_code

    assert register(b"twelve bytes", "a") == 201
    assert register(b"nine more", "b") == 413
    assert register(b"twelve bytes", "the same again") == 201, "bytes that it holds already take nothing"
    assert register(b"8 bytes.", "c") == 201
    files = [{"path": "f", "digest": keep(api, b"a model"), "bytes": 7}]
    answer = api.raw("POST", f"/projects/{project}/models/net/versions", json={"files": files})
    assert answer.status_code == 413 and error_of(answer)["code"] == "quota_exceeded"
    project_answer = api.get(f"/projects/{project}")
    assert (project_answer["file_bytes"], project_answer["quota"]) == (20, 20)


def test_what_is_no_size_is_said() -> None:
    done = CliRunner().invoke(main, ["admin", "quota", "lots"])
    assert done.exit_code == 2 and "is not a size" in done.output


def test_a_change_of_a_quota_is_in_the_audit_log(lab: RealLab, quota: None) -> None:
    project_id(Api.of(lab))
    set_quota(lab, "20B", "--project", "bounded")
    done = CliRunner().invoke(main, ["admin", "audit", "--data", str(lab.data_dir)])
    assert any(
        "set the quota" in line and "project bounded" in line and "20 B" in line for line in done.output.split("\n")
    )
