"""Media at the lab: found by name, read by step, thinned where there are more than fit a screen."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from typing import Any

import pytest

from pyhectiqlab.protocol.limits import STEP_MAX, STEP_MIN
from pyhectiqlab.protocol.media import Histogram
from pyhectiqlab.server.lab import KEEP_DELETED_S, Lab
from pyhectiqlab.server.models import models_media
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.testing.lab import RealLab

from ..stores import sql
from .api import Api, events_batch, new_id
from .test_artifacts import add
from .test_openapi import fits

Event = tuple[str, dict[str, Any]]


def text(name: str, step: int | None, words: str = "words") -> Event:
    return "text", {"name": name, "step": step, "text": words}


def histogram(name: str, step: int | None, *counts: float) -> Event:
    edges = tuple(float(i) for i in range(len(counts) + 1)) if counts else ()
    return "histogram", {"name": name, "step": step, **Histogram(edges, counts, nan=2).fields()}


def tell(api: Api, *events: Event, run: str | None = None, **where: Any) -> str:
    run = run or str(api.attach()["run"]["id"])
    assert api.statuses(events_batch(run, new_id(), 1, list(events), **where)) == [200]
    return run


def items(api: Api, run: str, kind: str, name: str, **params: Any) -> list[dict[str, Any]]:
    """Return the items of all pages."""
    media: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        more = {"after": after} if after else {}
        page = api.get(f"/runs/{run}/media/items", kind=kind, name=name, **params, **more)
        fits(models_media.MediaItems, page)
        media += page["items"]
        after = page["next"]
        if after is None:
            return media


def steps(api: Api, run: str, kind: str = "text", name: str = "t", **params: Any) -> list[int | None]:
    return [item["step"] for item in items(api, run, kind, name, **params)]


def groups(api: Api, run: str, **params: Any) -> list[tuple[Any, ...]]:
    page = api.get(f"/runs/{run}/media", **params)
    fits(models_media.MediaGroups, page)
    return [(g["kind"], g["name"], g["count"], g["step_min"], g["step_max"], g["ranks"]) for g in page["items"]]


def test_a_run_tells_what_it_shows_under_which_names(api: Api) -> None:
    run = tell(api, histogram("w/a", 3, 1, 2), histogram("w/a", 9, 1, 2), text("notes", None), text("W%", 4))
    tell(api, histogram("w/a", 5, 1), run=run, rank=1)
    add(api, f"/runs/{run}", "plot.png", b"png", kind="image", step=7, meta={"name": "w/plot", "rank": 2})
    add(api, f"/runs/{run}", "model.pt", b"no medium")
    expected = [
        ("text", "W%", 1, 4, 4, [0]),
        ("text", "notes", 1, None, None, [0]),
        ("histogram", "w/a", 3, 3, 9, [0, 1]),
        ("image", "w/plot", 1, 7, 7, [2]),
    ]
    assert groups(api, run) == expected
    assert groups(api, run, kind="image") == expected[3:]
    assert groups(api, run, name="w/a") == expected[2:3] and groups(api, run, name="w/") == []
    assert groups(api, run, q="W/") == expected[2:] and groups(api, run, q="%") == expected[:1]
    first = api.get(f"/runs/{run}/media", limit=3)
    assert groups(api, run, limit=3, after=first["next"]) == expected[3:]


def test_items_are_read_by_step_and_rank_page_by_page_both_ways(api: Api) -> None:
    run = tell(api, *(text("t", step, f"at {step}") for step in (7, -3, None, 100)), text("other", 8))
    tell(api, text("t", 7, "of rank 1"), run=run, rank=1)
    rows = [(i["step"], i["rank"], i["text"]) for i in items(api, run, "text", "t", limit=2)]
    expected = [(None, 0, "at None"), (-3, 0, "at -3"), (7, 0, "at 7"), (7, 1, "of rank 1"), (100, 0, "at 100")]
    assert rows == expected
    assert [(i["step"], i["rank"]) for i in items(api, run, "text", "t", limit=2, newest=True)] == [
        (step, rank) for step, rank, _ in expected[::-1]
    ]
    assert steps(api, run, rank=1) == [7]
    assert steps(api, run, lo=-3, hi=7) == [-3, 7, 7] and steps(api, run, hi=-3) == [None, -3]
    assert all(i["text"] is None and i["attempt"] == 1 for i in items(api, run, "text", "t", data=False))


def test_a_histogram_comes_back_as_it_was_counted(api: Api) -> None:
    run = tell(api, histogram("h", 1, 3, 0.5, 2), histogram("h", 2))
    histograms = [item["histogram"] for item in items(api, run, "histogram", "h")]
    assert histograms[0] == {"edges": [0, 1, 2, 3], "counts": [3, 0.5, 2], "nan": 2, "pinf": 0, "ninf": 0}
    assert histograms[1]["edges"] == [] and histograms[1]["nan"] == 2


def test_the_same_step_again_replaces_and_an_older_attempt_does_not(api: Api) -> None:
    run = tell(api, text("t", 1, "first"), text("t", 1, "second"))
    assert [i["text"] for i in items(api, run, "text", "t")] == ["second"]
    tell(api, text("t", 1, "third"), run=run, attempt=2)
    tell(api, text("t", 1, "late"), text("t", 2, "only here"), run=run, attempt=1)
    assert [(i["text"], i["attempt"]) for i in items(api, run, "text", "t")] == [("third", 2), ("only here", 1)]


def test_a_batch_that_comes_twice_changes_nothing(api: Api) -> None:
    run, writer = str(api.attach()["run"]["id"]), new_id()
    batch = events_batch(run, writer, 1, [text("t", 1, "one"), text("t", 2, "two")])
    assert api.statuses(batch) == [200]
    assert api.statuses(events_batch(run, writer, 3, [text("t", 1, "newer")])) == [200]
    assert api.statuses(batch) == [200]
    assert [i["text"] for i in items(api, run, "text", "t")] == ["newer", "two"]


def test_a_file_replaces_the_one_of_its_step_and_its_data_is_an_artifact(api: Api) -> None:
    run = str(api.attach()["run"]["id"])
    for data in (b"1", b"22"):
        add(api, f"/runs/{run}", "a%2Fb.png", data, kind="figure", step=4, meta={"name": "a/b", "rank": 0})
    (item,) = items(api, run, "figure", "a/b")
    assert (item["step"], item["artifact"]["bytes"], item["artifact"]["version"]) == (4, 2, 2)
    assert api.http.get(item["artifact"]["url"], timeout=30).content == b"22"


@pytest.mark.parametrize("meta", [{}, {"name": ""}, {"name": 3}, {"name": "x" * 1025}])
def test_a_file_without_a_name_of_its_own_is_shown_under_that_of_the_artifact(api: Api, meta: dict[str, Any]) -> None:
    run = str(api.attach()["run"]["id"])
    add(api, f"/runs/{run}", "x.png", b"1", kind="image", meta=meta)
    assert [g[:2] for g in groups(api, run)] == [("image", "x.png")]


@pytest.mark.parametrize(
    "event",
    [
        ("text", {}),
        ("text", {"name": "t", "text": 3}),
        ("text", {"name": "", "text": "x"}),
        ("text", {"name": "t" * 1025, "text": "x"}),
        ("text", {"name": "t", "step": 1.5, "text": "x"}),
        ("text", {"name": "t", "step": True, "text": "x"}),
        ("text", {"name": "t", "step": STEP_MIN, "text": "x"}),
        ("text", {"name": "t", "step": 1 << 63, "text": "x"}),
        ("text", {"name": "t", "text": "x" * 100_000}),
        ("histogram", {"name": "h", "edges": b"odd", "counts": b""}),
        ("histogram", {"name": "h", "edges": b"\0" * 16, "counts": b"\0" * 16}),
    ],
    ids=lambda event: str(event)[:60],
)
def test_what_is_none_is_kept_as_it_came_and_shown_nowhere(api: Api, event: Event) -> None:
    run = tell(api, event)
    assert groups(api, run) == [] and api.run(run)["events"] == 1


def test_a_file_of_an_odd_rank_is_an_artifact_and_no_more(api: Api) -> None:
    run = str(api.attach()["run"]["id"])
    for rank in (-1, "0", True, 1 << 40):
        add(api, f"/runs/{run}", "x.png", b"1", kind="image", meta={"name": "x", "rank": rank})
    assert groups(api, run) == []


def test_of_many_steps_a_few_are_told_the_same_ones_while_a_run_grows(api: Api) -> None:
    run = tell(api, *(text("t", step) for step in range(1000)), text("t", None))
    thin = steps(api, run, steps=64)
    assert len(thin) <= 65 and thin[0] is None and thin[-1] == 999
    numbers = [step for step in thin if step is not None]
    gaps = {b - a for a, b in pairwise(numbers[:-1])}
    assert len(gaps) == 1, "slices of one width"
    tell(api, text("t", 1000), run=run)
    assert [s for s in steps(api, run, steps=64) if s not in thin] == [1000]
    assert steps(api, run, steps=64, lo=100, hi=150) == list(range(100, 151)), "exact where all of them fit"


def test_steps_as_far_apart_as_can_be_are_thinned(api: Api) -> None:
    many = [STEP_MIN + 1 + i * (1 << 57) for i in range(127)] + [STEP_MAX]
    run = tell(api, *(text("t", step) for step in many))
    thin = steps(api, run, steps=16)
    assert 2 <= len(thin) <= 16 and thin[-1] == STEP_MAX


def test_a_page_of_long_texts_ends_early_and_goes_on(api: Api) -> None:
    run = tell(api, *(text("t", step, "x" * 16_000) for step in range(300)))
    page = api.get(f"/runs/{run}/media/items", kind="text", name="t", limit=1000)
    assert len(page["items"]) < 300 and page["next"]
    assert len(items(api, run, "text", "t", limit=1000)) == 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "film"},
        {"name": ""},
        {"steps": 3},
        {"steps": 5000},
        {"after": "x"},
        {"after": "WzEsIDIsIDNd"},
        {"lo": 1 << 63},
        {"rank": -1},
    ],
)
def test_a_wrong_question_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    run = tell(api, text("t", 1))
    api.get(f"/runs/{run}/media/items", 422, **{"kind": "text", "name": "t", **wrong})


def test_a_deleted_run_shows_none_and_a_purged_one_has_none(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    run = tell(api, *(text("t", step) for step in range(20)))
    add(api, f"/runs/{run}", "x.png", os.urandom(9), kind="image", meta={"name": "x"})
    kept = tell(api, text("t", 1))
    api.call("DELETE", f"/runs/{run}")
    api.get(f"/runs/{run}/media", 410)
    api.get(f"/runs/{run}/media/items", 410, kind="text", name="t")
    api.call("POST", f"/runs/{run}/restore")
    assert len(groups(api, run)) == 2
    api.call("DELETE", f"/runs/{run}")
    own_lab.stop()
    lab = Lab(open_storage(own_lab.data_dir))
    lab.start()
    try:
        later = time.time() + KEEP_DELETED_S + 60
        for _ in range(5):
            lab.watch_once(later, later)
    finally:
        lab.stop()
    with sql(own_lab.data_dir) as conn:
        rows = conn.exec_driver_sql("SELECT run_id, count(*) FROM media GROUP BY 1").all()
    assert rows == [(kept, 1)]
