"""Two labs on PostgreSQL and ClickHouse: each reads what the other wrote, and what happens while ClickHouse is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ..clickhouse import needs_clickhouse, server
from ..server.api import batch, events_batch, new_id, packed, wait_until
from ..server.nginx import NGINX
from .fleet_labs import Fleet, running


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    needs_clickhouse()
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    name = server().make_database()
    with running(tmp_path_factory.mktemp("fleet"), 2, "--lost-after", "600", points=server().url(name)) as fleet:
        yield fleet
    server().drop_database(name)


def test_each_lab_reads_what_the_other_wrote_and_what_came_to_both_is_there_once(two: Fleet) -> None:
    run, writer = two.api().attach(session="s")["run"]["id"], new_id()
    for first in range(1, 31, 10):
        sent = batch(run, writer, first, first + 9)
        with ThreadPoolExecutor(4) as threads:
            items = list(
                threads.map(lambda i, one=sent: two.api(i % 2).ingest(one, session="s")[0]["status"], range(4))
            )
        assert items == [200] * 4
    for lab in (0, 1):
        assert two.api(lab).steps(run) == list(range(1, 31))
        buckets = {"selectors": [{"run": run, "key": "loss"}], "n": 4}
        line = two.api(lab).call("POST", "/series/buckets", json=buckets, headers={"Accept": "application/json"})
        assert sum(line["series"][0]["count"]) == 30
    assert two.api().run(run)["points"] == 30


def test_prometheus_hears_what_each_engine_was_asked_and_what_failed(two: Fleet) -> None:
    def counted(what: str) -> dict[str, float]:
        lines = two.api(0).raw("GET", "/metrics").text.splitlines()
        matches = (re.fullmatch(rf'hectiqlab_engine_{what}_total{{engine="(\w+)"}} (\S+)', line) for line in lines)
        return {match[1]: float(match[2]) for match in matches if match}

    run = two.api(0).attach()["run"]["id"]
    assert two.api(0).statuses(batch(run, new_id(), 1, 5)) == [200]
    calls, failures = counted("calls"), counted("failures")
    assert calls.keys() == failures.keys() == counted("seconds").keys() == {"postgresql", "clickhouse"}
    assert min(calls.values()) > 5 and failures["clickhouse"] == 0
    server().kill()
    try:
        assert two.api(0).raw("GET", f"/runs/{run}/points", params={"key": "loss"}).status_code == 503
        assert counted("failures")["clickhouse"] >= 1
    finally:
        server().start()
    wait_until(lambda: two.api(0).raw("GET", f"/runs/{run}/points", params={"key": "loss"}).status_code == 200)


def test_while_clickhouse_is_away_points_are_refused_and_pages_work(two: Fleet) -> None:
    run, writer = two.api().attach(session="s")["run"]["id"], new_id()
    assert two.api().statuses(batch(run, writer, 1, 5), session="s") == [200]
    server().kill()
    try:
        for lab in (0, 1):
            answer = two.api(lab).ingest_raw(packed([batch(run, writer, 6, 9)], "s"))
            assert answer.status_code == 503 or [r["status"] for r in answer.json()["results"]] == [503], answer.text
            assert two.api(lab).run(run)["name"]
            assert two.api(lab).get("/runs")["items"] and two.api(lab).get("/admin/status")["runs"]
            assert two.api(lab).raw("GET", "/metrics").status_code == 200
            assert requests.get(f"{two.labs[lab].url}/readyz", timeout=30).status_code == 200
            looked = two.api(lab).raw("GET", f"/runs/{run}/points", params={"key": "loss"})
            assert looked.status_code == 503 and looked.headers["Retry-After"]
            assert "ClickHouse" in looked.json()["error"]["message"]
    finally:
        server().start()
    wait_until(lambda: two.api(0).statuses(batch(run, writer, 6, 9), session="s") == [200])
    assert two.api(1).steps(run) == list(range(1, 10))
    logged = events_batch(run, writer, 10, [("log", {"text": "a"})])
    assert two.api(1).statuses(logged, session="s") == [200]


def test_a_lab_that_starts_while_clickhouse_is_away_takes_points_once_it_is_back(two: Fleet) -> None:
    run, writer = two.api(0).attach(session="s")["run"]["id"], new_id()
    assert two.api(0).statuses(batch(run, writer, 1, 5), session="s") == [200]
    two.labs[1].stop()
    server().kill()
    try:
        two.labs[1].start()
        assert "cannot be reached (Connection refused)" in two.labs[1].log()
        assert "Points are refused until then." in two.labs[1].log()
        restarted = two.api(1)
        assert requests.get(f"{two.labs[1].url}/readyz", timeout=30).status_code == 200
        assert restarted.run(run)["points"] == 5 and restarted.get("/runs")["items"]
        assert restarted.statuses(events_batch(run, new_id(), 1, [("log", {"text": "a"})]), session="s") == [200]
        answer = restarted.ingest_raw(packed([batch(run, writer, 6, 9)], "s"))
        assert answer.status_code == 503 or [r["status"] for r in answer.json()["results"]] == [503], answer.text
    finally:
        server().start()
    wait_until(lambda: restarted.statuses(batch(run, writer, 6, 9), session="s") == [200])
    assert two.api(0).steps(run) == restarted.steps(run) == list(range(1, 10))
