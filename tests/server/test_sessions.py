"""Attaching, states, signs of life: what a run is shown as after what its processes said and how they ended."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from pyhectiqlab.capture.process import this_process
from pyhectiqlab.protocol.limits import HEARTBEAT_RUNS
from pyhectiqlab.server.turns.bodies import INLINE_BYTES
from pyhectiqlab.server.writing.waiting_jobs import CROWD
from pyhectiqlab.spool import Writer
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.uploader import encode
from pyhectiqlab.uploader.stream import Stream

from ..labs import ForkedLab
from .api import NOW_US, Api, batch, error_of, events_batch, new_id, wait_until


def test_sixteen_at_once_attach_to_one_run(lab: RealLab, api: Api) -> None:
    name = f"race-{new_id(4)}"
    barrier = threading.Barrier(16)

    def attach(rank: int) -> Any:
        client = Api.of(lab)
        barrier.wait()
        return client.attach(name, rank=rank, world_size=16)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attach, range(16)))
    assert len({a["run"]["id"] for a in answers}) == 1
    assert [a["created"] for a in answers].count(True) == 1
    assert all(a["sets_state"] for a in answers), "each is a rank of its own"
    assert {a["attempt"] for a in answers} == {1}
    assert api.run(answers[0]["run"]["id"])["ranks"] == 16


def test_a_project_is_found_by_name_or_id_or_made_on_demand(api: Api) -> None:
    name = f"vision-{new_id(4)}"
    error = error_of(api.raw("POST", "/runs/attach", json={"name": "r", "session": "ab", "project": name}))
    assert error["code"] == "project_not_found" and name in error["message"]
    made = api.attach("r", project=name, create_project=True)["run"]["project"]
    assert made["name"] == name
    assert api.attach("r", project=made["id"])["run"]["project"] == made
    assert api.get(f"/projects/{name}")["id"] == api.get(f"/projects/{made['id']}")["id"] == made["id"]


def test_without_a_project_it_is_the_only_one_or_default(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    assert api.attach()["run"]["project"]["name"] == "default"
    api.call("DELETE", f"/runs/{api.get('/runs')['items'][0]['id']}")
    api.attach(project="second", create_project=True)
    assert api.attach()["run"]["project"]["name"] == "default"

    own_lab.stop()
    with ForkedLab(own_lab.data_dir.with_name("other"), own_lab.home.with_name("other home")) as other_lab:
        api = Api.of(other_lab)
        api.call("POST", "/projects", 201, json={"name": "only"})
        assert api.attach()["run"]["project"]["name"] == "only"


def test_somebody_elses_run_is_read_only(api: Api, other: Api) -> None:
    name, project = f"mine-{new_id(4)}", f"p-{new_id(4)}"
    mine = api.attach(name, project=project, create_project=True)
    theirs = other.attach(name, project=project)
    assert theirs["run"]["id"] == mine["run"]["id"]
    assert (theirs["mode"], theirs["sets_state"], theirs["created"]) == ("read-only", False, False)
    assert theirs["run"]["author"] == api.get("/me")["user"]["username"]
    run = mine["run"]["id"]
    assert other.statuses(batch(run, new_id(), 1, 5)) == [403]
    assert other.raw("DELETE", f"/runs/{run}").status_code == 403
    assert other.run(run)["can_write"] is False
    assert len(api.run(run)["sessions"]) == 1


def test_the_states_a_script_sets_come_in_order(api: Api) -> None:
    a = api.attach(session="aa11")
    run, writer = a["run"]["id"], new_id()
    assert api.state(run) == "running"
    for i, state in enumerate(["training", "pending", "completed", "failed", "running", "stopped"], 1):
        api.ingest(events_batch(run, writer, i, [("state", {"state": state})]), session="aa11")
        assert api.state(run) == state
        assert (api.run(run)["ended"] is None) == (state in {"training", "pending", "running"})
    api.ingest(events_batch(run, writer, 7, [("state", {"state": "lost"}), ("state", {"state": 5})]), session="aa11")
    assert api.state(run) == "stopped"


@pytest.mark.parametrize(
    ("said", "event", "ended_as", "shown"),
    [
        (None, None, "completed", "completed"),
        (None, None, "killed", "killed"),
        (None, None, "ended", "ended"),
        (None, "completed", None, "completed"),
        (None, "completed", "completed", "completed"),
        (None, "completed", "failed", "failed"),  # sys.exit(3), which only the uploader saw
        (None, "failed", "failed", "failed"),
        (None, "stopped", "killed", "killed"),
        (None, "failed", "ended", "failed"),  # "cause unknown" changes nothing
        ("completed", None, "completed", "completed"),
        ("failed", None, "completed", "failed"),
        ("stopped", "completed", "completed", "stopped"),
        ("completed", "completed", "failed", "failed"),
        ("completed", None, "killed", "killed"),
        ("training", "completed", "completed", "completed"),
    ],
)
def test_how_it_ended_is_shown(api: Api, said: str | None, event: str | None, ended_as: str | None, shown: str) -> None:
    session = new_id(8)
    run, writer = api.attach(session=session)["run"]["id"], new_id()
    events: list[tuple[str, dict[str, Any]]] = []
    if said:
        events.append(("state", {"state": said}))
    if event:
        events.append(("end", {"state": event, "cause": "exit", "exit_code": None, "signal": None, "detail": ""}))
    if events:
        assert api.statuses(events_batch(run, writer, 1, events), session=session) == [200]
    if ended_as:
        for _ in range(2):
            api.end(session, run, ended_as, exit_code=3 if ended_as == "failed" else None)
    answer = api.run(run)
    assert answer["state"] == shown
    assert answer["ended"] is not None and answer["duration"] >= 0
    assert answer["sessions"][0]["ended"] is not None


def test_what_arrives_after_the_end_changes_no_end(api: Api) -> None:
    run, writer = api.attach(session="bb22")["run"]["id"], new_id()
    api.end("bb22", run, "failed", exit_code=3, cause="exit", detail="Traceback")
    ended = api.run(run)["ended"]
    late = [("state", {"state": "training"}), ("end", {"state": "completed", "cause": "", "exit_code": 0})]
    api.ingest(events_batch(run, writer, 1, late), session="bb22")
    answer = api.run(run)
    assert (answer["state"], answer["ended"]) == ("failed", ended)
    (session,) = answer["sessions"]
    assert (session["state"], session["exit_code"], session["detail"]) == ("failed", 3, "Traceback")


def test_an_end_that_belongs_to_nothing_is_told_404(api: Api, other: Api) -> None:
    run = api.attach(session="f1")["run"]["id"]
    api.end("f2", run, "completed", status=404)
    api.end("f1", run, "completed", attempt=2, status=404)
    other.end("f1", run, "killed", status=404)
    other.heartbeat("f1", run)
    assert api.state(run) == "running"


def test_losses_of_heartbeats_count_until_the_end_and_then_those_of_events_alone(api: Api) -> None:
    run, writer = api.attach(session="l1")["run"]["id"], new_id()
    api.heartbeat("l1", run, backlog=7, losses={"spool_full": 7, "lab_restored": 5})
    for first, reason, count in ((1, "lab_restored", 5), (6, "spool_full", 2)):
        events = [[0, "loss", NOW_US, {"reason": reason, "count": count}]]
        lossy = batch(run, writer, first, first + count - 1, series=[], events=events)
        assert api.statuses(lossy, session="l1") == [200]
    # While many sessions send, as those of other tests did a moment ago, a heartbeat is stored a little later.
    wait_until(lambda: api.run(run)["losses"] == {"spool_full": 7, "lab_restored": 5})
    api.end("l1", run, "completed")
    assert api.run(run)["losses"] == {"spool_full": 2, "lab_restored": 5}


def test_many_runs_of_a_session_are_told_alive_by_several_heartbeats(lab: RealLab, api: Api) -> None:
    session, ranks = new_id(8), HEARTBEAT_RUNS + 2
    attached = [api.attach("many", session, rank=rank) for rank in range(ranks)]
    run = attached[0]["run"]["id"]
    me = this_process()
    streams = [
        Stream(Writer(new_id(), "", me, "online", lab.url, "p", {"name": "many", "rank": rank}, answer, True, 0.0))
        for rank, answer in enumerate(attached)
    ]

    def seen() -> list[float]:
        first = api.get(f"/runs/{run}/sessions", limit=1000)
        assert first["next"] is None
        return [one["last_seen"] for one in sorted(first["items"], key=lambda one: one["rank"])]

    before = seen()
    heartbeats = encode.heartbeats(streams, {}, time.time())
    assert [len(one["runs"]) for one in heartbeats] == [HEARTBEAT_RUNS, 2]
    assert all(len(json.dumps(one)) < INLINE_BYTES for one in heartbeats), "the lab reads each at once"
    client = LabClient(lab.url, lab.api_key)
    for one in heartbeats:
        client.heartbeat(session, one)
    after = seen()
    assert len(after) == ranks and all(b > a for a, b in zip(before, after, strict=True))
    runs = [named for one in heartbeats for named in one["runs"]]
    client.heartbeat(session, {**heartbeats[0], "runs": runs})  # an older client
    assert all(b > a for a, b in zip(after, seen(), strict=True))
    client.close()


def test_a_silent_run_is_lost_and_a_sign_of_life_revives_it(own_lab: RealLab) -> None:
    own_lab.arguments = ("--lost-after", "1")
    api = Api.of(own_lab.start())
    run, writer = api.attach(session="a1")["run"]["id"], new_id()
    ended = api.attach(session="a3")["run"]["id"]
    api.end("a3", ended, "completed")
    api.ingest(events_batch(run, writer, 1, [("state", {"state": "training"})]), session="a1")

    def times_back() -> int:  # on a busy machine it may be lost again before anybody looks
        return sum(entry["why"].startswith("came back") for entry in api.run(run)["history"])

    wait_until(lambda: api.state(run) == "lost")
    assert api.run(run)["ended"] is not None and times_back() == 0
    api.heartbeat("a1", run, backlog=7, losses={"queue full": 3})
    answer = api.run(run)
    assert times_back() == 1 and answer["losses"] == {"queue full": 3}
    assert (answer["ended"] is None) == (answer["state"] == "training")
    assert answer["sessions"][0]["backlog"] == 7
    wait_until(lambda: api.state(run) == "lost")
    assert api.statuses(batch(run, writer, 2, 5), session="a1") == [200]
    assert api.state(run) == "lost", "what a dead process left may arrive now"
    api.heartbeat("a1", run)
    assert times_back() == 2
    wait_until(lambda: api.state(run) == "lost")
    api.end("a1", run, "killed", signal=9, cause="SIGKILL")
    api.heartbeat("a1", run)
    assert api.state(run) == "killed"
    assert api.state(ended) == "completed"
    history = [(h["state"], h["why"].split(" after")[0]) for h in api.run(run)["history"]]
    assert history == [
        ("running", "started by a process"),
        ("training", "the script said so"),
        *[("lost", "no sign of life for 1 s"), ("training", "came back")] * 2,
        ("lost", "no sign of life for 1 s"),
        ("killed", "SIGKILL"),
    ]


def test_a_run_whose_process_ended_before_the_lab_heard_of_it_is_not_shown_as_running(api: Api) -> None:
    session, writer = new_id(8), new_id()
    run = api.attach(session=session, ended=True)["run"]["id"]
    assert api.statuses(batch(run, writer, 1, 5), session=session) == [200]
    assert api.state(run) == "lost"
    api.end(session, run, "completed")
    assert api.state(run) == "completed"


def test_clock_skew_is_recorded_and_taken_out_of_ends(api: Api) -> None:
    session = new_id(8)
    ahead = time.time() + 3600
    run = api.attach(session=session, client_time=ahead)["run"]["id"]
    api.end(session, run, "completed", time=ahead + 1, clock=time.time() + 3600)
    answer = api.run(run)
    assert abs(answer["sessions"][0]["skew"] - 3600) < 60
    assert abs(answer["ended"] - time.time()) < 60

    again = api.attach(session=session, client_time=ahead)["run"]["id"]
    api.end(session, again, "completed", time=ahead + 1)
    assert abs(api.run(again)["ended"] - time.time()) < 60


def test_a_name_belongs_to_a_new_run_after_its_run_was_deleted(api: Api) -> None:
    first = api.attach()["run"]
    api.call("DELETE", f"/runs/{first['id']}")
    second = api.attach(first["name"])
    assert second["created"] and second["run"]["id"] != first["id"]
    assert error_of(api.raw("POST", f"/runs/{first['id']}/restore"))["code"] == "name_taken"


def test_the_data_of_a_running_lab_can_be_read_beside_it(lab: RealLab, api: Api) -> None:
    run = api.attach()["run"]
    with closing(open_beside(lab.data_dir)) as storage, storage.meta.reading() as view:
        stored = view.run(run["id"])
    assert stored is not None and stored.name == run["name"]


def test_signs_of_life_that_are_gathered_are_kept_by_an_end_and_a_stop(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    sessions = [new_id(8) for _ in range(CROWD + 2)]
    runs = [api.attach(session=session)["run"]["id"] for session in sessions]
    over = threading.Event()

    def send(session: str, run: str) -> None:
        its, writer, at = Api.of(own_lab), new_id(), 1
        while not over.is_set():
            assert its.statuses(batch(run, writer, at, at), session=session) == [200]
            at += 1

    with ThreadPoolExecutor(CROWD) as pool:
        sending = [pool.submit(send, *one) for one in list(zip(sessions, runs, strict=True))[2:]]
        wait_until(lambda: all(api.run(run)["points"] for run in runs[2:]), 30)
        began, beats = time.monotonic(), 0
        while time.monotonic() < began + 1.0:
            api.heartbeat(sessions[0], runs[0], backlog=(beats := beats + 1))
        api.heartbeat(sessions[1], runs[1], losses={"spool_full": 7})
        api.end(sessions[1], runs[1], "completed")
        assert api.run(runs[1])["losses"] == {}, "the heartbeat came before the end"
        api.heartbeat(sessions[0], runs[0], backlog=7_000)
        over.set()
        for one in sending:
            one.result(30)
    own_lab.stop()
    api = Api.of(own_lab.start())
    assert api.run(runs[0])["sessions"][0]["backlog"] == 7_000
