"""Files to and from a real lab, with either side killed in the middle."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import InvalidRequestError, LabRequestError, LabUnreachableError, NotALabError, NotFoundError
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient, file_upload, files
from pyhectiqlab.transport.file_download import download
from pyhectiqlab.transport.file_upload import register, send_file, upload_file
from pyhectiqlab.utils import download_existing_run_artifact

from ..labs import ForkedLab
from .scripted import answering, http, read_request, scripted


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("files")
    with ForkedLab(folder / "data", folder / "home") as real:
        yield real


@pytest.fixture
def lab(shared: RealLab) -> RealLab:
    return shared if shared.running else shared.start()


@pytest.fixture
def client(lab: RealLab) -> Iterator[LabClient]:
    with LabClient(lab.url, lab.api_key) as made:
        yield made


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Return three pieces and a bit, in which no bytes are repeated."""
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(3 * file_upload.PIECE_BYTES + 12_345))
    return path


def share(client: LabClient, path: Path, name: str | None = None) -> dict[str, Any]:
    sent = upload_file(client, path)
    body = {"id": secrets.token_hex(16), "name": name or path.name, "digest": sent.digest, "bytes": sent.bytes}
    return register(client, body, project="default")


@pytest.fixture(autouse=True, scope="module")
def _a_project(shared: RealLab) -> None:
    with LabClient(shared.url, shared.api_key) as client:
        client.post("/projects", {"name": "default"})


def test_a_file_comes_back_as_it_went(client: LabClient, big: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    sent = upload_file(client, big, progress=seen.append)
    assert (sent.there, sent.bytes) == (False, big.stat().st_size)
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == sent.bytes
    target = download(client, share(client, big), tmp_path / "back")
    assert target == tmp_path / "back" and target.read_bytes() == big.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_an_empty_file_is_a_file(client: LabClient, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert download(client, share(client, tmp_path / "empty"), tmp_path / "back").read_bytes() == b""


def test_what_the_lab_has_is_not_sent_again(client: LabClient, big: Path) -> None:
    upload_file(client, big)
    assert upload_file(client, big).there


def test_an_upload_whose_process_is_killed_goes_on_where_it_was(lab: RealLab, client: LabClient, big: Path) -> None:
    script = f"""
        import os, signal, sys
        from pyhectiqlab.transport import LabClient, file_upload, files
        def progress(done):
            if done >= file_upload.PIECE_BYTES:
                os.kill(os.getpid(), signal.SIGKILL)
        file_upload.upload_file(LabClient({lab.url!r}, os.environ["KEY"]), {str(big)!r}, progress=progress)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env={**os.environ, "KEY": lab.api_key}, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    seen: list[int] = []
    sent = upload_file(client, big, progress=seen.append)
    assert seen[0] == file_upload.PIECE_BYTES and not sent.there
    assert sent.digest == hashlib.sha256(big.read_bytes()).hexdigest()


def test_an_upload_goes_on_after_the_lab_was_killed(lab: RealLab, client: LabClient, big: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(done: int) -> None:
        if done and len(seen) == 1:
            lab.kill()
        seen.append(done)

    def sleep(_: float) -> None:
        if not lab.running:
            lab.start()

    sent = upload_file(client, big, progress=progress, sleep=sleep)
    assert 0 not in seen[1:], "it did not start over"
    assert sent.digest == hashlib.sha256(big.read_bytes()).hexdigest()
    assert download(client, share(client, big), tmp_path / "back").read_bytes() == big.read_bytes()


def test_a_file_that_changed_is_refused_and_nothing_of_it_kept(client: LabClient, big: Path) -> None:
    wrong = hashlib.sha256(b"what it was").hexdigest()
    fd = os.open(big, os.O_RDONLY)
    try:
        with pytest.raises(InvalidRequestError) as e:
            send_file(client, fd, big.stat().st_size, wrong)
        assert e.value.status == files.CHECKSUM_MISMATCH
        assert not file_upload.has_blob(client, wrong)
        with pytest.raises(InvalidRequestError, match="shorter") as e:
            send_file(client, fd, big.stat().st_size + 1, wrong)
        assert e.value.status == files.CHECKSUM_MISMATCH
    finally:
        os.close(fd)


def test_an_absent_lab_is_given_up_on(big: Path) -> None:
    with scripted(lambda connection, server: None) as server, LabClient(server.url) as client:
        waits: list[float] = []
        with pytest.raises(LabUnreachableError):
            upload_file(client, big, tries=3, sleep=waits.append)
        assert len(waits) == 2


def test_progress_may_end_an_upload(client: LabClient, big: Path) -> None:
    def stop(done: int) -> None:
        if done >= 2 * file_upload.PIECE_BYTES:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload_file(client, big, progress=stop)
    seen: list[int] = []
    upload_file(client, big, progress=seen.append)
    assert seen[0] == 2 * file_upload.PIECE_BYTES


# Downloads


def test_a_download_that_was_interrupted_goes_on_and_never_looked_whole(
    client: LabClient, big: Path, tmp_path: Path
) -> None:
    artifact = share(client, big)
    target = tmp_path / "back"

    def stop(done: int) -> None:
        assert not target.exists()
        if done >= file_upload.PIECE_BYTES:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(client, artifact, target, progress=stop)
    assert not target.exists()
    seen: list[int] = []
    assert download(client, artifact, target, progress=seen.append).read_bytes() == big.read_bytes()
    assert seen[0] >= file_upload.PIECE_BYTES


def test_a_part_with_wrong_bytes_is_no_file(client: LabClient, big: Path, tmp_path: Path) -> None:
    artifact = share(client, big)
    part = tmp_path / f".back.{artifact['digest'][:16]}.part"
    part.write_bytes(b"x" * 100_000)
    with pytest.raises(LabRequestError, match="download it again"):
        download(client, artifact, tmp_path / "back")
    assert not part.exists() and not (tmp_path / "back").exists()
    assert download(client, artifact, tmp_path / "back").read_bytes() == big.read_bytes()


def test_a_download_goes_on_after_the_lab_was_killed(
    lab: RealLab, client: LabClient, big: Path, tmp_path: Path
) -> None:
    artifact = share(client, big)

    def progress(done: int) -> None:
        if done >= file_upload.PIECE_BYTES and not killed:
            killed.append(lab.kill())

    def sleep(_: float) -> None:
        if not lab.running:
            lab.start()

    killed: list[int] = []
    target = download(client, artifact, tmp_path / "back", progress=progress, sleep=sleep)
    assert killed and target.read_bytes() == big.read_bytes()


def test_another_file_is_replaced_only_when_asked(client: LabClient, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ours")
    artifact = share(client, tmp_path / "a.txt")
    place = tmp_path / "place"
    place.mkdir()
    target = download(client, artifact, place)
    assert target == place / "a.txt"
    assert download(client, artifact, place) == target, "the same bytes are there: nothing to do"
    target.write_text("another")
    with pytest.raises(FileExistsError, match="overwrite"):
        download(client, artifact, place)
    assert target.read_text() == "another"
    assert download(client, artifact, place, overwrite=True).read_text() == "ours"


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/b", "..", ".", "", "a\0b", "a\\b", "\n", 5, None])
def test_no_name_of_the_lab_leads_out_of_the_folder(tmp_path: Path, name: Any) -> None:
    with scripted(answering(http("200 OK", b"evil", "application/octet-stream"))) as server:
        artifact = {"uuid": "a", "name": name, "digest": hashlib.sha256(b"evil").hexdigest(), "bytes": 4}
        with LabClient(server.url) as client, pytest.raises(NotALabError):
            download(client, artifact, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_error_page_is_never_taken_for_the_file(tmp_path: Path) -> None:
    page = b"<html>Bad gateway</html>"
    artifact = {"uuid": "a", "name": "f", "digest": hashlib.sha256(b"x" * len(page)).hexdigest(), "bytes": len(page)}
    for status in ("500 Oops", "404 Nothing", "200 OK"):
        with scripted(answering(http(status, page, "text/html"))) as server, LabClient(server.url) as client:
            with pytest.raises(LabRequestError):
                download(client, artifact, tmp_path, tries=2, sleep=lambda s: None)
            assert not (tmp_path / "f").exists(), status


def test_a_body_that_is_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    data = os.urandom(3000)
    asked: list[bytes] = []

    def script(connection: Any, server: Any) -> None:
        request = read_request(connection, server)
        asked.append(request)
        match = re.search(rb"[Rr]ange: bytes=(\d+)-", request)
        at = int(match.group(1)) if match else 0
        head = "206 Partial" if at else "200 OK"
        whole = http(head, data[at:], "application/octet-stream", Content_Range=f"bytes {at}-2999/3000")
        connection.sendall(whole[: len(whole) - max(0, len(data) - at - 1000)])

    from .scripted import read_request

    artifact = {"uuid": "a", "name": "f", "digest": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    with scripted(script) as server, LabClient(server.url) as client:
        target = download(client, artifact, tmp_path, sleep=lambda s: None)
    assert target.read_bytes() == data and len(asked) == 3


def test_scripts_download_by_uuid(
    lab: RealLab, client: LabClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("by uuid")
    artifact = share(client, tmp_path / "a.txt")
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("HECTIQLAB_URL", lab.url)
    monkeypatch.setenv("HECTIQLAB_API_KEY", lab.api_key)
    target = download_existing_run_artifact(artifact["uuid"], place)
    assert target == place / "a.txt" and target.read_text() == "by uuid"
    with pytest.raises(NotFoundError):
        download_existing_run_artifact("no-such-uuid", place)


def test_a_file_that_the_lab_keeps_elsewhere_comes_from_there_without_the_key(tmp_path: Path) -> None:
    data = b"bytes of a file"
    there = iter([http("500 Oh"), http("200 OK", data[:5] + b"....."), http("206 OK", data[5:])])

    def bucket_script(connection: Any, server: Any) -> None:
        while request := read_request(connection, server):
            answer = next(there)
            if b"Range: bytes=5-" in request:
                answer = answer.replace(b"\r\n\r\n", f"\r\nContent-Range: bytes 5-14/{len(data)}\r\n\r\n".encode(), 1)
            if b"....." in answer:  # the connection ends in the middle
                connection.sendall(answer.replace(b"Content-Length: 10", f"Content-Length: {len(data)}".encode())[:-5])
                return
            connection.sendall(answer)

    artifact = {"uuid": "u", "name": "a.bin", "bytes": len(data), "digest": hashlib.sha256(data).hexdigest()}
    with scripted(bucket_script) as bucket:
        lost = http("302 Found", Location=f"{bucket.url}/key?signature=s", Cache_Control="no-store")
        with scripted(answering(lost)) as server, LabClient(server.url, "my-key") as client:
            assert download(client, artifact, tmp_path / "b", sleep=lambda _: None).read_bytes() == data
        assert all(b"Hectiqlab-Follows: 302" in request and b"my-key" in request for request in server.requests)
        assert len(bucket.requests) == 3
        assert not any(b"my-key" in request or b"uthorization" in request for request in bucket.requests)


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "https://", "//host/key"])
def test_an_address_that_is_none_is_not_followed(tmp_path: Path, address: str) -> None:
    artifact = {"uuid": "u", "name": "a.bin", "bytes": 5, "digest": "a" * 64}
    answer = http("302 Found", Location=address)
    with (
        scripted(answering(answer)) as server,
        LabClient(server.url, "my-key") as client,
        pytest.raises(LabRequestError, match="address that is none"),
    ):
        download(client, artifact, tmp_path / "b", tries=1)
