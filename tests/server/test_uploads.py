"""Files on their way in, by tus 1.0."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import resource
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, error_of, new_id, wait_until

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def metadata(digest: str) -> str:
    return f"filename YQ==,digest {base64.b64encode(digest.encode()).decode()}"


def create(api: Api, digest: str, size: int) -> str:
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata(digest)}
    answer = api.raw("POST", "/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Tus-Resumable"] == "1.0.0" and "Upload-Expires" in answer.headers
    return answer.headers["Location"].removeprefix("/api/v1")


def patch(api: Api, where: str, offset: int, data: Any, **more: str) -> requests.Response:
    return api.raw(
        "PATCH", where, data=data, headers={**TUS, "Upload-Offset": str(offset), "Content-Type": BYTES, **more}
    )


def offset_of(api: Api, where: str) -> int:
    answer = api.raw("HEAD", where, headers=TUS)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"])


def keep(api: Api, data: bytes) -> str:
    digest = digest_of(data)
    assert patch(api, create(api, digest, len(data)), 0, data).status_code == 204
    return digest


def knows(api: Api, digest: str) -> bool:
    answer = api.raw("HEAD", f"/blobs/{digest}")
    assert answer.status_code in {200, 404}
    return answer.status_code == 200


def test_it_tells_what_it_can(lab: RealLab) -> None:
    for path in ("/uploads", f"/uploads/{'a' * 32}"):
        answer = requests.options(f"{lab.url}/api/v1{path}", timeout=30)
        assert answer.status_code == 204 and answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Extension"] == "creation,expiration,termination"


def test_a_file_arrives_in_pieces(api: Api) -> None:
    data = os.urandom(1_000_000)
    where = create(api, digest_of(data), len(data))
    for offset in range(0, len(data), 300_000):
        assert offset_of(api, where) == offset
        assert not knows(api, digest_of(data))
        piece = data[offset : offset + 300_000]
        answer = patch(api, where, offset, piece)
        assert answer.status_code == 204 and int(answer.headers["Upload-Offset"]) == offset + len(piece)
    assert knows(api, digest_of(data))
    assert offset_of(api, where) == len(data)
    assert patch(api, where, len(data), b"").status_code == 204, "a reply that was lost may be asked for again"


def test_the_same_file_again_goes_on_with_the_unfinished_upload(api: Api, other: Api) -> None:
    digest = digest_of(os.urandom(8))
    first = create(api, digest, 1000)
    patch(api, first, 0, b"x" * 10)
    assert create(api, digest, 1000) == first
    assert create(api, digest, 1001) != first
    assert create(other, digest, 1000) != first


def test_a_wrong_offset_is_told_where_it_is(api: Api) -> None:
    where = create(api, digest_of(os.urandom(8)), 1000)
    patch(api, where, 0, b"x" * 10)
    for offset in (0, 9, 11):
        answer = patch(api, where, offset, b"y")
        assert answer.status_code == 409 and error_of(answer)["code"] == "wrong_offset"
        assert answer.headers["Upload-Offset"] == "10"
    assert offset_of(api, where) == 10


def test_bytes_of_another_digest_are_removed(api: Api) -> None:
    digest = digest_of(os.urandom(8))
    where = create(api, digest, 4)
    answer = patch(api, where, 0, b"evil")
    assert answer.status_code == 460 and error_of(answer)["code"] == "checksum_mismatch"
    assert api.raw("HEAD", where, headers=TUS).status_code == 404
    assert not knows(api, digest) and not knows(api, digest_of(b"evil"))


def test_more_bytes_than_announced_are_refused(api: Api) -> None:
    where = create(api, digest_of(os.urandom(8)), 4)
    answer = patch(api, where, 0, b"12345")
    assert answer.status_code == 400 and error_of(answer)["code"] == "too_long"
    assert offset_of(api, where) <= 4


def test_what_a_broken_connection_brought_is_kept(api: Api, lab: RealLab) -> None:
    data = os.urandom(5_000_000)
    where = create(api, digest_of(data), len(data))
    with socket.create_connection(("127.0.0.1", lab.port)) as sock:
        head = f"PATCH /api/v1{where} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}\r\n"
        head += (
            f"Authorization: Bearer {lab.api_key}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {BYTES}"
        )
        sock.sendall(head.encode() + b"\r\n\r\n" + data[:3_000_001])
        wait_until(lambda: offset_of(api, where) > 0)
        assert patch(api, where, offset_of(api, where), b"").status_code in {409, 423}, "one sends at a time"
    wait_until(lambda: patch(api, where, offset_of(api, where), b"").status_code == 204)
    offset = offset_of(api, where)
    assert offset == 3_000_001
    assert patch(api, where, offset, data[offset:]).status_code == 204
    assert knows(api, digest_of(data))


def test_the_lab_may_be_killed_in_the_middle(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    data = os.urandom(3_000_000)
    where = create(api, digest_of(data), len(data))
    patch(api, where, 0, data[:2_000_000])
    own_lab.kill()
    own_lab.start()
    assert create(api, digest_of(data), len(data)) == where
    assert offset_of(api, where) == 2_000_000
    assert patch(api, where, 2_000_000, data[2_000_000:]).status_code == 204
    assert knows(api, digest_of(data))


def test_a_lab_that_is_stopped_in_the_middle_keeps_what_came(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    data = os.urandom(5_000_000)
    where = create(api, digest_of(data), len(data))
    with socket.create_connection(("127.0.0.1", own_lab.port)) as sock:
        head = f"PATCH /api/v1{where} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}\r\n"
        head += f"Authorization: Bearer {own_lab.api_key}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        sock.sendall(f"{head}Content-Type: {BYTES}\r\n\r\n".encode() + data[:3_000_001])
        there = wait_until(lambda: (offset := offset_of(api, where)) >= 2_000_000 and offset)
        assert own_lab.stop() == 0
    own_lab.start()
    offset = offset_of(api, where)
    assert there <= offset <= 3_000_001, "what is still on its way to a lab that stops has not come"
    assert patch(api, where, offset, data[offset:]).status_code == 204
    assert knows(api, digest_of(data))


def test_an_upload_can_be_ended(api: Api, other: Api) -> None:
    where = create(api, digest_of(os.urandom(8)), 1000)
    patch(api, where, 0, b"x")
    assert other.raw("DELETE", where, headers=TUS).status_code == 404
    assert api.raw("DELETE", where, headers=TUS).status_code == 204
    assert api.raw("HEAD", where, headers=TUS).status_code == 404


def test_only_who_has_sent_bytes_knows_of_them(api: Api, other: Api) -> None:
    digest = keep(api, os.urandom(100))
    where = create(api, digest_of(os.urandom(8)), 1000)
    assert knows(api, digest) and not knows(other, digest)
    assert other.raw("HEAD", where, headers=TUS).status_code == 404
    assert patch(other, where, 0, b"x").status_code == 404
    project = api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
    body = {"name": "stolen", "digest": digest, "bytes": 100}
    assert error_of(other.raw("POST", f"/projects/{project}/artifacts", json=body))["code"] == "blob_missing"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Tus-Resumable": ""}, 412),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "ten"}, 400),
        ({"Upload-Length": "9" * 30}, 400),
        ({"Upload-Length": str(1 << 59)}, 507),
        ({"Upload-Metadata": ""}, 400),
        ({"Upload-Metadata": "digest"}, 400),
        ({"Upload-Metadata": "digest %%%"}, 400),
        ({"Upload-Metadata": "digest " + base64.b64encode(b"../../etc/passwd").decode()}, 400),
    ],
)
def test_odd_announcements_are_refused(api: Api, headers: dict[str, str], status: int) -> None:
    sent = {**TUS, "Upload-Length": "4", "Upload-Metadata": metadata("a" * 64), **headers}
    answer = api.raw("POST", "/uploads", headers=sent)
    assert answer.status_code == status
    error_of(answer)


def test_odd_pieces_are_refused(api: Api) -> None:
    where = create(api, digest_of(os.urandom(8)), 1000)
    assert patch(api, where, 0, b"x", **{"Content-Type": "application/json"}).status_code == 415
    assert patch(api, where, 0, b"x", **{"Upload-Offset": "x"}).status_code == 400
    assert patch(api, where, 0, b"x", **{"Tus-Resumable": "2"}).status_code == 412
    for odd in ("/uploads/..%2Fx", f"/uploads/{'A' * 32}", "/uploads/x", f"/uploads/{'0' * 32}"):
        assert patch(api, odd, 0, b"x").status_code in {404, 422}, odd
    assert offset_of(api, where) == 0


def test_a_full_disk_refuses_a_file_and_takes_it_later(own_lab: RealLab) -> None:
    """The lab's files may not grow beyond a limit until it is lifted, as on a full disk."""
    api = Api.of(own_lab.start())
    data = os.urandom(8 << 20)
    where = create(api, digest_of(data), len(data))
    hard = resource.prlimit(own_lab.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(own_lab.pid, resource.RLIMIT_FSIZE, (5 << 20, hard))
    answer = patch(api, where, 0, data)
    assert answer.status_code == 507 and error_of(answer)["code"] == "disk_full" and answer.headers["Retry-After"]
    resource.prlimit(own_lab.pid, resource.RLIMIT_FSIZE, (hard, hard))
    offset = offset_of(api, where)
    assert offset == 5 << 20
    assert patch(api, where, offset, data[offset:]).status_code == 204
    assert knows(api, digest_of(data))


def test_uploads_that_each_fit_leave_the_databases_their_room(tmp_path: Path) -> None:
    size, kept = 20 << 20, 4 << 20
    bounds = json.dumps({"disk_bytes": size, "LAB_ROOM_KEPT_BYTES": kept})
    with ForkedLab(tmp_path / "data", tmp_path / "home", env={"HECTIQLAB_TEST_BOUNDS": bounds}) as lab:
        api = Api.of(lab)
        files = [os.urandom(10 << 20) for _ in range(2)]
        places = [create(api, digest_of(data), len(data)) for data in files]
        first = begun(api, places[0], files[0])
        try:
            wait_until(lambda: offset_of(api, places[0]) > 0)
            answer = patch(api, places[1], 0, files[1])
            assert (
                answer.status_code == 507 and error_of(answer)["code"] == "disk_full" and answer.headers["Retry-After"]
            )
            assert api.raw("POST", "/uploads", headers=announcing(8 << 20)).status_code == 507
        finally:
            first.sendall(files[0][6 << 20 :])
        assert first.recv(1 << 16).startswith(b"HTTP/1.1 204")
        first.close()
        assert knows(api, digest_of(files[0]))
        answer = patch(api, places[1], 0, files[1])
        assert answer.status_code == 507
        on_disk = sum(f.stat().st_size for f in (lab.data_dir / "blobs").rglob("*") if f.is_file())
        assert on_disk <= size - kept
        assert api.raw("DELETE", places[1], headers=TUS).status_code == 204


def test_a_disk_that_fills_while_a_file_comes_keeps_what_came(tmp_path: Path) -> None:
    size, kept = 30 << 20, 4 << 20
    bounds = json.dumps({"disk_bytes": size, "LAB_ROOM_KEPT_BYTES": kept})
    with ForkedLab(tmp_path / "data", tmp_path / "home", env={"HECTIQLAB_TEST_BOUNDS": bounds}) as lab:
        api = Api.of(lab)
        data = os.urandom(20 << 20)
        where = create(api, digest_of(data), len(data))
        connection = begun(api, where, data)
        wait_until(lambda: offset_of(api, where) >= 4 << 20)
        (lab.data_dir / "blobs" / "other").write_bytes(bytes(14 << 20))  # somebody else's
        connection.settimeout(30)
        with contextlib.suppress(ConnectionError):
            connection.sendall(data[6 << 20 :])
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 507")
        connection.close()
        assert 4 << 20 <= offset_of(api, where) <= 12 << 20
        (lab.data_dir / "blobs" / "other").unlink()
        offset = offset_of(api, where)
        assert patch(api, where, offset, data[offset:]).status_code == 204
        assert knows(api, digest_of(data))


def announcing(size: int) -> dict[str, str]:
    return {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata(digest_of(os.urandom(8)))}


def begun(api: Api, where: str, data: bytes) -> socket.socket:
    """Begin a PATCH of everything, and send 6 MiB of it."""
    parts = urlsplit(api.url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0))
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": BYTES, "Content-Length": str(len(data))}
    headers |= {"Host": "127.0.0.1", "Authorization": str(api.http.headers["Authorization"])}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"PATCH /api/v1{where} HTTP/1.1\r\n{head}\r\n".encode() + data[: 6 << 20])
    return connection


def test_uploads_at_once_are_all_kept(api: Api, other: Api) -> None:
    files = [os.urandom(1_500_000) for _ in range(6)]
    threads = [threading.Thread(target=keep, args=(Api(api.url, key_of(api)), data)) for data in files]
    threads += [threading.Thread(target=keep, args=(other, files[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(knows(api, digest_of(data)) for data in files)


def key_of(api: Api) -> str:
    return str(api.http.headers["Authorization"]).partition(" ")[2]


def test_a_large_file_takes_no_memory(own_lab: RealLab, tmp_path: Path) -> None:
    """300 MB in one PATCH: the lab's resident memory grows by less than 16 MiB over that of a small upload."""
    api = Api.of(own_lab.start())
    keep(api, os.urandom(20 << 20))
    status = Path(f"/proc/{own_lab.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    before = peak(status)
    block, count = os.urandom(1 << 20), 300
    whole = hashlib.sha256()
    for _ in range(count):
        whole.update(block)
    where = create(api, whole.hexdigest(), count << 20)
    answer = api.http.patch(
        f"{api.url}/api/v1{where}",
        data=(block for _ in range(count)),
        headers={**TUS, "Upload-Offset": "0", "Content-Type": BYTES},
        timeout=120,
    )
    assert answer.status_code == 204, answer.text
    assert peak(status) - before < 16 << 20
    uuid = api.call(
        "POST",
        f"/runs/{api.attach()['run']['id']}/artifacts",
        201,
        json={"name": new_id(4), "digest": whole.hexdigest(), "bytes": count << 20},
    )["uuid"]
    with api.http.get(f"{api.url}/api/v1/artifacts/{uuid}/content", stream=True, timeout=120) as body:
        assert sum(len(piece) for piece in body.iter_content(1 << 20)) == count << 20
    assert peak(status) - before < 16 << 20


def peak(status: Path) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
