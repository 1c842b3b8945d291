"""POST /runs/actions: tags and notes of one run or many, at once, with what takes them back."""

from __future__ import annotations

from typing import Any

from .api import Api, batch, error_of, events_batch, new_id
from .test_artifacts import add
from .test_stream import Watch


def made(api: Api, n: int, **more: Any) -> list[str]:
    return [api.attach(**more)["run"]["id"] for _ in range(n)]


def act(api: Api, *actions: Any, status: int = 200) -> Any:
    return api.call("POST", "/runs/actions", status, json={"actions": actions})


def words(api: Api, run: str) -> tuple[str, list[Any]]:
    page = api.run(run)
    return page["note"], [(tag["name"], tag["color"]) for tag in page["tags"]]


def test_many_runs_are_tagged_and_noted_and_the_answer_takes_it_back(api: Api) -> None:
    runs = made(api, 3)
    one, two, _ = runs
    red = {"name": "best", "color": "#f00", "description": "by loss"}
    api.ingest(events_batch(one, new_id(), 1, [("tag", red), ("note", {"text": "first"})]))
    before = [words(api, run) for run in runs]
    answer = act(
        api,
        {"action": "tag", "runs": runs, "name": "best", "color": "#00f"},
        {"action": "note", "runs": [one, two], "text": "new"},
        {"action": "untag", "runs": [two], "name": "best"},
    )
    assert sorted(answer["changed"]) == sorted(runs)
    assert [words(api, run) for run in runs] == [("new", [("best", "#00f")]), ("new", []), ("", [("best", "#00f")])]
    back = act(api, *answer["undo"])
    assert [words(api, run) for run in runs] == before
    assert api.run(one)["tags"] == [red]
    act(api, *back["undo"])
    assert words(api, one) == ("new", [("best", "#00f")]), "an undo is undone likewise"


def test_a_run_that_has_the_tag_keeps_its_color_where_none_is_given(api: Api) -> None:
    one, two = made(api, 2)
    act(api, {"action": "tag", "runs": [one], "name": "t", "color": "#f00"})
    again = act(api, {"action": "tag", "runs": [one, two], "name": "t"})
    assert again["changed"] == [two] and words(api, one)[1] == [("t", "#f00")]
    assert again["undo"] == [{"action": "untag", "runs": [two], "name": "t"}]
    act(api, {"action": "tag", "runs": [one], "name": "t", "color": None})
    assert words(api, one)[1] == [("t", None)]
    assert act(api, {"action": "untag", "runs": [one], "name": "none"}) == {"changed": [], "undo": []}


def test_what_the_lab_stores_last_counts(api: Api) -> None:
    (run,) = made(api, 1)
    writer = new_id()
    sent = events_batch(run, writer, 1, [("tag", {"name": "t"}), ("note", {"text": "script"})])
    api.ingest(sent)
    act(api, {"action": "untag", "runs": [run], "name": "t"}, {"action": "note", "runs": [run], "text": "person"})
    api.ingest(sent)
    assert words(api, run) == ("person", []), "an event that comes again is no news"
    api.ingest(events_batch(run, writer, 3, [("tag", {"name": "t"}), ("note", {"text": "later"})]))
    assert words(api, run) == ("later", [("t", None)])


def test_all_or_nothing(api: Api, other: Api) -> None:
    mine, gone = made(api, 2)
    (theirs,) = made(other, 1, project=api.run(mine)["project"]["id"])
    api.call("DELETE", f"/runs/{gone}")
    tag = {"action": "tag", "name": "t"}
    for runs, status, code in (
        ([mine, gone], 410, "run_deleted"),
        ([mine, "0" * 12], 404, "run_not_found"),
        ([mine] * 1001, 422, "invalid"),
    ):
        answer = api.raw("POST", "/runs/actions", json={"actions": [{**tag, "runs": runs}]})
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    refused = other.raw("POST", "/runs/actions", json={"actions": [{**tag, "runs": [theirs, mine]}]})
    assert refused.status_code == 403 and mine in error_of(refused)["message"]
    (full,) = made(api, 1)
    for part in range(2):
        act(api, *({**tag, "runs": [full], "name": f"{part} {i}"} for i in range(100)))
    answer = api.raw("POST", "/runs/actions", json={"actions": [{**tag, "runs": [mine, full]}]})
    assert (answer.status_code, error_of(answer)["code"]) == (422, "full") and full in answer.text
    for bad in ({**tag, "name": " "}, {**tag, "name": "a\nb"}, {"action": "sing"}, {"action": "note", "text": None}):
        assert api.raw("POST", "/runs/actions", json={"actions": [{"runs": [mine], **bad}]}).status_code == 422
    split = [{**tag, "runs": [mine] * 501}, {**tag, "runs": [mine] * 500}]
    assert api.raw("POST", "/runs/actions", json={"actions": split}).status_code == 422
    assert words(api, mine) == ("", []) and words(other, theirs) == ("", [])


def test_notes_that_could_not_be_given_back_are_not_replaced(api: Api) -> None:
    runs, long = made(api, 17), "x" * 65_536
    too_many = api.raw("POST", "/runs/actions", json={"actions": [{"action": "note", "runs": runs, "text": long}]})
    assert (too_many.status_code, error_of(too_many)["code"]) == (422, "too_long"), "its undo could not be undone"
    for some in (runs[:9], runs[9:]):
        act(api, {"action": "notes", "notes": {run: f"{runs.index(run):02}{long[2:]}" for run in some}})
    answer = api.raw("POST", "/runs/actions", json={"actions": [{"action": "note", "runs": runs, "text": "short"}]})
    assert (answer.status_code, error_of(answer)["code"]) == (422, "too_long")
    assert words(api, runs[3])[0] == f"03{long[2:]}"
    undo = act(api, {"action": "note", "runs": runs[:15], "text": "short"})["undo"]
    act(api, *undo)
    assert words(api, runs[3])[0] == f"03{long[2:]}"


def test_each_change_is_in_the_audit_log_and_told_to_pages(api: Api) -> None:
    one, two = made(api, 2)
    watch = Watch(api, run=two)
    act(api, {"action": "tag", "runs": [one, two], "name": "best"}, {"action": "note", "runs": [two], "text": "why"})
    kind, data = watch.next()
    assert (kind, data["run"]) == ("run", two)
    newest = api.get("/audit", limit=3)["items"]
    assert [(entry["action"], entry["detail"]) for entry in newest] == [
        ("set the note of", "to 'why'"),
        ("tagged", "best"),
        ("tagged", "best"),
    ]
    assert two in newest[0]["subject"] and {one, two} == {e["subject"][-13:-1] for e in newest[1:]}
    act(api, {"action": "tag", "runs": [one], "name": "best"})
    assert api.get("/audit", limit=1)["items"] == newest[:1], "what was so already is not a change"


def names(api: Api, runs: list[str]) -> list[str]:
    return [str(api.run(run)["name"]) for run in runs]


def test_runs_are_renamed_at_once_also_in_a_ring(api: Api) -> None:
    project = api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
    one, two, other = (api.attach(name, project=project)["run"]["id"] for name in ("a", "b", "c"))
    answer = act(api, {"action": "names", "names": {one: "b", two: "a", other: "c"}})
    assert names(api, [one, two, other]) == ["b", "a", "c"] and sorted(answer["changed"]) == sorted([one, two])
    for wanted in ({one: "c"}, {one: "new", two: "new"}):
        refused = api.raw("POST", "/runs/actions", json={"actions": [{"action": "names", "names": wanted}]})
        assert (refused.status_code, error_of(refused)["code"]) == (409, "name_taken")
    act(api, *answer["undo"])
    assert names(api, [one, two, other]) == ["a", "b", "c"]
    assert [e["detail"] for e in api.get("/audit", limit=2)["items"]] == ["to b", "to a"], "the newest first"


def test_many_runs_are_deleted_and_restored(api: Api) -> None:
    runs = made(api, 3)
    undo = act(api, {"action": "delete", "runs": runs})["undo"]
    assert undo == [{"action": "restore", "runs": runs}]
    assert [api.raw("GET", f"/runs/{run}").status_code for run in runs] == [410] * 3
    assert act(api, *undo)["undo"] == [{"action": "delete", "runs": runs}] and len(names(api, runs)) == 3
    assert act(api, *undo) == {"changed": [], "undo": []}


def test_runs_are_put_into_groups_and_that_is_taken_back(api: Api) -> None:
    one, two, three = made(api, 3)
    act(api, {"action": "group", "runs": [two], "group": "old"})
    done = act(api, {"action": "group", "runs": [one, two, three], "group": "new"})
    assert done == {
        "changed": [one, three, two],  # by what they were before
        "undo": [
            {"action": "group", "runs": [one, three], "group": ""},
            {"action": "group", "runs": [two], "group": "old"},
        ],
    }
    newest = api.get("/audit", limit=1)["items"][0]
    assert (newest["action"], newest["detail"]) == ("grouped", "into new")
    act(api, *done["undo"])
    assert [api.run(run)["group"] for run in (one, two, three)] == ["", "old", ""]
    assert act(api, {"action": "group", "runs": [two], "group": "old"})["changed"] == []


def test_archived_runs_are_left_out_of_lists_and_come_back(api: Api) -> None:
    runs = made(api, 3)
    project = api.run(runs[0])["project"]["id"]
    assert act(api, {"action": "archive", "runs": runs[:2]}) == {
        "changed": runs[:2],
        "undo": [{"action": "unarchive", "runs": runs[:2]}],
    }
    newest = api.get("/audit", limit=1)["items"][0]
    assert newest["action"] == "archived" and runs[1] in newest["subject"]

    def listed(**asked: str) -> set[str]:
        return {run["id"] for run in api.get("/runs", project=project, **asked)["items"]} & {*runs}

    assert (
        listed() == {runs[2]}
        and listed(filter="archived=true") == {*runs[:2]}
        and listed(filter="archived=*") == {*runs}
    )
    table = api.get("/table", project=project)
    assert runs[2] in {row["id"] for row in table["rows"]} and not {*runs[:2]} & {row["id"] for row in table["rows"]}
    shelf = api.get("/table", project=project, filter="archived=true", sort="name")["rows"]
    assert [row["name"] for row in shelf] == sorted(row["name"] for row in shelf) and {*runs[:2]} <= {
        r["id"] for r in shelf
    }
    assert api.run(runs[0])["archived"] > 0 and api.run(runs[2])["archived"] is None
    assert api.get("/runs/resolve", ref=runs[0])["id"] == runs[0]
    assert act(api, {"action": "archive", "runs": runs})["changed"] == [runs[2]]
    assert act(api, {"action": "unarchive", "runs": runs})["undo"] == [{"action": "archive", "runs": runs}]
    assert listed() == {*runs}


def test_runs_move_with_all_that_is_theirs_and_back(api: Api, other: Api) -> None:
    there, here = (api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"}) for _ in range(2))
    one = api.attach("a", session="5e550", project=here["id"])["run"]["id"]
    api.ingest(batch(one, new_id(), 1, 5), session="5e550")
    artifact = add(api, f"/runs/{one}", "weights.txt", b"moved bytes")["uuid"]
    move = {"action": "move", "runs": [one], "project": there["name"]}
    refused = api.raw("POST", "/runs/actions", json={"actions": [move]})
    assert (refused.status_code, error_of(refused)["code"]) == (409, "run_live"), "it goes on"
    api.end("5e550", one, "completed")
    answer = act(api, move)
    assert answer == {"changed": [one], "undo": [{"action": "move", "runs": [one], "project": here["id"]}]}
    assert api.run(one)["project"]["id"] == there["id"] and api.get(f"/runs/{one}/keys")["items"][0]["count"] == 5
    assert [run["id"] for run in api.get("/runs", project=there["id"])["items"]] == [one]
    assert api.get(f"/artifacts/{artifact}")["project"]["id"] == there["id"]
    newest = api.get("/audit", limit=1)["items"][0]
    assert (newest["action"], newest["detail"]) == ("moved", f"to project {there['name']}") and one in newest["subject"]
    assert act(api, move) == {"changed": [], "undo": []}, "it is there"
    again = api.attach("a", session="5e552", project=here["id"])["run"]["id"]
    assert again != one
    taken = api.raw("POST", "/runs/actions", json={"actions": answer["undo"]})
    assert (taken.status_code, error_of(taken)["code"]) == (409, "name_taken")
    api.call("PATCH", f"/runs/{again}", json={"name": "another"})
    act(api, *answer["undo"])
    assert api.run(one)["project"]["id"] == here["id"]
    api.call("PATCH", f"/projects/{there['id']}", json={"archived": True})
    archived = api.raw("POST", "/runs/actions", json={"actions": [{**move, "project": there["id"]}]})
    assert (archived.status_code, error_of(archived)["code"]) == (403, "project_archived")
    api.call("PATCH", f"/projects/{there['id']}", json={"archived": False, "private": True})
    (theirs,) = made(other, 1)
    hidden = other.raw("POST", "/runs/actions", json={"actions": [{**move, "runs": [theirs], "project": there["id"]}]})
    assert (hidden.status_code, error_of(hidden)["code"]) == (404, "project_not_found")
