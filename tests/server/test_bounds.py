"""Bounds of a run, a project or an answer: whatever exceeds them is reported, blocks nobody, and costs no memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import pytest
from sqlalchemy import insert
from sqlalchemy.event import listen

from pyhectiqlab.protocol import limits
from pyhectiqlab.store.accounts import User
from pyhectiqlab.store.artifacts import NewArtifact
from pyhectiqlab.store.meta import AttachRequest, FullError, MetaStore, MetaTransaction
from pyhectiqlab.store.registry import NewVersion, VersionFile
from pyhectiqlab.store.sql import meta_states
from pyhectiqlab.store.sql.meta_schema import projects
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from ..stores import sql
from .api import Api, batch, column, events_batch, new_id, packed, wait_until

MIB = 1 << 20


def send_events(api: Api, run: str, events: list[tuple[str, dict[str, Any]]], writer: str | None = None) -> None:
    assert api.statuses(events_batch(run, writer or new_id(), 1, events)) == [200]


@pytest.fixture
def run(api: Api) -> str:
    return str(api.attach()["run"]["id"])


# What a run may have


def test_tags_beyond_the_bound_are_counted_and_others_can_still_change(api: Api, run: str) -> None:
    send_events(api, run, [("tag", {"name": f"t{i:05}", "description": "d"}) for i in range(5000)])
    send_events(api, run, [("tag", {"name": "t00001", "color": "#2e7d32"}), ("tag", {"name": "one more"})])
    answer = api.run(run)
    assert len(answer["tags"]) == limits.TAGS_MAX and not answer["tags_cut"]
    assert {"name": "t00001", "color": "#2e7d32", "description": None} in answer["tags"]
    assert answer["losses"] == {"tags_full": 5000 - limits.TAGS_MAX + 1}
    listed = next(r for r in api.get("/runs")["items"] if r["id"] == run)
    assert listed["tags"] == answer["tags"][: limits.TAGS_LISTED] and listed["tags_cut"]


def test_meta_beyond_the_bounds_is_counted(api: Api, run: str) -> None:
    send_events(api, run, [("meta", {"key": f"k{i}", "value": i}) for i in range(limits.META_MAX + 50)])
    assert api.run(run)["losses"] == {"meta_full": 50}
    send_events(api, run, [("meta", {"key": "k0", "value": "another"}), ("meta", {"key": "new", "value": 1})])
    answer = api.run(run)
    assert len(answer["meta"]) == limits.META_MAX and answer["meta"]["k0"] == "another"
    other = str(api.attach()["run"]["id"])
    send_events(api, other, [("meta", {"key": f"k{i}", "value": "x" * MIB}) for i in range(6)])
    answer = api.run(other)
    assert list(answer["meta"]) == ["k0", "k1", "k2"] and answer["losses"] == {"meta_full": 3}


def test_a_long_note_is_cut_and_that_is_counted(api: Api, run: str) -> None:
    send_events(api, run, [("note", {"text": "é" * (limits.NOTE_CHARS_MAX + 5)})])
    answer = api.run(run)
    assert answer["note"] == "é" * limits.NOTE_CHARS_MAX and not answer["note_cut"]
    assert answer["losses"] == {"note_cut": 1}
    listed = next(r for r in api.get("/runs")["items"] if r["id"] == run)
    assert listed["note"] == "é" * limits.NOTE_CHARS_LISTED and listed["note_cut"]


def test_of_a_config_with_too_many_values_the_first_are_kept(api: Api, run: str) -> None:
    values = {f"part{p}": {f"{i:x}": i for i in range(20_000)} for p in range(10)}
    send_events(api, run, [("config", {"values": values})])
    send_events(api, run, [("config", {"values": {"part0": {"0": "another"}}}), ("config", {"values": {"new": 1}})])
    answer = api.run(run)
    kept = sum(map(len, answer["config"].values())) + len(answer["config"])
    assert limits.CONFIG_VALUES_MAX - 10 <= kept <= limits.CONFIG_VALUES_MAX
    assert answer["config"]["part0"]["0"] == "another", "what is there can change"
    assert answer["losses"] == {"config_full": 200_010 - kept + 1}


def test_a_config_has_room_for_lists_as_for_maps(api: Api, run: str) -> None:
    send_events(api, run, [("config", {"values": {"a": [1] * 40_000}}), ("config", {"values": {"b": [1] * 40_000}})])
    answer = api.run(run)
    assert list(answer["config"]) == ["a"] and answer["losses"] == {"config_full": 40_001}


def test_of_many_states_at_once_the_last_ones_count(api: Api) -> None:
    session = new_id(8)
    run = str(api.attach(session=session)["run"]["id"])
    words = [("state", {"state": ("training", "pending")[i % 2]}) for i in range(1000)]
    assert api.statuses(events_batch(run, new_id(), 1, words), session=session) == [200]
    answer = api.run(run)
    assert answer["state"] == "pending" and len(answer["history"]) == limits.STATES_AT_ONCE_MAX + 1
    assert answer["losses"] == {"states_cut": 1000 - limits.STATES_AT_ONCE_MAX}


@pytest.mark.parametrize("value", [["a"], {"a": 1}, None, 7])
def test_odd_words_of_a_run_wedge_nobody(api: Api, run: str, value: Any) -> None:
    kinds = ("state", "end", "tag", "note", "meta", "paper", "config")
    send_events(api, run, [(kind, {"state": value, "name": value, "text": value, "key": value}) for kind in kinds])
    assert api.run(run)["state"] == "running"


def test_of_a_long_detail_the_ends_are_kept(api: Api) -> None:
    session = new_id(8)
    run = str(api.attach(session=session)["run"]["id"])
    api.end(session, run, "failed", detail="first" + "x" * 400_000 + "last")
    (its,) = api.run(run)["sessions"]
    assert len(its["detail"]) < limits.DETAIL_CHARS_MAX + 100
    assert its["detail"].startswith("first") and its["detail"].endswith("last")
    assert "characters left out" in its["detail"]


def test_the_page_of_a_run_has_its_newest_sessions_and_a_list_has_all(api: Api) -> None:
    name, n = f"many-{new_id(4)}", limits.SESSIONS_LISTED + 30
    for _ in range(n):
        session = new_id(8)
        made = api.attach(name, session=session)
        run = str(made["run"]["id"])
        api.end(session, run, "failed", attempt=made["attempt"], detail="d" * limits.DETAIL_CHARS_MAX)
    answer = api.run(run)
    assert answer["session_count"] == n and len(answer["sessions"]) == limits.SESSIONS_LISTED
    assert [s["attempt"] for s in answer["sessions"]] == list(range(31, n + 1))
    details = [s["detail"] for s in answer["sessions"]]
    assert len(details[-1]) == limits.DETAIL_CHARS_MAX and len(details[0]) < 100, "those of the newest attempts"
    pages = Pages(api, f"/runs/{run}/sessions", limit=100)
    assert [s["attempt"] for s in pages.items] == list(range(1, n + 1))
    assert all(len(s["detail"]) == limits.DETAIL_CHARS_MAX for s in pages.items)
    assert max(pages.sizes) < 2 * limits.ANSWER_BYTES_MAX


def test_of_changes_of_state_the_newest_are_kept(meta: MetaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_states, "HISTORY_MAX", 5)
    with meta.writing() as tx:
        user = tx.add_user("ada", "member", None, 0.0)
        tx.add_project("p", user.id, 0.0)
        run = _attach(tx, user, "one")
        for i in range(20):
            tx.settle(run, float(i), "script", f"change {i}", news=True)
        assert [change.why for change in tx.state_history(run, 100)] == [f"change {i}" for i in range(15, 20)]


# Calls beyond a bound


def test_calls_beyond_a_bound_are_refused(meta: MetaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROJECTS_MAX", "RUNS_MAX", "SESSIONS_MAX", "ARTIFACTS_MAX", "VERSIONS_MAX"):
        monkeypatch.setattr(limits, name, 2)
    with meta.writing() as tx:
        user = tx.add_user("ada", "member", None, 0.0)
        project = tx.add_project("p", user.id, 0.0).id
        tx.add_project("q", user.id, 0.0)
        with pytest.raises(FullError, match="projects"):
            tx.add_project("r", user.id, 0.0)
        run = _attach(tx, user, "one")
        _attach(tx, user, "two")
        with pytest.raises(FullError, match="runs"):
            _attach(tx, user, "three")
        _attach(tx, user, "one", "b")
        with pytest.raises(FullError, match="processes"):
            _attach(tx, user, "one", "c")
        assert _attach(tx, user, "one", "b") == run, "who is there already may attach again"
        files = [VersionFile("a", "0" * 64, 1)]
        for i in range(3):
            artifact = NewArtifact(f"{i:032x}", run, project, "a", None, "0" * 64, 1, "file", {}, user.id, 0.0)
            version = NewVersion(f"{i:032x}", "models", project, "m", None, "", "", files, None, user.id, 0.0)
            if i < 2:
                tx.start_upload(_upload(user), 0.0)
                tx.add_artifact(artifact, 0.0)
                tx.add_version(version, 0.0)
            else:
                with pytest.raises(FullError, match="files"):
                    tx.add_artifact(artifact, 0.0)
                with pytest.raises(FullError, match="versions"):
                    tx.add_version(version, 0.0)


def _upload(user: User) -> Any:
    from pyhectiqlab.store.artifacts import Upload

    return Upload("0" * 32, user.id, "0" * 64, 1, 1e12, False)


def _attach(tx: MetaTransaction, user: User, name: str, session: str = "a") -> str:
    request = AttachRequest(name, "p", False, session, 0, 1, None, "h", 1, "0", 0.0)
    return str(tx.attach(request, user, 1.0, 60.0).run.id)


def test_a_call_beyond_a_bound_is_told_so(own_lab: ForkedLab) -> None:
    with own_lab as lab:
        user = Api.of(lab).get("/me")["user"]["id"]
    with sql(lab.data_dir) as conn:
        names = [(f"{i:08x}", f"project {i}") for i in range(limits.PROJECTS_MAX)]
        rows = [{"id": ident, "name": name, "created": 0.0, "owner_id": user} for ident, name in names]
        conn.execute(insert(projects), rows)
    with own_lab as lab:
        error = Api.of(lab).call("POST", "/projects", 422, json={"name": "one-more"})["error"]
    assert error["code"] == "full" and "1,000 projects" in error["message"]


# What an answer may have


class Pages:
    """Reads all pages of a list."""

    def __init__(self, api: Api, path: str, **params: Any) -> None:
        self.items: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        after: dict[str, Any] = {}
        while True:
            answer = api.raw("GET", path, params={**params, **after})
            if answer.status_code == 429:  # these tests take most of the time of a lab that they share
                time.sleep(float(answer.headers["Retry-After"]))
                continue
            assert answer.status_code == 200, answer.text
            page = answer.json()
            self.items += page["items"]
            self.sizes.append(len(answer.content))
            if page["next"] is None:
                return
            after = {"after": page["next"]}


def test_pages_end_early_and_leave_nothing_out(api: Api, run: str) -> None:
    writer = new_id()
    for i in range(12):
        event = ("thing", {"n": i, "text": "x" * MIB})
        assert api.statuses(events_batch(run, writer, 1 + i, [event])) == [200]
    pages = Pages(api, f"/runs/{run}/events", limit=1000)
    assert [e["fields"]["n"] for e in pages.items] == list(range(12))
    assert len(pages.sizes) == 3 and max(pages.sizes) < limits.ANSWER_BYTES_MAX + 2 * MIB


def test_a_search_in_logs_reads_a_bounded_part_and_says_that_there_is_more(api: Api, run: str) -> None:
    writer = new_id()
    for i in range(40):
        text = f"{'needle' if i == 39 else 'hay'} {i}".ljust(MIB)
        assert api.statuses(events_batch(run, writer, 1 + i, [("log", {"text": text, "level": "INFO"})])) == [200]
    first = api.get(f"/runs/{run}/logs", q="needle")
    assert first["items"] == [] and first["next"], "it has not looked at all of them"
    pages = Pages(api, f"/runs/{run}/logs", q="needle")
    assert [log["text"].split() for log in pages.items] == [["needle", "39"]] and 2 < len(pages.sizes) < 6


def test_buckets_of_many_series_are_fewer_for_each(api: Api, run: str) -> None:
    import numpy as np

    keys, n = [f"k{i}" for i in range(60)], 20_000
    seq = np.arange(n)
    for i, key in enumerate(keys):
        points = batch(run, f"{i:032x}", 1, n, series=[column(key, seq)])
        assert api.statuses(points) == [200]
    asked = {"selectors": [{"run": run, "key": key} for key in keys], "n": 10_000}
    answer = api.raw("POST", "/series/buckets", json=asked, headers={"Accept": "application/x-msgpack"})
    series = msgpack.unpackb(answer.content)["series"]
    assert [s["key"] for s in series] == keys and [s["total"] for s in series] == [n] * len(keys)
    assert sum(len(s["start"]) // 8 for s in series) <= limits.BUCKETS_OF_ANSWER_MAX
    assert {s["width"] for s in series} == {4}, "2 for one alone"
    told_as = {"headers": {"Accept": "application/json"}}
    one = {**asked, "selectors": asked["selectors"][:1]}
    alone = api.call("POST", "/series/buckets", json=one, **told_as)["series"]
    assert alone[0]["width"] == 2
    as_json = api.call("POST", "/series/buckets", json=asked, **told_as)["series"]
    assert sum(len(s["start"]) for s in as_json) <= limits.BUCKETS_OF_ANSWER_MAX // 4


def peak(lab: RealLab) -> int:
    for line in Path(f"/proc/{lab.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise OSError("no VmHWM")


def test_large_answers_take_little_memory(own_lab: ForkedLab) -> None:
    """These are answers about runs with long notes, events and logs: four at once, a thousand items asked for."""
    with own_lab as lab:
        api = Api.of(lab)
        run = ""
        for i in range(100):
            run = str(api.attach(f"run-{i}")["run"]["id"])
            send_events(api, run, [("note", {"text": "n" * limits.NOTE_CHARS_MAX})])
        writer = new_id()
        for i in range(60):
            text = {"text": "x" * (2 * MIB), "level": "INFO"}
            assert api.statuses(events_batch(run, writer, 1 + i, [("log", text)])) == [200]
        api.get("/runs")
        before = peak(lab)  # with what ingest took
        paths = ("/runs?limit=1000", f"/runs/{run}/events?limit=1000", f"/runs/{run}/logs?q=nothing&limit=5000")
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda path: Api.of(lab).raw("GET", path), 4 * paths))
        assert [a.status_code for a in answers] == [200] * 12
        assert max(len(a.content) for a in answers) < limits.ANSWER_BYTES_MAX + 3 * MIB
        assert peak(lab) - before < 100 * MIB


def test_attaching_reads_no_details_of_other_processes(meta: MetaStore) -> None:
    """Each may have tens of kilobytes, and there may be thousands."""
    read: list[str] = []
    with meta.writing() as tx:
        user = tx.add_user("ada", "member", None, 0.0)
        tx.add_project("p", user.id, 0.0)
        _attach(tx, user, "one")
        listen(tx.conn, "before_cursor_execute", lambda conn, cursor, statement, *more: read.append(statement))
        _attach(tx, user, "one", "b")
    of_sessions = [statement for statement in read if "FROM sessions" in statement]
    assert of_sessions and not any("sessions.detail" in statement for statement in of_sessions)


# Work of the writer, in pieces


def test_others_have_their_turn_while_many_events_are_stored(api: Api, other: Api) -> None:
    run, theirs = (str(caller.attach()["run"]["id"]) for caller in (api, other))
    many = events_batch(run, new_id(), 1, [("log", {"text": f"line {i}", "level": "INFO"}) for i in range(10_000)])
    with ThreadPoolExecutor(1) as thread:
        key = str(api.http.headers["Authorization"]).partition(" ")[2]
        sent = thread.submit(Api(api.url, key).ingest_raw, packed([many]))
        acks, writer = 0, new_id()
        while not sent.done():
            answer = other.ingest_raw(packed([batch(theirs, writer, acks + 1, acks + 1)]))
            acks += answer.status_code == 200 and answer.json()["results"][0]["status"] == 200
            time.sleep(0.01)
    assert sent.result().json()["results"][0] == {"writer": many["writer"], "status": 200, "cursor": 10_000}
    assert acks > 5
    texts = [event["fields"]["text"] for event in Pages(api, f"/runs/{run}/events", limit=1000).items]
    assert texts == [f"line {i}" for i in range(10_000)]


def test_of_many_events_that_a_kill_interrupts_the_cursor_tells_which_are_there(own_lab: ForkedLab) -> None:
    with own_lab as lab:
        api = Api.of(lab)
        run, writer = str(api.attach()["run"]["id"]), new_id()
        events = [("log", {"text": f"{i}", "level": "INFO"}) for i in range(15_000)]
        body = packed([events_batch(run, writer, 1, events), events_batch(run, new_id(), 1, [("tag", {"name": "t"})])])
        with ThreadPoolExecutor(1) as thread:
            sent = thread.submit(Api.of(lab).ingest_raw, body)
            wait_until(lambda: api.get(f"/runs/{run}/events", limit=1)["items"])
            lab.kill()
            assert sent.exception() is not None
        lab.start()
        api = Api.of(lab)
        cursor = api.get(f"/runs/{run}/writers")["items"][0]["cursor"]
        assert 0 < cursor < 15_000
        longer = events_batch(run, writer, cursor, [*events[cursor - 1 :], ("log", {"text": "15000", "level": "INFO"})])
        [result] = api.ingest_raw(packed([longer])).json()["results"]
        assert (result["status"], result["cursor"]) == (409, cursor), "cut in another way: the lab says how far it is"
        results = api.ingest_raw(body).json()["results"]
        assert [(r["status"], r["cursor"]) for r in results] == [(200, 15_000), (200, 1)]
        log_events = Pages(api, f"/runs/{run}/events", limit=1000, kind="log").items
        assert [event["fields"]["text"] for event in log_events] == [f"{i}" for i in range(15_000)]
        assert [tag["name"] for tag in api.run(run)["tags"]] == ["t"]
