"""Corrupt and hostile requests: 4xx in the one shape, never 5xx, and nothing is changed."""

from __future__ import annotations

import json
import random
import socket
from typing import Any

import msgpack
import pytest

from pyhectiqlab import settings
from pyhectiqlab.protocol import limits
from pyhectiqlab.testing.lab import RealLab

from .api import NOW_US, Api, batch, column, error_of, new_id, packed


@pytest.fixture(scope="module")
def target(api: Api) -> tuple[str, str]:
    """Make a run with five points of one writer, which nothing below may change."""
    run, writer = api.attach()["run"]["id"], new_id()
    api.ingest(batch(run, writer, 1, 5))
    return run, writer


@pytest.fixture(autouse=True)
def _nothing_changes(api: Api, target: tuple[str, str]) -> Any:
    run, _ = target
    yield
    assert api.steps(run) == [1, 2, 3, 4, 5]
    answer = api.run(run)
    assert (answer["events"], answer["writers"], answer["points"], answer["config"]) == (0, 1, 5, {})


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


WHOLE = {
    "empty": b"",
    "no msgpack": b"\xc1\xc1\xc1",
    "text": b"hello",
    "a number": b"\x05",
    "a list": b"\x93\x01\x02\x03",
    "truncated": packed([batch("0" * 12, new_id(), 1, 100)])[:-20],
    "trailing bytes": packed([]) + b"\x00",
    "huge array length": b"\xdd\xff\xff\xff\xff",
    "huge map length": b"\xdf\xff\xff\xff\xff\x00",
    "huge bin length": b"\x81\xa1v\xc6\xff\xff\xff\xff",
    "deep arrays": nested(100_000),
    "deep maps": b"\x81\xa1a" * 100_000 + b"\xc0",
    "map with a list as key": b"\x81\x91\x01\x02",
    "ext type": b"\x81\xa1v\xd4\x01\x00",
    "timestamp ext": b"\x81\xa1v\xd6\xff\x00\x00\x00\x00",
    "no batches": packed([]),
    "too many batches": packed([batch("0" * 12, new_id(), 1, 1)] * (limits.BATCHES_PER_REQUEST_MAX + 1)),
    "batches a map": packed({}),  # type: ignore[arg-type]
    "batch a number": packed([5]),
    "no writer": packed([{"first": 1}]),
    "writer a number": packed([batch("0" * 12, 5, 1, 5)]),  # type: ignore[arg-type]
    "writer too long": packed([batch("0" * 12, "a" * 65, 1, 5)]),
    "writer a path": packed([batch("0" * 12, "../../etc", 1, 5)]),
    "wrong version": packed([batch("0" * 12, new_id(), 1, 5)], v=2),
    "version true": packed([batch("0" * 12, new_id(), 1, 5)], v=True),
    "version a text": packed([batch("0" * 12, new_id(), 1, 5)], v="1"),
    "session a number": packed([batch("0" * 12, new_id(), 1, 5)], session=7),  # type: ignore[arg-type]
    "session empty": packed([batch("0" * 12, new_id(), 1, 5)], session=""),
    "clock NaN": packed([batch("0" * 12, new_id(), 1, 5)], clock=float("nan")),
    "clock a text": packed([batch("0" * 12, new_id(), 1, 5)], clock="now"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_request_malformed_as_a_whole_is_refused(api: Api, name: str) -> None:
    answer = api.ingest_raw(WHOLE[name])
    assert answer.status_code in {400, 413, 422}, (answer.status_code, answer.text)
    error_of(answer)


def bad_batches(run: str, writer: str) -> dict[str, Any]:
    """Return batches that would come next for the writer, each with one thing wrong."""

    def one(**more: Any) -> dict[str, Any]:
        return {**batch(run, writer, 6, 9), **more}

    col = column("x", range(4))
    return {
        "run a number": one(run=5),
        "run too long": one(run="a" * 10_000),
        "run NUL": one(run="\x00"),
        "rank negative": one(rank=-1),
        "rank true": one(rank=True),
        "rank huge": one(rank=2**40),
        "rank a float": one(rank=0.0),
        "attempt 0": one(attempt=0),
        "first 0": one(first=0),
        "first negative": one(first=-5),
        "first a float": one(first=6.0),
        "last before first": one(last=5),
        "last beyond int64": one(last=2**63),
        "last huge": one(last=2**62),
        "too few points": one(last=12),
        "too many points": one(last=8),
        "series a map": one(series={}),
        "series of numbers": one(series=[1, 2, 3, 4]),
        "no key": one(series=[{**col, "key": None}]),
        "key empty": one(series=[{**col, "key": ""}]),
        "key bytes": one(series=[{**col, "key": b"x"}]),
        "key too long": one(series=[{**col, "key": "k" * 1025}]),
        "key too long in UTF-8": one(series=[{**col, "key": "é" * 600}]),
        "same key twice": one(series=[column("x", [0, 1]), column("x", [2, 3])]),
        "seq a text": one(series=[{**col, "seq": "0123456789abcdef"}]),
        "seq of odd bytes": one(series=[{**col, "seq": col["seq"] + b"\x00"}]),
        "empty columns": one(series=[{**col, "seq": b"", "step": b"", "value": b"", "time": b""}]),
        "value short": one(series=[{**col, "value": col["value"][:-8]}]),
        "step a list": one(series=[{**col, "step": [0, 1, 2, 3]}]),
        "time missing": one(series=[{k: v for k, v in col.items() if k != "time"}]),
        "seq falls": one(series=[column("x", [0, 2, 1, 3])]),
        "seq repeats": one(series=[column("x", [0, 1, 1, 3])]),
        "seq beyond last": one(series=[column("x", [0, 1, 2, 4])]),
        "seq used by two": one(series=[column("x", [0, 1]), column("y", [1, 2])]),
        "time beyond 2^62": one(series=[column("x", range(4), time_us=[0, 1, 2**63, 3])]),
        "events a map": one(series=[], events={}),
        "event a map": one(series=[column("x", [0, 1, 2])], events=[{}]),
        "event short": one(series=[column("x", [0, 1, 2])], events=[[3, "log", NOW_US]]),
        "event number used": one(series=[column("x", [0, 1, 2])], events=[[2, "log", NOW_US, {}]]),
        "event beyond last": one(series=[column("x", [0, 1, 2])], events=[[4, "log", NOW_US, {}]]),
        "event negative": one(series=[column("x", [0, 1, 2])], events=[[-1, "log", NOW_US, {}]]),
        "loss of a negative count": one(series=[], events=[[0, "loss", NOW_US, {"count": -3}]]),
        "loss of a float count": one(series=[], events=[[0, "loss", NOW_US, {"count": 4.0}]]),
        "loss of too much": one(series=[], events=[[0, "loss", NOW_US, {"count": 5}]]),
    }


def test_a_batch_with_anything_wrong_is_told_422(api: Api, target: tuple[str, str]) -> None:
    for name, bad in bad_batches(*target).items():
        (result,) = api.ingest(bad)
        assert result["status"] == 422, (name, result)
        assert result["cursor"] == 5, (name, result)
        assert result["error"], name


def test_random_bytes_and_damaged_batches_never_fail_the_lab(
    api: Api, target: tuple[str, str], rng: random.Random
) -> None:
    run, writer = target
    good = packed([batch(run, writer, 6, 20)])  # a batch: any damage to it must be noticed, or change nothing
    for _ in range(75):
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        # Damage in the values alone would make a good batch of other points: so it is sent for a run that does not
        # exist.
        body = bytes(damaged).replace(run.encode(), b"0" * 12)
        answer = api.ingest_raw(body)
        assert answer.status_code < 500, answer.text
        if answer.status_code == 200:
            assert answer.json()["results"][0]["status"] in {403, 404, 409, 410, 422}
        answer = api.ingest_raw(rng.randbytes(rng.randint(1, 300)))
        assert answer.status_code in {400, 422}, answer.text


def test_bodies_over_the_limit_are_refused_with_and_without_a_length(api: Api, lab: RealLab) -> None:
    too_much = bytes(limits.INGEST_BYTES_MAX + 1)
    assert error_of(api.ingest_raw(too_much))["code"] == "too_large"

    def chunks() -> Any:
        for _ in range(20):
            yield bytes(1 << 20)

    def chunked() -> int:
        try:
            return api.ingest_raw(chunks()).status_code  # type: ignore[arg-type]
        except OSError:  # the lab closed the connection while we were still sending
            return 413

    assert chunked() == 413
    assert api.raw("POST", "/projects", data=b"x" * (2 << 20)).status_code == 413


def test_a_body_that_ends_too_early_is_no_failure(api: Api, lab: RealLab) -> None:
    with socket.create_connection(("127.0.0.1", lab.port)) as s:
        head = f"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {lab.api_key}\r\n"
        s.sendall(f"{head}Content-Type: application/x-msgpack\r\nContent-Length: 1000\r\n\r\nabc".encode())
    api.get("/handshake")
    assert "Traceback" not in lab.log()


def test_wrong_content_type_is_told(api: Api) -> None:
    answer = api.raw("POST", "/ingest", data=packed([]), headers={"Content-Type": "application/json"})
    assert answer.status_code == 415
    error_of(answer)


JSON_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"name": 5}',
    b'{"name": ""}',
    b'{"name": "a\\u0000b", "session": "ab"}',
    b'{"name": "\\ud800", "session": "ab"}',
    b'{"name": "x", "session": "\\ud800"}',
    b'{"name": "x", "session": "' + b"a" * 100 + b'"}',
    b'{"name": "' + b"x" * 600 + b'", "session": "ab"}',
    b'{"name": "x", "session": "ab", "rank": -1}',
    b'{"name": "x", "session": "ab", "rank": 1.5}',
    b'{"name": "x", "session": "ab", "rank": "0"}',
    b'{"name": "x", "session": "ab", "rank": 1e400}',
    b'{"name": "x", "session": "ab", "pid": ' + b"9" * 5000 + b"}",
    b'{"name": "x", "session": "ab", "pid": 99999999999999999999999}',
    b'{"name": "x", "session": "ab", "client_time": NaN}',
    b'{"name": "x", "session": "ab", "client_time": 1e300}',
    b'{"name": "x", "session": "ab", "create_project": "yes"}',
    b'{"name": "x", "session": "ab", "host": ["a"]}',
]


@pytest.mark.parametrize(
    "path", ["/runs/attach", "/projects", "/keys", "/login", "/sessions/ab/end", "/series/buckets"]
)
def test_malformed_json_is_refused(api: Api, path: str) -> None:
    before = api.get("/projects", limit=1000)
    for body in JSON_BODIES:
        if path in {"/projects", "/keys"} and b'"x"' in body and b"{" in body:
            continue  # a good name there
        answer = api.raw("POST", path, data=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (body[:60], answer.status_code, answer.text)
        error_of(answer)
    assert api.get("/projects", limit=1000) == before


def test_odd_queries_are_refused_or_find_nothing(api: Api, target: tuple[str, str]) -> None:
    run, _ = target
    huge = str(10**30)
    for path, params in [
        ("/runs", {"limit": "0"}),
        ("/runs", {"limit": huge}),
        ("/runs", {"limit": "x"}),
        ("/runs", {"after": "x"}),
        ("/runs", {"after": "WzEsMl0"}),
        ("/runs", {"sort": "password"}),
        ("/runs", {"state": "sleeping"}),
        ("/projects", {"after": "WzFd"}),
        (f"/runs/{run}/keys", {"after": "!!"}),
        (f"/runs/{run}/points", {}),
        (f"/runs/{run}/points", {"key": "loss", "rank": huge}),
        (f"/runs/{run}/points", {"key": "loss", "after": "zzz"}),
        (f"/runs/{run}/events", {"after": "WzFlMzBd"}),
        (f"/runs/{run}/writers", {"after": "\x00"}),
        ("/stream", {}),
        ("/runs/resolve", {}),
        ("/runs", {f"a{i}": "" for i in range(settings.LAB_QUERY_FIELDS_MAX + 1)}),
    ]:
        answer = api.raw("GET", path, params=params)
        assert answer.status_code == 422, (path, params, answer.status_code, answer.text)
        error_of(answer)
    for path in ("/runs/%00", "/runs/%ff%fe", "/runs/'%20OR%201=1", "/projects/%00", "/runs/" + "a" * 3000, "/nothing"):
        answer = api.raw("GET", path)
        assert answer.status_code == 404, (path, answer.text)
        error_of(answer)
    assert api.get("/runs", q="%' OR 1=1 --\x00")["items"] == []
    error_of(api.raw("PATCH", "/nothing"))
    assert api.raw("PATCH", "/projects").status_code == 405
    error_of(api.raw("PATCH", "/projects"))


def test_hostile_buckets_are_refused(api: Api, target: tuple[str, str]) -> None:
    run, _ = target
    one = {"run": run, "key": "loss"}
    for body in [
        {"selectors": []},
        {"selectors": [one] * 257},
        {"selectors": [one], "n": 0},
        {"selectors": [one], "n": 10_001},
        {"selectors": [one], "axis": "sideways"},
        {"selectors": [one], "lo": 2**64},
        {"selectors": [one], "lo": 1.5},
        {"selectors": [{"run": run}]},
        {"selectors": [{**one, "rank": "all"}]},
        {"selectors": [{**one, "attempt": -1}]},
    ]:
        answer = api.raw("POST", "/series/buckets", data=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (body, answer.text)
    for lo, hi in ((-(2**63), 2**63 - 1), (5, -5), (2**63 - 1, 2**63 - 1)):
        for axis in ("step", "time", "relative"):
            answer = api.raw("POST", "/series/buckets", json={"selectors": [one], "lo": lo, "hi": hi, "axis": axis})
            assert answer.status_code == 200, (lo, hi, axis, answer.text)
            msgpack.unpackb(answer.content)
