"""Two labs that keep their files in a bucket: uploads that go on at the other one, kills, addresses, and no bucket."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from pyhectiqlab.errors import LabError
from pyhectiqlab.store.fleet import Addresses, FleetStorage
from pyhectiqlab.store.s3.blob_store import S3BlobStore
from pyhectiqlab.store.s3.settings import S3Settings
from pyhectiqlab.transport.file_download import download
from pyhectiqlab.transport.file_upload import PIECE_BYTES, register, upload_file
from pyhectiqlab.transport.http import LabClient

from .. import logged_points
from ..labs import ForkedLab
from ..postgres import needs_postgres
from ..seaweedfs import needs_s3, seaweedfs
from ..server.api import batch, new_id, wait_until
from ..server.nginx import NGINX
from ..server.test_uploads import create, digest_of, patch
from .fleet_labs import Fleet, running


@pytest.fixture(scope="module")
def address() -> str:
    needs_s3()
    return seaweedfs().address(downloads="signed", signed_s="30")


@pytest.fixture(scope="module")
def two(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    needs_postgres()
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    with running(tmp_path_factory.mktemp("s3"), 2, "--files", address) as fleet:
        fleet.api().call("POST", "/projects", 201, json={"name": "default"})
        yield fleet


@pytest.fixture
def client(two: Fleet) -> Iterator[LabClient]:
    with LabClient(two.url, two.api_key) as made:
        yield made


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(2 * PIECE_BYTES + 12_345))
    return path


def share(client: LabClient, path: Path, **how: Any) -> dict[str, Any]:
    sent = upload_file(client, path, **how)
    body = {"id": secrets.token_hex(16), "name": path.name, "digest": sent.digest, "bytes": sent.bytes}
    return register(client, body, project="default")


def uploads_left(address: str) -> list[str]:
    with closing(S3BlobStore(S3Settings.of(address))) as store:
        return [key for key in seaweedfs().keys(store) if key.startswith("uploads/")]


def test_a_file_whose_pieces_come_to_both_labs_comes_back_as_it_went(
    two: Fleet, client: LabClient, big: Path, tmp_path: Path, address: str
) -> None:
    artifact = share(client, big)
    back = download(client, artifact, tmp_path / "back")
    assert back.read_bytes() == big.read_bytes()
    for lab in two.labs:
        assert "uploads" not in lab.log() and "Traceback" not in lab.log()
    assert uploads_left(address) == []


def test_an_upload_goes_on_at_the_other_lab_where_one_was_killed(
    two: Fleet, client: LabClient, big: Path, tmp_path: Path, address: str
) -> None:
    killed: list[int] = []

    def progress(done: int) -> None:
        if done >= PIECE_BYTES and not killed:
            killed.append(two.labs[0].kill())

    artifact = share(client, big, progress=progress, sleep=lambda _: None)
    assert killed
    assert download(client, artifact, tmp_path / "back").read_bytes() == big.read_bytes()
    two.labs[0].start()
    assert uploads_left(address) == []


def test_what_one_lab_acknowledged_the_other_one_goes_on_behind(two: Fleet) -> None:
    data = os.urandom(300_000)
    where = create(two.api(0), digest_of(data), len(data))
    for n, start in enumerate(range(0, len(data), 70_000)):
        piece = data[start : start + 70_000]
        assert patch(two.api(n % 2), where, start, piece).status_code == 204
    assert two.api(0).raw("HEAD", f"/blobs/{digest_of(data)}").status_code == 200


def test_downloads_are_sent_to_the_bucket_and_pages_read_through_the_lab(
    two: Fleet, client: LabClient, tmp_path: Path
) -> None:
    path = tmp_path / "plot ä.txt"
    path.write_bytes(b"some text")
    url = two.url + "/api/v1/artifacts/" + share(client, path)["uuid"] + "/content"

    def get(**headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(url, headers={**two.headers, **named}, allow_redirects=False, timeout=30)

    for answer in (get(Hectiqlab_Follows="302"), get(Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")):
        assert answer.status_code == 302 and answer.headers["Cache-Control"] == "no-store"
        there = requests.get(answer.headers["Location"], headers={"Range": "bytes=5-"}, timeout=30)
        assert there.status_code == 206 and there.content == b"text"
        assert there.headers["Content-Disposition"].startswith('attachment; filename="plot _.txt"')
        assert there.headers["Content-Type"] == "application/octet-stream"
    for answer in (get(), get(Sec_Fetch_Mode="cors", Sec_Fetch_Dest="empty"), get(Range="bytes=0-")):
        assert answer.content == b"some text"
    inline = requests.get(
        url + "?inline=1", headers={**two.headers, "Hectiqlab-Follows": "302"}, allow_redirects=False, timeout=30
    )
    assert inline.status_code == 200 and inline.headers["Content-Type"].startswith("text/plain")
    assert get(Hectiqlab_Follows="302", If_None_Match=answer.headers["ETag"]).status_code == 304


def test_without_the_bucket_files_are_answered_503_and_all_else_works(
    two: Fleet, client: LabClient, big: Path, tmp_path: Path
) -> None:
    api = two.api()
    data = os.urandom(1000)
    where = create(api, digest_of(data), len(data))
    artifact = share(client, big)
    seaweedfs().stop()
    try:
        for lab in (0, 1):
            answer = patch(two.api(lab), where, 0, data)
            assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
            assert "files are out of reach" in answer.json()["error"]["message"]
            read = two.api(lab).raw("GET", f"/artifacts/{artifact['uuid']}/content")
            assert read.status_code == 503
            run = two.api(lab).attach(session=new_id())["run"]["id"]
            assert two.api(lab).statuses(batch(run, new_id(), 1, 5)) == [200]
            assert two.api(lab).steps(run) == list(range(1, 6))
            assert requests.get(f"{two.labs[lab].url}/readyz", timeout=30).status_code == 200
    finally:
        seaweedfs().start()
    wait_until(lambda: patch(api, where, 0, data).status_code == 204, 30)
    assert download(client, artifact, tmp_path / "back").read_bytes() == big.read_bytes()


def test_a_lab_that_starts_while_the_bucket_is_away_has_files_once_it_is_back(
    two: Fleet, client: LabClient, big: Path, tmp_path: Path
) -> None:
    artifact = share(client, big)
    two.labs[1].stop()
    seaweedfs().stop()
    try:
        two.labs[1].start()
        assert "The lab's files are out of reach for now" in two.labs[1].log()
        api = two.api(1)
        assert requests.get(f"{two.labs[1].url}/readyz", timeout=30).status_code == 200
        run = api.attach(session=new_id())["run"]["id"]
        assert api.statuses(batch(run, new_id(), 1, 5)) == [200]
        path = f"/artifacts/{artifact['uuid']}/content"
        assert api.raw("GET", path, headers={"Hectiqlab-Follows": "302"}).status_code == 503
    finally:
        seaweedfs().start()
    with LabClient(two.labs[1].url, two.api_key) as restarted:
        wait_until(lambda: api.raw("GET", path, headers={"Hectiqlab-Follows": "302"}).status_code != 503, 30)
        assert download(restarted, artifact, tmp_path / "back").read_bytes() == big.read_bytes()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("s3://nowhere-at-all", "There is no bucket 'nowhere-at-all'"),
        ("s3://tests/some?speed=1", "A bucket has no option 'speed'"),
        ("another lab's", "has the files of another lab"),
    ],
)
def test_a_lab_whose_bucket_cannot_be_used_says_so_and_ends(two: Fleet, other: str, says: str, tmp_path: Path) -> None:
    its = seaweedfs().address()
    if other.startswith("s3://nowhere"):
        its = its.replace(its.partition("?")[0], other)
    elif other.startswith("s3:"):
        its = other
    else:
        with closing(S3BlobStore(S3Settings.of(its))) as store:
            store.claim("a stranger")
    arguments = ("--database", two.place.url, "--points", f"log:{two.place.url}", "--files", its)
    lab = ForkedLab(None, tmp_path, *arguments)
    with pytest.raises(LabError, match=says) as caught:
        lab.start()
    assert "\n" not in str(caught.value).strip() and "Traceback" not in str(caught.value)


def test_nothing_begins_to_use_a_file_while_another_lab_removes_one(two: Fleet, address: str) -> None:
    logged_points.register()
    at = Addresses(two.place.url, f"log:{two.place.url}", address)
    with closing(FleetStorage(at, beside=True)) as one, closing(FleetStorage(at, beside=True)) as other:
        done = threading.Event()

        def use() -> None:
            with other.files.using():
                done.set()

        with one.files.removing():
            thread = threading.Thread(target=use)
            thread.start()
            assert not done.wait(0.3)
        assert done.wait(10)
        thread.join()
        with one.files.using(), other.files.using():
            pass
