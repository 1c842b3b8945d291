"""Tables by HTTP: windows of rows, orders that stay, groups, columns, and requests that mean nothing."""

from __future__ import annotations

import csv
import math
from typing import Any

import msgpack
import pytest

from pyhectiqlab.protocol.csvcells import text_of_cell
from pyhectiqlab.protocol.search import FIELDS, SMOOTHINGS

from .api import Api, batch, column, error_of, events_batch, new_id


@pytest.fixture(scope="module")
def project(api: Api) -> str:
    """Make six runs: lr 0, 0.1 … 0.5; losses fall with it, NaN for the last; every other one is tagged and failed."""
    name = f"table-{new_id(4)}"
    for n in range(6):
        add_run(api, name, n)
    return name


def add_run(api: Api, project: str, n: int) -> str:
    session = new_id(8)
    run: str = api.attach(f"run-{n}", session, project=project, create_project=True)["run"]["id"]
    losses = [5.0 - n, float("nan") if n == 5 else 1.0 - n / 10]
    series = [column(f"key-{i}", [2 + i], [float(i)], [0]) for i in range(10)]
    api.ingest(batch(run, new_id(), 1, 12, series=[column("valid/loss", [0, 1], losses), *series]), session=session)
    events: list[tuple[str, dict[str, Any]]] = [("config", {"values": {"lr": n / 10, "model": {"name": f"m{n % 2}"}}})]
    if n % 2:
        events += [("tag", {"name": "odd"}), ("state", {"state": "failed"})]
    api.ingest(events_batch(run, new_id(), 1, events), session=session)
    return run


def names(table: dict[str, Any]) -> str:
    return "".join(row["name"][4:] for row in table["rows"])


def test_a_row_has_every_column_that_was_asked_for_however_many_keys_the_run_has(api: Api, project: str) -> None:
    asked = ["metric.valid/loss", "metric.valid/loss.min", "metric.valid/loss.count", "config.lr", "config.model.name"]
    table = api.get("/table", project=project, sort="name", column=[*asked, "metric.key-9", "config.none"])
    assert (table["total"], table["offset"], names(table)) == (6, 0, "012345")
    assert table["rows"][3]["values"] == [0.7, 0.7, 2, 0.3, "m1", 9.0, None]
    assert table["rows"][5]["values"][:2] == ["NaN", 0.0]
    row = table["rows"][1]
    assert (row["state"], [tag["name"] for tag in row["tags"]], row["last"]) == ("failed", ["odd"], {})
    answer = api.raw(
        "GET", "/table", params={"project": project, "column": asked[0]}, headers={"Accept": "application/x-msgpack"}
    )
    values = [row["values"][0] for row in msgpack.unpackb(answer.content)["rows"]]
    assert sum(value != value for value in values) == 1


@pytest.mark.parametrize(
    ("sorts", "wanted"),
    [
        (["metric.valid/loss"], "432105"),  # NaN comes after all numbers …
        (["-metric.valid/loss"], "012345"),  # … in either direction
        (["state", "-config.lr"], "531420"),
        (["config.model.name", "-name"], "420531"),
        (["-config.none", "name"], "012345"),
    ],
)
def test_rows_are_sorted_by_several_values(api: Api, project: str, sorts: list[str], wanted: str) -> None:
    assert names(api.get("/table", project=project, sort=sorts)) == wanted


def test_a_table_is_sorted_filtered_and_grouped_by_where_smoothed_lines_end(api: Api, project: str) -> None:
    """The values are 5 - n and 1 - n / 10 at two steps; the last run has one finite value."""
    smoothed = "metric.valid/loss.smoothed(exponential, 2)"
    old = math.exp(-1 / 2)
    wanted = [((5.0 - n) * old + 1.0 - n / 10) / (old + 1) for n in range(5)] + [0.0]
    table = api.get("/table", project=project, sort=smoothed, column=[smoothed, "metric.valid/loss.smoothed(mean,9s)"])
    assert names(table) == "543210"
    values = {int(row["name"][4:]): row["values"] for row in table["rows"]}
    for n in range(5):
        assert values[n][0] == pytest.approx(wanted[n], rel=1e-12) and values[n][1] == pytest.approx((6 - 1.1 * n) / 2)
    assert values[5] == [0.0, 0.0]
    answer = api.get("/table", project=project, filter=f"{smoothed} < {wanted[3]}", sort=f"-{smoothed}")
    assert names(answer) == "45"
    one = "metric.key-1.smoothed(median,1)"  # one point a run, 1 in each
    assert api.get("/table", project=project, filter=f"{one}=1")["total"] == 6
    assert names(api.get("/table", project=project, sort=[one, "-name"])) == "543210"
    (group,) = api.get("/table/groups", project=project, column=[smoothed])["groups"]
    assert group["columns"][0]["mean"] == pytest.approx(sum(wanted) / 6)
    listed = api.get("/runs", project=project, sort=f"-{smoothed}")["items"]
    assert [run["name"] for run in listed] == [f"run-{n}" for n in range(6)]
    of_csv = rows_of(api, project=project, column=["name", smoothed], sort="name")
    assert [float(row[smoothed]) for row in of_csv] == pytest.approx(wanted, rel=1e-12)


def test_nan_finds_the_runs_in_which_any_metric_has_one(api: Api, project: str) -> None:
    for words, wanted in (
        ("nan", "5"),
        ("NaN state=failed", "5"),
        ("metric!=nan", "01234"),
        ('"nan"', ""),  # a word like any other: no run has it in its name
        ("metric.valid/loss.nan>0", "5"),
        ("metric.key-1.nan>0", ""),
        ("metric.valid/loss.mean>=2.4", "01"),
    ):
        assert names(api.get("/table", project=project, sort="name", filter=words)) == wanted, words
    assert [run["name"] for run in api.get("/runs", project=project, filter="nan")["items"]] == ["run-5"]
    stats = [f"metric.valid/loss.{stat}" for stat in ("first", "mean", "nan", "min_step", "max_step")]
    rows = api.get("/table", project=project, sort="name", column=stats)["rows"]
    assert rows[2]["values"] == [3.0, pytest.approx(1.9), 0, 1, 0] and rows[5]["values"] == [0.0, 0.0, 1, 0, 0]
    for bad in ("metric=1", "metric>nan", "metric=nan,1", "metric=*"):
        assert error_of(api.raw("GET", "/table", params={"filter": bad}))["code"] == "bad_filter", bad


def test_an_order_stays_while_runs_come_and_go(api: Api) -> None:
    project = f"stays-{new_id(4)}"
    runs = [add_run(api, project, n) for n in range(4)]
    first = api.get("/table", project=project, sort="name", limit=2)
    assert names(first) == "01"
    api.call("DELETE", f"/runs/{runs[2]}")
    add_run(api, project, 7)
    rest = api.get("/table", project=project, sort="name", offset=2, order=first["order"])
    assert rest["order"] == first["order"] and rest["total"] == 4
    assert [row and row["name"] for row in rest["rows"]] == [None, "run-3"]
    other = api.get("/table", project=project, sort="-name", order=first["order"])
    assert other["order"] != first["order"] and names(other) == "7310"  # an order belongs to one search and its sorts
    anew = api.get("/table", project=project, sort="name", order="forgotten")
    assert anew["order"] not in ("forgotten", first["order"]) and names(anew) == "0137"
    assert api.get("/table", project=project, offset=99)["rows"] == []


def test_an_order_is_its_users_alone_and_shows_nothing_that_became_private(api: Api, other: Api, project: str) -> None:
    mine = api.get("/table", project=project, sort="name", limit=1)
    theirs = other.get("/table", project=project, sort="name", order=mine["order"], limit=1)
    assert theirs["order"] != mine["order"]
    its_id = mine["rows"][0]["project"]["id"]
    everywhere = other.get("/table", limit=1000)
    places = [i for i, row in enumerate(everywhere["rows"]) if row and row["project"]["id"] == its_id]
    assert len(places) == 6
    api.call("PATCH", f"/projects/{its_id}", json={"private": True})
    again = other.get("/table", limit=1000, order=everywhere["order"])
    assert again["order"] == everywhere["order"] and all(again["rows"][i] is None for i in places)
    assert error_of(other.raw("GET", "/table", params={"project": project}))["status"] == 404
    api.call("PATCH", f"/projects/{its_id}", json={"private": False})


def test_groups_have_statistics_of_columns(api: Api, project: str) -> None:
    asked = {"by": ["config.model.name", "tag"], "column": ["metric.valid/loss", "metric.valid/loss.max"]}
    answer = api.get("/table/groups", project=project, **asked)
    assert (answer["runs"], answer["total"]) == (6, 2)
    even, odd = sorted(answer["groups"], key=lambda group: group["values"][0])
    assert (even["values"], even["size"], odd["values"]) == (["m0", None], 3, ["m1", "odd"])
    last, top = odd["columns"]
    assert (last["n"], last["nan"], last["min"], last["max"]) == (2, 1, 0.7, 0.9)
    assert last["mean"] == pytest.approx(0.8) and last["std"] == pytest.approx(0.2 / 2**0.5)
    assert (top["mean"], top["std"]) == (2.0, 2.0)
    few = api.get("/table/groups", project=project, by="state", filter="tag=odd", column="config.model.name")
    assert [(g["values"], g["size"], g["columns"][0]["n"]) for g in few["groups"]] == [(["failed"], 3, 0)]
    (texts,) = few["groups"][0]["columns"]
    assert (texts["texts"], texts["text"], texts["mean"]) == (1, "m1", "NaN")
    (both,) = api.get("/table/groups", project=project, filter="name!=run-0", column="config.model.name")["groups"]
    assert (both["columns"][0]["texts"], both["columns"][0]["text"]) == (2, "m1"), "the most frequent"
    assert (last["texts"], last["text"]) == (0, None)
    (every,) = api.get("/table/groups", project=project, column="metric.valid/loss")["groups"]
    assert (every["values"], every["size"]) == ([], 6)


def test_runs_are_grouped_found_and_given_by_the_hosts_that_they_were_on(api: Api) -> None:
    project = f"hosts-{new_id(4)}"
    on = {"one": ["gpu-1"], "two": ["gpu-2"], "both": ["gpu-1", "gpu-2"], "none": [""]}
    runs = {}
    for name, hosts in on.items():
        for rank, host in enumerate(hosts):
            fields = {"rank": rank, "world_size": len(hosts), "host": host, "create_project": True}
            runs[name] = api.attach(name, new_id(8), project=project, **fields)["run"]["id"]
    grouped = api.get("/table/groups", project=project, by="host")
    assert (grouped["runs"], grouped["total"]) == (4, 3)
    groups = {group["values"][0]: group["runs"] for group in grouped["groups"]}
    assert groups == {
        "gpu-1": sorted([runs["one"], runs["both"]]),
        "gpu-2": sorted([runs["two"], runs["both"]]),
        None: [runs["none"]],
    }
    for words, wanted in (("host=gpu-1", ["both", "one"]), ("host!=*", ["none"]), ("host~GPU host!=gpu-1", ["two"])):
        answer = api.get("/table", project=project, filter=words, sort="name")["rows"]
        assert [row["name"] for row in answer] == wanted, words
    text = api.raw("GET", "/table/csv", params={"project": project, "column": ["name", "host"], "sort": "name"}).text
    assert list(csv.reader(text.splitlines()))[1:] == [
        ["both", "gpu-1, gpu-2"],
        ["none", ""],
        ["one", "gpu-1"],
        ["two", "gpu-2"],
    ]
    rows = api.get("/table", project=project, sort="name")["rows"]
    assert [row["hosts"] for row in rows] == [["gpu-1", "gpu-2"], [], ["gpu-1"], ["gpu-2"]]
    items = api.get("/table/suggest", project=project, text="host=", caret=5)["items"]
    assert {(item["text"], item["about"]) for item in items} == {("gpu-1", "2 runs"), ("gpu-2", "2 runs")}


def test_runs_are_grouped_found_and_given_by_their_ranks_and_each_rank_has_a_line(api: Api) -> None:
    """Groups of one rank have statistics of the points of that rank alone."""
    project = f"ranks-{new_id(4)}"
    runs: dict[str, str] = {}
    for name, world_size in (("wide", 3), ("also", 3), ("one", 1)):
        for rank in range(world_size):
            session = new_id(8)
            process = {"rank": rank, "world_size": world_size, "create_project": True}
            runs[name] = run = api.attach(name, session, project=project, **process)["run"]["id"]
            value = 10.0 * rank + len(runs)
            points = batch(run, new_id(), 1, 2, rank=rank, series=[column("loss", [0, 1], [value, value + 1])])
            api.ingest(points, session=session)
    answer = api.get("/table/groups", project=project, by="rank", column=["metric.loss", "config.lr"])
    groups = {group["values"][0]: group for group in answer["groups"]}
    wide = sorted([runs["wide"], runs["also"]])
    assert {rank: group["runs"] for rank, group in groups.items()} == {0: sorted(runs.values()), 1: wide, 2: wide}
    by_name = {
        rank: tuple(group["columns"][0][name] for name in ("n", "mean", "min", "max")) for rank, group in groups.items()
    }
    assert by_name == {0: (3, 3.0, 2.0, 4.0), 1: (2, 12.5, 12.0, 13.0), 2: (2, 22.5, 22.0, 23.0)}
    assert all(group["columns"][1]["n"] == 0 for group in groups.values())
    stats = {"min": 21.5, "first": 21.5, "mean": 22.0, "max_step": 1.0, "count": 2.0, "smoothed(mean,5)": 22.0}
    asked = {
        "project": project,
        "by": ["state", "rank"],
        "filter": "rank=2",
        "column": [f"metric.loss.{s}" for s in stats],
    }
    (two,) = (g for g in api.get("/table/groups", **asked)["groups"] if g["values"][1] == 2)
    assert [column["mean"] for column in two["columns"]] == list(stats.values())
    for words, wanted in (
        ("rank=2", ["also", "wide"]),
        ("rank!=1", ["one"]),
        ("rank>=0 rank<1", ["also", "one", "wide"]),
    ):
        rows = api.get("/table", project=project, filter=words, sort="name")["rows"]
        assert [row["name"] for row in rows] == wanted, words
    assert suggested(api, "rank=", project=project) == ["0", "1", "2"]
    assert [row["rank"] for row in rows_of(api, project=project, column=["rank"], sort="name")] == [
        "0, 1, 2",
        "0",
        "0, 1, 2",
    ]
    body = {"groups": [wide, wide, [runs["one"]]], "ranks": [2, None, 0], "keys": ["loss"]}
    lines = api.call("POST", "/series/groups", json=body)["lines"]
    assert [line["middle"] for line in lines] == [[21.5, 22.5], [11.5, 12.5], [3.0, 4.0]]
    assert lines[0]["low"] == [21.0, 22.0] and lines[0]["high"] == [22.0, 23.0]
    error = error_of(api.raw("POST", "/series/groups", json={**body, "ranks": [1]}))
    assert (error["status"], "for each group" in error["message"]) == (422, True)
    for several in ("tag", "host", "rank"):  # of which a run may have many: they have no statistics
        (group,) = api.get("/table/groups", project=project, column=several)["groups"]
        assert group["columns"][0]["n"] == 0


def test_columns_are_listed_for_whoever_chooses_some(api: Api, project: str) -> None:
    answer = api.get("/table/columns", project=project)
    assert [c["path"] for c in answer["config"]] == ["model.name", "lr"] and answer["runs"] == 6
    assert {c["key"] for c in answer["metrics"]} == {"valid/loss", *(f"key-{i}" for i in range(10))}
    assert [c["key"] for c in api.get("/table/columns", project=project, words="VALID")["metrics"]] == ["valid/loss"]


def test_configs_that_are_spread_over_their_values_come_before_those_that_few_runs_have_otherwise(api: Api) -> None:
    name = f"telling-{new_id(4)}"
    for n in range(6):
        session = new_id(8)
        run = api.attach(f"run-{n}", session, project=name, create_project=True)["run"]["id"]
        config = {"all": 1, "batch": 64 if n else 32, "lr": [0.1, 0.2, 0.3][n % 3], "seed": n, "width": [8, 16][n % 2]}
        api.ingest(events_batch(run, new_id(), 1, [("config", {"values": config})]), session=session)
    paths = [column["path"] for column in api.get("/table/columns", project=name)["config"]]
    assert paths == ["lr", "width", "batch", "seed", "all"]


def test_columns_follow_configs_that_grow(api: Api) -> None:
    project, session = f"grows-{new_id(4)}", new_id(8)
    run = api.attach("grows", session, project=project, create_project=True)["run"]["id"]
    writer = new_id()

    def known() -> dict[str, Any]:
        return {c["path"]: c["examples"] for c in api.get("/table/columns", project=project)["config"]}

    assert known() == {}
    api.ingest(events_batch(run, writer, 1, [("config", {"values": {"lr": 1, "name": "a"}})]), session=session)
    assert known() == {"lr": ["1"], "name": ["a"]}
    api.ingest(events_batch(run, writer, 2, [("config", {"values": {"lr": 2, "more": {"x": "y"}}})]), session=session)
    assert known() == {"lr": ["2"], "name": ["a"], "more.x": ["y"]}
    add_run(api, project, 3)
    assert known()["lr"] == ["2", "0.3"]
    assert suggested(api, "more", project=project) == ["config.more.x"]


@pytest.mark.parametrize(
    ("path", "asked", "code", "word"),
    [
        ("/table", {"column": "loss"}, "bad_filter", "config.NAME"),
        ("/table", {"column": "stat"}, "bad_filter", "did you mean state"),
        ("/table", {"column": "state"}, "bad_column", "already"),
        ("/table", {"column": ["config.a"] * 65}, "too_many", "64"),
        ("/table", {"sort": "size"}, "bad_filter", "sorted"),
        ("/table", {"sort": ["name"] * 9}, "too_many", "8"),
        ("/table", {"offset": -1}, "invalid", "offset"),
        ("/table", {"filter": "stat=failed"}, "bad_filter", "state"),
        ("/table/groups", {"by": ["config.a"] * 6}, "too_many", "5"),
        ("/table/groups", {"by": "nothing"}, "bad_filter", "nothing"),
    ],
)
def test_a_table_that_cannot_be_is_refused_and_says_why(
    api: Api, path: str, asked: dict[str, Any], code: str, word: str
) -> None:
    error = error_of(api.raw("GET", path, params=asked))
    assert (error["status"], error["code"]) == (422, code) and word in error["message"]


def rows_of(api: Api, **asked: Any) -> list[dict[str, str]]:
    answer = api.raw("GET", "/table/csv", params=asked)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/csv; charset=utf-8", answer.text
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(answer.content.decode().splitlines(keepends=True)))


def test_a_table_as_csv_has_what_the_table_has(api: Api, project: str) -> None:
    columns = ["config.lr", "metric.valid/loss", "metric.valid/loss.min", "metric.key-9.count", "config.none"]
    asked = {"project": project, "sort": ["config.model.name", "-metric.valid/loss.min"], "filter": "state!=completed"}
    table = api.get("/table", **asked, column=columns)
    rows = rows_of(api, **asked, column=["id", "state", "tag", "created", "duration", *columns])
    assert list(rows[0]) == ["id", "state", "tag", "created", "duration", *columns]
    assert [row["id"] for row in rows] == [row["id"] for row in table["rows"]] and len(rows) == table["total"] == 6
    for row, wanted in zip(rows, table["rows"], strict=True):
        assert (row["state"], float(row["created"])) == (wanted["state"], wanted["created"])
        assert row["tag"] == ", ".join(tag["name"] for tag in wanted["tags"])
        for name, value in zip(columns, wanted["values"], strict=True):
            assert row[name] == ("" if value is None else str(value)), name
    assert "name" in rows_of(api, project=project)[0], "without columns, some facts"


def test_texts_in_csv_stay_whole_and_none_is_a_formula(api: Api) -> None:
    project = f"csv-{new_id(4)}"
    texts = ["=1+1", "a,b", 'say "so"', "two\nlines", "@x", "'=quoted", "", " spaced ", "-1", "é\U0001f600"]
    for n, text in enumerate(texts):
        session = new_id(8)
        run = api.attach(f"run-{n}", session, project=project, create_project=True)["run"]["id"]
        config = ("config", {"values": {"a=b, c": text}})
        api.ingest(events_batch(run, new_id(), 1, [config, ("note", {"text": text})]), session=session)
    asked = {"project": project, "sort": "created", "column": ["name", 'config."a=b, c"', "note"]}
    answer = api.raw("GET", "/table/csv", params=asked).content.decode()
    header, *rows = csv.reader(answer.splitlines(keepends=True))
    assert header == asked["column"]
    assert [[text_of_cell(cell) for cell in row] for row in rows] == [
        [f"run-{n}", text, text] for n, text in enumerate(texts)
    ]
    assert not any(cell[:1] in "=@-+" for row in rows for cell in row if cell)


def test_csv_of_a_column_that_cannot_be_is_refused(api: Api, project: str) -> None:
    for name in ("nothing", "config."):
        answer = api.raw("GET", "/table/csv", params={"project": project, "column": name})
        assert (answer.status_code, error_of(answer)["code"]) == (422, "bad_filter")


def suggested(api: Api, text: str, **asked: Any) -> list[str]:
    """Return what may stand at the end of `text`."""
    its = api.get("/table/suggest", text=text, caret=len(text), **asked)
    return [item["text"] for item in its["items"]]


def test_a_search_that_is_typed_is_completed_by_what_the_runs_have(api: Api, project: str) -> None:
    def of(text: str) -> list[str]:
        return suggested(api, text, project=project)

    assert of("sta") == ["state", "started"]
    assert of("state=fai") == ["failed"] and of("tag=") == ["odd"] and of("tag=odd,o") == ["odd"]
    assert of("LOSS") == ["metric.valid/loss"] and of("config.") == ["config.lr", "config.model.name"]
    assert of("archived=") == ["true", "*"] and of("archived") == ["archived=", "archived!="]
    for field in set(FIELDS) - {"text"}:
        assert of(field)[0].startswith(field) and of(field[:2])
    assert of("tag=odd config.model.name = ") == ["m0", "m1"] and "0.3" in of("config.lr=")
    assert of("config.lr")[:3] == ["config.lr=", "config.lr!=", "config.lr<"]
    assert {"metric.valid/loss<", "metric.valid/loss.min"} <= set(of("metric.valid/loss"))
    assert of("metric.valid/loss.mi")[0] == "metric.valid/loss.min"
    smoothings = [f"metric.valid/loss.smoothed({kind},100)" for kind in SMOOTHINGS]
    assert of("metric.valid/loss.smo")[:4] == smoothings and of("metric.valid/loss.smoothed(m")[:2] == smoothings[2:]
    assert of("metric.valid/loss.smoothed(mean,30s)")[0] == "metric.valid/loss.smoothed(mean,30s)<"
    assert of("metric.valid/loss.smoothed(median,1)>")[-1] == "nan"
    assert of("state")[0] == "state=" and of("metric.none=") == ["nan"] and of("nothing.like.it") == []
    assert {"state", "config.lr"} <= set(of("")) and any(name.startswith("metric.") for name in of(""))
    assert of("metric.valid/loss.max>")[:3] == ["2", "0", "5"], "the middle one of 0 … 5, and the ends"
    assert of("metric.valid/loss>0.9") == ["0.9"] and of("metric.valid/loss=n") == ["nan"]
    # Every whole name that is offered is one that searches accept.
    for name in (*of("config."), *smoothings, *of("metric.valid"), *of("metric.valid/loss.m")):
        assert api.get("/table", project=project, filter=f"{name}=*")["total"] >= 0


def test_a_text_that_needs_quotes_is_completed_with_them(api: Api) -> None:
    project, session = f"quotes-{new_id(4)}", new_id(8)
    run = api.attach("run", session, project=project, create_project=True)["run"]["id"]
    api.ingest(events_batch(run, new_id(), 1, [("config", {"values": {"my key": "two words"}})]), session=session)
    assert suggested(api, "my k", project=project) == ["rank", 'config."my key"']
    whole = api.get("/table/suggest", text='config."my key"="tw', caret=19, project=project)
    assert (whole["kind"], whole["start"], whole["end"]) == ("value", 16, 19)
    assert whole["items"] == [{"text": '"two words"', "about": "1 run"}]
    assert api.get("/table", project=project, filter='config."my key"="two words"')["total"] == 1


def test_nothing_is_suggested_of_runs_that_somebody_may_not_see(api: Api, other: Api) -> None:
    project, tag = f"secret-{new_id(4)}", f"tag-{new_id(4)}"
    run = add_run(api, project, 1)
    api.call("POST", "/runs/actions", json={"actions": [{"action": "tag", "runs": [run], "name": tag}]})
    asked = f"tag={tag[:-2]}"
    assert suggested(other, asked) == [tag]
    api.call("PATCH", f"/projects/{project}", json={"private": True})
    assert suggested(api, asked) == suggested(api, asked, project=project) == [tag]
    assert suggested(other, asked) == []
    params: dict[str, Any] = {"project": project, "text": asked, "caret": len(asked)}
    assert other.raw("GET", "/table/suggest", params=params).status_code == 404
