"""Lists and look-ups: projects, runs, references."""

from __future__ import annotations

from typing import Any

import pytest

from .api import Api, batch, column, error_of, events_batch, new_id


@pytest.fixture(scope="module")
def project(api: Api) -> Any:
    return api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})


@pytest.fixture(scope="module")
def runs(api: Api, project: Any) -> list[str]:
    """Make twelve runs in one project, each with as many points as its number."""
    made = []
    for i in range(12):
        session = new_id(8)
        run = api.attach(f"run-{i:02}", session=session, project=project["id"])["run"]["id"]
        api.ingest(batch(run, new_id(), 1, i + 1), session=session)
        if i % 3 == 0:
            api.end(session, run, "completed")
        made.append(run)
    return made


def names(api: Api, **params: Any) -> list[str]:
    run_names: list[str] = []
    after = None
    while True:
        page = api.get("/runs", **params, **({"after": after} if after else {}))
        run_names += [r["name"] for r in page["items"]]
        after = page["next"]
        if after is None:
            return run_names


@pytest.mark.parametrize("sort", ["created", "name", "points", "started", "activity"])
def test_runs_are_sorted_and_paged_both_ways(api: Api, project: Any, runs: list[str], sort: str) -> None:
    upwards = [f"run-{i:02}" for i in range(12)]
    assert names(api, project=project["name"], sort=sort, limit=5) == upwards
    assert names(api, project=project["id"], sort=f"-{sort}", limit=5) == upwards[::-1]


@pytest.mark.parametrize("sort", ["state", "duration", "ended", "author", "-state", "-duration"])
def test_pages_of_equal_keys_miss_and_repeat_nothing(api: Api, project: Any, runs: list[str], sort: str) -> None:
    listed = names(api, project=project["id"], sort=sort, limit=5)
    assert sorted(listed) == [f"run-{i:02}" for i in range(12)]


def test_runs_are_filtered_by_state_and_text(api: Api, project: Any, runs: list[str]) -> None:
    done = ["run-00", "run-03", "run-06", "run-09"]
    assert names(api, project=project["id"], state="completed", sort="name") == done
    assert len(names(api, project=project["id"], state="completed,running")) == 12
    assert names(api, project=project["id"], q="RUN-1", sort="name") == ["run-10", "run-11"]
    assert names(api, project=project["id"], q="n_0") == []
    assert names(api, q=runs[4]) == ["run-04"]
    assert api.raw("GET", "/runs", params={"project": "nowhere"}).status_code == 404


def test_a_project_tells_its_runs_and_last_activity(api: Api, project: Any, runs: list[str]) -> None:
    answer = api.get(f"/projects/{project['id']}")
    assert answer["runs"] == 12 and answer["last_activity"] >= answer["created"]
    assert project["id"] in [p["id"] for p in api.get("/projects", limit=1000)["items"]]
    api.attach(project=f"other-{new_id(4)}", create_project=True)
    first = api.get("/projects", limit=1)
    assert first["next"] and api.get("/projects", limit=1, after=first["next"])["items"] != first["items"]
    assert api.raw("POST", "/projects", json={"name": project["name"]}).status_code == 409


def test_the_table_shows_the_last_values_of_the_first_eight_keys(api: Api) -> None:
    run = api.attach()["run"]["id"]
    series = [column(f"k{i}", [2 * i, 2 * i + 1], [0.0, float(i)]) for i in range(10)]
    api.ingest(batch(run, new_id(), 1, 20, series=series))
    assert api.run(run)["last"] == {f"k{i}": float(i) for i in range(8)}


def test_a_run_is_found_by_id_link_and_unique_name(api: Api, project: Any, runs: list[str]) -> None:
    answer = api.run(runs[3])
    for ref in (
        runs[3],
        answer["url"],
        answer["url"] + "?x=step#top",
        f"{project['name']}/run-03",
        f"https://lab.example/a/runs/{runs[3]}/charts",
    ):
        assert api.get("/runs/resolve", ref=ref)["id"] == runs[3], ref
    alone = api.attach(f"alone {new_id(4)}")["run"]
    assert api.get("/runs/resolve", ref=alone["name"])["id"] == alone["id"]
    assert error_of(api.raw("GET", "/runs/resolve", params={"ref": "none such"}))["code"] == "run_not_found"


def test_a_name_of_several_runs_is_told_with_their_ids(api: Api) -> None:
    name = f"twin-{new_id(4)}"
    ids = {api.attach(name, project=f"{name}-{i}", create_project=True)["run"]["id"] for i in range(2)}
    answer = api.raw("GET", "/runs/resolve", params={"ref": name})
    assert answer.status_code == 409
    error = error_of(answer)
    assert error["code"] == "name_not_unique" and set(error["ids"]) == ids
    assert all(one in error["message"] for one in ids)


def test_a_run_named_like_an_id_is_found_by_name(api: Api) -> None:
    run = api.attach("0a0a0a0a0a0a")["run"]["id"]
    assert api.get("/runs/resolve", ref="0a0a0a0a0a0a")["id"] == run


def test_events_are_paged_in_order_of_arrival(api: Api) -> None:
    run = api.attach()["run"]["id"]
    api.ingest(events_batch(run, new_id(), 1, [("log", {"text": str(i)}) for i in range(25)]))
    first = api.get(f"/runs/{run}/events", limit=20)
    second = api.get(f"/runs/{run}/events", limit=20, after=first["next"], kind="log")
    assert [e["fields"]["text"] for e in first["items"] + second["items"]] == [str(i) for i in range(25)]
    assert second["next"] is None
