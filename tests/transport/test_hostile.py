"""LabClient against a server that answers anything at all: each call ends with an answer or with an error of ours."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.errors import LabError, NotALabError
from pyhectiqlab.transport.answers import number, retry_after_s
from pyhectiqlab.transport.file_download import download
from pyhectiqlab.transport.file_upload import has_blob, register, send_file
from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.transport.registry import find_version, set_alias
from pyhectiqlab.transport.retry import RETRY_AFTER_MAX_S, Backoff

from ..seeds import examples
from .scripted import ScriptedServer, read_request, scripted
from .test_calls import GREETING
from .test_http import ATTACHED, INGESTED

VERSION = {
    "uuid": "1" * 32, "kind": "models", "name": "m", "version": "1.0.0", "aliases": [], "project": {"id": "p"},
    "contents": [{"path": "w", "digest": "0" * 64, "bytes": 3, "url": "u"}],
}  # fmt: skip
ARTIFACT = {"uuid": "1" * 32, "name": "a", "digest": "0" * 64, "bytes": 3}


class Server:
    """Answers every request with `answer`, then hangs up."""

    def __init__(self) -> None:
        self.answer = b""

    def script(self, connection: socket.socket, server: ScriptedServer) -> None:
        with suppress(ValueError):
            read_request(connection, server)
        with suppress(OSError):
            connection.sendall(self.answer)


@pytest.fixture(scope="module")
def hostile() -> Iterator[tuple[Server, LabClient]]:
    server = Server()
    with scripted(server.script) as at, LabClient(at.url, "hl_x", connect_timeout_s=5, read_timeout_s=5) as client:
        yield server, client


def calls(client: LabClient, folder: Path, fd: int) -> dict[str, Callable[[], object]]:
    return {
        "handshake": client.handshake,
        "attach": lambda: client.attach({}, timeout_s=5),
        "ingest": lambda: client.ingest(b""),
        "heartbeat": lambda: client.heartbeat("s", {}),
        "end": lambda: client.end("s", {}),
        "get": lambda: client.get("/me"),
        "pages": lambda: [item["name"] for item in client.pages("/runs")],
        "points": lambda: list(client.points("r", "k")),
        "buckets": lambda: client.buckets({}),
        "has_blob": lambda: has_blob(client, "0" * 64),
        "send_file": lambda: send_file(client, fd, 3, "0" * 64, tries=1),
        "register": lambda: register(client, {}, run="r"),
        "download": lambda: download(client, ARTIFACT, folder / "got", tries=1),
        "find_version": lambda: find_version(client, "p", "models", "m", None, tries=1),
        "set_alias": lambda: set_alias(client, "p", "models", "m", "best", None, tries=1),
    }


def ask_all(client: LabClient, folder: Path) -> None:
    path = folder / "sent"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        for name, call in calls(client, folder, file.fileno()).items():
            try:
                call()
            except LabError as e:
                assert "\n" not in str(e) and str(e), name
            except Exception as e:
                raise AssertionError(f"{name} raised {type(e).__name__}: {e}") from e


HUGE = "9" * 5000  # more digits than int() takes
HEADERS = [
    "Content-Length: ²", "Content-Length: -1", "Content-Length: abc", f"Content-Length: {HUGE}", "Content-Length: 1, 2",
    "Content-Length: 0x10", "Content-Length: 99999999999999999999", "Content-Length:", "Transfer-Encoding: nonsense",
    "Transfer-Encoding: chunked", "Content-Encoding: gzip", "Content-Type: application/x-msgpack", "Content-Type: ²",
    f"Retry-After: {HUGE}", "Retry-After: -5", "Retry-After: ²", "Retry-After: Mon, 99 Foo 99999 99:99:99 GMT",
    "Retry-After: Mon, 01 Jan 0001 00:00:00 -9999", "Location: http://[", "Location: \xff\xfe", "Location: //",
    f"Upload-Offset: {HUGE}", "Upload-Offset: ²", "Upload-Offset: -1", "Upload-Offset: 99", "ETag: \xff",
    "Location: /api/v1/uploads/abc\r\nUpload-Offset: 9999", "Location: /uploads/../../x", "Content-Range: bytes x-y/z",
    f"Content-Range: bytes 0-{HUGE}/3", "Set-Cookie: \xff=\xff; expires=never; max-age=x", "Connection: \xff", ": x",
    "no colon", "Date: never",
]  # fmt: skip


@pytest.mark.parametrize(
    "status", ["200 OK", "206 Partial", "302 Found", "429 Slow", "503 Busy", "999 ?", "100 Continue"]
)
@pytest.mark.parametrize("header", HEADERS)
def test_no_header_is_more_than_an_error_of_ours(
    hostile: tuple[Server, LabClient], tmp_path: Path, status: str, header: str
) -> None:
    server, client = hostile
    server.answer = f"HTTP/1.1 {status}\r\n{header}\r\n\r\n".encode("latin-1", "replace") + b'{"a": 1}'
    ask_all(client, tmp_path)


BODIES: list[Any] = [
    None, 1, "x", [], [[]], {}, {"items": 1}, {"items": [1]}, {"items": [{}], "next": 5}, {"error": []},
    {"error": {"code": 1}},
    {"items": [{"name": 1}], "next": {}}, {"series": [{}]}, {"step": "x"}, {"results": 5, "generation": "x"},
    {**INGESTED, "results": [{"writer": "w", "status": 200, "cursor": 1 << 70}]},
    {**INGESTED, "results": [{"writer": "w", "status": "200", "cursor": 1}]}, {**ATTACHED, "run": []},
    {**ATTACHED, "attempt": 1 << 70}, {**GREETING, "protocol": []}, {**GREETING, "protocol": {"min": "1", "max": None}},
    {**VERSION, "aliases": 5}, {**VERSION, "project": 3}, {**VERSION, "contents": [[]]},
    {**VERSION, "contents": [{"path": [], "digest": 1, "bytes": "x"}]}, {"uuid": 5}, {"version": [1]},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["application/json", "application/x-msgpack"])
@pytest.mark.parametrize("body", range(len(BODIES)))
def test_no_value_is_more_than_an_error_of_ours(
    hostile: tuple[Server, LabClient], tmp_path: Path, kind: str, body: int
) -> None:
    server, client = hostile
    try:
        raw = json.dumps(BODIES[body]).encode() if kind.endswith("json") else msgpack.packb(BODIES[body])
    except OverflowError:
        raw = b"\xcf" + b"\xff" * 8
    for status in ("200 OK", "403 No", "503 Busy"):
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n\r\n"
        server.answer = head.encode() + raw
        ask_all(client, tmp_path)


ODD = [
    b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"\xff\xfe", b"\x81\xc0\x01", b"\xdd\xff\xff\xff\xff", b"\xc1",
    b"\xd6\xff\x00", b"\xc7\x0c\xff" + b"\xff" * 12, b"\x81\x90\x01", b"",
]  # fmt: skip


@pytest.mark.parametrize("raw", ODD)
def test_no_bytes_are_more_than_an_error_of_ours(hostile: tuple[Server, LabClient], tmp_path: Path, raw: bytes) -> None:
    server, client = hostile
    for kind in ("application/json", "application/x-msgpack", "text/html"):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n\r\n"
        server.answer = head.encode() + raw
        ask_all(client, tmp_path)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=st.binary(max_size=200))
def test_no_answer_is_more_than_an_error_of_ours(
    hostile: tuple[Server, LabClient], tmp_path: Path, answer: bytes
) -> None:
    server, client = hostile
    server.answer = b"HTTP/1.1 200 OK\r\n" + answer
    ask_all(client, tmp_path)


@given(st.text(max_size=40), st.text(max_size=40))
def test_retry_after_is_a_number_of_seconds_or_none(text: str, date: str) -> None:
    seconds = retry_after_s({"retry-after": text, "date": date})
    assert seconds is None or seconds >= 0
    assert 0 < Backoff().failed(seconds) <= RETRY_AFTER_MAX_S


@given(st.text(max_size=30) | st.integers().map(str))
def test_a_number_of_a_header_is_one(text: str) -> None:
    value = number(text)
    assert value is None or 0 <= value < 1 << 63


def test_an_answer_that_lacks_something_says_what(hostile: tuple[Server, LabClient]) -> None:
    server, client = hostile
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with pytest.raises(NotALabError, match="lacks 'items'"):
        client.get("/keys")["items"]
