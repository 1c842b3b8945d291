"""FleetStorage: a Storage that any number of lab processes share: PostgreSQL, and stores of points and of files that
take several writers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..base.installing import install_advice
from ..errors import ConfigurationError, StoreError
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

T = TypeVar("T")

CONNECTIONS = 16  # that read, of one lab; it has up to seven more
IN_USE = "files in use"  # name of an advisory lock
LAB_ID = "lab"  # a file in a folder of files


@dataclass(frozen=True)
class Addresses:
    """Where the data of several labs are.

    Attributes:
        database: postgresql://USER@HOST/NAME. direct: the same database past a pooler; "": there is none.
        points, files: by what comes before the colon, an entry of POINT_STORES and of BLOB_STORES.
        connections: to the database that read, at most, of each lab.
    """

    database: str
    points: str
    files: str
    direct: str = ""
    connections: int = CONNECTIONS

    def __str__(self) -> str:
        """Where it is, without passwords."""
        return ", ".join(shown(address) for address in (self.database, self.points, self.files))


def shown(address: str) -> str:
    """Return an address without its password, and without what follows its path."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return address.split("?", 1)[0]
    return url.set(query={}).render_as_string(hide_password=True)


class FleetStorage:
    """Opening creates or migrates the tables.

    Args:
        beside: for a command: nothing is migrated, and no duty is taken.

    Raises ConfigurationError, NewerSchemaError, StoreError. Blocks on all three.
    """

    alone = False

    def __init__(self, at: Addresses, beside: bool = False) -> None:
        self.at, self.beside = at, beside
        self.place = str(at)
        self.upgraded: Before | None = None
        self._url = checked_url(at.direct or at.database)
        for what, stores in (("points", POINT_STORES), ("files", BLOB_STORES)):
            _scheme(what, getattr(at, what), stores)
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
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

    # What a folder on one disk needs.

    def remove_old_snapshots(self, now: float) -> None:
        """There are none."""

    def sizes(self) -> Mapping[str, int]:
        with self.meta.reading() as view:
            (size,) = view.conn.execute(text("SELECT pg_database_size(current_database())")).one()  # type: ignore[attr-defined]
        return {"postgresql": size}

    def unused(self) -> Mapping[str, int]:
        return {}

    def engines(self) -> Mapping[str, EngineCounts]:
        stores = {"postgresql": self.meta, "clickhouse": self.points, "s3": self.blobs}
        counts = {name: getattr(store, "counts", None) for name, store in stores.items()}
        return {name: its for name, its in counts.items() if its is not None}

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

    def disk_total(self) -> int | None:
        return None

    def close(self) -> None:
        self._stack.close()


class PostgresMark:
    """A ChangeMark: others are notified of a change.

    Attributes:
        is_heard: whether changes of others are heard of now. While they are not, `read` returns a new number each time.
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
    """A FilesLock: an advisory lock on a connection of its own; for moments, another one of a transaction."""

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


def folder_of(at: Addresses) -> Path:
    """Return the folder that the address of files names. Raises ConfigurationError."""
    folder = Path(at.files.partition(":")[2].removeprefix("//"))
    if not folder.is_absolute():
        raise ConfigurationError(f"--files {at.files}: give a whole path, such as folder:/srv/lab.")
    return folder


def _folder(storage: FleetStorage) -> BlobStore:
    """A folder that all labs see at the same path: of one machine, or on a disk that several have mounted."""
    from .folder.blob_store import FolderBlobStore

    folder = folder_of(storage.at)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = folder / LAB_ID
        with contextlib.suppress(FileExistsError), mark.open("x") as f:
            f.write(f"{storage.lab_id}\n")
        its = mark.read_text().strip()
    except OSError as e:
        raise StoreError(f"{folder} cannot be used ({e.strerror}): name another folder with --files.") from None
    if its and its != storage.lab_id:
        raise ConfigurationError(
            f"{folder} has the files of another lab ({its}; the database is of {storage.lab_id}): name the database or "
            "the folder that belong together."
        )
    return FolderBlobStore(folder / "blobs")


def _clickhouse(storage: FleetStorage) -> PointStore:
    """What it must know of its rows is in PostgreSQL. `?cluster=NAME`: of several servers of ClickHouse."""
    from .clickhouse.point_store import ClickHousePointStore

    where = urlsplit(storage.at.points)
    options = dict(parse_qsl(where.query))
    cluster = options.pop("cluster", "")
    address = where._replace(query=urlencode(options)).geturl()
    return ClickHousePointStore(address, storage.at.database, aside=not storage.beside, cluster=cluster)


def _s3(storage: FleetStorage) -> BlobStore:
    """A bucket."""
    try:
        from .s3.blob_store import S3BlobStore
    except ImportError:
        raise ConfigurationError(f"What speaks to S3 is not installed: {install_advice('fleet')}.") from None
    from .s3.settings import S3Settings

    blobs = S3BlobStore(S3Settings.of(storage.at.files))
    try:
        blobs.claim(storage.lab_id)
    except BaseException:
        blobs.close()
        raise
    return blobs


POINT_STORES: dict[str, Callable[[FleetStorage], PointStore]] = {"clickhouse": _clickhouse, "clickhouses": _clickhouse}
BLOB_STORES: dict[str, Callable[[FleetStorage], BlobStore]] = {"folder": _folder, "s3": _s3}


def _scheme(what: str, address: str, stores: Mapping[str, Callable[[FleetStorage], T]]) -> Callable[[FleetStorage], T]:
    """Return what opens the store at an address. Raises ConfigurationError."""
    scheme = address.partition(":")[0].partition("+")[0]
    if scheme not in stores:
        known = " or ".join(f"{name}:…" for name in sorted(stores)) or "of none yet"
        raise ConfigurationError(f"--{what} {shown(address)} is no address of a store of {what}: give one {known}.")
    return stores[scheme]
