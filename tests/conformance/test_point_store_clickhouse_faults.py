"""Points in ClickHouse count exactly once, whoever dies when. While an engine is away, a StoreError says what to do."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg
import pytest

from pyhectiqlab.errors import ConfigurationError, NewerSchemaError, StoreError
from pyhectiqlab.store.clickhouse import checking, client, facts, facts_series, schema
from pyhectiqlab.store.clickhouse.appending import ARRIVED
from pyhectiqlab.store.clickhouse.checking import troubles, try_rights
from pyhectiqlab.store.clickhouse.client import ClickHouse
from pyhectiqlab.store.clickhouse.facts import Facts
from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.points import AppendResult, Column, PointBatch, PointStore, Selector, Smoothing, iter_points
from pyhectiqlab.testing.memory_points import MemoryPointStore

from ..clickhouse import server
from ..clickhouse_place import ClickHousePlace
from ..nursery import Nursery
from ..postgres import cluster
from .clickhouse_victim import batches
from .point_store_data import T0, Writer
from .point_store_same import all_points, assert_same_buckets, assert_same_infos, assert_same_smoothed


@pytest.fixture
def place() -> Iterator[ClickHousePlace]:
    place = ClickHousePlace()
    yield place
    place.remove()


@pytest.fixture
def store(place: ClickHousePlace) -> Iterator[ClickHousePointStore]:
    store = place.open()
    yield store
    store.close()


@pytest.fixture(scope="module")
def victims() -> Iterator[Nursery]:
    nursery = Nursery("tests.conformance.clickhouse_victim")
    yield nursery
    nursery.close()


def assert_all_once(store: PointStore) -> None:
    """Assert that all of `batches(3)` is there, and nothing else."""
    assert store.cursor("a") == store.cursor("b") == 30
    for run, rank in (("run", 0), ("other", 1)):
        want = [(rank, 1, i + 1, i, float(i), T0 + 1000 * i) for i in range(30)]
        assert sorted(all_points(store, run), key=lambda p: p[2]) == want
        (info,) = store.series(run, "loss")
        assert (info.count, info.last_step, info.max) == (30, 29, 29.0)
        assert store.buckets([Selector(run, "loss")], n=4)[0].count.tolist() == [8, 8, 8, 6]
        assert store.summaries("loss", [run])[run].points == 30


def die(victims: Nursery, place: ClickHousePlace, at: str, folder: Path) -> None:
    """Run a process that appends some batches and dies at a crash point."""
    order = {"url": place.url, "facts": place.facts_url, "at": at, "marker": str(folder / "died")}
    pid = victims.fork({"output": str(folder / "output"), "env": {}, **order})
    status = victims.wait(pid, 60)
    assert status is not None and status & 127 == signal.SIGKILL, (folder / "output").read_text()


def test_an_insert_of_a_dead_process_hides_no_points_of_other_runs(
    victims: Nursery, place: ClickHousePlace, tmp_path: Path
) -> None:
    """`scripts/chaos --fleet --seed 41`: raw points of all runs ended there, for a minute."""
    die(victims, place, "points.noted", tmp_path)
    with closing(place.open(Sizes())) as store:
        assert store.append([Writer("c", run="third").batch(loss=[(1, 1.0, T0)])])[0].status == "ok"
        assert len(all_points(store, "third")) == 1


@pytest.mark.parametrize("at", ["points.noted", "points.inserted"])
def test_what_came_behind_an_insert_of_a_dead_process_moves_to_another_store(
    victims: Nursery, place: ClickHousePlace, tmp_path: Path, at: str
) -> None:
    """Points that the dead process had inserted, and of which nobody had heard, move if they are there."""
    die(victims, place, at, tmp_path)
    with closing(place.open(Sizes())) as store, closing(MemoryPointStore()) as other:
        assert store.append([Writer("c", rank=5).batch(loss=[(1, 1.0, T0)])])[0].status == "ok"
        other.append(list(store.batches_of(["run"])))
        assert other.cursor("c") == 1
        assert sorted(all_points(other, "run")) == sorted(all_points(store, "run"))


@pytest.mark.parametrize("at", ["points.noted", "points.inserted", "points.settled"])
def test_who_dies_between_note_insert_and_cursor_leaves_each_point_once(
    place: ClickHousePlace, victims: Nursery, tmp_path: Path, at: str
) -> None:
    die(victims, place, at, tmp_path)
    there = at != "points.noted"
    with closing(place.open(Sizes(settle_s=3600))) as store:
        assert store.cursor("a") == 10, "nobody settled it yet"
        assert len(all_points(store)) == 10
        again = [b for b in batches(2) if b.writer == "a"]  # batches of one writer only, and cut differently
        assert [r.status for r in store.append(again)] == ["duplicate", "duplicate" if there else "ok"]
        assert store.cursor("b") == (30 if there else 10), "the other writers of the insert are settled with it"
        store.append(batches(3))
        assert_all_once(store)
        while store.maintain():
            pass
        assert_all_once(store)


def test_what_is_left_of_the_dead_is_settled_though_nobody_comes_again(
    place: ClickHousePlace, victims: Nursery, tmp_path: Path
) -> None:
    die(victims, place, "points.inserted", tmp_path)
    with closing(place.open()) as store:
        while store.maintain():
            pass
        assert_all_once(store)
        assert store.work_left() == (0, 0)


def test_an_index_that_earlier_labs_did_not_make_is_made(place: ClickHousePlace) -> None:
    there = "SELECT count(*) FROM pg_indexes WHERE indexname = 'points_series_key'"
    assert cluster().ask(there, database=place.facts) == [(1,)]
    cluster().ask("DROP INDEX points_series_key", database=place.facts)
    place.open().close()
    assert cluster().ask(there, database=place.facts) == [(1,)]


@pytest.mark.parametrize("at", ["points.built", "points.purged"])
def test_who_dies_while_tidying_changes_no_answer(
    place: ClickHousePlace, victims: Nursery, tmp_path: Path, at: str
) -> None:
    die(victims, place, at, tmp_path)
    with closing(place.open()) as store:
        if at == "points.built":
            assert_all_once(store)
            while store.maintain():
                pass
            assert_all_once(store)
            assert place.ask("SELECT count() FROM stored") == "60\n", "the rows of who died are dropped"
            return
        assert all_points(store, "other") == []
        while store.maintain():
            pass
        store.undelete("other")
        assert all_points(store, "other") == [] and len(all_points(store)) == 30


def test_an_insert_that_lands_after_it_was_given_up_never_counts(place: ClickHousePlace, store: PointStore) -> None:
    """The process noted it and died; what it had sent was on its way for an hour."""
    store.append(batches(1))
    ask = cluster().ask
    (window,) = ask("SELECT id FROM points_windows WHERE state = 0", database=place.facts)[0]
    note = 'INSERT INTO points_blocks ("window", state, points) VALUES (%s, 0, 10) RETURNING id'
    (block,) = ask(note, window, database=place.facts)[0]
    ask(
        "INSERT INTO points_batches (block, writer, first, last, points, run, attempt, zero)"
        " SELECT %s, id, 11, 20, 10, 1, 1, 0 FROM points_writers WHERE name = 'a'",
        block,
        database=place.facts,
    )
    assert [r.status for r in store.append(batches(3))] == ["duplicate"] * 2 + ["ok"] * 4
    late = {name: np.zeros(10, kind) for name, kind in ARRIVED.items()}
    ((writer,),) = ask("SELECT id FROM points_writers WHERE name = 'a'", database=place.facts)
    one = f"SELECT series, key FROM arrived WHERE writer = {writer} LIMIT 1"
    series, key = map(int, place.ask(one).split())
    for name, value in (("window", window), ("block", block), ("series", series), ("key", key), ("writer", writer)):
        late[name][:] = value
    late["seq"] = np.arange(11, 21)
    with closing(ClickHouse(place.url)) as door:
        door.insert("arrived", late)
    assert_all_once(store)
    while store.maintain():
        pass
    assert_all_once(store)


@pytest.mark.parametrize("ahead", [0, 5])
def test_when_postgresql_is_set_back_what_it_no_longer_knows_of_does_not_count(
    place: ClickHousePlace, ahead: int
) -> None:
    """By a backup, or by a standby that lacked the last commits: the numbers of blocks are given out again; or not, as
    the sequence of a dump and of a standby may be ahead of their rows.
    """
    with closing(place.open(Sizes(settle_s=3600, grace_s=0.0))) as store:
        store.append(batches(1))
        store.append(batches(2))
    ask = cluster().ask
    later = "(SELECT max(block) FROM points_batches)"
    for statement in (
        f"DELETE FROM points_blocks WHERE id = {later}",
        f"DELETE FROM points_batches WHERE block = {later}",
        "UPDATE points_writers SET cursor = 10",
        f"SELECT setval(pg_get_serial_sequence('points_blocks', 'id'), (SELECT max(id) + {ahead} FROM points_blocks))",
    ):
        ask(statement, database=place.facts)
    with closing(place.open()) as store:
        assert len(all_points(store)) == 10
        assert [r.status for r in store.append(batches(3))] == ["duplicate"] * 2 + ["ok"] * 4
        assert_all_once(store)
        while store.maintain():
            pass
        assert_all_once(store)


def test_two_labs_that_get_the_same_batches_apply_each_once(place: ClickHousePlace) -> None:
    wanted = batches(12, points=3)
    with closing(place.open()) as one, closing(place.open()) as other:
        start = threading.Barrier(2)
        failed: list[BaseException] = []

        def append(store: PointStore) -> None:
            try:
                start.wait()
                for i in range(0, len(wanted), 2):
                    assert {r.status for r in store.append(wanted[i : i + 2])} <= {"ok", "duplicate"}
                    store.maintain(0.0)
            except BaseException as e:
                failed.append(e)

        threads = [threading.Thread(target=append, args=(store,)) for store in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        for store in (one, other):
            assert store.cursor("a") == 36
            assert [p[2] for p in all_points(store)] == list(range(1, 37))


def test_writers_that_have_nothing_in_common_do_not_wait_for_each_other(place: ClickHousePlace) -> None:
    with closing(place.open()) as one, closing(place.open()) as other:
        one.append([Writer("a").steps([1])])
        other.append([Writer("b").steps([1])])
        with one._facts.writing() as held:
            facts.hold_writers(held, facts_series.writer_ids(held, ["a"]).values())
            b = Writer("b")
            b.last = 1
            assert other.append([b.steps([2])]) == [AppendResult("ok", 2)]


def test_whoever_pages_misses_nothing_that_is_being_inserted(place: ClickHousePlace, store: PointStore) -> None:
    store.append([Writer("a").steps([1])])
    ask = cluster().ask
    block = 'INSERT INTO points_blocks ("window", state, points) SELECT id, 0, 1 FROM points_windows RETURNING id'
    (number,) = ask(block, database=place.facts)[0]
    columns = "(block, writer, first, last, points, run, attempt)"
    first = f"INSERT INTO points_batches {columns} SELECT %s, -1, 1, 1, 1, id, 1 FROM points_runs WHERE name = 'run'"
    ask(first, number, database=place.facts)
    store.append([Writer("b").steps([2])])
    assert [p[3] for p in all_points(store)] == [1], "2 comes behind what is not there yet"
    ask("DELETE FROM points_batches WHERE block = %s", number, database=place.facts)
    ask("DELETE FROM points_blocks WHERE id = %s", number, database=place.facts)
    assert [p[3] for p in all_points(store)] == [1, 2]


def test_while_clickhouse_is_away_nothing_is_acked_and_nothing_lost(place: ClickHousePlace, store: PointStore) -> None:
    store.append(batches(1))
    server().kill()
    try:
        calls: list[Callable[[], object]] = [
            lambda: store.append(batches(2)),
            lambda: store.keys("run"),
            lambda: store.buckets([Selector("run", "loss")]),
            lambda: store.summaries("loss", ["run"]),
        ]
        for call in calls:
            with pytest.raises(StoreError, match=r"cannot be reached .*: start it") as e:
                call()
            assert "\n" not in str(e.value)
        assert store.cursor("a") == 10, "what PostgreSQL knows is answered"
        with pytest.raises(StoreError, match="cannot be reached"):
            place.open()
    finally:
        server().start()
    assert [r.status for r in store.append(batches(3))] == ["duplicate"] * 2 + ["ok"] * 4
    assert_all_once(store)


def test_what_is_no_place_for_points_says_so_in_one_line(
    place: ClickHousePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def why(url: str, facts_url: str = place.facts_url, kind: type[Exception] = StoreError) -> str:
        with pytest.raises(kind) as e:
            ClickHousePointStore(url, facts_url)
        assert "\n" not in str(e.value) and "secret" not in str(e.value)
        return str(e.value)

    port = server().port
    assert "has no database 'nope': CREATE DATABASE" in why(server().url("nope"))
    assert "wrong user or password" in why(f"clickhouse://reader:wrong@127.0.0.1:{port}/{place.database}")
    assert "cannot be reached (Connection refused): start it, or correct the address" in why(
        "clickhouse://127.0.0.1:1/x"
    )
    for bad in ("http://host/x", "clickhouse:///x", "clickhouse://host:x/y", "clickhouse://host/a/b"):
        assert "write clickhouse://" in why(bad, kind=ConfigurationError)
    assert "postgresql://" in why(place.url, "sqlite:///x", ConfigurationError)
    empty = server().make_database()
    reader = f"clickhouse://reader:secret@127.0.0.1:{port}/{empty}"
    assert "is allowed to read only. It needs SELECT, INSERT, CREATE" in why(reader)
    another = cluster().make_database()
    assert "holds the points of another lab" in why(place.url, cluster().url(another))
    place.ask("ALTER TABLE lab UPDATE value = '99' WHERE key = 'schema' SETTINGS mutations_sync = 2")
    assert "of version 99, of a newer lab" in why(place.url, kind=NewerSchemaError)
    place.ask("ALTER TABLE lab UPDATE value = '1' WHERE key = 'schema' SETTINGS mutations_sync = 2")
    monkeypatch.setattr(client, "VERSION_MIN", (99, 0))
    assert "which is too old: upgrade it to 99.0 or newer" in why(place.url)
    assert place.ask("SELECT count() FROM arrived") == "0\n"
    server().drop_database(empty)
    cluster().drop_database(another)


def test_what_is_stuck_is_said_with_what_to_do(
    place: ClickHousePlace, store: PointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(batches(1))
    with closing(ClickHouse(place.url)) as door, closing(Facts(place.facts_url)) as its_facts:
        assert troubles(door, its_facts) == []
        cluster().ask("UPDATE points_blocks SET changed = now() - interval '1 hour'", database=place.facts)
        monkeypatch.setattr(checking, "STUCK_S", 0)
        assert troubles(door, its_facts) == [], "while no lab runs, nobody sorts"
        monkeypatch.setattr(checking, "PARTS_MANY", 0)
        with psycopg.connect(place.facts_url, application_name="hectiqlab peers 1"):
            parts, waiting = troubles(door, its_facts)
    assert "cannot keep up, give it CPU" in parts
    assert "Points have waited for 360" in waiting and "see the log of the labs" in waiting


def test_labs_that_try_their_rights_at_once_do_not_disturb_each_other(place: ClickHousePlace) -> None:
    def try_often(_: int) -> None:
        with closing(ClickHouse(place.url)) as clickhouse:
            for _ in range(5):
                try_rights(clickhouse)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(try_often, range(4)))
    assert "hectiqlab_check" not in place.ask("SHOW TABLES")


def test_thousands_of_points_are_drawn_from_nodes_as_the_model_does(place: ClickHousePlace) -> None:
    """The sizes relate to each other as real ones do: several levels, edges of points, series without nodes beside."""
    sizes = Sizes(window_points=1500, window_s=0.0, node_points=8, nodes_from=200, fan_in=3, grace_s=0.0)
    rng = np.random.default_rng(3)
    model = MemoryPointStore()
    n = 3000
    with closing(place.open(sizes)) as store:
        for attempt, order in ((1, np.arange(n)), (2, n // 2 + rng.permutation(n))):
            value = rng.normal(size=n)
            value[rng.integers(0, n, 40)] = rng.choice([math.nan, math.inf, -math.inf], 40)
            for at in range(0, n, 750):
                part = slice(at, at + 750)
                seq = np.arange(at + 1, at + 751)
                time = T0 + 977 * seq + rng.integers(0, 500, 750)
                column = Column("loss", seq, order[part].astype(np.int64), value[part], time)
                batch = PointBatch("run", 0, attempt, f"w{attempt}", at + 1, at + 750, [column])
                for each in (store, model):
                    each.append([batch])
                store.maintain(0.0)
        while store.maintain():
            pass
        assert int(place.ask("SELECT max(level) FROM nodes")) >= 2
        assert int(place.ask("SELECT uniqExact(build) FROM stored")) < 6
        assert_same_infos(store.series("run", "loss"), model.series("run", "loss"))
        for selector in (Selector("run", "loss"), Selector("run", "loss", attempt=1)):
            for axis, low, high in (("step", 0, n), ("time", T0, T0 + 977 * n), ("relative", 0, 977 * n)):
                for lo, hi in ((None, None), (low + (high - low) // 7, high - (high - low) // 9), (None, high // 2)):
                    for width in (5, 300):
                        for attempts in ("newest", "all"):
                            query = {"axis": axis, "lo": lo, "hi": hi, "n": width, "attempts": attempts}
                            assert_same_buckets(store, model, selector, **query)
        smoothed = {"smoothing": Smoothing("gaussian", 50), "n": 40}
        assert_same_smoothed(store, model, Selector("run", "loss"), smoothed)
        assert sum(len(page.step) for page in iter_points(store, "run", "loss", limit=3000)) == 2 * n


def test_people_may_ask_with_their_own_sql(place: ClickHousePlace, store: PointStore) -> None:
    store.append(batches(2))
    while store.maintain():
        pass
    store.append([b for b in batches(3) if b.first > 20])
    store._tidier._publish()  # type: ignore[attr-defined]
    query = "SELECT run_id, key, rank, attempt, count(), max(step), max(value), toUnixTimestamp64Micro(min(time))"
    rows = place.ask(f"{query} FROM points GROUP BY ALL ORDER BY run_id").splitlines()
    assert rows == [f"other\tloss\t1\t1\t30\t29\t29\t{T0}", f"run\tloss\t0\t1\t30\t29\t29\t{T0}"]


def test_statements_for_a_cluster_are_understood(place: ClickHousePlace) -> None:
    """The embedded engine has no cluster: it reads them, and tells what it read."""
    for statement in schema.statements("0", "of one shard"):
        read = place.ask(f"EXPLAIN AST {statement}")
        assert read.startswith("CreateQuery"), statement
        written = place.ask(
            "SELECT formatQuerySingleLine('" + statement.replace("\\", "\\\\").replace("'", "\\'") + "')"
        )
        assert "ON CLUSTER `of one shard`" in written
        assert "VIEW" in written or "ENGINE = Replicated" in written
    assert not place.ask("EXPLAIN AST SELECT 1").startswith("CreateQuery")
