"""POST /series/buckets with `smooth`: the lab smooths lines, so that no page has to do it from its own buckets."""

from __future__ import annotations

import json
import math
import struct

import msgpack
import pytest

from .api import Api, batch, column, new_id


@pytest.fixture
def run(api: Api) -> str:
    return str(api.attach()["run"]["id"])


def test_smoothed_values_come_beside_the_buckets(api: Api, run: str) -> None:
    api.ingest(
        batch(run, new_id(), 1, 5, series=[column("loss", range(5), [float("nan"), 1.0, 1.0, 5.0, float("inf")])])
    )
    body = {"selectors": [{"run": run, "key": "loss"}], "smooth": {"kind": "mean", "width": 1}}
    accepts = {"headers": {"Accept": "application/json"}}
    as_json = api.call("POST", "/series/buckets", json=body, **accepts)["series"][0]
    assert as_json["smoothed"] == pytest.approx([1.0, 1.0, 7 / 3, 3.0, 5.0])
    assert as_json["smooth_cell"] == 1
    (packed,) = msgpack.unpackb(api.raw("POST", "/series/buckets", json=body).content)["series"]
    assert struct.unpack("<5d", packed["smoothed"]) == tuple(as_json["smoothed"])
    narrow = {**body, "smooth": {"kind": "exponential", "width": 1}, "lo": 0, "hi": 0}
    nothing_before = api.call("POST", "/series/buckets", json=narrow, **accepts)["series"][0]
    assert nothing_before["smoothed"] == [None]
    (packed,) = msgpack.unpackb(api.raw("POST", "/series/buckets", json=narrow).content)["series"]
    assert math.isnan(*struct.unpack("<d", packed["smoothed"]))
    del body["smooth"]
    plain = api.call("POST", "/series/buckets", json=body, **accepts)["series"][0]
    assert "smoothed" not in plain and "smooth_cell" not in plain


@pytest.mark.parametrize(
    "smooth",
    [
        "mean:5",
        {"kind": "mean"},
        {"kind": "mode", "width": 5},
        {"kind": "mean", "width": 0},
        {"kind": "mean", "width": 1.5},
        {"kind": "mean", "width": 2**54},
    ],
)
def test_smoothing_that_does_not_exist_is_refused(api: Api, run: str, smooth: object) -> None:
    body = {"selectors": [{"run": run, "key": "loss"}], "smooth": smooth}
    answer = api.raw("POST", "/series/buckets", data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and "smooth" in answer.text
