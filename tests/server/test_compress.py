"""Large answers are gzip for clients that take it: the same bytes, and none that holds a secret."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

import msgpack
import numpy as np
import pytest

from .api import Api, batch, column, events_batch, new_id

VALUES = {f"key-{i}": f"value {i} " * 20 for i in range(3000)}  # 400 kB of JSON: several blocks


@pytest.fixture(scope="module")
def run(api: Api) -> str:
    run: str = api.attach(f"compressed-{new_id(4)}")["run"]["id"]
    config = events_batch(run, new_id(16), 1, [("config", {"values": VALUES})])
    assert api.statuses(config, batch(run, new_id(16), 1, 3000)) == [200, 200]
    return run


def over_the_wire(api: Api, path: str, **headers: str) -> tuple[Mapping[str, str], bytes]:
    """Return the headers and the bytes of an answer, as they come."""
    more = {"Accept-Encoding": "identity", **{k.replace("_", "-"): v for k, v in headers.items()}}
    answer = api.raw("GET", path, headers=more, stream=True)
    assert answer.status_code == 200, answer.text
    return answer.headers, answer.raw.read(decode_content=False)


def test_a_large_answer_is_the_same_in_gzip(api: Api, run: str) -> None:
    plain_headers, plain = over_the_wire(api, f"/runs/{run}/config")
    headers, packed = over_the_wire(api, f"/runs/{run}/config", Accept_Encoding="gzip, deflate, br")
    assert headers["Content-Encoding"] == "gzip" and "Content-Length" not in headers
    assert gzip.decompress(packed) == plain and len(packed) * 5 < len(plain)
    assert int(plain_headers["Content-Length"]) == len(plain) > 300_000
    assert headers["Vary"] == plain_headers["Vary"] == "Accept-Encoding"
    assert api.raw("GET", f"/runs/{run}/config").json()["config"] == VALUES, "as requests reads it"


def test_msgpack_is_compressed_too(api: Api, run: str) -> None:
    path, accept = f"/runs/{run}/points?key=loss&limit=1000", "application/x-msgpack"
    _, plain = over_the_wire(api, path, Accept=accept)
    headers, packed = over_the_wire(api, path, Accept=accept, Accept_Encoding="gzip")
    assert (headers["Content-Encoding"], headers["Content-Type"]) == ("gzip", accept)
    assert gzip.decompress(packed) == plain and len(packed) < len(plain)
    assert len(msgpack.unpackb(plain)["step"]) == 8 * 1000


def test_small_answers_errors_and_those_who_do_not_take_it_get_none(api: Api, run: str) -> None:
    assert "Content-Encoding" not in over_the_wire(api, f"/runs/{run}/attempts", Accept_Encoding="gzip")[0]
    assert "Content-Encoding" not in over_the_wire(api, f"/runs/{run}/config", Accept_Encoding="gzip;q=0, br")[0]
    missing = api.raw("GET", f"/runs/{'f' * 12}?{'x' * 3000}", headers={"Accept-Encoding": "gzip"})
    assert missing.status_code == 404 and "Content-Encoding" not in missing.headers


def test_answers_with_secrets_of_the_lab_are_never_compressed(api: Api) -> None:
    for path in ("/me", "/keys", "/users", "/invites", "/audit", "/openapi.json"):
        headers, _ = over_the_wire(api, path, Accept_Encoding="gzip")
        assert "Content-Encoding" not in headers and "Vary" not in headers


def test_columns_of_noise_are_sent_as_they_are(api: Api) -> None:
    """Gzip would take a sixth off them, and longer than it takes to make them."""
    run = api.attach(f"noise-{new_id(4)}")["run"]["id"]
    seq, noise = np.arange(1, 4001), np.random.default_rng(0).normal(size=4000)
    series = [column("loss", seq - 1, noise, seq - 1)]
    assert api.statuses(batch(run, new_id(16), 1, 4000, series=series)) == [200]
    body = {"selectors": [{"run": run, "key": "loss"}], "n": 1500, "short": True}
    headers = {"Accept": "application/x-msgpack", "Accept-Encoding": "gzip"}
    answer = api.raw("POST", "/series/buckets", json=body, headers=headers)
    assert "Content-Encoding" not in answer.headers and answer.headers["Vary"] == "Accept-Encoding"
    assert len(msgpack.unpackb(answer.content)["series"][0]["min"]) == 8 * 1000
