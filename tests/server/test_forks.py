"""Forks: a run that begins with another one's curves has its points, exactly, also if the lab is killed meanwhile."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, column, events_batch, new_id, wait_until

Row = tuple[int, float, int, int, int]  # step, value, time, rank, attempt


def fork(api: Api, name: str, parent: str, step: int | None, **more: Any) -> str:
    run = str(api.attach(name, **more)["run"]["id"])
    api.ingest(events_batch(run, new_id(), 1, [("fork", {"run": parent, "step": step})]))
    return run


def rows(api: Api, run: str, key: str = "loss") -> list[Row]:
    items = api.get(f"/runs/{run}/points", key=key, limit=10_000)["items"]
    return [(p["step"], float(p["value"]), round(p["time"] * 1e6), p["rank"], p["attempt"]) for p in items]


def copied(api: Api, run: str) -> None:
    wait_until(lambda: not api.run(run)["fork"]["copying"], 20)


def several(api: Api, name: str, n: int = 60) -> str:
    """Make a run of two attempts and two ranks, with NaN, repeated and shuffled steps. The second attempt begins at
    step 40.
    """
    run = str(api.attach(name)["run"]["id"])
    rng = np.random.default_rng(5)
    for rank in (0, 1):
        for attempt, low in ((1, 0), (2, 40)):
            steps = rng.permutation(np.repeat(np.arange(low, low + n), 2))
            value = np.where(steps % 17 == 3, math.nan, steps + 1000 * attempt + rank / 8)
            numbers = np.arange(1, len(steps) + 1)
            series = [column("loss", numbers - 1, value, steps, 1_700_000_000_000_000 + 10 * numbers)]
            sent = batch(run, new_id(), 1, len(steps), rank=rank, attempt=attempt) | {"series": series}
            api.ingest(sent)
    return run


def shown(all_rows: list[Row], last: int) -> list[tuple[Any, ...]]:
    """Return the points of the parent that a fork at that step has: those that no newer attempt hides."""
    first = {
        (rank, attempt): min(r[0] for r in all_rows if r[3:] == (rank, attempt)) for _, _, _, rank, attempt in all_rows
    }
    return sorted(
        (rank, step, repr(value), time)
        for step, value, time, rank, attempt in all_rows
        if step <= last and not any(r == rank and a > attempt and low <= step for (r, a), low in first.items())
    )


def test_a_fork_has_the_points_that_its_parent_shows_up_to_the_step(api: Api) -> None:
    parent = several(api, "parent")
    child = fork(api, "child", parent, 50)
    api.ingest(batch(child, new_id(), 1, 5, attempt=1))  # steps 1 to 5, logged again
    copied(api, child)
    wanted = shown(rows(api, parent), 50)
    theirs = [row for row in rows(api, child) if row[4] == 0]
    assert sorted((rank, step, repr(value), time) for step, value, time, rank, _ in theirs) == wanted
    asked = {"selectors": [{"run": child, "key": "loss", "rank": 0}], "n": 4096}
    (line,) = api.call("POST", "/series/buckets", json=asked, headers={"Accept": "application/json"})["series"]
    assert line["total"] == 5 + 2, "its own steps hide those from 1 on; 0 was told twice"
    whole = fork(api, "whole", parent, None)
    copied(api, whole)
    assert api.run(whole)["points"] == len(shown(rows(api, parent), 1 << 62))


def test_a_fork_of_a_fork_waits_for_it_and_keeps_its_points_when_the_parents_are_deleted(api: Api) -> None:
    parent = several(api, "grandparent")
    child = fork(api, "between", parent, 60)
    grandchild = fork(api, "grandchild", child, 45)
    copied(api, grandchild)
    wanted = shown(rows(api, parent), 45)
    for run in (parent, child):
        api.call("DELETE", f"/runs/{run}")
    assert sorted((r, s, repr(v), t) for s, v, t, r, _ in rows(api, grandchild)) == wanted
    assert api.run(grandchild)["fork"] == {"parent": child, "step": 45, "copying": False}


@pytest.mark.parametrize("nth", [1, 3])
def test_a_lab_that_is_killed_while_it_copies_copies_each_point_once(
    own_lab: RealLab, tmp_path: Path, nth: int
) -> None:
    api = Api.of(own_lab.start())
    parent = str(api.attach("parent")["run"]["id"])
    for key in "abcde":
        api.ingest(batch(parent, new_id(), 1, 300, key=key))
    child = str(api.attach("child")["run"]["id"])
    own_lab.stop()
    marker = tmp_path / "died"
    own_lab.env["HECTIQLAB_CRASH_AT"] = f"fork.sent:{nth}:{marker}"
    Api.of(own_lab.start()).ingest(events_batch(child, new_id(), 1, [("fork", {"run": parent, "step": 250})]))
    wait_until(lambda: not own_lab.running, 30)
    own_lab.kill()
    del own_lab.env["HECTIQLAB_CRASH_AT"]
    assert marker.exists()
    api = Api.of(own_lab.start())
    copied(api, child)
    assert {key: [row[0] for row in rows(api, child, key)] for key in "abcde"} == {
        key: list(range(1, 251)) for key in "abcde"
    }
    assert api.run(child)["points"] == 5 * 250


def test_somebody_who_may_not_see_a_run_does_not_get_its_points(api: Api, other: Api) -> None:
    hidden = f"hidden-{new_id(4)}"
    api.call("POST", "/projects", 201, json={"name": hidden})
    api.call("PATCH", f"/projects/{hidden}", json={"private": True})
    parent = str(api.attach("theirs", project=hidden)["run"]["id"])
    api.ingest(batch(parent, new_id(), 1, 10))
    child = fork(other, f"thief-{new_id(4)}", parent, None, project=f"mine-{new_id(4)}", create_project=True)
    run = other.run(child)
    assert run["fork"] is None and run["points"] == 0 and run["losses"] == {"fork_unknown": 1}
