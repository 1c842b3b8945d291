"""POST /ingest: exactly once, in order, whole or not at all; and what the uploader is told."""

from __future__ import annotations

import gzip
import math
import secrets
import struct
import threading
from typing import Any

import msgpack
import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.server.routes.ingest import INLINE_BYTES, INLINE_WEIGHT
from pyhectiqlab.server.turns.weight import weigh
from pyhectiqlab.testing.lab import RealLab

from .api import NOW_US, Api, batch, column, events_batch, new_id, packed


@pytest.fixture
def run(api: Api) -> str:
    return str(api.attach()["run"]["id"])


def test_points_come_back_in_order_of_arrival(api: Api, run: str) -> None:
    writer = new_id()
    assert api.ingest(batch(run, writer, 1, 100), batch(run, writer, 101, 150)) == [
        {"writer": writer, "status": 200, "cursor": 100},
        {"writer": writer, "status": 200, "cursor": 150},
    ]
    points = api.points(run)
    assert [p["step"] for p in points] == list(range(1, 151))
    assert points[6] == {"step": 7, "value": 1.0, "time": (NOW_US + 7) / 1e6, "rank": 0, "attempt": 1}
    assert api.run(run)["points"] == 150


def test_a_repeated_batch_is_acked_and_changes_nothing(api: Api, run: str) -> None:
    writer = new_id()
    for _ in range(3):
        assert api.ingest(batch(run, writer, 1, 50)) == [{"writer": writer, "status": 200, "cursor": 50}]
    assert api.steps(run) == list(range(1, 51))
    assert api.run(run)["points"] == 50


def test_a_gap_and_an_overlap_are_told_with_the_cursor(api: Api, run: str) -> None:
    writer = new_id()
    api.ingest(batch(run, writer, 1, 10))
    for first, last in ((12, 20), (5, 15), (2**40, 2**40 + 3)):
        (result,) = api.ingest(batch(run, writer, first, last))
        assert (result["status"], result["cursor"]) == (409, 10)
    assert api.steps(run) == list(range(1, 11))


def test_a_refused_batch_holds_up_none_of_the_others(api: Api, other: Api, run: str) -> None:
    theirs = other.attach()["run"]["id"]
    writers = [new_id() for _ in range(5)]
    bad = {**batch(run, writers[1], 1, 5), "last": 7}
    assert api.statuses(
        batch(run, writers[0], 1, 5),
        bad,
        batch(theirs, writers[2], 1, 5),
        batch("0123456789ab", writers[3], 1, 5),
        batch(run, writers[4], 1, 5),
    ) == [200, 422, 403, 404, 200]
    assert len(api.steps(run)) == 10
    assert api.points(theirs) == []


def test_a_deleted_run_answers_410_until_it_is_restored(api: Api, run: str) -> None:
    writer = new_id()
    api.ingest(batch(run, writer, 1, 5))
    api.call("DELETE", f"/runs/{run}")
    assert api.statuses(batch(run, writer, 6, 9)) == [410]
    assert api.raw("GET", f"/runs/{run}").status_code == 410
    assert api.raw("GET", f"/runs/{run}/points", params={"key": "loss"}).status_code == 410
    assert run not in [r["id"] for r in api.get("/runs", limit=1000)["items"]]
    api.call("POST", f"/runs/{run}/restore")
    assert api.statuses(batch(run, writer, 6, 9)) == [200]
    assert api.steps(run) == list(range(1, 10))


def test_a_writer_keeps_its_run_rank_and_attempt(api: Api, run: str) -> None:
    writer = new_id()
    api.ingest(batch(run, writer, 1, 5))
    another = api.attach()["run"]["id"]
    assert api.statuses(batch(another, writer, 6, 9), batch(run, writer, 6, 9, rank=1)) == [422, 422]
    assert api.statuses(batch(run, writer, 6, 9)) == [200]


def test_nan_and_infinities_are_points_and_are_told_as_text(api: Api, run: str) -> None:
    values = [1.0, math.nan, math.inf, -math.inf, -0.0, 5e-324]
    one = batch(run, new_id(), 1, 6, series=[column("x", range(6), values)])
    assert api.statuses(one) == [200]
    answer = api.raw("GET", f"/runs/{run}/points", params={"key": "x"})
    assert [p["value"] for p in answer.json()["items"]] == [1.0, "NaN", "Infinity", "-Infinity", -0.0, 5e-324]
    for bare in ("NaN,", "Infinity,", "NaN}", "Infinity}"):
        assert bare not in answer.text
    (key,) = api.get(f"/runs/{run}/keys")["items"]
    assert (key["count"], key["min"], key["max"]) == (6, -0.0, 1.0)


def test_columns_come_back_as_msgpack_bit_for_bit(api: Api, run: str) -> None:
    steps = [-(2**63), 2**63 - 1, 0]
    api.ingest(batch(run, new_id(), 1, 3, series=[column("x", range(3), [0.1, math.nan, 2.0], steps)]))
    answer = api.raw("GET", f"/runs/{run}/points", params={"key": "x"}, headers={"Accept": "application/x-msgpack"})
    content = msgpack.unpackb(answer.content)
    assert list(struct.unpack("<3q", content["step"])) == steps
    assert struct.unpack("<3d", content["value"])[::2] == (0.1, 2.0)
    assert struct.unpack("<3q", content["time"]) == (NOW_US, NOW_US + 1, NOW_US + 2)
    assert struct.unpack("<3q", content["rank"]) == (0, 0, 0)
    assert content["next"] is None


def test_losses_and_aggregated_points_occupy_their_numbers_and_are_counted(api: Api, run: str) -> None:
    writer = new_id()
    lossy = batch(run, writer, 1, 110, series=[column("x", [0, 1, 2])])
    lossy["events"] = [
        [3, "loss", NOW_US, {"reason": "queue full", "count": 100}],
        [103, "aggregated", NOW_US, {"key": "x", "count": 5}],
        [108, "loss", NOW_US, {"reason": "queue full"}],
        [109, "loss", NOW_US, {"reason": "disk full", "count": 1, "events": 4000}],
    ]
    assert api.statuses(lossy, batch(run, writer, 111, 112)) == [200, 200]
    assert api.run(run)["losses"] == {"queue full": 101, "disk full": 4000}
    assert api.get(f"/runs/{run}/writers")["items"][0]["cursor"] == 112


def test_unknown_kinds_of_events_are_kept_as_they_came(api: Api, run: str) -> None:
    fields = {"a": [1, {"b": None}], "n": 2**64 - 1, "x": math.inf, "raw": b"\x00\xff", "text": "é\x00😀"}
    api.ingest(events_batch(run, new_id(), 1, [("hologram", fields)]))
    (event,) = api.get(f"/runs/{run}/events", kind="hologram")["items"]
    assert event["fields"] == {
        "a": [1, {"b": None}],
        "n": 2**64 - 1,
        "x": "Infinity",
        "raw": "AP8=",
        "text": "é\x00😀",
    }
    assert (event["seq"], event["rank"], event["attempt"]) == (1, 0, 1)


def test_config_is_merged_deep_and_meta_note_and_tags_are_kept(api: Api, run: str) -> None:
    api.ingest(
        events_batch(
            run,
            new_id(),
            1,
            [
                ("config", {"values": {"model": {"depth": 3, "act": "relu"}, "lr": 0.1}}),
                ("config", {"values": {"model": {"depth": 4, "width": 8}, "nan": math.nan}}),
                ("meta", {"key": "hello", "value": "world"}),
                ("meta", {"key": "hello", "value": [1, 2]}),
                ("note", {"text": "first"}),
                ("note", {"text": "second"}),
                ("tag", {"name": "Train", "color": "#ff0000", "description": None}),
                ("tag", {"name": "Train", "color": "#00ff00", "description": "d"}),
            ],
        )
    )
    answer = api.run(run)
    assert answer["config"] == {"model": {"depth": 4, "act": "relu", "width": 8}, "lr": 0.1, "nan": "NaN"}
    assert answer["meta"] == {"hello": [1, 2]}
    assert answer["note"] == "second"
    assert answer["tags"] == [{"name": "Train", "color": "#00ff00", "description": "d"}]
    assert answer["events"] == 8


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


ODD_EVENTS = {
    "kind empty": ["", NOW_US, {}],
    "kind long": ["k" * 65, NOW_US, {}],
    "kind a number": [1, NOW_US, {}],
    "time a float": ["log", 1.5, {}],
    "time huge": ["log", 2**64 - 1, {}],
    "fields a list": ["log", NOW_US, []],
    "fields with a number as key": ["log", NOW_US, {1: 2}],
    "fields nested too deep": ["config", NOW_US, {"values": deep(400)}],
    "fields over the limit": ["log", NOW_US, {"t": "x" * (limits.EVENT_BYTES_MAX + 1)}],
}


@pytest.mark.parametrize("name", ODD_EVENTS)
def test_an_event_that_the_lab_cannot_keep_is_a_loss_and_all_else_of_its_batch_is_there(
    api: Api, run: str, name: str
) -> None:
    events = [[2, *ODD_EVENTS[name]], [3, "meta", NOW_US, {"key": "k", "value": 1}]]
    writer = new_id()
    assert api.statuses(batch(run, writer, 1, 4, series=[column("x", [0, 1])], events=events)) == [200]
    answer = api.run(run)
    assert (answer["losses"], answer["points"], answer["meta"]) == ({"rejected": 1}, 2, {"k": 1})
    (loss,) = [e for e in api.get(f"/runs/{run}/events")["items"] if e["kind"] == "loss"]
    assert loss["seq"] == 3 and loss["fields"]["detail"]
    assert api.statuses(batch(run, writer, 5, 6)) == [200]


def test_what_does_not_fit_into_a_config_is_counted_and_what_fits_is_merged(api: Api, run: str) -> None:
    writer = new_id()

    def config(first: int, *parts: dict[str, Any]) -> None:
        assert api.statuses(events_batch(run, writer, first, [("config", {"values": one}) for one in parts])) == [200]

    part = {f"v{i}": "x" * 1000 for i in range(3900)}
    config(1, {"part0": part})
    config(2, {"part1": part})
    config(3, {"lr": 0.1}, {"part2": part}, {"part3": part}, {"epochs": 3})
    answer = api.run(run)
    assert set(answer["config"]) == {"part0", "part1", "lr", "epochs"}
    assert answer["losses"] == {"config_full": 2 * (1 + len(part))}
    config(7, {"part0": {**part, "v0": "new"}})  # which replaces what is there, and takes no more room
    assert api.run(run)["config"]["part0"]["v0"] == "new"


def test_a_tag_is_as_long_as_the_client_takes_one(api: Api, run: str) -> None:
    assert api.statuses(events_batch(run, new_id(), 1, [("tag", {"name": "t" * 512})])) == [200]
    assert [tag["name"] for tag in api.run(run)["tags"]] == ["t" * 512]


def test_a_config_with_keys_that_json_has_not_is_kept(api: Api, run: str) -> None:
    values = {"layers": [{b"size": 1}], "lr": 0.1}
    assert api.statuses(events_batch(run, new_id(), 1, [("config", {"values": values})])) == [200]
    assert api.run(run)["config"]["lr"] == 0.1
    answer = api.get("/runs", filter="config.layers~size")["items"]
    assert [one["id"] for one in answer] == [run]


def test_text_that_is_no_utf8_is_replaced_but_a_key_is_refused(api: Api, run: str) -> None:
    writer = new_id()
    good = packed([events_batch(run, writer, 1, [("log", {"text": "aXXXb"})])]).replace(b"aXXXb", b"a\xed\xa0\x80b")
    assert api.ingest_raw(good).json()["results"][0]["status"] == 200
    (event,) = api.get(f"/runs/{run}/events")["items"]
    assert event["fields"]["text"] == "a\ufffd\ufffd\ufffdb"
    bad = packed([batch(run, new_id(), 1, 5, key="kXXXk")]).replace(b"kXXXk", b"k\xed\xa0\x80k")
    assert api.ingest_raw(bad).json()["results"][0]["status"] == 422


def test_odd_keys_are_series_like_others(api: Api, run: str) -> None:
    keys = ["a\x00b", "é/😀", " ", "%_\\", "k" * 1024, "../x"]
    series = [column(key, [i]) for i, key in enumerate(keys)]
    assert api.statuses(batch(run, new_id(), 1, len(keys), series=series)) == [200]
    assert sorted(k["key"] for k in api.get(f"/runs/{run}/keys")["items"]) == sorted(keys)
    for key in keys:
        assert len(api.points(run, key)) == 1


def test_few_bytes_with_many_values_are_taken(api: Api, run: str) -> None:
    body = packed([events_batch(run, new_id(), 1, [("e", {"a": [[]] * 500})] * 20)])
    assert len(body) < INLINE_BYTES and weigh(body, 1 << 30) > INLINE_WEIGHT, "it is decoded in a thread"
    (result,) = api.ingest_raw(body).json()["results"]
    assert (result["status"], result["cursor"]) == (200, 20)


def test_gzip_is_taken_and_a_bomb_is_not(api: Api, run: str) -> None:
    body = packed([batch(run, new_id(), 1, 1000)])
    assert api.ingest_raw(gzip.compress(body), **{"Content-Encoding": "gzip"}).json()["results"][0]["status"] == 200
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert api.ingest_raw(bomb, **{"Content-Encoding": "gzip"}).status_code == 413
    assert api.ingest_raw(gzip.compress(body)[:-9], **{"Content-Encoding": "gzip"}).status_code == 400
    assert api.ingest_raw(body, **{"Content-Encoding": "gzip"}).status_code == 400
    assert api.ingest_raw(gzip.compress(body) + b"more", **{"Content-Encoding": "gzip"}).status_code == 400
    large = packed([events_batch(run, new_id(), 1, [("log", {"text": secrets.token_hex(1 << 20)})] * 3)])
    assert len(gzip.compress(large)) > 1 << 20, "it is inflated in many pieces"
    assert api.ingest_raw(gzip.compress(large), **{"Content-Encoding": "gzip"}).json()["results"][0]["status"] == 200
    assert api.ingest_raw(body, **{"Content-Encoding": "br"}).status_code == 415


def test_the_same_batch_sent_by_many_at_once_is_applied_once(api: Api, lab: RealLab, run: str) -> None:
    writer = new_id()
    results: list[int] = []

    def send() -> None:
        client = Api.of(lab)
        for first in (1, 101, 201):
            results.extend(client.statuses(batch(run, writer, first, first + 99)))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {200}
    assert api.steps(run) == list(range(1, 301))
    assert api.run(run)["points"] == 300


def test_keys_of_a_run_are_paged_and_searched(api: Api, run: str) -> None:
    names = [f"train/k{i:02}" for i in range(25)] + ["val/acc"]
    api.ingest(batch(run, new_id(), 1, 26, series=[column(name, [i]) for i, name in enumerate(names)]))
    first = api.get(f"/runs/{run}/keys", limit=20)
    second = api.get(f"/runs/{run}/keys", limit=20, after=first["next"])
    assert [k["key"] for k in first["items"] + second["items"]] == names
    assert second["next"] is None
    assert [k["key"] for k in api.get(f"/runs/{run}/keys", q="acc")["items"]] == ["val/acc"]


def test_buckets_come_as_columns_or_as_json(api: Api, run: str) -> None:
    api.ingest(batch(run, new_id(), 1, 1000))
    body = {"selectors": [{"run": run, "key": "loss"}, {"run": run, "key": "none"}], "n": 10}
    packed_answer = api.raw("POST", "/series/buckets", json=body)
    assert packed_answer.headers["content-type"] == "application/x-msgpack"
    series, empty = msgpack.unpackb(packed_answer.content)["series"]
    counts = struct.unpack(f"<{len(series['count']) // 8}q", series["count"])
    assert sum(counts) == series["total"] == 1000
    assert empty["total"] == 0 and empty["start"] == b""
    as_json = api.call("POST", "/series/buckets", json=body, headers={"Accept": "application/json"})["series"][0]
    assert tuple(as_json["count"]) == counts
    assert as_json["max"][-1] == 1000 / 7


def test_short_buckets_leave_out_what_follows_from_the_rest(api: Api, run: str) -> None:
    api.ingest(batch(run, new_id(), 1, 8, series=[column("loss", range(8), [1.0, -0.0, math.nan, *range(5)])]))
    api.ingest(batch(run, new_id(), 1, 4, series=[column("odd", range(4), step=[0, 1, 1, 9])]))
    body = {"selectors": [{"run": run, "key": "loss"}, {"run": run, "key": "odd"}, {"run": run, "key": "none"}]}

    def asked(short: bool) -> list[dict[str, object]]:
        raw = msgpack.unpackb(api.raw("POST", "/series/buckets", json={**body, "short": short}).content)["series"]
        kinds = {"min": "d", "max": "d", "mean": "d", "last": "d"}
        return [
            {k: struct.unpack(f"<{len(v) // 8}{kinds.get(k, 'q')}", v) for k, v in b.items() if isinstance(v, bytes)}
            for b in raw
        ]

    even, odd, none = asked(short=True)
    assert (even["start"], even["count"], even["last_x"]) == ((0, 1), (1,), (0, 1))
    assert even["nan"] == (0, 0, 1, 0, 0, 0, 0, 0) and even["pinf"] == (0,)
    assert not {"max", "mean"} & even.keys()
    assert str(even["min"]) == str((1.0, -0.0, math.nan, 0.0, 1.0, 2.0, 3.0, 4.0))
    assert (odd["start"], odd["count"], odd["ninf"]) == ((0, 1, 9), (1, 2, 1), (0,)) and "max" in odd
    assert set(none.values()) == {()}
    assert [len(b["start"]) for b in asked(short=False)] == [8, 3, 0]


def test_ranks_come_together_or_each_by_itself_and_an_attempt_alone(api: Api, run: str) -> None:
    for rank, attempt in ((0, 1), (1, 1), (1, 2)):
        api.ingest(batch(run, new_id(), 1, 100 * attempt, rank=rank, attempt=attempt))

    def asked(**selector: object) -> list[tuple[object, ...]]:
        body = {"selectors": [{"run": run, "key": "loss", **selector}], "n": 50}
        answer = api.call("POST", "/series/buckets", json=body, headers={"Accept": "application/json"})["series"]
        return [(b["rank"], b["attempt"], b["ranks"], b["width"], b["total"]) for b in answer]

    assert asked() == [(None, None, 2, 8, 300)]
    assert asked(rank="each") == [(0, None, 2, 8, 100), (1, None, 2, 8, 200)]
    assert asked(rank="each", attempt=1) == [(0, 1, 2, 4, 100), (1, 1, 2, 4, 100)]
    assert asked(rank=1, attempt=1) == [(1, 1, 1, 4, 100)]
    assert asked(attempt=9) == [(None, 9, 0, 1, 0)]


def test_a_body_just_under_the_limit_is_taken(api: Api, run: str) -> None:
    n = limits.INGEST_BYTES_MAX // 28 - 100
    (result,) = api.ingest(batch(run, new_id(), 1, n))
    assert result["status"] == 200
    assert api.run(run)["points"] == n
