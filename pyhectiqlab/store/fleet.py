"""FleetStorage: a Storage that any number of lab processes share.

It is made of PostgreSQL, and of stores of points and of files that take several writers.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Protocol, TypeVar, runtime_checkable

from sqlalchemy import text
from sqlalchemy.engine import URL

from ..base.installing import install_advice
from ..errors import ConfigurationError, EngineAwayError, StoreError
from . import first_look
from .addresses import Addresses as Addresses
from .addresses import clickhouses_of, folder_of, shown
from .blobs import BlobStore
from .engine_counts import EngineCounts
from .meta import MetaStore
from .peers import Alone, Peers
from .points import PointStore
from .sql.engine_postgresql import connect_directly
from .sql.engines import Engines, checked_url, open_engines
from .sql.meta_store import SqlMetaStore
from .sql.postgres_notes import PostgresNotes
from .sql.postgres_peers import CHANGED, CHANNEL, PostgresPeers, as_store_error, lock_of
from .upgrading import Before

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")

IN_USE = "files in use"  # name of an advisory lock


class FleetStorage:
    """Opening creates or migrates the tables.

    Args:
        beside: for a command: nothing is migrated, and no duty is taken.

    Attributes:
        claims: the generation of the lab that is noted beside points and files when they are opened; "": none is noted,
            as for a command or a move.
        was_there: whether there was a lab on this database before.
        lost: which of "points" and "files" are gone for good, so that they may be missing in their engine.

    Raises ConfigurationError, NewerSchemaError, StoreError. Blocks on all three.
    """

    alone = False

    def __init__(self, at: Addresses, beside: bool = False) -> None:
        self.at, self.beside = at, beside
        self.place = str(at)
        self.upgraded: Before | None = None
        self.claims = ""
        self.lost: frozenset[str] = frozenset()
        self._url = checked_url(at.direct or at.database)
        for what, stores in (("points", POINT_STORES), ("files", BLOB_STORES)):
            _scheme(what, getattr(at, what), stores)
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.was_there = not beside and first_look.look(at).was_there
            self.meta: MetaStore = SqlMetaStore(at.database, migrate=not beside, readers=at.connections)
            stack.callback(self.meta.close)
            side = open_engines(at.database, readers=4)  # held for moments in which other connections are asked for
            stack.callback(side.close)
            self.permissions = PostgresMark(side)
            self.files = PostgresFilesLock(self._url, side)
            with self.meta.reading() as view:
                generation, self.lab_id = view.lab_value("generation") or "", view.lab_value("id") or ""
            self.peers: Peers = Alone()
            if not beside:
                notes = PostgresNotes(side)
                notes.make()
                peers = PostgresPeers(self._url, notes, generation, self.permissions.heard)
                self.permissions.is_heard = lambda: peers.hears
                self.peers = peers
                stack.callback(peers.stop)
            self._stack = stack.pop_all()

    @cached_property
    def points(self) -> PointStore:
        points = _scheme("points", self.at.points, POINT_STORES)(self)
        self._stack.callback(points.close)
        return points

    @cached_property
    def blobs(self) -> BlobStore:
        blobs = _scheme("files", self.at.files, BLOB_STORES)(self)
        self._stack.callback(blobs.close)
        return blobs

    def needs_files(self) -> bool:
        """Return whether the lab has files. If so, an empty store of files cannot be its own."""
        if "files" in self.lost:
            return False
        with self.meta.reading() as view:
            return bool(view.conn.execute(text(first_look.HAS_FILES)).scalar())  # type: ignore[attr-defined]

    # What a folder on one disk needs.

    def remove_old_snapshots(self, now: float) -> None:
        """Do nothing: there are no snapshots."""

    def sizes(self) -> Mapping[str, int]:
        with self.meta.reading() as view:
            (size,) = view.conn.execute(text("SELECT pg_database_size(current_database())")).one()  # type: ignore[attr-defined]
        return {"postgresql": size, **(self.points.sizes() if isinstance(self.points, Sized) else {})}

    def unused(self) -> Mapping[str, int]:
        return {}

    def engines(self) -> Mapping[str, EngineCounts]:
        stores = {"postgresql": self.meta, "clickhouse": self.points, "s3": self.blobs}
        counts = {name: getattr(store, "counts", None) for name, store in stores.items()}
        of_shards: Mapping[str, EngineCounts] = getattr(self.points, "engine_counts", {})
        return {**{name: its for name, its in counts.items() if its is not None}, **of_shards}

    def is_settling(self) -> bool:
        return self.points.work_left().to_remove > 0

    def shrink(self, name: str, step: Callable[[], None]) -> None:
        raise ConfigurationError("The engines of a fleet give room back by themselves: there is nothing to shrink.")

    def prepare_for_full(self) -> bool:
        return True

    def free(self, work: Callable[[], T]) -> T:
        return work()

    def is_saving(self) -> bool:
        return False

    def find_damage(self, go_on: Callable[[], bool]) -> list[str]:
        return []

    def disk_total(self) -> int | None:
        return None

    def claim(self) -> None:
        """Note this generation of the lab beside points and files when they are opened."""
        with self.meta.reading() as view:
            self.claims = view.lab_value("generation") or ""

    def adopt(self, lost: Collection[str] = ()) -> None:
        """Give the lab a new generation, and note it beside points and files. Labs that run end themselves. Raises
        StoreError; then it may be called again.

        Args:
            lost: which of "points" and "files" are gone for good. Points are forgotten then; files stay named.
        """
        self.lost = frozenset(lost)
        new = secrets.token_hex(8)
        stores = [store for store in (self.points, self.blobs) if isinstance(store, Noting)]
        with self.meta.writing() as tx:
            tx.set_lab_value("generation", new)
        for store in stores:
            store.note_generation(new)

    def close(self) -> None:
        self._stack.close()


@runtime_checkable
class Noting(Protocol):
    """A store that keeps beside its data which generation of the lab they are of."""

    def note_generation(self, generation: str) -> None: ...


@runtime_checkable
class Sized(Protocol):
    """A store of points that knows how much room it takes."""

    def sizes(self) -> Mapping[str, int]:
        """Return how many bytes each engine has on disk, by the names of `engines`; without those that are away."""


class PostgresMark:
    """A ChangeMark: others are notified of a change.

    Attributes:
        is_heard: whether this process hears of changes by others now. While it does not, `read` returns a new number
            each time.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._changes = 1
        self.is_heard: Callable[[], bool] = lambda: True

    def read(self) -> int:
        if not self.is_heard():
            self._changes += 1
        return self._changes

    def heard(self) -> None:
        self._changes += 1

    def set(self) -> None:
        self._changes += 1
        with contextlib.suppress(StoreError), self._engines.writing() as conn:  # else others hear of it in seconds
            conn.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": CHANGED})


class PostgresFilesLock:
    """A FilesLock: an advisory lock on a connection of its own; for short moments, one of a transaction."""

    def __init__(self, url: URL, engines: Engines) -> None:
        self._url, self._engines = url, engines

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        with self._engines.reading() as conn:
            conn.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": lock_of(IN_USE)})
            yield

    @contextlib.contextmanager
    def removing(self) -> Iterator[None]:
        with self._engines.reading() as conn:
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_of(IN_USE)})
            yield

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        with as_store_error():
            conn = connect_directly(self._url)
        with contextlib.closing(conn):
            with as_store_error():
                conn.execute("SELECT pg_advisory_lock(%s)", [lock_of("files")])
            yield

    @contextlib.contextmanager
    def tried(self) -> Iterator[bool]:
        with as_store_error():
            conn = connect_directly(self._url)
        with contextlib.closing(conn):
            with as_store_error():
                (mine,) = conn.execute("SELECT pg_try_advisory_lock(%s)", [lock_of("files")]).fetchone()
            yield mine


# The stores that several labs can share, by the scheme of their addresses.


def _folder(storage: FleetStorage) -> BlobStore:
    """Open a folder that all labs see at the same path: on one machine, or on a disk that several have mounted."""
    from .folder.shared import SharedFolder

    return SharedFolder(folder_of(storage.at), storage.lab_id, storage.claims, storage.needs_files())


def _clickhouse(storage: FleetStorage) -> PointStore:
    """Open a store of points in ClickHouse. An address with `?cluster=NAME` is a cluster of several servers. If there
    are several addresses, each has some of the runs. What the store must know of its rows is in PostgreSQL.
    """
    from .clickhouse.point_store import ClickHousePointStore
    from .clickhouse.sharded import ShardedPointStore

    places, database = clickhouses_of(storage.at), storage.at.database
    aside, claims, lost = not storage.beside, storage.claims, "points" in storage.lost
    if len(places) > 1:
        return ShardedPointStore(places, database, aside=aside, generation=claims, without=lost)
    ((address, cluster),) = places
    return ClickHousePointStore(address, database, aside=aside, cluster=cluster, generation=claims, without=lost)


def _s3(storage: FleetStorage) -> BlobStore:
    """Open a store of files in a bucket."""
    try:
        from .s3.blob_store import S3BlobStore
    except ImportError:
        raise ConfigurationError(f"What speaks to S3 is not installed: {install_advice('fleet')}.") from None
    from .s3.settings import S3Settings

    blobs = S3BlobStore(S3Settings.of(storage.at.files))

    def claim() -> None:
        blobs.claim(storage.lab_id, storage.claims, storage.needs_files())

    try:
        claim()
    except EngineAwayError as e:
        if not storage.was_there:
            blobs.close()
            raise
        blobs.client.first = claim
        log.warning("%s", e)
    except BaseException:
        blobs.close()
        raise
    return blobs


POINT_STORES: dict[str, Callable[[FleetStorage], PointStore]] = {"clickhouse": _clickhouse, "clickhouses": _clickhouse}
BLOB_STORES: dict[str, Callable[[FleetStorage], BlobStore]] = {"folder": _folder, "s3": _s3}


def _scheme(what: str, address: str, stores: Mapping[str, Callable[[FleetStorage], T]]) -> Callable[[FleetStorage], T]:
    """Return the function that opens the store at an address. Raises ConfigurationError."""
    scheme = address.partition(":")[0].partition("+")[0]
    if scheme not in stores:
        known = " or ".join(f"{name}:…" for name in sorted(stores)) or "of none yet"
        raise ConfigurationError(f"--{what} {shown(address)} is not an address of a store of {what}: give one {known}.")
    return stores[scheme]
