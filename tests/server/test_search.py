"""Searching runs by HTTP: filters, sorts, what is told with a run, and searches that mean nothing."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import pytest

from pyhectiqlab.protocol import search
from pyhectiqlab.server.http.replies import cursor_out
from pyhectiqlab.server.lab import Lab
from pyhectiqlab.server.tables.searched import KEY, METRICS_MAX
from pyhectiqlab.store.meta import RunQuery
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, column, error_of, events_batch, new_id


@pytest.fixture(scope="module")
def project(api: Api) -> str:
    """Make six runs: lr 0, 0.1 … 0.5; losses fall with it; every other one is tagged and failed."""
    name = f"search-{new_id(4)}"
    for n in range(6):
        session = new_id(8)
        run = api.attach(f"run-{n}", session, project=name, create_project=True)["run"]["id"]
        losses = [float("nan") if n == 5 else 5.0 - n, 1.0 - n / 10]
        api.ingest(batch(run, new_id(), 1, 2, series=[column("train/loss", [0, 1], losses)]), session=session)
        events: list[tuple[str, dict[str, Any]]] = [
            ("config", {"values": {"lr": n / 10, "model": {"name": f"m{n % 2}"}}})
        ]
        if n % 2:
            events += [("tag", {"name": "odd"}), ("state", {"state": "failed"})]
        api.ingest(events_batch(run, new_id(), 1, events), session=session)
    return name


def matches(api: Api, project: str, *filters: str, **more: Any) -> list[str]:
    return [
        r["name"][4:] for r in api.get("/runs", project=project, filter=list(filters), sort="name", **more)["items"]
    ]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), "012345"),
        (("tag=odd",), "135"),
        (("tag!=odd",), "024"),
        (("state=failed,completed",), "135"),
        (("config.lr>=0.2", "config.model.name=m0"), "24"),
        (("config.lr>=0.2 config.model.name=m0",), "24"),
        (("config.nothing=*",), ""),
        (("config.lr >= 0.2 AND config.model.name == m0",), "24"),
        (("config.lr>= 0.2 and config.model.name =m0",), "24"),
        (("config.lr == 0.2, 0.4",), "24"),
        (("config.lr>=0.2 && config.model.name = m0 , m9",), "24"),
        (("metric.train/loss.last<0.75",), "345"),
        (("metric.train/loss<0.75",), "345"),
        (("metric.train/loss.max>=3",), "012"),
        (("metric.train/loss.count=2 state!=failed",), "024"),
        (("run-3",), "3"),
        (("name~RUN", "name!=run-0,run-1"), "2345"),
        (("created>-1h",), "012345"),
        (("created<2020-01-01",), ""),
    ],
)
def test_runs_are_found_by_all_that_is_known_of_them(
    api: Api, project: str, filters: tuple[str, ...], expected: str
) -> None:
    assert "".join(matches(api, project, *filters)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("config.lr", "012345"),
        ("-config.lr", "543210"),
        ("metric.train/loss.last", "543210"),
        ("metric.train/loss.max", "543210"),
        ("-metric.train/loss.min", "012345"),
    ],
)
def test_runs_are_sorted_by_config_and_metric_page_by_page(api: Api, project: str, sort: str, expected: str) -> None:
    names, after = "", None
    while True:
        page = api.get("/runs", project=project, sort=sort, limit=4, **({"after": after} if after else {}))
        names += "".join(r["name"][4:] for r in page["items"])
        after = page["next"]
        if after is None:
            break
    assert names == expected


def test_a_page_tells_the_metrics_and_configs_that_were_asked_for(api: Api, project: str) -> None:
    asked = {"project": project, "filter": "name=run-3", "key": ["train/loss", "none"], "config": "true"}
    (run,) = api.get("/runs", **asked)["items"]
    assert run["last"] == {"train/loss": 0.7} and run["config"] == {"lr": 0.3, "model": {"name": "m1"}}
    answer = api.raw("GET", "/runs", params=asked, headers={"Accept": "application/x-msgpack"})
    assert msgpack.unpackb(answer.content)["items"][0]["config"]["lr"] == 0.3


@pytest.mark.parametrize(
    ("asked", "code", "word"),
    [
        ({"filter": "stat=failed"}, "bad_filter", "state"),
        ({"filter": "state=sleeping"}, "bad_filter", "is not a state"),
        ({"filter": 'name="open'}, "bad_filter", "quote"),
        ({"filter": "metric.loss<low"}, "bad_filter", "a number"),
        ({"filter": "metric.loss~1"}, "bad_filter", "="),
        ({"filter": "created>soon"}, "bad_filter", "date"),
        ({"filter": "name<5"}, "bad_filter", "~"),
        ({"filter": "tag=a config.lr < low"}, "bad_filter", "(character 7: config.lr<low)"),
        ({"filter": "state=failed metric.loss<1,2"}, "bad_filter", "(character 14: metric.loss<1,2)"),
        ({"filter": 'tag=a name="b'}, "bad_filter", "quote at character 12"),
        ({"filter": "tag= state=failed"}, "bad_filter", "value is missing before the next term"),
        ({"filter": "AND tag=a"}, "bad_filter", "AND stands between two terms (character 1: AND)"),
        ({"filter": "tag=a OR tag=b"}, "bad_filter", "There is no OR"),
        ({"filter": "< 5"}, "bad_filter", "No field stands before < (character 1: <5)"),
        ({"filter": "a " * 40}, "bad_filter", "32"),
        ({"filter": "x" * 5000}, "invalid", "4096"),
        ({"filter": "name=" + ",".join("a" * 2000)}, "bad_filter", "100"),
        ({"after": cursor_out([None, "a", 1.0, "-created"])}, "bad_cursor", "sort"),
        ({"sort": "size"}, "bad_filter", "sorted"),
        ({"sort": "metric."}, "bad_filter", "field"),
        ({"after": "nonsense"}, "bad_cursor", "after"),
    ],
)
def test_a_search_that_means_nothing_is_refused_and_says_why(
    api: Api, asked: dict[str, str], code: str, word: str
) -> None:
    error = error_of(api.raw("GET", "/runs", params=asked))
    assert (error["status"], error["code"]) == (422, code) and word in error["message"]


def test_a_cursor_of_another_sort_is_refused(api: Api, project: str) -> None:
    after = api.get("/runs", project=project, limit=1)["next"]
    error = error_of(api.raw("GET", "/runs", params={"project": project, "sort": "name", "after": after}))
    assert (error["status"], error["code"]) == (422, "bad_cursor")


def test_a_metric_searched_by_is_followed_as_it_grows(api: Api) -> None:
    project = f"live-{new_id(4)}"
    run = api.attach("live", project=project, create_project=True)["run"]["id"]
    writer = new_id()
    for n, value in enumerate((3.0, 2.0, 1.0)):
        api.ingest(batch(run, writer, n + 1, n + 1, series=[column("loss", [0], [value], [n])]))
        (seen,) = api.get("/runs", project=project, filter=f"metric.loss={value} metric.loss.min={value}")["items"]
        assert seen["id"] == run
    api.call("DELETE", f"/runs/{run}")
    assert api.get("/runs", project=project, filter="metric.loss=1")["items"] == []
    api.call("POST", f"/runs/{run}/restore")
    assert len(api.get("/runs", project=project, filter="metric.loss=1")["items"]) == 1


def test_metrics_that_were_searched_by_are_in_memory_again_after_a_start(tmp_path: Path) -> None:
    """Looked at from within: how long a search takes is a benchmark's question."""
    lab = Lab(open_storage(tmp_path / "data"))
    lab.start()
    for metric in ("a", "b", "a"):
        lab.searched.note(RunQuery(terms=search.parse(f"metric.{metric}>0"), sort=search.parse_sort("-metric.c.max")))
    lab.searched.keep(1e9)
    lab.stop()
    again = Lab(open_storage(tmp_path / "data"))
    read: list[str] = []
    again.points.summaries = lambda metric, runs: read.append(metric) or {}  # type: ignore[method-assign]
    again.start()
    again.searched.loop.join(10)
    again.stop()
    assert read == ["c", "a", "b"]


def test_metrics_of_sorts_groups_and_columns_are_noted_where_rows_are_known_by_few_only_as_there_is_room(
    tmp_path: Path,
) -> None:
    lab = Lab(open_storage(tmp_path / "data"))
    lab.start()
    fields = [search.parse_column(name) for name in ("metric.a.min", "config.lr", "metric.b")]
    lab.searched.note(RunQuery(), fields, [search.parse_column("metric.shown"), search.parse_column("metric.a")])
    lab.searched.keep(1e9)
    with lab.meta.reading() as view:
        assert json.loads(view.lab_value(KEY) or "") == ["shown", "a", "b"]
    for i in range(METRICS_MAX - 1):
        lab.searched.note(RunQuery(sort=search.parse_sort(f"metric.m{i}")), (), [search.parse_column("metric.late")])
    lab.searched.keep(2e9)
    with lab.meta.reading() as view:
        kept = json.loads(view.lab_value(KEY) or "")
    lab.stop()
    assert len(kept) == METRICS_MAX
    assert kept[0] == "b"  # people searched by it before all others; what was only shown made room
    assert "late" not in kept[1:]


def test_what_tables_and_groups_tell_is_noted_as_searched(own_lab: RealLab) -> None:
    own_lab.start()
    api = Api.of(own_lab)
    api.attach("one", project="noted", create_project=True)
    api.get("/table", project="noted", sort=["name", "metric.sorted"], column="metric.shown")
    api.get("/table/groups", project="noted", by="config.lr", column="metric.grouped.max")
    own_lab.stop()  # which keeps them
    with closing(SqlMetaStore(own_lab.data_dir / "lab.db")) as meta, meta.reading() as view:
        assert set(json.loads(view.lab_value(KEY) or "")) == {"sorted", "shown", "grouped"}


def test_no_more_metrics_are_noted_than_are_worth_it(tmp_path: Path) -> None:
    lab = Lab(open_storage(tmp_path / "data"))
    for i in range(2 * METRICS_MAX):
        lab.searched.note(RunQuery(sort=search.parse_sort(f"metric.m{i}")))
    lab.start()
    lab.searched.keep(1e9)
    with lab.meta.reading() as view:
        printed = json.loads(view.lab_value(KEY) or "")
    lab.stop()
    assert printed == [f"m{i}" for i in range(METRICS_MAX, 2 * METRICS_MAX)]
