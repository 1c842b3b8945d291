"""What a lab may be asked for: answers become values, and answers of another shape are not believed."""

from __future__ import annotations

from array import array

import msgpack
import pytest

from pyhectiqlab.errors import NotALabError

from .scripted import answering, as_json, http, scripted
from .test_calls import client, failure

ATTACHED = {
    "run": {
        "id": "0123456789ab",
        "name": "r",
        "state": "running",
        "author": "ann",
        "url": "http://lab/runs/0123456789ab",
        "project": {"id": "01234567", "name": "p"},
    },
    "attempt": 1,
    "mode": "read-write",
    "created": True,
    "sets_state": True,
    "generation": "ab",
}
INGESTED = {"v": 1, "generation": "ab", "results": [{"writer": "w", "status": 200, "cursor": 7}]}


def test_attach_and_ingest_check_what_they_get() -> None:
    packed = http("200 OK", msgpack.packb(INGESTED), "application/x-msgpack")
    with scripted(answering(as_json(ATTACHED), packed, as_json({}))) as server, client(server) as lab:
        assert lab.attach({"name": "r"}, timeout_s=5) == ATTACHED
        assert lab.ingest(b"packed")["results"][0]["cursor"] == 7
        lab.heartbeat("00ff", {"runs": []})
        lab.end("00ff", {"state": "ended"})
    assert b"POST /api/v1/sessions/00ff/end " in server.requests[-1]
    assert server.requests[1].endswith(b"packed")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {**INGESTED, "results": [{"writer": "w", "status": 200}]},
        {**INGESTED, "results": [{"writer": "w", "status": 200, "cursor": "7"}]},
        {**INGESTED, "results": [{"writer": "w", "status": 200, "cursor": -1}]},
        {**INGESTED, "results": [{"writer": "w", "status": 200, "cursor": True}]},
        {**INGESTED, "results": None},
    ],
)
def test_an_ack_of_another_shape_is_not_believed(answer: object) -> None:
    with scripted(answering(as_json(answer))) as server, client(server) as lab:
        failure(lambda: lab.ingest(b""), NotALabError)


@pytest.mark.parametrize("part", ["run", "attempt", "mode", "sets_state", "generation"])
def test_an_attach_answer_of_another_shape_is_not_believed(part: str) -> None:
    with scripted(answering(as_json({**ATTACHED, part: None}))) as server, client(server) as lab:
        failure(lambda: lab.attach({}, timeout_s=5), NotALabError)


def test_pages_follow_next_to_the_end() -> None:
    first, second = {"items": [{"n": 1}, {"n": 2}], "next": "c/1"}, {"items": [{"n": 3}], "next": None}
    with scripted(answering(as_json(first), as_json(second))) as server, client(server) as lab:
        assert [item["n"] for item in lab.pages("/runs", {"limit": 2})] == [1, 2, 3]
    assert b"limit=2&after=c%2F1" in server.requests[1]


def test_pages_that_repeat_themselves_end() -> None:
    with scripted(answering(as_json({"items": [], "next": "again"}))) as server, client(server) as lab:
        failure(lambda: list(lab.pages("/runs")), NotALabError)


def test_points_come_as_columns() -> None:
    def page(steps: list[int], following: str | None) -> bytes:
        columns = {"step": array("q", steps).tobytes(), "value": array("d", [float("nan")] * len(steps)).tobytes()}
        columns |= {name: array("q", [5] * len(steps)).tobytes() for name in ("time", "rank", "attempt")}
        return http("200 OK", msgpack.packb({**columns, "next": following}), "application/x-msgpack")

    with scripted(answering(page([3, -1], "x"), page([2**63 - 1], None))) as server, client(server) as lab:
        items = list(lab.points("run", "a/b c", rank=1))
    assert [list(f.step) for f in items] == [[3, -1], [2**63 - 1]]
    assert items[0].value[0] != items[0].value[0]
    assert b"/runs/run/points?key=a%2Fb+c&rank=1&limit=" in server.requests[0]


def test_points_of_uneven_columns_are_refused() -> None:
    columns = {name: bytes(8) for name in ("step", "value", "time", "rank")} | {"attempt": bytes(16), "next": None}
    with (
        scripted(answering(http("200 OK", msgpack.packb(columns), "application/x-msgpack"))) as server,
        client(server) as lab,
    ):
        failure(lambda: list(lab.points("run", "k")), NotALabError)
