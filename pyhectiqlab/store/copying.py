"""Databases and files that are read and copied as a whole, durably: for backups and for snapshots before upgrades."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import StoreError
from .notices import MUTED
from .sqlite_files.errors import SQLITE_ERRORS, sentence_of

BUSY_TIMEOUT_S = 30.0


def copy_database(source: Path, target: Path) -> int:
    """Copy a database. Return the bytes of the copy. Everything is read in one step: the copy is of one moment, and a
    running lab's writer goes on meanwhile.
    """
    with reading(source) as there, contextlib.closing(sqlite3.connect(target)) as here:
        there.backup(here, pages=-1)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return target.stat().st_size


@contextlib.contextmanager
def reading(path: Path, still: bool = False) -> Iterator[sqlite3.Connection]:
    """Give a connection that reads. `still`: nobody writes meanwhile, so SQLite need not make files beside the
    database.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' * still}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
        yield connection


def write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def failing_as_store_error(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the disk as StoreError."""
    try:
        yield
    except SQLITE_ERRORS as e:
        raise StoreError(f"{path}: the database cannot be copied ({sentence_of(e)}).") from e
    except OSError as e:
        raise StoreError(f"{e.filename or path}: {e.strerror}.") from e


def mute_notices(lab: Path) -> None:
    """Have the lab of a database, of any schema, send no notices, and forget those that wait: another lab may send
    them.
    """
    with contextlib.closing(sqlite3.connect(lab, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO lab (key, value) VALUES (?, ?)", (MUTED, repr(time.time())))
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'notices'").fetchone():
            connection.execute("DELETE FROM notices")


def renew_generation(lab: Path) -> None:
    """Give a lab's database, of any schema, a new generation id: clients notice that the lab is behind what it acked,
    and send again what they keep.
    """
    with contextlib.closing(sqlite3.connect(lab, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        connection.execute("UPDATE lab SET value = ? WHERE key = 'generation'", (secrets.token_hex(8),))
