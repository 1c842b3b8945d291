"""POST /series/groups: lines of groups, as JSON and as columns, and what is refused."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np

from .api import Api, batch, column, error_of, new_id


def add_run(api: Api, values: list[float], steps: list[int]) -> str:
    session = new_id(8)
    run: str = api.attach(f"run-{new_id(4)}", session)["run"]["id"]
    n = len(values)
    series = [column("loss", np.arange(n), np.array(values), np.array(steps))]
    api.ingest(batch(run, new_id(), 1, n, series=series), session=session)
    return run


def test_groups_have_a_middle_and_a_band_on_one_grid(api: Api) -> None:
    one, two = add_run(api, [1.0, 2.0, float("nan")], [0, 10, 20]), add_run(api, [3.0, 6.0], [0, 10])
    other = add_run(api, [9.0], [10])
    asked: dict[str, Any] = {"groups": [[one, two], [other]], "keys": ["loss", "none"], "n": 100}
    lines = api.call("POST", "/series/groups", json=asked)["lines"]
    assert [(line["group"], line["key"], line["total"]) for line in lines] == [
        (0, "loss", 2),
        (1, "loss", 1),
        (0, "none", 0),
        (1, "none", 0),
    ]
    first, second, *without = lines
    assert first == {
        "group": 0,
        "key": "loss",
        "width": 1,
        "total": 2,
        "start": [0, 10],
        "runs": [2, 2],
        "middle": [2.0, 4.0],
        "low": [1.0, 2.0],
        "high": [3.0, 6.0],
    }, "a NaN contributes nothing"
    assert (second["start"], second["middle"], second["width"]) == ([10], [9.0], 1)
    assert all(line["start"] == [] for line in without)
    how = {"band": "std"}
    std = api.call("POST", "/series/groups", json={**asked, **how})["lines"][0]
    assert np.allclose(std["low"], [2 - 2**0.5, 4 - 8**0.5]) and np.allclose(std["high"], [2 + 2**0.5, 4 + 8**0.5])
    how = {"middle": "median", "band": "quantiles", "quantiles": [0.25, 1.0]}
    quantiles = api.call("POST", "/series/groups", json={**asked, **how})["lines"][0]
    assert (quantiles["middle"], quantiles["low"], quantiles["high"]) == ([2.0, 4.0], [1.5, 3.0], [3.0, 6.0])
    packed = api.raw("POST", "/series/groups", json=asked, headers={"Accept": "application/x-msgpack"})
    its = msgpack.unpackb(packed.content)["lines"][0]
    assert np.frombuffer(its["start"], "<i8").tolist() == [0, 10]
    assert np.frombuffer(its["middle"], "<f8").tolist() == [2.0, 4.0]


def test_lines_that_cannot_be_are_refused(api: Api) -> None:
    run = add_run(api, [1.0], [0])
    asked: dict[str, Any] = {"groups": [[run]], "keys": ["loss"]}
    for more, wanted in (
        ({"groups": [[run, run]]}, (422, "invalid")),
        ({"keys": ["a", "a"]}, (422, "invalid")),
        ({"groups": []}, (422, "invalid")),
        ({"groups": [[run]] * 100, "keys": [f"k{n}" for n in range(16)], "axis": "day"}, (422, "invalid")),
        ({"groups": [[f"{n:012}" for n in range(300)] for _ in range(2)]}, (422, "too_many")),
        ({"groups": [[f"{n:012}" for n in range(300)]], "keys": [f"k{n}" for n in range(16)]}, (422, "too_many")),
        ({"middle": "median", "band": "std"}, (422, "invalid")),
        ({"band": "quantiles", "quantiles": [0.9, 0.1]}, (422, "invalid")),
        ({"groups": [["0" * 12]]}, (404, "run_not_found")),
    ):
        answer = api.raw("POST", "/series/groups", json={**asked, **more})
        assert (answer.status_code, error_of(answer)["code"]) == wanted, more
