"""Reading back: answers of another shape are told as such. What a real lab answers is tested in tests/cli."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab import read, search_runs
from pyhectiqlab.errors import ConfigurationError, LabUnreachableError, NotALabError
from tests.transport.scripted import ScriptedServer, answering, as_json, read_request, scripted

NONE = ("started", "ended", "duration", "note")
RUN: dict[str, Any] = dict.fromkeys(NONE) | {
    "id": "r",
    "name": "r",
    "project": {"id": "p", "name": "p"},
    "author": "a",
    "state": "completed",
    "created": 1.0,
    "attempt": 1,
    "ranks": 1,
    "points": 0,
    "last": {},
    "tags": [],
    "url": "http://lab/runs/r",
}
GREETING = {"lab": "hectiqlab", "version": "0.1.0", "protocol": {"min": 1, "max": 1}, "generation": "ab"}


def listed() -> list[read.RunView]:
    return list(search_runs())


@pytest.mark.parametrize("item", [{}, {"id": "1"}, [], 7, None])
@pytest.mark.parametrize("call", [read.projects, listed, lambda: read.run("r")])
def test_an_answer_of_another_shape_is_not_believed(
    home: object, monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any], item: object
) -> None:
    listed = {"items": [item], "next": None}
    one = call not in (read.projects, listed)
    with scripted(answering(as_json(GREETING), as_json(item if one else listed))) as server:
        monkeypatch.setenv("HECTIQLAB_URL", server.url)
        monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
        with pytest.raises(NotALabError, match="another shape"):
            call()


def test_what_a_newer_lab_says_besides_is_ignored(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    new = {"new": 1}
    change = {"at": 1.0, "state": "completed", "attempt": 1, "rank": None, "who": "script", "why": ""}
    detail = {"meta": {}, "paper": "", "losses": {}, "sessions": [], "history": [{**change, **new}]}
    group = {"kind": "text", "name": "t", "count": 1, "step_min": 1, "step_max": 2, "ranks": [0]}
    bins = {"edges": [0.0, 1.0], "counts": [2.0], "nan": 0, "pinf": 0, "ninf": 0}
    histogram = {"step": 1, "rank": 0, "histogram": {**bins, **new}}
    answers = {
        "/resolve": {**RUN, **new},
        "/media?": {"items": [{**group, **new}], "next": None},
        "/media/items?": {"items": [{**histogram, **new}], "next": None},
        "/runs/r": {**RUN, **detail, **new},
    }

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        connection.settimeout(10)
        while request := read_request(connection, server):
            path = request.split(b" ")[1].decode()
            connection.sendall(as_json(next((a for part, a in answers.items() if part in path), GREETING)))

    with scripted(script) as server:
        monkeypatch.setenv("HECTIQLAB_URL", server.url)
        monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
        run = read.run("r")
        assert run.history == [read.StateChange(**change)]
        assert [vars(info) for info in run.media()] == [group]
        assert [h._asdict() for h in run.histograms("h")] == [{"step": 1, "rank": 0, **bins}]


def test_without_a_lab_it_says_how_to_get_one(home: object) -> None:
    with pytest.raises(ConfigurationError, match="add-profile"):
        search_runs()


def test_an_export_that_breaks_off_leaves_no_file(
    home: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(connection: socket.socket, server: ScriptedServer) -> None:
        connection.settimeout(10)
        while request := read_request(connection, server):
            if b"/export" in request:
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
                connection.sendall(head + b"5\r\nkey,s\r\n")
                return
            connection.sendall(as_json(GREETING if b"/handshake" in request else RUN))

    with scripted(script) as server:
        monkeypatch.setenv("HECTIQLAB_URL", server.url)
        monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
        with pytest.raises(LabUnreachableError):
            read.run("r").export(tmp_path / "points.csv")
    assert list(tmp_path.glob("*points*")) == []
