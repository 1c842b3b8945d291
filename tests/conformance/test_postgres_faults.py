"""The MetaStore on a PostgreSQL that ends connections, stops, keeps it waiting, or is no place for a lab.

It raises StoreError, nothing is half written, and the store works once the server does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from threading import Barrier

import pytest

from pyhectiqlab.errors import ConfigurationError, OutcomeUnknownError, StoreError
from pyhectiqlab.store.sql import engine_postgresql, engines
from pyhectiqlab.store.sql.dialect import ROWS_AHEAD, exclude
from pyhectiqlab.store.sql.meta_store import SqlMeta, SqlMetaStore

from ..postgres import needs_postgres
from ..stores import PostgresPlace
from .meta_store.world import World, attach


@pytest.fixture
def place() -> Iterator[PostgresPlace]:
    needs_postgres()
    place = PostgresPlace()
    yield place
    place.remove()


@pytest.fixture
def store(place: PostgresPlace) -> Iterator[SqlMetaStore]:
    store = place.open()
    yield store
    store.close()


def value(store: SqlMetaStore, key: str = "k") -> str | None:
    with store.reading() as view:
        return view.lab_value(key)


def kill(place: PostgresPlace, view: SqlMeta) -> None:
    """Have the server end the connection of a view or transaction. Returns once it has."""
    pid = view.conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    assert place.cluster.ask("SELECT pg_terminate_backend(%s, 20000)", pid) == [(True,)]


# Connections that end


def test_a_transaction_whose_connection_ends_changes_nothing(place: PostgresPlace, store: SqlMetaStore) -> None:
    world = World(store)
    with pytest.raises(StoreError), store.writing() as tx:
        tx.set_lab_value("k", "1")
        attach(tx, world.user, "r", "s")
        kill(place, tx)
        tx.set_lab_value("behind", "it")
    assert value(store) is value(store, "behind") is None
    with store.reading() as view:
        assert view.runs_named("r") == []
    with store.writing() as tx:
        tx.set_lab_value("k", "2")
    assert value(store) == "2"


@pytest.mark.parametrize("undoable", [False, True])
def test_whoever_catches_the_error_cannot_go_on(place: PostgresPlace, store: SqlMetaStore, undoable: bool) -> None:
    with pytest.raises(StoreError), store.writing() as tx:
        tx.set_lab_value("k", "1")
        kill(place, tx)
        with suppress(Exception):
            if undoable:
                with tx.undoable():
                    tx.set_lab_value("k", "2")
            else:
                tx.set_lab_value("k", "2")
        with pytest.raises(StoreError):
            tx.prove_whole()
    assert value(store) is None


def test_a_commit_that_does_not_arrive_is_an_error(place: PostgresPlace, store: SqlMetaStore) -> None:
    with pytest.raises(OutcomeUnknownError), store.writing() as tx:
        tx.set_lab_value("k", "1")
        kill(place, tx)
    assert value(store) is None
    with store.writing() as tx:
        tx.set_lab_value("k", "2")
    assert value(store) == "2"


def test_a_view_whose_connection_ends(place: PostgresPlace, store: SqlMetaStore) -> None:
    world = World(store)
    run = world.run("r")
    world.tell(run, *[("log", {"text": str(n)}) for n in range(3 * ROWS_AHEAD)])
    with pytest.raises(StoreError), store.reading() as view:
        unread = view.events(run, None, 9 * ROWS_AHEAD)
        assert next(unread).fields == {"text": "0"}
        kill(place, view)
        list(unread)
    with store.reading() as view:
        assert len(list(view.events(run, None, 9 * ROWS_AHEAD))) == 3 * ROWS_AHEAD


def test_connections_of_the_pool_that_the_server_ended_are_replaced(place: PostgresPlace, store: SqlMetaStore) -> None:
    with ExitStack() as stack:
        for view in [stack.enter_context(store.reading()) for _ in range(4)]:
            view.lab_value("k")
    with store.writing() as tx:
        tx.set_lab_value("k", "1")
    its = "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname = %s"
    assert len(place.cluster.ask(its, place.database)) == 5
    with ExitStack() as stack:
        for view in [stack.enter_context(store.reading()) for _ in range(4)]:
            assert view.lab_value("k") == "1"
    with store.writing() as tx:
        tx.set_lab_value("k", "2")
    assert value(store) == "2"


# A server that stops


def test_a_server_that_stops_and_starts_again(place: PostgresPlace, store: SqlMetaStore) -> None:
    with store.writing() as tx:
        tx.set_lab_value("k", "1")
    assert value(store) == "1"
    with pytest.raises(StoreError), store.writing() as tx:
        tx.set_lab_value("k", "2")
        place.cluster.stop()
    try:
        with pytest.raises(StoreError), store.reading() as view:
            view.lab_value("k")
        with pytest.raises(StoreError), store.writing() as tx:
            tx.set_lab_value("k", "3")
        with pytest.raises(StoreError):
            place.open()
    finally:
        place.cluster.start()
    assert value(store) == "1"
    with store.writing() as tx:
        tx.set_lab_value("k", "4")
    assert value(store) == "4"


# Waiting that ends


def test_whoever_gets_no_connection_is_told(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "READERS_MAX", 2)
    monkeypatch.setattr(engines, "POOL_TIMEOUT_S", 0.05)
    with closing(place.open()) as store:
        with store.reading(), store.reading(), pytest.raises(StoreError, match="Too many"), store.reading():
            pass
        with store.writing() as tx:
            tx.set_lab_value("k", "1")
            with pytest.raises(StoreError, match="Too many"), store.writing():
                pass
        assert value(store) == "1"


def test_a_server_that_takes_no_connections(place: PostgresPlace, store: SqlMetaStore) -> None:
    place.cluster.ask(f"ALTER DATABASE {place.database} ALLOW_CONNECTIONS false")
    with pytest.raises(StoreError, match="not currently accepting"), store.writing():
        pass
    assert value(store) is None  # the opening made a connection that reads
    place.cluster.ask(f"ALTER DATABASE {place.database} ALLOW_CONNECTIONS true")
    with store.writing() as tx:
        tx.set_lab_value("k", "1")
    assert value(store) == "1"


def test_a_lock_that_is_not_to_be_had_is_an_error(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    short = engine_postgresql.BEGIN_WRITING.replace("lock_timeout = '30s'", "lock_timeout = '50ms'")
    assert short != engine_postgresql.BEGIN_WRITING
    with closing(place.open()) as first, closing(place.open()) as second, first.writing() as tx:
        exclude(tx.conn, "admins")
        tx.set_lab_value("k", "1")
        monkeypatch.setattr(engine_postgresql, "BEGIN_WRITING", short)
        with pytest.raises(StoreError, match="lock timeout"), second.writing() as other:
            other.set_lab_value("other", "1")
            exclude(other.conn, "admins")
    with closing(place.open()) as store:
        assert value(store) == "1" and value(store, "other") is None


def test_of_two_that_wait_for_each_other_one_is_undone(place: PostgresPlace, store: SqlMetaStore) -> None:
    """The groups of two labs' writers may do so. The server looks for it after `deadlock_timeout`."""
    world = World(store)
    runs = [world.run(name) for name in ("r1", "r2")]
    have_one = Barrier(2)

    def rename(order: list[str], by: str) -> str:
        with closing(place.open()) as other, other.writing() as tx:
            tx.rename_run(order[0], f"{by} {order[0]}")
            have_one.wait(20)
            tx.rename_run(order[1], f"{by} {order[1]}")
        return by

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(rename, order, by) for order, by in ((runs, "a"), (runs[::-1], "b"))]
    (error,) = [future.exception() for future in both if future.exception()]
    (by,) = [future.result() for future in both if not future.exception()]
    assert isinstance(error, StoreError) and "deadlock" in str(error)
    with store.reading() as view:
        assert [run.name for run in view.some_runs(runs)] == [f"{by} {run}" for run in runs]


# No place for a lab


@pytest.mark.parametrize("url", ["mysql://ada@/lab", "not a url", "sqlite:///lab.db", "postgresql+asyncpg:"])
def test_what_names_no_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        SqlMetaStore(url)


def test_nobody_listens() -> None:
    needs_postgres()
    with pytest.raises(StoreError):
        SqlMetaStore("postgresql://ada@127.0.0.1:1/lab")


def test_a_database_in_another_encoding_is_refused(place: PostgresPlace) -> None:
    place.cluster.ask("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(ConfigurationError, match="LATIN1"):
        SqlMetaStore(place.cluster.url("latin"))
    place.cluster.drop_database("latin")


def test_without_the_driver_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[postgres\]"):
        SqlMetaStore("postgresql://ada@/lab")


def test_a_store_beside_a_lab_makes_no_tables(place: PostgresPlace) -> None:
    with pytest.raises(StoreError, match="There is no lab in this database"):
        SqlMetaStore(place.cluster.url("postgres"), migrate=False)
    SqlMetaStore(place.url, migrate=False).close()
