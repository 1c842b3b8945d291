"""Runs that come from elsewhere: who may make them, and say what they were."""

from __future__ import annotations

from typing import Any

from .api import Api, batch, events_batch, new_id

PAST = 1_500_000_000.0


def begun(api: Api, origin: str, status: int = 200, **more: Any) -> dict[str, Any]:
    body = {"origin": origin, "names": ["old"], "project": "old-runs", "create_project": True, **more}
    answer: dict[str, Any] = api.call("POST", "/imports", status, json=body)
    return answer


def record(**more: Any) -> dict[str, Any]:
    session = {"session": "abc", "rank": 0, "attempt": 1, "started": PAST, "last_seen": PAST + 5, "ended": PAST + 9}
    return {
        "digest": "d1", "created": PAST, "started": PAST + 1, "ended": PAST + 9, "state": "failed", "note": "said",
        "state_why": "out of memory", "sessions": [{**session, "state": "failed", "host": "gpu1", "exit_code": 3}],
        "history": [{"at": PAST + 1, "state": "running"}, {"at": PAST + 9, "state": "failed", "why": "oom"}],
        "tags": [{"name": "t", "color": "red"}], **more,
    }  # fmt: skip


def test_a_run_has_the_past_that_its_record_tells(api: Api) -> None:
    origin = new_id()
    made = begun(api, origin)
    assert made["created"] and made["digest"] == ""
    run = made["run"]
    assert api.statuses(batch(run, new_id(), 1, 10)) == [200]
    answer = api.call("PUT", f"/runs/{run}/record", json=record())
    assert (answer["created"], answer["started"], answer["ended"], answer["state"]) == (
        PAST,
        PAST + 1,
        PAST + 9,
        "failed",
    )
    page = api.run(run)
    assert (page["note"], page["points"], page["state_why"]) == ("said", 10, "out of memory")
    assert [(one["at"], one["state"]) for one in page["history"]] == [(PAST + 1, "running"), (PAST + 9, "failed")]
    assert {one["host"] for one in page["sessions"] if one["cause"] != "imported"} == {"gpu1"}
    # What comes later does not change the state, as with a process that ended.
    assert api.statuses(batch(run, new_id(), 1, 10)) == [200]
    assert api.run(run)["state"] == "failed"
    again = begun(api, origin)
    assert (again["run"], again["created"], again["digest"]) == (run, False, "d1")
    api.call("PUT", f"/runs/{run}/record", json=record(digest="d2", note="another"))
    assert begun(api, origin)["digest"] == "d2" and api.run(run)["note"] == "another"


def test_a_name_that_is_taken_gets_a_number(api: Api) -> None:
    first, second = new_id(4), new_id(4)
    names = [begun(api, new_id(), names=[first, second])["name"] for _ in range(4)]
    assert names == [first, second, f"{second} (2)", f"{second} (3)"]


def test_only_an_imported_run_takes_a_record_and_only_its_own(api: Api, other: Api) -> None:
    made_here = api.attach()["run"]["id"]
    assert api.call("PUT", f"/runs/{made_here}/record", 409, json=record())["error"]["code"] == "not_imported"
    origin = new_id()
    run = begun(api, origin)["run"]
    assert other.call("PUT", f"/runs/{run}/record", 403, json=record())["error"]["code"] == "not_yours"
    assert begun(other, origin, 403)["error"]["code"] == "not_yours"


def test_an_admin_gives_a_run_to_its_author_and_takes_it_back_for_what_came_since(api: Api, other: Api) -> None:
    bob = other.get("/me")["user"]["username"]
    origin = new_id()
    run = begun(api, origin)["run"]
    api.call("PUT", f"/runs/{run}/record", json=record(author=bob))
    assert api.run(run)["author"] == bob
    assert begun(api, origin, digest="d1")["digest"] == "d1" and api.run(run)["author"] == bob  # nothing to do
    assert begun(api, origin, digest="d2")["run"] == run and api.run(run)["author"] != bob
    api.call("PUT", f"/runs/{run}/record", json=record(author=bob, digest="d2"))
    assert api.run(run)["author"] == bob
    mine = begun(other, new_id())["run"]
    admin = api.get("/me")["user"]["username"]
    assert other.call("PUT", f"/runs/{mine}/record", 403, json=record(author=admin))["error"]["code"] == "not_admin"
    assert api.call("PUT", f"/runs/{run}/record", 403, json=record())["error"]["code"] == "not_yours"
    audit = [(one["action"], one["detail"]) for one in api.get("/audit", limit=200)["items"]]
    assert ("recorded", f"author {bob}") in audit and ("imported", "") in audit


def test_a_fork_that_is_imported_is_one_of_a_run_of_this_lab_and_nothing_is_copied(api: Api) -> None:
    parent = str(api.attach(new_id())["run"]["id"])
    api.ingest(batch(parent, new_id(), 1, 10))
    origin = new_id()
    run = begun(api, origin)["run"]
    event_batch = events_batch(run, new_id(), 1, [("fork", {"run": parent, "step": 5}), ("group", {"name": "said"})])
    assert api.statuses(batch(run, new_id(), 1, 5, attempt=0), session=origin) == [200]
    assert api.statuses(event_batch, session=origin) == [200]
    assert (api.run(run)["fork"], api.run(run)["group"]) == (None, "said")
    api.call("PUT", f"/runs/{run}/record", json=record(fork={"parent": parent, "step": 5}, group="given"))
    page = api.run(run)
    assert page["fork"] == {"parent": parent, "step": 5, "copying": False}
    assert (page["points"], page["losses"], page["group"]) == (5, {}, "given")
    missing = record(fork={"parent": "0" * 12, "step": None})
    other = begun(api, new_id(), names=[new_id()])["run"]
    assert api.call("PUT", f"/runs/{other}/record", 404, json=missing)["error"]["code"] == "parent_not_found"
