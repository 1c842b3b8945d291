"""Shards: which address is which, what is refused, and that no shard's fall loses, doubles or holds up points."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from pyhectiqlab.errors import ConfigurationError, EngineAwayError, StoreError
from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.placing import chosen
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.clickhouse.sharded import ShardedPointStore
from pyhectiqlab.store.points import PointBatch, PointStore, Selector, iter_points

from ..clickhouse import Server, server
from ..clickhouse_place import TINY
from ..postgres import cluster
from ..sharded_place import ShardedPlace
from ..waiting import eventually
from .point_store_data import Writer

RUNS = [f"r{i}" for i in range(8)]  # four on each of two shards
FIRST, SECOND = ([run for run in RUNS if chosen(run, [1, 2]) == n] for n in (1, 2))


@pytest.fixture
def place() -> Iterator[ShardedPlace]:
    place = ShardedPlace()
    yield place
    place.remove()


@pytest.fixture(scope="module")
def other_server() -> Server:
    return Server()


@pytest.fixture
def apart(other_server: Server) -> Iterator[ShardedPlace]:
    """Return two shards in two servers; the second one may be killed."""
    place = ShardedPlace((server(), other_server))
    yield place
    place.remove()


def fill(store: PointStore, writers: Sequence[Writer], n: int = 10) -> list[PointBatch]:
    batches = [w.steps(range(w.last, w.last + n)) for w in writers]
    assert [r.status for r in store.append(batches)] == ["ok"] * len(batches)
    return batches


def steps(store: PointStore, runs: Sequence[str] = RUNS) -> dict[str, list[int]]:
    return {run: [step for page in iter_points(store, run, "loss") for step in page.step.tolist()] for run in runs}


def why(places: Sequence[tuple[str, str]], facts_url: str) -> str:
    with pytest.raises((StoreError, ConfigurationError)) as e:
        ShardedPointStore(places, facts_url).close()
    assert "\n" not in str(e.value)
    return str(e.value)


def test_addresses_may_be_named_in_any_order_but_none_may_be_missing_twice_or_of_another_lab(
    place: ShardedPlace,
) -> None:
    with closing(place.open()) as store:
        fill(store, [Writer(run, run=run) for run in RUNS])
        before = steps(store)
    assert FIRST and SECOND and all(its == list(range(10)) for its in before.values())
    with closing(ShardedPointStore(place.places[::-1], place.facts_url, TINY)) as store:
        assert steps(store) == before
        assert sorted(store.summaries("loss", RUNS)) == RUNS
        assert [int(b.count.sum()) for b in store.buckets([Selector(run, "loss") for run in RUNS])] == [10] * len(RUNS)
    (first, second), empty = place.places, server().make_database()
    with pytest.raises(StoreError, match=r"on the shards 127.0.0.1:.*, 127.0.0.1:.*: name all of them with --points"):
        ClickHousePointStore(first[0], place.facts_url)
    assert "twice" in why([first, second, first], place.facts_url)
    by_two_names = (second[0].replace("127.0.0.1", "localhost"), "")
    assert "twice, by two names" in why([first, second, by_two_names], place.facts_url)
    assert "lacks the points of this lab" in why([first, (server().url(empty), "")], place.facts_url)
    with closing(ShardedPointStore([first, second, (server().url(empty), "")], place.facts_url)) as store:
        assert steps(store) == before
    assert "lacks the address of shard 3" in why([first, second], place.facts_url)
    other = ShardedPlace()
    other.open().close()
    assert "holds the points of another lab" in why([first, second, other.places[0]], place.facts_url)
    other.remove()
    server().drop_database(empty)


def test_points_that_are_lost_with_a_shard_are_forgotten_when_somebody_says_so(place: ShardedPlace) -> None:
    with closing(place.open()) as store:
        fill(store, [Writer(run, run=run) for run in RUNS])
    empty = server().make_database()
    places = [place.places[0], (server().url(empty), "")]
    with closing(ShardedPointStore(places, place.facts_url, TINY, without=True)) as store:
        assert not store.summaries("loss", SECOND)
        assert steps(store) == {run: list(range(10)) if run in FIRST else [] for run in RUNS}
        assert store.cursor(SECOND[0]) == 10
    server().drop_database(empty)


def test_a_lab_with_one_address_gets_a_second_one_while_another_runs_that_knows_of_the_first_alone(
    place: ShardedPlace,
) -> None:
    first = place.places[0]
    old = [Writer(run, run=run) for run in RUNS[:4]]
    with closing(ClickHousePointStore(first[0], place.facts_url, TINY)) as one:
        fill(one, old)
        with closing(place.open()) as both:
            assert steps(both, RUNS[:4]) == {run: list(range(10)) for run in RUNS[:4]}
            fill(both, [Writer(run, run=run) for run in RUNS[4:]], 5)
            on_second = [run for run in RUNS[4:] if run in SECOND]
            assert on_second and place.servers[1].ask("SELECT count() FROM arrived", place.databases[1]) == (
                f"{5 * len(on_second)}\n"
            )
            fill(one, old)  # fill it with what it knows
            with pytest.raises(StoreError, match="on several shards by now: start this lab anew"):
                one.append([Writer("new", run="new").steps([1])])
            # Otherwise it would say that all are missing.
            with pytest.raises(StoreError, match="on several shards by now"):
                one.append([Writer("another", run=on_second[0]).steps([1])])
            fill(both, old)
            assert steps(both) == {run: list(range(30 if run in RUNS[:4] else 5)) for run in RUNS}
    assert cluster().ask("SELECT value FROM points_lab WHERE key = 'schema'", database=place.facts) == [("2",)]
    with pytest.raises(StoreError, match="are on the shards"):
        ClickHousePointStore(first[0], place.facts_url)


def test_a_writer_is_of_one_run(place: ShardedPlace) -> None:
    with closing(place.open()) as store:
        store.append([Writer("w", run=FIRST[0]).steps([1])])
        with pytest.raises(StoreError, match="The writer w belongs to another run"):
            store.append([Writer("w", run=SECOND[0]).steps([1])])


def test_while_a_shard_is_away_the_others_go_on(apart: ShardedPlace) -> None:
    writers = {run: Writer(run, run=run) for run in RUNS}
    with closing(apart.open()) as store:
        fill(store, list(writers.values()))
        apart.servers[1].kill()
        try:
            batches = [w.steps(range(10, 20)) for w in writers.values()]
            got = store.append(batches)
            assert [r.status for r in got] == ["ok" if run in FIRST else "refused" for run in RUNS]
            assert all("cannot be reached" in r.why for r in got if r.status == "refused")
            for ask in (
                lambda: store.buckets([Selector(SECOND[0], "loss")]),
                lambda: store.summaries("loss", RUNS),
                lambda: store.append([b for b in batches if b.run in SECOND]),
            ):
                with pytest.raises(StoreError, match="cannot be reached"):
                    ask()
            assert len(store.summaries("loss", FIRST)) == len(FIRST)
            assert steps(store, FIRST) == {run: list(range(20)) for run in FIRST}
            assert store.cursors(RUNS) == {run: 20 if run in FIRST else 10 for run in RUNS}
            quiet = PointBatch(SECOND[0], 0, 1, "events", 1, 3, [])
            assert [r.status for r in store.append([quiet, batches[RUNS.index(SECOND[1])]])] == ["ok", "refused"]
            fill(store, [Writer(f"n{i}", run=f"n{i}") for i in range(8)])  # new runs go to a shard that answers
            with closing(apart.open(aside=True)) as later:  # a lab that starts meanwhile
                assert steps(later, FIRST) == {run: list(range(20)) for run in FIRST}
        finally:
            apart.servers[1].start()
        eventually(lambda: not any(its.away for its in store._shards.values()))
        assert {r.status for r in store.append(batches)} == {"ok", "duplicate"}
        assert steps(store) == {run: list(range(20)) for run in RUNS}
        assert len(steps(store, [f"n{i}" for i in range(8)])["n5"]) == 10


def test_a_shard_that_is_killed_while_it_inserts_loses_and_doubles_nothing(apart: ShardedPlace) -> None:
    writers = {run: Writer(run, run=run) for run in RUNS}
    batches = {run: [w.steps(range(i * 100, (i + 1) * 100)) for i in range(20)] for run, w in writers.items()}
    sizes = Sizes(window_points=4096, window_s=0.0, nodes_from=512, grace_s=0.0, settle_s=0.0)
    with closing(apart.open(sizes)) as store:
        under_way, ended = threading.Event(), threading.Event()
        counts = {"ok": 0, "refused": 0}
        failed: list[BaseException] = []

        def train() -> None:
            """Send the next batch of each run until it is taken, as an uploader does."""
            at = dict.fromkeys(RUNS, 0)
            try:
                while left := [run for run in RUNS if at[run] < 20]:
                    some = [batches[run][at[run]] for run in left]
                    try:
                        results = store.append(some)
                    except EngineAwayError:  # tried with all that is left
                        counts["refused"] += len(left)
                        eventually(lambda: not any(its.away for its in store._shards.values()), 60)
                        continue
                    for run, result in zip(left, results, strict=True):
                        assert result.status != "conflict"
                        counts["refused" if result.status == "refused" else "ok"] += 1
                        at[run] += result.status != "refused"
                    if at[SECOND[0]] >= 3:
                        under_way.set()
            except BaseException as e:
                failed.append(e)
            finally:
                under_way.set()
                ended.set()

        thread = threading.Thread(target=train)
        thread.start()
        under_way.wait()
        apart.servers[1].kill()
        eventually(lambda: counts["refused"] > 0 or ended.is_set())
        apart.servers[1].start()
        thread.join()
        assert not failed and counts["refused"]
        assert steps(store) == {run: list(range(2_000)) for run in RUNS}
        while store.maintain():
            pass
        assert steps(store) == {run: list(range(2_000)) for run in RUNS}
        assert {its.points for its in store.summaries("loss", RUNS).values()} == {2_000}
