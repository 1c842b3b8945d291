"""What scripts told of their surroundings, papers, names, and the config as it went in."""

from __future__ import annotations

import math
from typing import Any

import msgpack

from pyhectiqlab.server.models import models_runs

from .api import Api, error_of, events_batch, new_id


def tell(api: Api, run: str, *events: tuple[str, dict[str, Any]], **where: Any) -> None:
    api.ingest({**events_batch(run, new_id(), 1, list(events)), **where})


def test_the_newest_attempts_lowest_rank_is_shown_and_the_newest_of_each_package(api: Api) -> None:
    run = api.attach()["run"]["id"]
    assert api.run(run)["capture"] == {"packages": None, "repos": {}} and api.run(run)["paper"] == ""
    tell(api, run, ("packages", {"python": "old"}), ("packages", {"python": "3.11.7", "git": {"diff": "x" * 9}}))
    tell(api, run, ("packages", {"python": "of rank 1"}), rank=1)
    tell(api, run, ("repo", {"package": "a", "commit": "1", "diff": "-"}), ("repo", {"package": "b", "commit": "2"}))
    tell(api, run, ("repo", {"package": "a", "commit": "3", "diff": "+"}))
    tell(api, run, ("paper", {"text": "draft"}), ("paper", {"text": "# Final"}))
    answer = api.run(run)
    assert answer["paper"] == "# Final"
    assert answer["capture"]["packages"]["python"] == "3.11.7"
    assert answer["capture"]["packages"]["git"] == {"diff_length": 9}
    assert {name: repo["commit"] for name, repo in answer["capture"]["repos"].items()} == {"a": "3", "b": "2"}
    whole = api.get(f"/runs/{run}/capture")
    models_runs.CaptureAnswer.model_validate(whole, strict=True)
    assert whole["packages"]["git"] == {"diff": "x" * 9} and whole["repos"]["a"]["diff"] == "+"


def test_fields_of_any_shape_harm_nothing(api: Api) -> None:
    run = api.attach()["run"]["id"]
    tell(api, run, ("packages", {"git": 3, "diff": ["x"]}), ("paper", {"text": 3}))
    tell(api, run, ("repo", {"package": None, "diff": 3}))
    answer = api.run(run)
    assert answer["capture"]["packages"]["git"] == 3 and answer["capture"]["repos"]["None"]["diff_length"] == 0
    assert answer["paper"] == ""


def test_the_config_as_msgpack_has_the_types_that_went_in(api: Api) -> None:
    run = api.attach()["run"]["id"]
    given = {"f": 1.0, "i": 1, "nan": math.nan, "inf": math.inf, "s": "NaN", "none": None, "l": [True, 2.5]}
    tell(api, run, ("config", {"values": given}))
    body = api.raw("GET", f"/runs/{run}/config", headers={"Accept": "application/x-msgpack"}).content
    content = msgpack.unpackb(body)["config"]
    assert math.isnan(content.pop("nan")) and content == {k: v for k, v in given.items() if k != "nan"}
    assert type(content["f"]) is float and type(content["i"]) is int
    assert api.get(f"/runs/{run}/config")["config"]["nan"] == "NaN"


def test_config_events_that_arrive_together_are_merged_in_order_with_what_there_is(api: Api) -> None:
    run = api.attach()["run"]["id"]
    tell(api, run, ("config", {"values": {"a": {"x": 1, "y": 1}, "b": 1}}))
    tell(api, run, ("config", {"values": {"a": 5}}), ("config", {"values": {"a": {"x": 2}, "c": {}}}))
    assert api.run(run)["config"] == {"a": {"x": 2}, "b": 1, "c": {}}


def test_each_attempt_keeps_the_config_and_meta_that_it_told_itself(api: Api) -> None:
    run = api.attach()["run"]["id"]
    tell(api, run, ("config", {"values": {"lr": 0.1, "model": {"layers": 2, "dropout": 0.5}}}))
    tell(api, run, ("meta", {"key": "data", "value": "v1"}), ("meta", {"key": "host", "value": "a"}))
    tell(api, run, ("config", {"values": {"lr": 0.2, "model": {"layers": 3}}}), attempt=2)
    tell(api, run, ("meta", {"key": "data", "value": "v2"}), attempt=2)
    tell(api, run, ("config", {"values": {"seed": 7}}), attempt=1)  # late, as from a spool that was synced by hand
    tell(api, run, ("config", {"values": {"lr": 0.9}}), attempt=1)
    tell(api, run, ("meta", {"key": "data", "value": "v1, late"}), attempt=1)
    first = {"config": {"lr": 0.9, "model": {"layers": 2, "dropout": 0.5}, "seed": 7}, "attempt": 1}
    assert api.get(f"/runs/{run}/config", attempt=1) == first
    second = {"config": {"lr": 0.2, "model": {"layers": 3}}, "attempt": 2}
    assert api.get(f"/runs/{run}/config", attempt=2) == second
    assert api.get(f"/runs/{run}/config", attempt=5) == second  # it reported none: the earlier one still holds
    whole = {"lr": 0.2, "model": {"layers": 3, "dropout": 0.5}, "seed": 7}
    assert api.get(f"/runs/{run}/config") == {"config": whole, "attempt": None}
    assert api.get(f"/runs/{run}/meta", attempt=1) == {"meta": {"data": "v1, late", "host": "a"}}
    assert api.get(f"/runs/{run}/meta", attempt=2) == {"meta": {"data": "v2"}}
    answer = api.run(run)
    assert answer["config"] == whole and answer["meta"] == {"data": "v2", "host": "a"}
    assert (answer["config_attempts"], answer["meta_attempts"]) == ([1, 2], [1, 2])
    models_runs.ConfigAnswer.model_validate(first, strict=True)
    answer = api.get("/runs", filter=f"config.lr=0.2 id={run}")["items"]
    assert [item["id"] for item in answer] == [run]
    assert not api.get("/runs", filter=f"config.lr=0.9 id={run}")["items"]


def test_a_run_without_a_config_has_none_of_any_attempt(api: Api) -> None:
    run = api.attach()["run"]["id"]
    assert api.get(f"/runs/{run}/config", attempt=1) == {"config": {}, "attempt": None}
    assert api.raw("GET", f"/runs/{run}/config", params={"attempt": 0}).status_code == 422
    assert api.run(run)["config_attempts"] == []


def test_a_run_is_renamed_by_whom_it_belongs_to_unless_the_name_is_taken(api: Api, other: Api) -> None:
    name = f"run-{new_id(4)}"
    run, taken = api.attach(name)["run"]["id"], api.attach(f"{name}-2")["run"]["name"]
    path = f"/runs/{run}"
    assert api.call("PATCH", path, json={"name": f"{name}-3"})["name"] == f"{name}-3"
    assert api.call("PATCH", path, json={"name": f"{name}-3"})["id"] == run
    assert api.get("/runs/resolve", ref=f"{name}-3")["id"] == run
    assert error_of(api.raw("PATCH", path, json={"name": taken}))["code"] == "name_taken"
    assert api.raw("PATCH", path, json={"name": " "}).status_code == 422
    assert error_of(other.raw("PATCH", path, json={"name": "mine"}))["code"] == "not_yours"
    assert api.attach(name)["run"]["id"] != run  # the old name is free again
