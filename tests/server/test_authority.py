"""What takes long ends with the right to it: streams, downloads, exports, uploads; and nobody else's does."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import update

from pyhectiqlab.store.sql.meta_schema import api_keys
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from ..stores import sql
from .api import Api, batch, column, new_id, packed, wait_until
from .conftest import PASSWORD
from .test_accounts import log_in
from .test_security import upload

SOON_S = 5.0  # two seconds, on a machine that also does other things; before the mend it was eighteen


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("authority")
    with ForkedLab(folder / "data", folder / "home", "--lost-after", "600") as real:
        yield real


@pytest.fixture(scope="module")
def api(lab: RealLab) -> Api:
    return Api.of(lab)


class Somebody:
    """A user with a key, a browser session, and a project whose first admin is somebody else."""

    def __init__(self, lab: RealLab, owner: Api, role: str = "member") -> None:
        self.lab, self.owner, self.name = lab, owner, f"user-{new_id(3)}"
        owner.call("POST", "/users", 201, json={"username": self.name, "password": PASSWORD, "role": role})
        self.browser = log_in(lab, self.name)
        made = self.browser.post(f"{lab.url}/api/v1/keys", json={"name": "k"}, timeout=30).json()
        self.key_id, self.api = made["id"], Api(lab.url, made["key"])
        self.project = owner.call("POST", "/projects", 201, json={"name": new_id(4)})["id"]

    def stream(self, web: bool = False) -> Iterator[bytes]:
        """Return the lines of a stream that has begun."""
        http = self.browser if web else self.api.http
        params = {"project": self.project}
        answer = http.get(f"{self.lab.url}/api/v1/stream", params=params, stream=True, timeout=30)
        lines: Iterator[bytes] = answer.iter_lines(chunk_size=1)
        assert answer.status_code == 200 and next(lines).startswith(b":")
        return lines


def end_by_logout(who: Somebody) -> None:
    assert who.browser.post(f"{who.lab.url}/api/v1/logout", timeout=30).status_code == 200


def end_by_logout_everywhere(who: Somebody) -> None:
    assert log_in(who.lab, who.name).post(f"{who.lab.url}/api/v1/logout/everywhere", timeout=30).status_code == 200


def end_by_password(who: Somebody) -> None:
    who.owner.call("PATCH", f"/users/{who.name}", json={"password": PASSWORD + "8"})


def end_by_disabling(who: Somebody) -> None:
    who.owner.call("PATCH", f"/users/{who.name}", json={"disabled": True})


def end_by_privacy(who: Somebody) -> None:
    who.owner.call("PATCH", f"/projects/{who.project}", json={"private": True})


def end_by_removal(who: Somebody) -> None:
    who.owner.call("DELETE", f"/projects/{who.project}/members/{who.name}")


def end_by_revoking(who: Somebody) -> None:
    who.api.call("DELETE", f"/keys/{who.key_id}")


def end_by_expiry(who: Somebody) -> None:
    with sql(who.lab.data_dir) as conn:
        conn.execute(update(api_keys).where(api_keys.c.id == who.key_id).values(expires=time.time() + 0.5))


@pytest.mark.parametrize(
    ("end", "web"),
    [
        (end_by_logout, True),
        (end_by_logout_everywhere, True),
        (end_by_password, True),
        (end_by_disabling, True),
        (end_by_disabling, False),
        (end_by_privacy, False),
        (end_by_removal, False),
        (end_by_revoking, False),
        (end_by_expiry, False),
    ],
)
def test_a_stream_ends_soon_and_only_that_one(
    lab: RealLab, api: Api, end: Callable[[Somebody], None], web: bool
) -> None:
    who, bystander = Somebody(lab, api), Somebody(lab, api)
    if end is end_by_removal:
        api.call("PUT", f"/projects/{who.project}/members/{who.name}", json={"role": "viewer"})
        api.call("PATCH", f"/projects/{who.project}", json={"private": True})
    stream, others = who.stream(web), bystander.stream()
    end(who)
    began = time.monotonic()
    assert not any(stream), "it comes to its end, and nothing more is in it"
    assert time.monotonic() - began < SOON_S
    run = bystander.api.attach(project=bystander.project)["run"]["id"]
    assert any(run.encode() in line for line in others)


def test_a_new_key_of_somebody_else_hangs_up_nobody(lab: RealLab, api: Api) -> None:
    who = Somebody(lab, api)
    stream = who.stream()
    ended = threading.Event()

    def read() -> None:
        list(stream)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    made = api.call("POST", "/keys", 201, json={"name": "another"})
    api.call("DELETE", f"/keys/{made['id']}")
    assert not ended.wait(SOON_S)


def cuts(lab: RealLab) -> int:
    """Return how many answers the lab's server saw unfinished."""
    return lab.log().count("without completing")


@pytest.mark.parametrize("what", ["download", "export"])
def test_a_file_is_cut_and_never_looks_whole(lab: RealLab, api: Api, what: str) -> None:
    who = Somebody(lab, api)
    run = who.api.attach(project=who.project)["run"]["id"]
    if what == "download":
        data = os.urandom(32 << 20)
        digest = hashlib.sha256(data).hexdigest()
        upload(who.api, data, digest)
        body = {"name": "large.bin", "digest": digest, "bytes": len(data)}
        path = f"/artifacts/{who.api.call('POST', f'/runs/{run}/artifacts', 201, json=body)['uuid']}/content"
    else:
        path, writer, n = f"/runs/{run}/export", new_id(), 200_000
        for first in range(1, 4 * n, n):
            key = "a-rather-long-key/" + "x" * 100
            series = [column(key, range(n), step=range(n))]
            assert who.api.statuses(batch(run, writer, first, first + n - 1, series=series)) == [200]
    before = cuts(lab)
    answer = who.api.raw("GET", path, stream=True)
    assert answer.status_code == 200
    pieces = answer.iter_content(1 << 10)
    next(pieces)  # and then it takes nothing
    who.api.call("DELETE", f"/keys/{who.key_id}")
    wait_until(lambda: cuts(lab) > before, SOON_S)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        for _ in pieces:
            pass


def head_of(method: str, path: str, api: Api, length: int, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: {api.http.headers['Authorization']!s}"]
    lines += [f"Content-Length: {length}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_an_upload_in_progress_ends(lab: RealLab, api: Api) -> None:
    who = Somebody(lab, api)
    meta = f"digest {base64.b64encode(b'a' * 64).decode()}"
    made = who.api.raw(
        "POST", "/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(4 << 20), "Upload-Metadata": meta}
    )
    where = made.headers["location"]
    tus = {"Tus_Resumable": "1.0.0", "Upload_Offset": "0", "Content_Type": "application/offset+octet-stream"}
    with socket.create_connection(("127.0.0.1", lab.port), timeout=30) as sender:
        sender.sendall(head_of("PATCH", where, who.api, 4 << 20, **tus) + bytes(3 << 19))
        wait_until(lambda: any(p.stat().st_size for p in Path(lab.data_dir).rglob("*") if p.name == where[-32:]))
        api.call("PATCH", f"/users/{who.name}", json={"role": "viewer"})
        began = time.monotonic()
        assert sender.recv(1 << 16).startswith(b"HTTP/1.1 403")
        assert time.monotonic() - began < SOON_S


def test_a_body_that_came_slowly_counts_for_whoever_may_still_add(lab: RealLab, api: Api) -> None:
    who = Somebody(lab, api)
    run = who.api.attach(project=who.project)["run"]["id"]
    body = packed([batch(run, new_id(), 1, 5)])
    with socket.create_connection(("127.0.0.1", lab.port), timeout=30) as sender:
        head = head_of("POST", "/api/v1/ingest", who.api, len(body), Content_Type="application/x-msgpack")
        sender.sendall(head + body[:10])
        time.sleep(1.5)  # slowly: longer than the second after which it is asked again
        who.api.call("DELETE", f"/keys/{who.key_id}")
        sender.sendall(body[10:])
        assert sender.recv(1 << 16).startswith(b"HTTP/1.1 401")
    assert api.points(run) == []


@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_an_author_who_may_no_longer_add_neither_revives_nor_ends_a_run(lab: RealLab, api: Api, how: str) -> None:
    """This holds for every route that writes: attach, ingest, heartbeat, end, artifacts, changes of the run."""
    who = Somebody(lab, api)
    api.call("PUT", f"/projects/{who.project}/members/{who.name}", json={"role": "member"})
    api.call("PATCH", f"/projects/{who.project}", json={"private": True})
    name, session, writer = new_id(4), new_id(8), new_id()
    run = who.api.attach(name, session, project=who.project)["run"]["id"]
    assert who.api.statuses(batch(run, writer, 1, 3), session=session) == [200]
    if how == "removed":
        api.call("DELETE", f"/projects/{who.project}/members/{who.name}")
    else:
        api.call("PUT", f"/projects/{who.project}/members/{who.name}", json={"role": "viewer"})
    refused = 404 if how == "removed" else 403
    before = api.run(run)
    seen = [s["last_seen"] for s in before["sessions"]]
    who.api.heartbeat(session, run)
    assert [s["last_seen"] for s in api.run(run)["sessions"]] == seen
    who.api.end(session, run, "completed", status=refused)
    assert who.api.statuses(batch(run, writer, 4, 4), session=session) == [403]
    answer = who.api.raw("POST", "/runs/attach", json={"name": name, "session": session, "project": who.project})
    assert answer.status_code == 404 if how == "removed" else answer.json()["mode"] == "read-only"
    for method, path in (("PATCH", f"/runs/{run}"), ("DELETE", f"/runs/{run}"), ("POST", f"/runs/{run}/artifacts")):
        body = {"name": "x", "digest": "0" * 64, "bytes": 1}
        assert who.api.raw(method, path, json=body).status_code == refused, path
    after = api.run(run)
    assert after["state"] == "running" and after["history"] == before["history"]


def test_where_somebody_elses_writer_is_is_told_to_nobody(lab: RealLab, api: Api) -> None:
    victim, spy = Somebody(lab, api), Somebody(lab, api)
    theirs = victim.api.attach(project=victim.project)["run"]["id"]
    mine = spy.api.attach(project=spy.project)["run"]["id"]
    writer = new_id()
    assert victim.api.statuses(batch(theirs, writer, 1, 7)) == [200]
    good = batch(mine, writer, 1, 1)
    bad = {**good, "series": [{"key": "", "seq": b"", "step": b"", "value": b"", "time": b""}], "last": 5}
    for asked in (good, batch(mine, writer, 8, 8), batch(theirs, writer, 8, 8), bad):
        (result,) = spy.api.ingest(asked)
        assert result["status"] in {403, 404, 422} and result["cursor"] == 0, result
        assert "7" not in result["error"]
    own = spy.api.ingest(good | {"writer": (other := new_id())}, bad | {"writer": other})
    assert [r["cursor"] for r in own] == [1, 1], "of one's own it is"
    unknown = {"writer": new_id()}
    assert spy.api.ingest(bad)[0] | unknown == spy.api.ingest(bad | unknown)[0], "as of one that nobody has"


def test_an_invite_ends_with_the_right_of_whoever_made_it(lab: RealLab, api: Api) -> None:
    for end in ({"role": "member"}, {"disabled": True}):
        admin = Somebody(lab, api, role="admin")
        token = admin.api.call("POST", "/invites", 201, json={"role": "admin"})["token"]
        api.call("PATCH", f"/users/{admin.name}", json=end)
        body = {"token": token, "username": new_id(4), "password": PASSWORD}
        assert requests.post(f"{lab.url}/api/v1/invites/accept", json=body, timeout=30).status_code == 404
