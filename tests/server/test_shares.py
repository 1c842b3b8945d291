"""Who asks for very much is told to wait, and others feel nothing of it. The bookkeeping: tests/unit/test_turns.py."""

from __future__ import annotations

import contextlib
import gzip
import random
import select
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
import requests

from pyhectiqlab import settings
from pyhectiqlab.server.accounts.login import FREE_FAILURES_OF_ADDRESS
from pyhectiqlab.server.turns.inflate import opened
from pyhectiqlab.server.turns.weight import Scale, weigh
from pyhectiqlab.server.writing.ingest import decode
from pyhectiqlab.store.pauses import pausing
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, batch, error_of, events_batch, new_id, packed, wait_until
from .conftest import user_of


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """Start a lab for this module alone: what is tried here throttles whoever comes from the same address."""
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as real:
        yield real


@pytest.fixture(scope="module")
def api(lab: RealLab) -> Api:
    return Api.of(lab)


@pytest.fixture(scope="module")
def viewer(lab: RealLab, api: Api) -> Api:
    return user_of(lab, api, "vera", "viewer")


def commits(api: Api) -> float:
    """Return how many jobs the writer has done."""
    text = api.raw("GET", "/metrics").text
    return sum(
        float(line.split()[1]) for line in text.splitlines() if line.startswith("hectiqlab_commit_seconds_count")
    )


def own(lab: RealLab, api: Api) -> float:
    """Return the milliseconds that an ingest of one's own takes, the median of some."""
    run, writer, taken = api.attach()["run"]["id"], new_id(), []
    for i in range(20):
        began = time.perf_counter()
        assert api.statuses(batch(run, writer, 10 * i + 1, 10 * i + 10)) == [200]
        taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken)


# Logins


def test_of_many_logins_at_once_no_more_are_tried_than_one_after_the_other(lab: RealLab, tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home") as lab:
        api = Api.of(lab)

        def login(i: int) -> int:
            body = {"username": f"nobody{i}", "password": "guessed wrong"}
            return requests.post(f"{lab.url}/api/v1/login", json=body, timeout=60).status_code

        cpu = psutil.Process(lab.pid).cpu_times()
        with ThreadPoolExecutor(200) as pool:
            answers = pool.map(login, range(200))
            for _ in range(20):  # meanwhile others are answered
                began = time.monotonic()
                assert api.get("/me")
                assert time.monotonic() - began < 5
            statuses = list(answers)
        assert set(statuses) == {401, 429}
        assert statuses.count(401) <= FREE_FAILURES_OF_ADDRESS
        after = psutil.Process(lab.pid).cpu_times()
        assert after.user - cpu.user < 60
        assert psutil.Process(lab.pid).memory_info().rss < 400 << 20


# Bodies


def test_bodies_that_are_announced_and_do_not_come_keep_nobody_out(lab: RealLab, api: Api, viewer: Api) -> None:
    head = (
        f"POST /api/v1/ingest HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {viewer.http.headers['Authorization']}\r\n"
        f"Content-Type: application/x-msgpack\r\nContent-Length: {16 << 20}\r\n\r\n"
    )
    held = [socket.create_connection(("127.0.0.1", lab.port)) for _ in range(32)]
    try:
        for s in held:
            s.sendall(head.encode() + b"\x84")
        refused = 32 - settings.LAB_ANNOUNCED_OF_USER // (16 << 20)
        answers: dict[socket.socket, bytes] = {}
        while len(answers) < refused:
            answered, _, _ = select.select(held, [], [], 20)
            assert answered, "no answer"
            for s in answered:
                answers[s] = answers.get(s, b"") + s.recv(1 << 16).lower()
        assert all(t.startswith(b"http/1.1 429") and b"retry-after: 1" in t for t in answers.values()), answers
        assert own(lab, api) < 2000
        answer = viewer.ingest_raw(bytes(1000))
        assert answer.status_code in {400, 422}, "what is small still finds room, of the same user too"
    finally:
        for s in held:
            s.close()


def test_a_stranger_sends_no_large_body(lab: RealLab) -> None:
    url = f"{lab.url}/api/v1"
    large = b" " * (settings.LAB_BODY_OF_STRANGER + 1)
    for path, key in (("/projects", "hl_wrong"), ("/ingest", "hl_wrong"), ("/login", None), ("/runs/attach", None)):
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        for body in (large, iter([large])):
            answer = requests.post(url + path, body, headers=headers, timeout=30)
            assert answer.status_code in {401, 413}, (path, answer.status_code)
            error_of(answer)


def test_a_key_that_the_lab_has_not_seen_yet_sends_a_large_body(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home") as lab:
        run = Api.of(lab).attach()["run"]["id"]
        lab.restart()
        assert Api.of(lab).statuses(batch(run, new_id(), 1, 20_000)) == [200]


# Streams


def test_one_who_follows_very_much_leaves_streams_to_others(lab: RealLab, api: Api, viewer: Api) -> None:
    api.attach()
    project = api.get("/projects")["items"][0]["name"]
    with contextlib.ExitStack() as stack:

        def follow(who: Api) -> requests.Response:
            url, headers = f"{lab.url}/api/v1/stream", {"Authorization": str(who.http.headers["Authorization"])}
            answer = requests.get(url, params={"project": project}, headers=headers, stream=True, timeout=30)
            stack.callback(answer.close)
            return answer

        followed = [follow(viewer) for _ in range(settings.LAB_STREAMS_OF_USER)]
        assert {answer.status_code for answer in followed} == {200}
        refused = follow(viewer)
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
        assert follow(api).status_code == 200
        followed[0].close()
        wait_until(lambda: follow(viewer).status_code == 200, 30)


# What is in a body


def bomb() -> bytes:
    row = b"\xdd" + (1 << 18).to_bytes(4, "big") + b"\x80" * (1 << 18)
    return b"\x84\xa1v\x01\xa7session\xa2ab\xa5clock\x01\xa7batches\xdc" + (60).to_bytes(2, "big") + row * 60


def test_very_many_values_in_few_bytes_are_not_made(lab: RealLab, viewer: Api) -> None:
    process = psutil.Process(lab.pid)
    body = gzip.compress(bomb(), 9)
    assert len(body) < 20_000
    peak, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    before = process.memory_info().rss
    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(3):
        answer = viewer.ingest_raw(body, **{"Content-Encoding": "gzip"})
        assert answer.status_code == 413 and error_of(answer)["code"] == "too_large"
    stop.set()
    looking.join()
    assert peak[0] - before < 120 << 20


def test_an_event_of_nearly_four_mebibytes_is_taken(api: Api) -> None:
    run = api.attach()["run"]["id"]
    numbers = [i / 7 for i in range(230_000)]
    assert api.statuses(events_batch(run, new_id(), 1, [("log", {"values": [numbers, numbers]})])) == [200]
    assert api.statuses(events_batch(run, new_id(), 1, [("log", {"text": "x" * 4_190_000})])) == [200]


def deep_size(value: Any) -> int:
    size = sys.getsizeof(value) + 8
    if isinstance(value, dict):
        return size + sum(deep_size(k) + deep_size(v) for k, v in value.items())
    return size + sum(map(deep_size, value)) if isinstance(value, list) else size


def test_the_weight_is_about_what_the_values_take(rng: random.Random) -> None:
    def value(depth: int) -> Any:
        kinds = [
            lambda: rng.randrange(-(1 << 40), 1 << 60),
            lambda: rng.randrange(256),
            rng.random,
            lambda: None,
            lambda: True,
            lambda: "x" * rng.choice([0, 1, 5, 40, 300, 70_000]),
            lambda: "é" * rng.choice([3, 40]),
            lambda: bytes(rng.choice([0, 5, 300, 70_000])),
        ]
        if depth < 4:
            kinds += [lambda: [value(depth + 1) for _ in range(rng.choice([0, 3, 20]))]] * 4
            kinds += [lambda: {f"key{i}": value(depth + 1) for i in range(rng.choice([0, 1, 5, 20]))}] * 4
        return rng.choice(kinds)()

    for _ in range(150):
        made = [value(0) for _ in range(5)]
        data = msgpack.packb(made)
        weight, size = weigh(data, 1 << 40), deep_size(made)
        assert 0.4 * size - 500 < weight < 2.5 * size + 500, (weight, size)
        for cut in (1, len(data) // 2):
            assert weigh(data[:cut], 1 << 40) <= weight
    for _ in range(1000):
        weigh(rng.randbytes(rng.randrange(200)), 1 << 30)
    assert 1000 <= weigh(bomb(), 1000) < 1000 + 200, "it stops where it is too much"


def test_what_comes_in_pieces_weighs_what_it_weighs_as_a_whole(rng: random.Random) -> None:
    one_size: list[Any] = [0, None, {}, [], "", "a", 200, 1000, 1 << 40, 0.5, "abc"]
    for _ in range(30):
        made: list[Any] = []
        for _ in range(20):
            n, item = rng.choice([1, 15, 17, 100, 600, 5000]), rng.choice(one_size)
            made += [item] * n + [rng.choice(["x" * 70_000, "é" * 40, bytes(300), {"k": [item] * n}])]
        data = msgpack.packb(made)
        whole = weigh(data, 1 << 40)
        assert deep_size(made) / 3 < whole < 2.5 * deep_size(made) + 500
        few, enough = Scale(1 << 40), Scale(whole // 2)
        end = 0
        while end < len(data):
            end = min(len(data), end + rng.choice([1, 9, 1000, 50_000]))
            few.weigh(data[:end], whole=False)
            enough.weigh(bytearray(data[:end]), whole=False)
        few.weigh(data, whole=True)
        assert few.weight == whole
        assert whole // 2 < enough.weight < whole // 2 + 700_000, "it stops where it is too much"


@pytest.mark.parametrize("values", [[[]] * 20_000, [{}] * 20_000, [[0] * 200_000] * 12])
def test_large_bodies_are_weighed_and_made_in_pieces(values: Any) -> None:
    paused = [0]

    def pause() -> None:
        paused[0] += 1

    event = ("e", {"values": values})
    body = gzip.compress(packed([events_batch("0" * 12, new_id(), 1, [event])]))
    with pausing(pause):
        plain, _ = opened(body, "gzip")
        weighed, paused[0] = paused[0], 0
        decode(plain)
    assert weighed >= 2 and paused[0] >= 10


def test_what_is_refused_costs_the_writer_nothing(lab: RealLab, api: Api, viewer: Api) -> None:
    runs = [api.attach()["run"]["id"] for _ in range(20)]
    project = api.run(runs[0])["project"]["id"]
    secret = api.attach(project=f"secret-{new_id(3)}", create_project=True)["run"]
    api.call("PATCH", f"/projects/{secret['project']['name']}", json={"private": True})
    assert project
    foreign = [batch(runs[i % 20], new_id(), 1, 1) for i in range(200)]
    hidden = [batch(secret["id"], new_id(), 1, 1), batch("0" * 12, new_id(), 1, 1)]
    body = {"runs": [{"run": f"{i:012x}", "rank": 0, "attempt": 1} for i in range(900)], "clock": time.time()}
    body["runs"] += [{"run": run, "rank": 0, "attempt": 1} for run in runs]
    viewer.get("/me")
    before = commits(api)
    assert viewer.statuses(*foreign, *hidden) == [403] * 200 + [404] * 2
    for _ in range(3):  # on a machine with much to do, somebody who asks for so much has to wait in between
        wait_until(lambda: viewer.raw("POST", f"/sessions/{new_id(8)}/heartbeat", json=body).status_code == 200)
    assert commits(api) == before


def test_who_may_no_longer_add_is_refused_though_they_just_could(lab: RealLab, api: Api, other_member: Api) -> None:
    project = f"shared-{new_id(3)}"
    api.call("POST", "/projects", 201, json={"name": project})
    run, writer = other_member.attach(project=project)["run"]["id"], new_id()
    assert other_member.statuses(batch(run, writer, 1, 5)) == [200]
    api.call("PATCH", f"/projects/{project}", json={"private": True})
    assert other_member.statuses(batch(run, writer, 6, 9)) in ([403], [404])


@pytest.fixture(scope="module")
def other_member(lab: RealLab, api: Api) -> Api:
    return user_of(lab, api, "mia")


def test_a_heartbeat_names_many_attachments_at_once(lab: RealLab, api: Api) -> None:
    session = new_id(8)
    runs = [api.attach(session=session)["run"]["id"] for _ in range(12)]
    named = [{"run": run, "rank": 0, "attempt": 1} for run in runs]

    def seen() -> list[float]:
        return [api.run(run)["sessions"][0]["last_seen"] for run in runs]

    first = seen()
    api.call("POST", f"/sessions/{session}/heartbeat", json={"runs": named, "clock": time.time()})
    second = seen()
    assert all(b > a for a, b in zip(first, second, strict=True))
    api.call("POST", f"/sessions/{session}/heartbeat", json={"runs": named[:3], "clock": time.time()})
    third = seen()
    assert [b > a for a, b in zip(second, third, strict=True)] == [True] * 3 + [False] * 9
