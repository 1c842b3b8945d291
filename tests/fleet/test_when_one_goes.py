"""What happens to several labs when one of them, or their PostgreSQL, goes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from ..postgres import needs_postgres
from ..server.api import Api, batch, new_id, packed, wait_until
from ..server.nginx import NGINX
from ..server.test_stream import Watch
from .fleet_labs import Fleet, running


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Fleet]:
    needs_postgres()
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    with running(tmp_path, 2, "--lost-after", "2") as fleet:
        yield fleet


def ready(api: Api) -> int:
    return requests.get(f"{api.url}/readyz", timeout=30).status_code


def test_a_lab_that_is_killed_is_not_missed(two: Fleet) -> None:
    (watch,) = wait_until(lambda: two.on_duty("watch"))
    api, run, writer = two.api(), two.api().attach(session="s")["run"]["id"], new_id()
    stays = two.api(1 - watch)
    page = Watch(stays, run=run)
    two.labs[watch].kill()
    began = time.monotonic()
    for n in range(1, 11):
        assert api.statuses(batch(run, writer, n, n), session="s") == [200]
    assert page.next()[0] == "points"
    assert wait_until(lambda: two.on_duty("watch")) == [1 - watch]
    assert time.monotonic() - began < 5
    wait_until(lambda: stays.state(run) == "lost", 20)  # the other one watches now
    two.labs[watch].start()
    two.api(watch).heartbeat("s", run)
    assert stays.steps(run) == two.api(watch).steps(run) == list(range(1, 11))
    wait_until(lambda: stays.state(run) == "running")
    page.answer.close()


def test_while_postgresql_is_away_nothing_is_acknowledged_and_then_all_goes_on(two: Fleet) -> None:
    api, run, writer = two.api(0), two.api(0).attach(session="s")["run"]["id"], new_id()
    assert api.statuses(batch(run, writer, 1, 5), session="s") == [200]
    page = Watch(two.api(1), run=run)
    two.place.cluster.stop()
    try:
        for lab in (0, 1):
            answer = two.api(lab).ingest_raw(packed([batch(run, writer, 6, 9)], "s"))
            assert answer.status_code == 503 or [r["status"] for r in answer.json()["results"]] == [503], answer.text
            looked = two.api(lab).raw("GET", f"/runs/{run}")
            assert looked.status_code == 503 and int(looked.headers["Retry-After"]) > 0
        wait_until(lambda: {ready(two.api(lab)) for lab in (0, 1)} == {503})
    finally:
        two.place.cluster.start()
    wait_until(lambda: {ready(two.api(lab)) for lab in (0, 1)} == {200}, 20)
    assert two.api(1).statuses(batch(run, writer, 6, 9), session="s") == [200]
    assert api.steps(run) == list(range(1, 10))
    while (kind := page.next()[0]) != "points":  # it was also asked to look again
        assert kind in {"resync", "state", "run"}
    assert len(wait_until(lambda: two.on_duty("watch"))) == 1
    page.answer.close()


def test_a_database_that_was_replaced_ends_its_labs(two: Fleet) -> None:
    two.place.cluster.ask("UPDATE lab SET value = 'other' WHERE key = 'generation'", database=two.place.database)
    for lab in two.labs:
        wait_until(lambda lab=lab: not lab.running)
        assert "another life of the lab" in lab.log() and "Traceback" not in lab.log()


def test_a_lab_that_is_to_stop_says_so_first(two: Fleet) -> None:
    two.labs[0].stop()
    two.labs[0].arguments += ("--drain", "1.5")
    lab = two.labs[0].start()
    api = two.api(0)
    with ThreadPoolExecutor(1) as threads:
        status = threads.submit(lab.stop, signal.SIGTERM)
        wait_until(lambda: ready(api) == 503)
        assert requests.get(f"{api.url}/readyz", timeout=30).json()["status"] == "stopping"
        assert requests.get(f"{api.url}/livez", timeout=30).status_code == 200
        assert api.get("/me")["user"]
        assert status.result() == 0
