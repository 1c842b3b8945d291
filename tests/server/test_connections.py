"""Who sends no whole request, or takes every connection, takes them from nobody else."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from pyhectiqlab import settings
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, wait_until
from .test_uploads import keep

HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: 1\r\n"
DESCRIPTORS = 256


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[Callable[..., RealLab]]:
    """Start a lab with these bounds."""
    with contextlib.ExitStack() as stack:

        def start(**bounds: Any) -> RealLab:
            env = {"HECTIQLAB_TEST_BOUNDS": json.dumps(bounds)}
            return stack.enter_context(ForkedLab(tmp_path / "data", tmp_path / "home", env=env))

        yield start


@pytest.fixture
def sockets() -> Iterator[Callable[..., socket.socket]]:
    """Connect to a lab from one of the addresses 127.66.0.0/16 and send something."""
    with contextlib.ExitStack() as stack:

        def connect(lab: RealLab, sent: bytes = b"", i: int = 0) -> socket.socket:
            made = socket.create_connection(("127.0.0.1", lab.port), 10, (f"127.66.{i // 250}.{i % 250 + 1}", 0))
            stack.callback(made.close)
            with contextlib.suppress(OSError):
                made.sendall(sent)
            return made

        yield connect


def closed(s: socket.socket, timeout_s: float = 10) -> bytes:
    """Return what came until the lab closed the connection."""
    s.settimeout(timeout_s)
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := s.recv(1 << 16):
            received += data
    return received


def is_open(s: socket.socket) -> bool:
    readable, _, _ = select.select([s], [], [], 0)
    if not readable:
        return True
    with contextlib.suppress(ConnectionError):
        return bool(s.recv(1 << 16))
    return False


def login(length: int, body: bytes) -> bytes:
    head = "POST /api/v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode() + body


def test_a_head_without_end_is_refused(lab: RealLab, sockets: Callable[..., socket.socket]) -> None:
    before = psutil.Process(lab.pid).memory_info().rss
    for line in (b"GET / HTTP/1.1\r\nX: ", b"GET /", login(1, b"")[:-4] + b"\r\nTransfer-Encoding: chunked\r\nX-Y: "):
        s = sockets(lab, line)
        with contextlib.suppress(ConnectionError):
            for _ in range(1024):
                s.sendall(b"a" * (64 << 10))
            pytest.fail("the lab took 64 MiB of a head")
        with contextlib.suppress(ConnectionError):
            assert closed(s)[:12] in {b"HTTP/1.1 431", b"HTTP/1.1 400", b""}
    assert psutil.Process(lab.pid).memory_info().rss - before < 16 << 20


def test_a_trailer_without_end_is_refused(lab: RealLab, sockets: Callable[..., socket.socket]) -> None:
    head = "POST /api/v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    s = sockets(lab, f"{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n0\r\nX: ".encode())
    with contextlib.suppress(ConnectionError):
        for _ in range(1024):
            s.sendall(b"a" * (64 << 10))
        pytest.fail("the lab took 64 MiB of a trailer")


def test_a_body_in_very_many_chunks_is_refused(lab: RealLab, sockets: Callable[..., socket.socket]) -> None:
    head = "POST /api/v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    few = b"".join(b"1\r\n%c\r\n" % c for c in b'{"username": "nobody", "password": "guessed wrong"}' + b" " * 3000)
    larger = b"".join(b"20\r\n%s\r\n" % (b" " * 32) for _ in range(1500))
    assert closed(sockets(lab, chunked + few + larger + b"0\r\n\r\n")).startswith(b"HTTP/1.1 401")
    answer = closed(sockets(lab, chunked + b"1\r\n \r\n" * 5000))
    assert answer.startswith(b"HTTP/1.1 400") and b"too small chunks" in answer and answer.count(b"HTTP/1.1") == 1
    assert closed(sockets(lab, chunked + b"1\r\n \r\n" * 60_000))[:12] in {b"HTTP/1.1 400", b""}


def test_very_many_headers_are_refused(lab: RealLab, sockets: Callable[..., socket.socket]) -> None:
    fine = b"".join(b"a%d: b\r\n" % i for i in range(settings.LAB_HEADERS_MAX - 2))
    assert closed(sockets(lab, b"GET /api/v1/handshake HTTP/1.0\r\nHost: 127.0.0.1\r\n" + fine + b"\r\n")).startswith(
        b"HTTP/1.1 200"
    )
    s = sockets(lab, b"GET /api/v1/handshake HTTP/1.0\r\nHost: 127.0.0.1\r\n" + fine + b"c: d\r\ne: f\r\n\r\n")
    assert closed(s).startswith(b"HTTP/1.1 400")


def test_requests_in_a_row_are_answered_and_very_many_refused(
    lab: RealLab, sockets: Callable[..., socket.socket]
) -> None:
    one = b"GET /api/v1/handshake HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = one.replace(b"1.1\r\n", b"1.0\r\n", 1)
    assert closed(sockets(lab, one * 9 + last)).count(b"HTTP/1.1 200") == 10
    assert closed(sockets(lab, one * 1000 + last)).count(b"HTTP/1.1 200") < 100


def test_a_large_body_behind_another_request_is_no_head(api: Api, lab: RealLab) -> None:
    with requests.Session() as http:
        http.headers.update(lab.headers)
        for _ in range(3):
            url = f"{lab.url}/api/v1/ingest"
            answer = http.post(url, bytes(1 << 20), headers={"Content-Type": "application/x-msgpack"}, timeout=30)
            assert answer.status_code in {400, 422}


def test_half_requests_leave_connections_for_others(
    bounded: Callable[..., RealLab], sockets: Callable[..., socket.socket]
) -> None:
    lab = bounded(descriptors=DESCRIPTORS)
    assert Api.of(lab).get("/me")
    for begin, addresses in ((HALF, 1), (login(1000, b"{"), 1), (b"", 400)):
        for i in range(400):
            sockets(lab, begin, i % addresses)
        began = time.monotonic()
        for _ in range(5):
            assert Api.of(lab).get("/me")
        assert time.monotonic() - began < 5
    assert "Traceback" not in lab.log(), lab.log()


def test_a_connection_that_is_used_stays_when_others_say_nothing(
    bounded: Callable[..., RealLab], sockets: Callable[..., socket.socket]
) -> None:
    lab = bounded(descriptors=DESCRIPTORS)
    me = f"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {lab.api_key}\r\n\r\n"
    used = sockets(lab, me.encode(), 999)
    assert used.recv(1 << 16).startswith(b"HTTP/1.1 200")
    for i in range(400):
        sockets(lab, HALF, i)
    assert Api.of(lab).get("/me")
    assert is_open(used)


def test_an_address_has_its_share_of_connections(
    bounded: Callable[..., RealLab], sockets: Callable[..., socket.socket]
) -> None:
    lab = bounded(LAB_CONNECTIONS_MAX=40)
    mine = [sockets(lab, HALF) for _ in range(30)]
    other = [sockets(lab, HALF, 1) for _ in range(15)]
    assert Api.of(lab).get("/me")
    wait_until(lambda: sum(map(is_open, mine)) == 40 * settings.LAB_CONNECTIONS_SHARE)
    assert all(map(is_open, other))


def test_strangers_of_an_address_leave_connections_to_those_who_are_known(
    bounded: Callable[..., RealLab], sockets: Callable[..., socket.socket]
) -> None:
    lab = bounded(LAB_CONNECTIONS_OF_STRANGERS=4)
    me = f"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {lab.api_key}\r\n\r\n".encode()
    known = []
    for _ in range(8):
        known.append(sockets(lab, me))
        assert known[-1].recv(1 << 16).startswith(b"HTTP/1.1 200")
    strangers = [sockets(lab, HALF) for _ in range(8)]
    wait_until(lambda: sum(map(is_open, strangers)) == 4)
    assert all(map(is_open, known))


def test_what_does_not_arrive_in_time_is_hung_up_on(
    bounded: Callable[..., RealLab], sockets: Callable[..., socket.socket]
) -> None:
    head_s = 1.0
    lab = bounded(LAB_HEAD_S=head_s, LAB_BODY_SILENT_S=1.0, LAB_BODY_S=3.0)
    silent, head = sockets(lab), sockets(lab, HALF)
    body, trickle = sockets(lab, login(1000, b"{")), sockets(lab, login(1000, b"{"))
    for late in (silent, head, body):
        assert closed(late).startswith(b"HTTP/1.1 408")
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - began < 10 and is_open(trickle):
            trickle.sendall(b" ")
            time.sleep(0.2)
    assert time.monotonic() - began < 8
    kept = sockets(lab, b"GET /api/v1/handshake HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    time.sleep(1.5 * head_s)  # longer than the first request of a connection may take to come
    assert is_open(kept) and is_open(kept), "between two requests a connection may be silent"


def test_who_does_not_read_an_answer_is_hung_up_on(
    bounded: Callable[..., RealLab], sockets: Callable[..., socket.socket]
) -> None:
    lab = bounded(LAB_ANSWER_SILENT_S=1.0)
    api = Api.of(lab)
    run = api.attach()["run"]["id"]
    large = {"name": "large", "digest": keep(api, bytes(16 << 20)), "bytes": 16 << 20}
    place = api.call("POST", f"/runs/{run}/artifacts", 201, json=large)["uuid"]
    head = f"GET /api/v1/artifacts/{place}/content HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    sockets(lab, f"{head}Authorization: Bearer {lab.api_key}\r\n\r\n".encode())

    def connections() -> int:
        return len([c for c in psutil.Process(lab.pid).net_connections() if c.raddr and c.raddr.ip == "127.66.0.1"])

    wait_until(lambda: connections() == 1)
    wait_until(lambda: connections() == 0)
