"""What several labs on the same data do together."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import requests

from pyhectiqlab.server.accounts.login import FREE_FAILURES
from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.opening import open_beside

from .. import logged_points
from ..server.api import Api, batch, new_id, packed, wait_until
from ..server.conftest import PASSWORD
from ..server.test_stream import Watch
from .fleet_labs import Fleet


def within_a_second(condition: Callable[[], object]) -> None:
    wait_until(condition, 1.0)


def test_all_answer_alike(fleet: Fleet) -> None:
    items = [fleet.api(i).get("/handshake") for i in range(3)]
    assert items[0] == items[1] == items[2]


def test_a_page_at_one_lab_hears_what_changed_at_another(fleet: Fleet) -> None:
    first, second = fleet.api(0), fleet.api(1)
    run = first.attach(session="s1")["run"]
    its = {"run": run["id"], "project": run["project"]["id"]}
    watch = Watch(second, run=run["id"])
    began = time.monotonic()
    first.ingest(batch(run["id"], new_id(), 1, 5), session="s1")
    kind, data = watch.next()
    assert time.monotonic() - began < 1
    assert (kind, data) == ("points", {**its, "keys": ["loss"], "points": 5})
    first.end("s1", run["id"], "killed")
    assert watch.next() == ("state", {**its, "state": "killed"})
    watch.answer.close()


def test_clients_are_told_of_one_life_whichever_lab_answers(fleet: Fleet) -> None:
    """Else each answer of another lab would have them look whether their data are still there."""
    run, writer = fleet.api().attach(session="s2")["run"]["id"], new_id()
    answers = []
    for i in range(3):
        answers.append(fleet.api(i).ingest_raw(packed([batch(run, writer, i + 1, i + 1)], "s2")).json())
    assert [a["results"][0]["status"] for a in answers] == [200, 200, 200]
    assert len({(a["generation"], a["start"]) for a in answers}) == 1


def test_a_right_that_one_lab_takes_away_is_gone_at_all(fleet: Fleet, other: Api) -> None:
    key = other.http.headers["Authorization"]
    own = other.call("POST", "/keys", 201, json={"name": "short"})
    users = [Api(lab.url, own["key"]) for lab in fleet.labs]
    assert all(user.get("/me")["user"] for user in users)  # all have it in their caches now
    fleet.api(0).http.request(
        "DELETE", f"{fleet.labs[0].url}/api/v1/keys/{own['id']}", headers={"Authorization": str(key)}, timeout=30
    ).raise_for_status()
    within_a_second(lambda: all(user.raw("GET", "/me").status_code == 401 for user in users))


def test_a_command_beside_the_labs_is_heard_at_all(fleet: Fleet, other: Api) -> None:
    name = other.get("/me")["user"]["username"]
    users = [Api(lab.url, str(other.http.headers["Authorization"]).removeprefix("Bearer ")) for lab in fleet.labs]
    assert all(user.get("/me")["user"]["role"] == "member" for user in users)
    logged_points.register()
    place = Addresses(fleet.place.url, f"log:{fleet.place.url}", f"folder:{fleet.folder}/files")
    with closing(open_beside(place)) as storage:

        def set_role(role: str) -> None:
            with storage.meta.writing() as tx:
                user = tx.user_named(name)
                assert user is not None
                tx.set_role(user.id, role)
            storage.permissions.set()

        set_role("viewer")
        within_a_second(lambda: all(user.get("/me")["user"]["role"] == "viewer" for user in users))
        set_role("member")


def test_guesses_at_all_labs_count_together(fleet: Fleet) -> None:
    name = f"user-{new_id(3)}"
    fleet.api().call("POST", "/users", 201, json={"username": name, "password": PASSWORD})

    def guess(i: int) -> int:
        body = {"username": name, "password": f"wrong {i}"}
        return requests.post(f"{fleet.labs[i % 3].url}/api/v1/login", json=body, timeout=30).status_code

    with ThreadPoolExecutor(9) as threads:
        items = list(threads.map(guess, range(9)))
    assert sorted(items) == [401] * FREE_FAILURES + [429] * (9 - FREE_FAILURES)


def test_a_batch_that_comes_to_all_labs_at_once_counts_once(fleet: Fleet) -> None:
    run, writer = fleet.api().attach(session="s3")["run"]["id"], new_id()
    apis = [fleet.api(i % 3) for i in range(6)]
    for first in range(1, 40, 10):
        sent = batch(run, writer, first, first + 9)
        with ThreadPoolExecutor(6) as threads:
            items = list(threads.map(lambda api, one=sent: api.ingest(one, session="s3")[0]["status"], apis))
        assert items == [200] * 6
    assert fleet.api().steps(run) == list(range(1, 41))
    assert fleet.api().run(run)["points"] == 40


def test_each_duty_is_one_labs(fleet: Fleet) -> None:
    for duty in ("watch", "tidier", "notifier"):
        assert len(wait_until(lambda d=duty: fleet.on_duty(d))) == 1
