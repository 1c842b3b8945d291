"""Large bodies of JSON: read as small ones are, but not on the event loop, and not with any number of values."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from fastapi.routing import APIRoute

from pyhectiqlab import settings
from pyhectiqlab.server import app
from pyhectiqlab.server.turns.bodies import INLINE_BYTES, BodyRoute, values_of
from pyhectiqlab.testing.lab import RealLab

from .api import Api, error_of, new_id
from .conftest import PASSWORD

MOST = settings.LAB_JSON_VALUES_MAX


def post(api: Api, path: str, body: bytes) -> Any:
    return api.raw("POST", path, data=body, headers={"Content-Type": "application/json"})


def test_every_route_with_a_body_reads_a_large_one_in_a_thread() -> None:
    routes = [route for module in app.MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    with_body = [route for route in routes if route.body_field is not None]
    assert len(with_body) > 20
    assert all(isinstance(route, BodyRoute) for route in with_body)


def test_a_large_body_is_taken_and_refused_as_a_small_one_is(api: Api) -> None:
    session = new_id(8)
    run = api.attach(session=session)["run"]["id"]
    here = {"run": run, "rank": 0, "attempt": 1}
    for n in (1, 1000):  # small, large
        path = f"/sessions/{session}/heartbeat"

        def beat(runs: Any, path: str = path) -> Any:
            return post(api, path, json.dumps({"runs": runs, "more": "x"}).encode())

        before = api.run(run)["sessions"][0]["last_seen"]
        runs = [*({"run": f"{i:012x}", "rank": 0, "attempt": 1} for i in range(n)), here]
        assert (len(json.dumps(runs)) > INLINE_BYTES) == (n > 1)
        assert beat(runs).json() == {}
        assert api.run(run)["sessions"][0]["last_seen"] > before
        wrong = beat([*runs, {**here, "rank": -1}])
        message = f"runs.{n + 1}.rank: Input should be greater than or equal to 0."
        assert error_of(wrong) == {"code": "invalid", "message": message, "status": 422}
        assert error_of(beat([*runs, {**here, "rank": "0"}]))["code"] == "invalid"
        assert error_of(beat([*runs, {**here, "rank": int("1" * 100)}]))["status"] in {400, 422}
        cut_off = post(api, path, json.dumps({"runs": runs}).encode()[:-1])
        assert error_of(cut_off)["code"] == "invalid" and cut_off.status_code == 422
        assert post(api, path, b'{"runs": [], "more": "%s\xff"}' % (b"x" * 50 * n)).status_code in {400, 422}
    assert error_of(beat(runs * 5))["message"].startswith("runs: List should have at most 4096 items")


def test_who_sends_very_many_large_bodies_is_told_to_wait_while_others_want_some_time(own_lab: RealLab) -> None:
    owner = Api.of(own_lab.start())
    session = new_id(8)
    owner.attach(session=session)
    body = json.dumps({"runs": [{"run": f"{i:012x}", "rank": 0, "attempt": 1} for i in range(4096)]}).encode()
    owner.call("POST", "/users", 201, json={"username": "mia", "password": PASSWORD})
    headers = {"Authorization": ""}
    made = Api(own_lab.url, "").call("POST", "/keys", 201, auth=("mia", PASSWORD), json={"name": "k"}, headers=headers)
    other, stop = Api(own_lab.url, made["key"]), threading.Event()

    def want() -> None:
        while not stop.is_set():
            other.get("/me")

    with ThreadPoolExecutor(5) as pool:
        wanting = pool.submit(want)
        try:
            paths = [f"/sessions/{session}/heartbeat"] * 24
            answers = list(pool.map(lambda path: post(Api.of(own_lab), path, body), paths))
        finally:
            stop.set()
        wanting.result()
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status_code == 429)
    assert {error_of(answer)["code"] for answer in answers if answer.status_code == 429} == {"throttled"}


@pytest.mark.parametrize("item", [b"[]", b"{}", b"1", b'""', b'{"a":1}'])
def test_a_body_of_very_many_values_is_not_parsed(lab: RealLab, api: Api, item: bytes) -> None:
    process = psutil.Process(lab.pid)
    path = f"/projects/{api.call('POST', '/projects', 201, json={'name': new_id(4)})['name']}/models/m/versions"
    many = b'{"files":[],"more":[%s]}' % b",".join([item] * ((8 << 20) // (len(item) + 1)))
    before = process.memory_info().rss
    answer = post(api, path, many)
    assert answer.status_code == 413 and error_of(answer)["code"] == "too_large"
    assert process.memory_info().rss - before < 64 << 20


def test_texts_may_have_any_number_of_commas(api: Api) -> None:
    session = new_id(8)
    run = api.attach(session=session)["run"]["id"]
    detail = 'a,b,[c],{"d": "\\\\"},\n' * 20_000
    assert detail.count(",") > MOST
    api.end(session, run, "failed", detail=detail)
    assert api.run(run)["sessions"][0]["detail"].startswith(detail[:1000])


def test_the_values_of_a_body_are_counted(rng: random.Random) -> None:
    def value(depth: int) -> Any:
        kinds = [lambda: rng.random(), lambda: None, lambda: rng.choice(["", ",", '"', '\\"', "[{,", "\\", "é,"]) * 3]
        if depth < 5:
            kinds += [lambda: [value(depth + 1) for _ in range(rng.randrange(1, 9))]]
            kinds += [lambda: {f"{i}{value(9)}": value(depth + 1) for i in range(rng.randrange(1, 9))}]
        return rng.choice(kinds)()

    def counted(value: Any) -> int:
        """Return the number of opening brackets, and of commas between values: as many as there are values, except the
        whole.
        """
        below = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        return len(below) + sum(map(counted, below))

    for _ in range(100):
        made = [value(0) for _ in range(20)]
        plain = json.dumps(made).encode()
        padding = json.dumps("," * MOST).encode()  # otherwise texts would be counted, too
        assert values_of(b"[%s,%s]" % (padding, plain)) == counted([padding, made])
        assert values_of(plain) >= counted(made)
    assert values_of(b"[" + b'"",' * (MOST + 1) + b'""]') > MOST
    assert values_of(b'["' + b'\\"' * (8 * MOST) + b"," * MOST + b'"]') == 1
