"""The embedded storage: two SQLite databases and a folder of files in one data folder, for one lab process."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigurationError, DataDirectoryInUseError, StoreError
from . import shrinking, space, upgrading
from .blobs import BlobStore
from .catching_up import catch_up
from .engine_counts import EngineCounts
from .folder.blob_store import FolderBlobStore
from .meta import MetaStore
from .peers import Alone, Peers
from .points import PointStore
from .reserve import BALLAST_BYTES, Ballast, Reserve
from .sql.meta_store import SqlMetaStore
from .sqlite_files import damage, wal
from .sqlite_files.errors import SQLITE_ERRORS, sentence_of
from .sqlite_points import purge
from .sqlite_points.point_store import SqlitePointStore
from .storage import ChangeMark, FilesLock
from .upgrading import DATABASES, META, POINTS

log = logging.getLogger("hectiqlab.server")

T = TypeVar("T")

BLOBS = "blobs"
BUSY_TIMEOUT_S = 5.0
LOOKED_AT_BYTES_MAX = 64 << 20  # when a lab starts, it reads all pages of a database that is not larger


class DataLock:
    """The right to use a data folder: a lock on a file in it, which the kernel keeps while the process lives."""

    def __init__(self, folder: Path) -> None:
        """Raise DataDirectoryInUseError, which names the holder, or StoreError."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(folder / "lab.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StoreError(f"{folder} cannot be used ({e.strerror}): name another folder with --data.") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise DataDirectoryInUseError(
                f"{folder} is in use by the lab with process id {pid}: stop that one, or name another folder with "
                "--data."
            ) from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode(), 0)
        except OSError as e:
            # The lab serves on a full disk, too.
            log.warning("%s: the process id could not be noted (%s)", folder, e.strerror)

    @staticmethod
    def is_held(folder: Path) -> bool:
        """Return whether a process has the right to the data. Makes no file."""
        try:
            fd = os.open(folder / "lab.lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(fd)
        return False

    def release(self) -> None:
        os.close(self._fd)


class FileChangeMark:
    """A ChangeMark: a file whose time says when something last changed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "permissions.changed"

    def read(self) -> int:
        try:
            return os.stat(self._path).st_mtime_ns
        except OSError:
            return 0

    def set(self) -> None:
        with contextlib.suppress(OSError):  # where it fails, keys are looked up again after some seconds
            self._path.touch(mode=0o600)
            now = time.time_ns()
            os.utime(self._path, ns=(now, max(now, self.read() + 1)))


class FileFilesLock:
    """A FilesLock: a lock on a file. One process names and removes files, so a lock of threads is enough for these."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "backup.lock"
        self._naming = threading.Lock()

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        with self._naming:
            yield

    removing = using

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        with self._opened() as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def tried(self) -> Iterator[bool]:
        with self._opened() as fd:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StoreError(f"{self._path} cannot be opened ({e.strerror}).") from None
        try:
            yield fd
        finally:
            os.close(fd)


class EmbeddedStorage:
    """A Storage in one folder. Points and files are opened when they are first used: a command may need neither.

    Args:
        upgrade: migrate data of an earlier version; else OlderSchemaError.
        snapshot: copy the databases before they are migrated.

    Raises DataDirectoryInUseError, NewerSchemaError, OlderSchemaError, StoreError.
    """

    def __init__(self, folder: Path, upgrade: bool = True, snapshot: bool = True) -> None:
        self.place = folder
        self.peers: Peers = Alone()
        self.upgraded: upgrading.Before | None = None
        with contextlib.ExitStack() as stack:
            stack.callback(DataLock(folder).release)
            self._ballast: Ballast | None = Ballast(folder)
            self._reserve = Reserve(folder)
            stack.callback(self._reserve.take)
            stack.callback(self._ballast.take)  # behind the databases, which give back some room when they are closed
            self._look(folder)
            self._on_a_full_disk_too(lambda: self._prepare(folder, upgrade, snapshot))
            for name in DATABASES:
                if (folder / name).exists():
                    shrinking.shrink_at_start(folder / name)
            self._on_a_full_disk_too(lambda: self._open(folder, stack, migrate=True))
            self.prepare_for_full()

    def remove_old_snapshots(self, now: float) -> None:
        for snapshot in upgrading.remove_old(self.place, now):
            log.info("removed %s, which was kept for %d days", snapshot.path, upgrading.KEPT_S / 86_400)

    def _prepare(self, folder: Path, upgrade: bool, snapshot: bool) -> None:
        if upgrade:
            self.upgraded = upgrading.prepare(folder, snapshot)
        else:
            upgrading.refuse_other(folder)

    @property
    def alone(self) -> bool:
        return self._ballast is not None

    def prepare_for_full(self) -> bool:
        if self._ballast is not None:
            self._ballast.take()
            self._reserve.take()
        return not self.is_saving()

    def engines(self) -> Mapping[str, EngineCounts]:
        return {}

    def is_saving(self) -> bool:
        return self._reserve.is_given()

    def free(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except StoreError:
            if not self._reserve.give():
                raise
        log.error("%s is on a full disk: the room that was kept for deleting and purging is used", self.place)
        return work()

    def _on_a_full_disk_too(self, opened: Callable[[], T]) -> T:
        try:
            return opened()
        except StoreError:
            free = shutil.disk_usage(self.place).free
            if self._ballast is None or free >= BALLAST_BYTES[0] or not self._ballast.give():
                raise
        log.error("%s is on a full disk: it is opened with the room that was kept for that", self.place)
        return opened()

    @classmethod
    def beside(cls, folder: Path) -> EmbeddedStorage:
        """Open a storage; see `open_beside` of opening.py."""
        if not (folder / META).is_file():
            raise ConfigurationError(f"{folder} holds no lab: name its folder with --data, or start one first.")
        try:
            its = upgrading.schemas_of(folder)
        except StoreError:  # a full disk: it is read with the room that is kept for that
            its = upgrading.CURRENT
        if its.is_newer or (its.is_older and not DataLock.is_held(folder)):
            upgrading.refuse_other(folder)
        try:
            return cls(folder, upgrade=False)
        except DataDirectoryInUseError:
            pass  # a lab runs: what follows opens its data beside it
        storage = cls.__new__(cls)
        storage.place, storage.peers = folder, Alone()
        storage._ballast = None
        storage._reserve = Reserve(folder)
        storage.upgraded = None
        with contextlib.ExitStack() as stack:
            storage._open(folder, stack, migrate=False)
        return storage

    def _open(self, folder: Path, stack: contextlib.ExitStack, migrate: bool) -> None:
        self.permissions: ChangeMark = FileChangeMark(folder)
        self.files: FilesLock = FileFilesLock(folder)
        self._sql = SqlMetaStore(folder / META, migrate)
        self.meta: MetaStore = self._sql
        stack.callback(self.meta.close)
        self._stack = stack.pop_all()

    @staticmethod
    def _look(folder: Path) -> None:
        """Say what is wrong with the databases, before they are opened. Pages are read of small ones only, which takes
        some 50 ms.
        """
        wrong: list[str] = []
        for database in (folder / name for name in DATABASES):
            try:
                if wal.damage(database):
                    damage.keep_damaged_log(database)
                if _size(database) <= LOOKED_AT_BYTES_MAX:
                    wrong += damage.look(database)
            except OSError as e:
                log.warning("%s could not be looked at for damage (%s)", database, e)
        for what in wrong:
            log.error("The lab's data are damaged: %s. Run `hectiqlab admin check`, and restore a backup.", what)

    @cached_property
    def points(self) -> PointStore:
        points = self._on_a_full_disk_too(lambda: SqlitePointStore(self.place / POINTS, beside=self._ballast is None))
        self._stack.callback(points.close)
        if self.alone:
            points.before_forgetting = lambda: catch_up(self.meta, points)
        return points

    @cached_property
    def blobs(self) -> BlobStore:
        blobs = FolderBlobStore(self.place / BLOBS)
        self._stack.callback(blobs.close)
        return blobs

    def sizes(self) -> Mapping[str, int]:
        return {name: sum(_size(self.place / f"{name}{suffix}") for suffix in ("", "-wal")) for name in DATABASES}

    def unused(self) -> Mapping[str, int]:
        return {name: _unused(self.place / name) for name in DATABASES}

    def is_settling(self) -> bool:
        for name in DATABASES:
            with _reading(self.place / name) as connection:
                if connection is None:
                    continue
                surplus = space.surplus(connection, whole=self.is_saving())
                if surplus or (name == POINTS and purge.is_left(connection)):
                    return True
                if space.is_to_be_cut(connection, self.place / name):
                    return True
        return False

    def shrink(self, name: str, step: Callable[[], None]) -> None:
        if (self.place / name).exists():
            shrinking.shrink(self.place / name, step)

    def find_damage(self, go_on: Callable[[], bool]) -> list[str]:
        return damage.named(self.place / META, self._sql.wrong_pages(go_on))

    def disk_total(self) -> int | None:
        try:
            return shutil.disk_usage(self.place).total
        except OSError:
            return None

    def close(self) -> None:
        self._stack.close()


def _unused(path: Path) -> int:
    """Return how many bytes the free pages of a database take."""
    with _reading(path) as connection:
        if connection is None:
            return 0
        (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        return int(pages * page_bytes)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a connection to read; yields None where there is no such file. Raises StoreError."""
    if not path.exists():
        yield None
        return
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            yield connection
    except SQLITE_ERRORS as e:
        raise StoreError(f"{path}: {sentence_of(e)}.") from e


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
