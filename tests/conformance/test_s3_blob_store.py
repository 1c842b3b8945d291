"""What the BlobStore in a bucket promises beyond test_blob_store.py: many processes, kills, and servers that fail."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from pyhectiqlab.errors import ConfigurationError, StoreError
from pyhectiqlab.store.blobs import NoRoomError, WrongDigestError
from pyhectiqlab.store.s3.blob_store import S3BlobStore
from pyhectiqlab.store.s3.client import S3Client
from pyhectiqlab.store.s3.parts import Sizes
from pyhectiqlab.store.s3.settings import S3Settings

from ..faults.proxy import Proxy
from ..seaweedfs import BUCKET, needs_s3, seaweedfs
from ..transport.scripted import ScriptedServer, answering, http, read_request, scripted

PART = 5 << 20  # the smallest part that S3 takes
SIZES = Sizes(PART)
DATA = os.urandom(12 << 20)  # two parts and a tail
MIB = 1 << 20
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _a_server() -> None:
    needs_s3()


@pytest.fixture
def settings() -> S3Settings:
    """Return the settings of a prefix of the test's own."""
    return seaweedfs().settings()


@contextmanager
def opened(settings: S3Settings) -> Iterator[S3BlobStore]:
    """Return a store as another process would have it."""
    with closing(S3BlobStore(settings, SIZES)) as store:
        yield store


@pytest.fixture
def store(settings: S3Settings) -> Iterator[S3BlobStore]:
    with opened(settings) as made:
        yield made


@pytest.fixture
def other(settings: S3Settings) -> Iterator[S3BlobStore]:
    with opened(settings) as made:
        yield made


def content(store: S3BlobStore, digest: str = DIGEST, start: int = 0) -> bytes:
    with store.open(digest, start) as file:
        return file.read()


def blob_key(digest: str = DIGEST) -> str:
    return f"blobs/{digest[:2]}/{digest[2:4]}/{digest}"


def send(store: S3BlobStore, data: bytes, upload: str = "aa") -> None:
    with store.open_upload(upload) as up:
        up.append(data)


def test_parts_of_the_real_size_are_joined_and_given_back(settings: S3Settings) -> None:
    data = os.urandom(20 << 20)
    digest = hashlib.sha256(data).hexdigest()
    with closing(S3BlobStore(settings)) as store, store.open_upload("aa") as up:
        for at in range(0, len(data), 1 << 20):
            up.append(data[at : at + (1 << 20)])
        parts = [key for key in seaweedfs().keys(store) if key.startswith("uploads/aa/")]
        assert [key[:16] for key in parts] == ["uploads/aa/00000", "uploads/aa/00001"]
        up.finish(digest)
        assert seaweedfs().keys(store) == [blob_key(digest)]
        assert content(store, digest) == data


# Many processes


def test_each_piece_may_come_to_another_process(settings: S3Settings) -> None:
    for start in range(0, len(DATA), 3 * MIB):
        with opened(settings) as store, store.open_upload("aa") as up:
            assert up.offset == start == store.received("aa")
            up.append(DATA[start : start + 3 * MIB])
    with opened(settings) as store:
        with store.open_upload("aa") as up:
            assert sum(key.startswith("uploads/aa/00002") for key in seaweedfs().keys(store)) == 1, "one tail stays"
            up.finish(DIGEST)
        assert content(store) == DATA and seaweedfs().keys(store) == [blob_key()]


def test_wrong_bytes_that_came_to_several_processes_are_refused(store: S3BlobStore, other: S3BlobStore) -> None:
    send(store, DATA[: 8 * MIB])
    with other.open_upload("aa") as up:
        up.append(DATA[8 * MIB : -1] + b"?")
        with pytest.raises(WrongDigestError):
            up.finish(DIGEST)
    assert seaweedfs().keys(store) == [] and store.received("aa") == 0


def test_two_processes_that_receive_the_same_lose_nothing_and_make_one_blob(
    store: S3BlobStore, other: S3BlobStore
) -> None:
    with store.open_upload("aa") as one, other.open_upload("aa") as two:
        one.append(DATA[: 7 * MIB])
        one.keep()
        two.append(DATA[: 6 * MIB])
        two.keep()
        assert store.received("aa") == other.received("aa") == 7 * MIB
        one.append(DATA[7 * MIB :])
        two.append(DATA[6 * MIB :])
        start = threading.Barrier(2)

        def finish(up: object) -> None:
            start.wait()
            up.finish(DIGEST)  # type: ignore[attr-defined]

        threads = [threading.Thread(target=finish, args=(up,)) for up in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert content(store) == DATA and seaweedfs().keys(store) == [blob_key()]


def test_an_upload_that_another_process_has_finished_is_finished(store: S3BlobStore, other: S3BlobStore) -> None:
    send(store, DATA)
    with store.open_upload("aa") as one, other.open_upload("aa") as two:
        two.finish(DIGEST)
        one.finish(DIGEST)
    assert content(store) == DATA and seaweedfs().keys(store) == [blob_key()]


def test_bytes_that_another_process_mixes_in_never_come_into_a_blob(store: S3BlobStore, other: S3BlobStore) -> None:
    with store.open_upload("aa") as one:
        one.append(DATA[: 7 * MIB])
        send(other, b"x" * (11 * MIB))
        one.append(DATA[7 * MIB :])
        one.finish(DIGEST)
    assert content(store) == DATA and seaweedfs().keys(store) == [blob_key()]


def test_an_upload_that_another_process_ended_makes_no_blob(store: S3BlobStore, other: S3BlobStore) -> None:
    with store.open_upload("aa") as up:
        up.append(DATA)
        other.abort("aa")
        with pytest.raises(StoreError, match="ended by another request"):
            up.finish(DIGEST)
    assert not store.has(DIGEST)


def test_sweeping_gives_back_what_killed_processes_left(store: S3BlobStore, settings: S3Settings) -> None:
    send(store, DATA)
    send(store, DATA, "bb")
    join = store.client.s3.create_multipart_upload(Bucket=BUCKET, Key=settings.key(blob_key()))["UploadId"]
    soon = time.time() + 100
    store.sweep(soon, lambda upload: upload == "bb")
    assert store.received("aa") == 0 and store.received("bb") == len(DATA)
    joins = store.client.s3.list_multipart_uploads(Bucket=BUCKET, Prefix=settings.prefix).get("Uploads", ())
    assert join not in [one["UploadId"] for one in joins]


def test_the_prefix_of_another_lab_is_refused(store: S3BlobStore, other: S3BlobStore) -> None:
    store.claim("lab-one")
    other.claim("lab-one")
    with pytest.raises(ConfigurationError, match=r"another lab.*name another prefix"):
        other.claim("lab-two")
    assert list(store.digests()) == []


def test_of_two_that_claim_a_prefix_at_once_one_is_refused(store: S3BlobStore) -> None:
    for name in ("first", "second"):
        store.bucket.put_new(store.bucket.key("lab"), name.encode())
    store.claim("first")
    with pytest.raises(ConfigurationError, match="another lab"):
        store.claim("second")


# Kills


def in_process(settings: S3Settings, folder: Path, script: str, crash_at: str = "") -> int:
    head = f"""
        import hashlib, os, signal
        from pathlib import Path
        from pyhectiqlab.store.s3.blob_store import S3BlobStore
        from pyhectiqlab.store.s3.parts import Sizes
        from pyhectiqlab.store.s3.settings import S3Settings
        store = S3BlobStore({settings!r}, Sizes({PART}))
        data = Path({str(folder / "data")!r}).read_bytes()
    """
    (folder / "data").write_bytes(DATA)
    code = textwrap.dedent(head) + textwrap.dedent(script)
    env = {**os.environ, **({"HECTIQLAB_CRASH_AT": f"{crash_at}:1:{folder / 'marker'}"} if crash_at else {})}
    return subprocess.run([sys.executable, "-c", code], timeout=60, check=False, env=env).returncode


def test_what_a_killed_process_acknowledged_another_goes_on_with(
    settings: S3Settings, tmp_path: Path, store: S3BlobStore
) -> None:
    script = """
        with store.open_upload("aa") as up:
            up.append(data[:6_000_000])
        up = store.open_upload("aa")
        up.append(data[6_000_000:11_000_000])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert in_process(settings, tmp_path, script) == -signal.SIGKILL
    with store.open_upload("aa") as up:
        assert up.offset == 2 * PART, "what is not acknowledged may be sent again"
        up.append(DATA[up.offset :])
        up.finish(DIGEST)
    assert content(store) == DATA and seaweedfs().keys(store) == [blob_key()]


@pytest.mark.parametrize("moment", ["s3.part_sent", "s3.placing", "s3.joining", "s3.placed"])
def test_after_a_kill_at_any_moment_another_process_ends_the_upload(
    settings: S3Settings, tmp_path: Path, store: S3BlobStore, moment: str
) -> None:
    script = f"""
        with store.open_upload("aa") as up:
            up.append(data)
            up.keep()
            up.finish({DIGEST!r})
    """
    assert in_process(settings, tmp_path, script, moment) == -signal.SIGKILL
    assert store.has(DIGEST) == (moment == "s3.placed")
    with store.open_upload("aa") as up:
        assert up.offset >= PART
        up.append(DATA[up.offset :])
        up.finish(DIGEST)
    store.sweep(time.time() + 100, lambda upload: True)
    assert content(store) == DATA and seaweedfs().keys(store) == [blob_key()]


# Servers that fail


@contextmanager
def through_proxy(settings: S3Settings) -> Iterator[tuple[Proxy, S3BlobStore]]:
    with closing(Proxy(int(seaweedfs().url.rpartition(":")[2]), 1)) as proxy:
        there = S3Settings.of(seaweedfs().address(prefix=settings.prefix, endpoint=f"http://127.0.0.1:{proxy.port}"))
        with opened(there) as store:
            yield proxy, store


def test_a_download_goes_on_where_a_connection_broke() -> None:
    def script(connection: socket.socket, server: ScriptedServer) -> None:
        head = read_request(connection, server).lower()
        if head.startswith(b"head"):
            connection.sendall(CLOSED % b"200 OK" + b"Content-Length: 6\r\n\r\n")
        elif b"range: bytes=3-" in head:
            connection.sendall(CLOSED % b"206 Partial Content" + b"Content-Length: 3\r\n\r\ndef")
        else:
            connection.sendall(CLOSED % b"200 OK" + b"Content-Length: 6\r\n\r\nabc")

    with scripted(script) as server, closing(of_server(server.url)) as store:
        assert content(store) == b"abcdef"


@pytest.mark.parametrize("fault", ["reset_request", "lost_reply", "reset_reply", "unavailable", "error_500"])
def test_an_upload_survives_a_server_that_fails_for_a_moment(settings: S3Settings, fault: str) -> None:
    with through_proxy(settings) as (proxy, store):
        send(store, DATA[: 7 * MIB])
        proxy.start(fault)
        with pytest.raises(StoreError, match="out of reach"):
            send(store, DATA[7 * MIB :])
        proxy.stop()
        ends = time.monotonic() + 20
        while True:
            try:
                with store.open_upload("aa") as up:
                    assert up.offset >= 7 * MIB, "what was acknowledged is there"
                    up.append(DATA[up.offset :])
                    up.finish(DIGEST)
                break
            except StoreError:
                assert time.monotonic() < ends
                time.sleep(0.1)  # calls fail at once for so long
        assert content(store) == DATA and proxy.hits


def test_calls_fail_at_once_while_the_server_is_away(settings: S3Settings) -> None:
    with through_proxy(settings) as (proxy, store):
        assert not store.has(DIGEST)
        proxy.start("refused")
        with pytest.raises(StoreError, match="out of reach"):
            store.has(DIGEST)
        before = time.monotonic()
        with pytest.raises(StoreError, match=r"out of reach.*see that it runs"):
            store.has(DIGEST)
        assert time.monotonic() - before < 0.5
        proxy.stop()


CLOSED = b"HTTP/1.1 %s\r\nConnection: close\r\n"


def of_server(url: str, **options: str) -> S3BlobStore:
    return S3BlobStore(S3Settings.of(seaweedfs().address(prefix="p", endpoint=url, **options)))


def error(status: str, code: str, more: str = "", **headers: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{more}</Error>"
    return http(status, body.encode(), "application/xml", Connection="close", **headers)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error("403 Forbidden", "AccessDenied"), "no right to GetObject in.*allow its user"),
        (error("403 Forbidden", "SignatureDoesNotMatch"), "refuses the credentials"),
        (error("403 Forbidden", "RequestTimeTooSkewed"), "set the clock"),
        (
            error("301 Moved", "PermanentRedirect", x_amz_bucket_region="eu-west-3"),
            "is in the region eu-west-3: set region=eu-west-3",
        ),
        (
            error("400 Bad", "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
            "is in the region eu-west-1",
        ),
        (error("404 Not Found", "NoSuchBucket"), "no bucket 'tests'.*make it"),
        (error("405 Method Not Allowed", "MethodNotAllowed"), "refuses GetObject"),
        (error("503 Slow Down", "SlowDown"), "out of reach.*SlowDown"),
        (http("200 OK", b"<html>", Connection="close"), "out of reach"),
    ],
)
def test_each_refusal_is_one_line_that_says_what_to_do(answer: bytes, says: str) -> None:
    with (
        scripted(answering(answer)) as server,
        closing(of_server(server.url)) as store,
        pytest.raises(StoreError, match=says) as caught,
    ):
        store.received("aa") if b"<html>" in answer else store.open(DIGEST)
    assert "\n" not in str(caught.value)


def test_a_full_bucket_has_no_room() -> None:
    full = error("507 Insufficient Storage", "InsufficientStorage")
    with scripted(answering(full)) as server, closing(of_server(server.url)) as store, pytest.raises(NoRoomError):
        store.bucket.write_blob(DIGEST, b"some")


def test_a_bucket_that_is_not_there_or_not_ours_is_told() -> None:
    weed = seaweedfs()
    absent = S3Settings.of(f"s3://nowhere-at-all?endpoint={weed.url}", _keys("lab"))
    with closing(S3BlobStore(absent)) as store, pytest.raises(StoreError, match=r"no bucket 'nowhere-at-all'.*make it"):
        store.claim("lab")
    with closing(S3BlobStore(weed.settings("reader"))) as store, pytest.raises(StoreError, match="no right to PutObj"):
        store.claim("lab")
    stranger = S3Settings.of(weed.address(secret_key_file=str(weed.folder / "reader.secret")))
    with closing(S3BlobStore(stranger)) as store, pytest.raises(StoreError, match=r"the keys|credentials|no right"):
        store.claim("lab")


def _keys(user: str) -> dict[str, str]:
    folder = seaweedfs().folder
    return {"access-key-file": str(folder / f"{user}.access"), "secret-key-file": str(folder / f"{user}.secret")}


def test_without_credentials_it_says_how_to_name_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = S3Settings.of(f"s3://{BUCKET}?endpoint={seaweedfs().url}")
    with closing(S3BlobStore(settings)) as store, pytest.raises(StoreError, match=r"no credentials.*AWS_ACCESS_KEY_ID"):
        store.has(DIGEST)


def test_credentials_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", (seaweedfs().folder / "lab.access").read_text().strip())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", (seaweedfs().folder / "lab.secret").read_text().strip())
    with closing(S3BlobStore(S3Settings.of(f"s3://{BUCKET}/env?endpoint={seaweedfs().url}"))) as store:
        assert not store.has(DIGEST)


# Addresses, encryption


def test_a_signed_address_gives_the_bytes_to_whoever_has_it(settings: S3Settings) -> None:
    signed = S3Settings.of(seaweedfs().address(prefix=settings.prefix, downloads="signed", signed_s="2"))
    with opened(signed) as store:
        store.bucket.write_blob(DIGEST, DATA)
        disposition = f"attachment; filename=\"a b.txt\"; filename*=UTF-8''{quote('ä b.txt')}"
        address = store.address(DIGEST, disposition, "text/plain; charset=utf-8")
        assert address is not None
        made = time.time()
        answer = requests.get(address, timeout=30)
        assert answer.status_code == 200 and answer.content == DATA
        assert answer.headers["Content-Disposition"] == disposition
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        part = requests.get(address, headers={"Range": "bytes=5-9"}, timeout=30)
        assert part.status_code == 206 and part.content == DATA[5:10]
        assert requests.put(address, data=b"other", timeout=30).status_code == 403
        while requests.get(address, timeout=30).status_code == 200:
            assert time.time() < made + 20, "it ends"
            time.sleep(0.2)


def test_an_address_names_the_server_as_others_reach_it() -> None:
    public = seaweedfs().settings(downloads="signed", public_endpoint="https://files.example.org")
    with closing(S3BlobStore(public)) as store:
        assert (store.address(DIGEST, "attachment", "text/plain") or "").startswith("https://files.example.org/tests/")


def test_each_object_is_made_with_the_encryption_that_is_wished() -> None:
    empty = http("200 OK", b"", "application/xml", ETag='"e"', Connection="close")
    with scripted(answering(empty)) as server:
        with closing(of_server(server.url, encryption="aws:kms", kms_key="k1")) as store:
            store.bucket.write_blob(DIGEST, b"some")
        head = server.requests[0].partition(b"\r\n\r\n")[0].lower()
        assert b"x-amz-server-side-encryption: aws:kms\r\n" in head
        assert b"x-amz-server-side-encryption-aws-kms-key-id: k1\r\n" in head


def test_a_body_that_was_changed_on_its_way_is_refused(settings: S3Settings) -> None:
    client = S3Client(settings)

    def spoil(request: object, **_: object) -> None:
        request.body = b"wrong"  # type: ignore[attr-defined]

    client.s3.meta.events.register_last("before-send.s3.PutObject", spoil)
    store = S3BlobStore(settings)
    store.bucket.client = client
    with closing(store), pytest.raises(StoreError, match="BadDigest"):
        store.bucket.write_blob(DIGEST, b"right")
    assert not store.has(DIGEST)
