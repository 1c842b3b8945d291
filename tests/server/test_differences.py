"""In what runs differ: by HTTP, from Python and by the command."""

from __future__ import annotations

from typing import Any

import pytest

from .api import Api, batch, column, error_of, events_batch, new_id

NAN = float("nan")


def add_run(
    api: Api, project: str, config: dict[str, Any], losses: dict[str, float], packages: dict[str, Any] | None = None
) -> str:
    session = new_id(8)
    run: str = api.attach(f"run-{new_id(4)}", session, project=project, create_project=True)["run"]["id"]
    events: list[tuple[str, dict[str, Any]]] = [("config", {"values": config})]
    if packages is not None:
        events.append(("packages", packages))
    api.ingest(events_batch(run, new_id(), 1, events), session=session)
    if losses:
        series = [column(key, [n], [value], [0]) for n, (key, value) in enumerate(losses.items())]
        api.ingest(batch(run, new_id(), 1, len(losses), series=series), session=session)
    return run


@pytest.fixture(scope="module")
def project() -> str:
    return f"differ-{new_id(4)}"


def rows(api: Api, runs: list[str], **more: Any) -> dict[str, tuple[Any, Any]]:
    answer = api.get("/runs/differences", run=runs, **more)
    assert answer["runs"] == runs and answer["baseline"] == more.get("baseline", runs[0]) and answer["cut"] == []
    return {f"{row['section']} {row['name']}": (row["values"], row["deltas"]) for row in answer["rows"]}


def test_only_what_differs_is_shown(api: Api, project: str) -> None:
    git = {"hash": "a" * 40, "branch": "main", "origin": "git@x:y", "dirty": True, "diff": "-1\n+2\n"}
    system = {"host": "node1", "cpus": 8, "gpus": [{"name": "H200"}]}
    command = {"command": "python train.py --lr 0.1 --token ***"}
    variables = {"OMP_NUM_THREADS": "4", "HF_HOME": "/x"}
    base = {
        **command,
        "variables": variables,
        "python": "3.11.2",
        "system": system,
        "packages": {"numpy": "2.0", "torch": "2.5"},
        "git": git,
    }
    other = {
        **base,
        "command": "python train.py --lr 0.2 --token ***",
        "variables": {"CUDA_VISIBLE_DEVICES": "1", **variables, "OMP_NUM_THREADS": "8"},
        "system": {**system, "host": "node2"},
        "packages": {"numpy": "2.1", "torch": "2.5", "jax": "0.5"},
        "git": {**git, "diff": "-1\n+3\n"},
    }
    same = {"steps": 10, "name": "x"}
    config = {**same, "model": {"layers": 2, "note": None}, "seed": 2**60}
    losses = {"loss": 0.5, "acc": 0.5, "n": NAN}
    one = add_run(api, project, config, losses, base)
    changed = {**same, "steps": 10.0, "model": {"layers": 4}, "seed": 2**60 + 1}
    two = add_run(api, project, changed, {**losses, "loss": 0.25, "new": 1.0}, other)
    differences = rows(api, [one, two])
    commits = {name: values for name, (values, _) in differences.items() if name.startswith("git")}
    assert list(commits) == ["git diff"] and all("2 lines" in value for value in commits["git diff"])
    assert {name: values for name, (values, _) in differences.items() if not name.startswith("git")} == {
        "config model.layers": [2, 4],
        "config model.note": ["null", None],
        "config seed": [str(2**60), str(2**60 + 1)],
        "packages jax": [None, "0.5"],
        "packages numpy": ["2.0", "2.1"],
        "environment $CUDA_VISIBLE_DEVICES": [None, "1"],
        "environment $OMP_NUM_THREADS": ["4", "8"],
        "environment command": [f"python train.py --lr {lr} --token ***" for lr in (0.1, 0.2)],
        "environment host": ["node1", "node2"],
        "metrics loss": [0.5, 0.25],
        "metrics new": [None, 1.0],
    }
    assert differences["metrics loss"][1] == [0.0, -0.25] and differences["metrics new"][1] == [None, None]
    assert differences["config model.layers"][1] is None
    assert rows(api, [one, two], baseline=two)["metrics loss"][1] == [0.25, 0.0]
    alike = rows(api, [one, two], alike=True)
    assert {name: alike[name] for name in differences} == differences
    assert alike["packages torch"] == (["2.5", "2.5"], None) and alike["config steps"][0] == [10, 10]
    assert alike["metrics acc"] == ([0.5, 0.5], [0.0, 0.0])
    assert rows(api, [one, add_run(api, project, config, losses, base)]) == {}


def test_a_nan_differs_from_numbers_and_has_no_distance(api: Api, project: str) -> None:
    one, two = (add_run(api, project, {}, {"loss": value}) for value in (1.0, NAN))
    assert rows(api, [one, two]) == {"metrics loss": ([1.0, "NaN"], [0.0, "NaN"])}


def test_runs_that_cannot_be_compared_are_refused(api: Api, other: Api, project: str) -> None:
    run = add_run(api, project, {}, {})
    for asked, wanted in (
        ({"run": [run, run]}, (422, "invalid")),
        ({"run": [run], "baseline": "0" * 12}, (422, "invalid")),
        ({"run": [run, "0" * 12]}, (404, "run_not_found")),
        ({"run": [f"{n:012}" for n in range(51)]}, (422, "invalid")),
    ):
        answer = api.raw("GET", "/runs/differences", params=asked)
        assert (answer.status_code, error_of(answer)["code"]) == wanted
    assert rows(api, [run]) == {}
