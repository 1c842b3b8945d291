"""A key goes to the lab that is meant: no other lab gets it, and that lab is found where it has moved to."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from pyhectiqlab.errors import AnotherLabError, LabRequestError, NotALabError
from pyhectiqlab.transport.answers import Answer
from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.transport.moving import moved_to

from .scripted import Script, ScriptedServer, as_json, http, read_request, scripted

GREETING = {"lab": "hectiqlab", "version": "0.1.0", "protocol": {"min": 1, "max": 1}, "generation": "ab"}
KEY = "hl_secret"
OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


def lab(lab_id: str, requests_per_connection: int = 1000) -> Script:
    """Start a lab of that id. It answers everything except the handshake with its id."""

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        for left in reversed(range(requests_per_connection)):
            request = read_request(connection, server)
            if not request:
                return
            value = {**GREETING, "lab_id": lab_id} if b"/handshake " in request else {"from": lab_id}
            ends = {} if left else {"Connection": "close"}
            connection.sendall(http("200 OK", json.dumps(value).encode(), **ends))

    return script


def moved(to: Callable[[], str], status: str = "308 Permanent Redirect") -> Script:
    """Send everybody on, to the same path there."""

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        while request := read_request(connection, server):
            path = request.split(b" ")[1].decode()
            connection.sendall(http(status, Location=to() + path))

    return script


def client(server: ScriptedServer, lab_id: str = OURS) -> LabClient:
    return LabClient(server.url, KEY, connect_timeout_s=5, read_timeout_s=5, lab_id=lab_id)


def keyed(server: ScriptedServer) -> int:
    """Return how many requests showed the key."""
    return sum(KEY.encode() in request for request in server.requests)


def failure(call: Callable[[], object], kind: type[LabRequestError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind and KEY not in str(caught.value)
    return str(caught.value)


def test_the_lab_is_asked_who_it_is_once_a_connection_and_without_the_key() -> None:
    with scripted(lab(OURS)) as server, client(server) as mine:
        assert mine.get("/x") == mine.post("/x", {"a": 1}) == {"from": OURS}
        assert server.connections == 1
        assert [KEY.encode() in request for request in server.requests] == [False, True, True]
        assert b"/api/v1/handshake" in server.requests[0]


def test_another_lab_gets_neither_key_nor_data() -> None:
    with scripted(lab(THEIRS)) as server, client(server) as mine:
        for call in (lambda: mine.get("/x"), lambda: mine.ingest(b"data"), lambda: mine.handshake()):
            why = failure(call, AnotherLabError)
            assert THEIRS[:8] in why and OURS[:8] in why
        assert keyed(server) == 0 and all(b"/handshake" in request for request in server.requests)


def test_a_lab_that_tells_no_id_is_another() -> None:
    with scripted(lab("")) as server, client(server) as mine:
        failure(lambda: mine.get("/x"), AnotherLabError)
        assert keyed(server) == 0


def test_a_lab_that_takes_the_place_of_another_while_a_client_lives_gets_no_key() -> None:
    answers = [lab(OURS, 2), lab(THEIRS)]

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        answers[min(server.connections, 2) - 1](connection, server)

    with scripted(script) as server, client(server) as mine:
        assert mine.get("/x") == {"from": OURS}  # the connection ends after it
        failure(lambda: mine.get("/x"), AnotherLabError)
        assert keyed(server) == 1


def test_no_connection_of_a_handshake_that_failed_is_used_with_the_key() -> None:
    answers = [http("503 Service Unavailable"), *[as_json({"who": "knows"})] * 3]

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        while read_request(connection, server):
            connection.sendall(answers.pop(0))

    with scripted(script) as server, client(server) as mine:
        with pytest.raises(LabRequestError):
            mine.get("/x")
        failure(lambda: mine.get("/x"), NotALabError)
        assert keyed(server) == 0


def test_a_lab_that_ends_each_connection_is_served_all_the_same() -> None:
    with scripted(lab(OURS, 1)) as server, client(server) as mine:
        assert [mine.get("/x") for _ in range(3)] == [{"from": OURS}] * 3
        assert b"/handshake" in server.requests[0] and KEY.encode() not in server.requests[0]


@pytest.mark.parametrize("status", ["301 Moved Permanently", "308 Permanent Redirect"])
def test_a_permanent_redirect_to_the_lab_of_the_same_id_is_followed(status: str) -> None:
    with (
        scripted(lab(OURS)) as new,
        scripted(moved(lambda: new.url, status)) as middle,
        scripted(moved(lambda: middle.url, status)) as old,
        client(old) as mine,
    ):
        assert mine.post("/x", {"a": 1}) == {"from": OURS} and mine.url == new.url
        assert mine.get("/y") == {"from": OURS}
        assert keyed(old) == keyed(middle) == 0 and keyed(new) == 2
        assert len(old.requests) == 1


def test_a_redirect_in_the_middle_of_a_connection_is_followed() -> None:
    with scripted(lab(OURS)) as new:
        has_moved = False

        def script(connection: socket.socket, server: ScriptedServer) -> None:
            while request := read_request(connection, server):
                path = request.split(b" ")[1].decode()
                if has_moved:
                    connection.sendall(http("308 Permanent Redirect", Location=new.url + path))
                else:
                    connection.sendall(as_json({**GREETING, "lab_id": OURS} if "/handshake" in path else {"from": ""}))

        with scripted(script) as old, client(old) as mine:
            assert mine.get("/x") == {"from": ""} and mine.url == old.url
            has_moved = True
            assert mine.post("/x", [1]) == {"from": OURS} and mine.url == new.url
            assert b"[1]" in new.requests[-1]


def test_no_redirect_leads_to_another_lab() -> None:
    with scripted(lab(THEIRS)) as new, scripted(moved(lambda: new.url)) as old, client(old) as mine:
        failure(lambda: mine.get("/x"), AnotherLabError)
        failure(lambda: mine.get("/x"), AnotherLabError)
        assert keyed(old) == keyed(new) == 0 and mine.url == old.url


def test_a_redirect_is_not_followed_where_it_is_not_known_which_lab_is_meant_or_that_is_for_now() -> None:
    with scripted(lab(OURS)) as new:
        with scripted(moved(lambda: new.url)) as old, client(old, "") as mine:
            assert new.url in failure(mine.handshake, NotALabError)
        with scripted(moved(lambda: new.url, "302 Found")) as old, client(old) as mine:
            assert new.url in failure(lambda: mine.get("/x"), NotALabError)
            assert keyed(old) == 0
        assert not new.requests


def test_redirects_in_a_circle_end() -> None:
    with scripted(moved(lambda: old.url)) as old, client(old) as mine:
        failure(lambda: mine.get("/x"), NotALabError)
        assert len(old.requests) < 10 and keyed(old) == 0


@pytest.mark.parametrize(
    ("at", "location", "to"),
    [
        ("http://old:7070", "http://new:8080/api/v1/handshake", "http://new:8080"),
        ("http://old", "https://new/lab/api/v1/handshake", "https://new/lab"),
        ("https://old/lab", "/other/api/v1/handshake", "https://old/other"),
        ("https://old", "//new/api/v1/handshake?x=1", "https://new"),
        ("https://old", "http://new/api/v1/handshake", ""),  # what was encrypted stays so
        ("http://old", "http://new/login", ""),
        ("http://old", "http://user:word@new/api/v1/handshake", ""),
        ("http://old", "ftp://new/api/v1/handshake", ""),
        ("http://old", "http://[::1/api/v1/handshake", ""),
        ("http://old", "", "http://old"),
    ],
)
def test_where_a_permanent_redirect_leads(at: str, location: str, to: str) -> None:
    assert moved_to(at, Answer(at, 308, {"location": location}, b"")) == to
    assert moved_to(at, Answer(at, 307, {"location": location}, b"")) == ""
