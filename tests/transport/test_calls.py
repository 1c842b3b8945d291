"""How a lab is called, against real sockets that behave badly."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pyhectiqlab.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    GoneError,
    InvalidRequestError,
    LabRequestError,
    LabUnavailableError,
    LabUnreachableError,
    NotALabError,
    NotFoundError,
    PermissionDeniedError,
)
from pyhectiqlab.transport.http import LabClient

from .scripted import ScriptedServer, answering, as_json, http, lab_error, read_request, scripted

KEY = "hl-0123456789abcdef"
GREETING = {"lab": "hectiqlab", "version": "0.1.0", "protocol": {"min": 1, "max": 1}, "generation": "ab"}


def client(server: ScriptedServer, *, seconds: float = 10.0) -> LabClient:
    return LabClient(server.url, KEY, connect_timeout_s=seconds, read_timeout_s=seconds)


def failure(call: Callable[[], object], kind: type[LabRequestError]) -> LabRequestError:
    """Return the error of a call that must fail as `kind`, with one line that does not contain the key."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and message.endswith((".", "…")), message
    assert KEY not in message
    assert type(caught.value) is kind
    return caught.value


def test_requests_carry_the_key_and_the_protocol_and_share_a_connection() -> None:
    with scripted(answering(as_json(GREETING), as_json({"a": 1}))) as server, client(server) as lab:
        greeting = lab.handshake()
        assert (greeting.version, greeting.protocol, greeting.generation) == ("0.1.0", 1, "ab")
        assert lab.get("/x", {"q": "a b&c"}) == {"a": 1}
        assert lab.post("/x", {"b": 2}) == {"a": 1}
        assert server.connections == 1
    head = server.requests[1].lower()
    assert b"get /api/v1/x?q=a+b%26c " in head
    assert b"authorization: bearer " + KEY.encode() in head
    assert b"hectiqlab-protocol: 1" in head
    assert server.requests[2].endswith(b'{"b":2}')


def test_netrc_does_not_replace_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(answering(as_json({}))) as server, client(server) as lab:
        lab.get("/x")
    assert b"Authorization: Bearer " + KEY.encode() in server.requests[0]


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        scripted(answering(as_json({"who": "lab"}))) as lab_server,
        scripted(answering(as_json({"who": "proxy"}))) as proxy,
    ):
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with client(lab_server) as lab:
            assert lab.get("/x") == {"who": "lab"}
        with LabClient("http://lab.invalid") as lab:
            assert lab.get("/x") == {"who": "proxy"}


def test_nothing_listening_is_unreachable_and_says_so() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        lab = LabClient(f"http://127.0.0.1:{closed.getsockname()[1]}", KEY)
        error = failure(lab.handshake, LabUnreachableError)
    assert error.retry and "nothing listens" in str(error)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), BrokenPipeError(32, "broken pipe")])
def test_a_connection_that_is_reset_while_it_is_made_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    class Reset(socket.socket):
        def connect(self, address: object) -> None:
            raise error

    monkeypatch.setattr("pyhectiqlab.transport.deadline.socket.socket", Reset)
    with (
        LabClient("http://127.0.0.1:9", "k") as client,
        pytest.raises(LabUnreachableError, match="the connection broke"),
    ):
        client.request("POST", "/x", body=b"x")


def test_an_unknown_name_is_unreachable() -> None:
    assert "not known" in str(failure(LabClient("http://lab.invalid", KEY).handshake, LabUnreachableError))


def test_a_name_server_that_is_silent_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver of the C library would wait for it for half a minute. One thread waits on, however many ask."""
    answer, real, asked = threading.Event(), socket.getaddrinfo, list[str]()

    def silent(host: str, port: int, *more: int) -> list[Any]:
        if host != "lab.example":
            return real(host, port, *more)
        if more[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        asked.append(host)
        answer.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "at last")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    with LabClient("http://lab.example:1", KEY, connect_timeout_s=0.2, read_timeout_s=0.2) as lab:
        for _ in range(3):
            began = time.monotonic()
            error = failure(lab.handshake, LabUnreachableError)
            assert time.monotonic() - began < 5
            assert "no name server answers" in str(error)
    assert asked == ["lab.example"]
    answer.set()


def test_where_no_thread_can_be_started_a_name_is_looked_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def no_more(self: threading.Thread) -> None:
        if self.name == "hectiqlab-names":
            raise RuntimeError("can't start new thread")
        start(self)  # the server's own

    with scripted(answering(as_json(GREETING))) as server, monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        with LabClient(server.url.replace("127.0.0.1", "localhost"), KEY) as lab:
            assert lab.handshake().version == "0.1.0"


def test_a_server_without_tls_behind_https_is_unreachable() -> None:
    def script(connection: socket.socket, server: ScriptedServer) -> None:
        connection.recv(65536)
        connection.sendall(http("400 Bad Request"))

    with scripted(script) as server:
        lab = LabClient(server.url.replace("http:", "https:"), KEY)
        assert "TLS" in str(failure(lab.handshake, LabUnreachableError))


def drip(data: bytes) -> Callable[[socket.socket, ScriptedServer], None]:
    """Answer a byte at a time, for ever slower than any client would like."""

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        read_request(connection, server)
        for i in range(len(data)):
            connection.sendall(data[i : i + 1])
            if server.stopping.wait(0.05):
                return

    return script


def never_read(connection: socket.socket, server: ScriptedServer) -> None:
    server.stopping.wait()


def never_answer(connection: socket.socket, server: ScriptedServer) -> None:
    read_request(connection, server)
    server.stopping.wait()


@pytest.mark.parametrize(
    "script",
    [
        never_answer,
        drip(b"HTTP/1.1 200 OK\r\n" + b"X-Header: 1\r\n" * 100),
        drip(http("200 OK", b" " * 10_000)),
        drip(http("200 OK")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1000),
    ],
    ids=["stalls", "a byte at a time in the head", "a byte at a time in the body", "small chunks"],
)
def test_a_slow_server_cannot_hold_a_call_beyond_its_bound(
    script: Callable[[socket.socket, ScriptedServer], None],
) -> None:
    with scripted(script) as server, client(server) as lab:
        began = time.monotonic()
        failure(lambda: lab.attach({}, timeout_s=0.4), LabUnreachableError)
        assert 0.3 < time.monotonic() - began < 2


def test_a_server_that_does_not_read_cannot_hold_a_call_beyond_its_bound() -> None:
    with scripted(never_read) as server, client(server) as lab:
        began = time.monotonic()
        error = failure(lambda: lab._call("POST", "/ingest", body=bytes(64 << 20), timeout_s=0.4), LabUnreachableError)
        assert time.monotonic() - began < 2
        assert "0.4 s" in str(error)


def test_an_answer_cut_in_the_middle_is_unreachable() -> None:
    def script(connection: socket.socket, server: ScriptedServer) -> None:
        read_request(connection, server)
        connection.sendall(http("200 OK", json.dumps(GREETING).encode())[:-5])

    with scripted(script) as server, client(server) as lab:
        assert "broke" in str(failure(lab.handshake, LabUnreachableError))


def test_a_reset_in_the_middle_is_unreachable() -> None:
    def script(connection: socket.socket, server: ScriptedServer) -> None:
        read_request(connection, server)
        connection.sendall(http("200 OK", bytes(100))[:-50])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with scripted(script) as server, client(server) as lab:
        failure(lab.handshake, LabUnreachableError)


def test_a_closed_connection_before_any_answer_is_unreachable() -> None:
    def script(connection: socket.socket, server: ScriptedServer) -> None:
        read_request(connection, server)

    with scripted(script) as server, client(server) as lab:
        failure(lab.handshake, LabUnreachableError)


def test_the_client_works_again_once_the_server_does() -> None:
    with scripted(answering(b"rubbish\r\n\r\n", as_json(GREETING))) as server, client(server) as lab:
        failure(lab.handshake, LabUnreachableError)
        assert lab.handshake().generation == "ab"


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", b"<html>Welcome to nginx</html>", "text/html"),
        http("200 OK", b"{", "application/json"),
        http("200 OK", b"[" * 100_000, "application/json"),
        http("200 OK", b"\xc1", "application/x-msgpack"),
        http("404 Not Found", b"<html>no</html>", "text/html"),
        http("404 Not Found", b'{"detail": "Not Found"}'),
        http("401 Unauthorized", b"<html>intranet login</html>", "text/html"),
        as_json({"hello": "world"}),
        as_json([]),
        as_json({**GREETING, "lab": "other"}),
        as_json({**GREETING, "protocol": {"min": "1", "max": "1"}}),
    ],
)
def test_what_is_no_lab_is_told_so(answer: bytes) -> None:
    with scripted(answering(answer)) as server, client(server) as lab:
        assert "not a hectiqlab lab" in str(failure(lab.handshake, NotALabError))


@pytest.mark.parametrize(("low", "high", "side"), [(2, 3, "upgrade the client"), (0, 0, "upgrade the lab")])
def test_another_protocol_names_the_side_to_upgrade(low: int, high: int, side: str) -> None:
    with (
        scripted(answering(as_json({**GREETING, "protocol": {"min": low, "max": high}}))) as server,
        client(server) as lab,
    ):
        assert side in str(failure(lab.handshake, NotALabError)).lower()


def test_a_newer_lab_that_still_speaks_our_protocol_is_fine() -> None:
    greeting = {**GREETING, "protocol": {"min": 1, "max": 9}, "news": True}
    with scripted(answering(as_json(greeting))) as server, client(server) as lab:
        assert lab.handshake().protocol == 1


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_redirect_is_told_and_not_followed(method: str) -> None:
    with scripted(answering(as_json({"who": "stolen"}))) as elsewhere:
        moved = http("302 Found", Location=elsewhere.url + "/login?token=secret")
        with scripted(answering(moved)) as server, client(server) as lab:
            error = failure(lambda: getattr(lab, method)("/x"), NotALabError)
        assert elsewhere.url in str(error) and "secret" not in str(error)
        assert not elsewhere.requests


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", InvalidRequestError),
        ("401 Unauthorized", AuthenticationError),
        ("403 Forbidden", PermissionDeniedError),
        ("404 Not Found", NotFoundError),
        ("409 Conflict", ConflictError),
        ("410 Gone", GoneError),
        ("413 Content Too Large", InvalidRequestError),
        ("422 Unprocessable Content", InvalidRequestError),
        ("429 Too Many Requests", LabUnavailableError),
        ("500 Internal Server Error", LabUnavailableError),
        ("503 Service Unavailable", LabUnavailableError),
    ],
)
def test_each_status_has_its_error(status: str, kind: type[LabRequestError]) -> None:
    with scripted(answering(lab_error(status, "some_code", "This\nis why."))) as server, client(server) as lab:
        error = failure(lambda: lab.post("/x", {}), kind)
    assert error.status == int(status.split()[0])
    assert error.code == "some_code"
    assert error.retry == (kind is LabUnavailableError)
    assert "This is why" in str(error)


@pytest.mark.parametrize("status", ["413 Too Large", "500 Oops", "502 Bad Gateway"])
def test_a_proxy_in_front_of_the_lab_may_answer_in_its_own_words(status: str) -> None:
    kind = InvalidRequestError if status.startswith("413") else LabUnavailableError
    with scripted(answering(http(status, b"<html>nginx</html>", "text/html"))) as server, client(server) as lab:
        assert failure(lambda: lab.post("/x", {}), kind).status == int(status[:3])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        (
            {"Retry_After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"},
            30.0,
        ),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    with scripted(answering(lab_error("429 Slow", "slow", "Slow.", **headers))) as server, client(server) as lab:
        assert failure(lambda: lab.get("/x"), LabUnavailableError).retry_after_s == seconds


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhectiqlab.transport.calls.ANSWER_BYTES_MAX", 1 << 20)
    with scripted(answering(http("200 OK", bytes(2 << 20)))) as server, client(server) as lab:
        assert "larger than 1 MiB" in str(failure(lambda: lab.get("/x"), NotALabError))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lab.example.com",
        "ftp://lab",
        "http://",
        "http://lab:port",
        "http://a:b@lab",
        "http://lab/?q=1",
        "http://l ab",
    ],
)
def test_an_address_that_cannot_be_one_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        LabClient(url)


@pytest.mark.parametrize("url", ["http://lab/x", "http://lab/x/", " http://lab/x ", "http://lab/x/api/v1/"])
def test_an_address_is_tidied(url: str) -> None:
    assert LabClient(url).url == "http://lab/x"


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "clé"])
def test_a_key_that_cannot_be_one_is_a_configuration_error_without_the_key(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LabClient("http://lab", key)
    assert not key or key not in str(caught.value)


def test_the_module_does_not_import_requests() -> None:
    code = "import sys, pyhectiqlab.transport; print('requests' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
