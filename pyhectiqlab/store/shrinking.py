"""Shrinking: a database is written anew without its free pages, once; from then on it gives them back by itself.

This is for databases that were made before they could give back pages (space.py). SQLite's VACUUM does it in one
transaction, so a kill at any moment leaves the database as it was, or as it is to be. Other writers wait, or get the
error that the database is locked.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from ..base import crashpoints
from ..base.texts import size_text
from ..errors import StoreError
from . import space
from .sqlite_files.checkpoints import Checkpoints
from .sqlite_files.errors import SQLITE_ERRORS, sentence_of

log = logging.getLogger("hectiqlab.server")

AT_START_BYTES = 64 << 20  # of what is in use: a second, for which a lab that starts may wait
SPARE_BYTES = 64 << 20
STEP_INSTRUCTIONS = 10_000  # of SQLite's virtual machine, between two calls of `step`
BUSY_TIMEOUT_S = 30.0


def shrinks_by_itself(path: Path) -> bool:
    """Return whether the database gives free pages back by itself. Raises StoreError."""
    with _opened(path) as connection:
        return space.can_shrink(connection)


def room_needed(path: Path) -> int:
    """Return the bytes that the disk must have free: for the new file, and the log through which it replaces the old
    one. Raises StoreError.
    """
    with _opened(path) as connection:
        return 2 * _used(connection) + SPARE_BYTES


def shrink(path: Path, step: Callable[[], None] = lambda: None) -> None:
    """Write the database anew. Call `step` now and then. Block as long as that takes. Raises StoreError, also where the
    disk has too little room, or somebody uses the database.
    """
    needed, free = room_needed(path), shutil.disk_usage(path.parent).free
    if free < needed:
        raise StoreError(
            f"{path.name} is written anew beside the old one, which needs {size_text(needed)}, and the disk has "
            f"{size_text(free)}: make room first."
        )

    def progress() -> None:
        step()
        crashpoints.passing("upkeep.shrinking")

    with _opened(path) as connection:
        space.prepare(connection)
        connection.set_progress_handler(progress, STEP_INSTRUCTIONS)
        with _temporary_files_in(connection, path.parent):
            connection.execute("VACUUM")
        connection.set_progress_handler(None, 0)


def shrink_at_start(path: Path) -> None:
    """Shrink a small database that does not shrink by itself, if the disk has room. Raises nothing: if something is
    wrong with the database, whoever opens it next gets the error.
    """
    try:
        with _opened(path) as connection:
            if space.can_shrink(connection) or _used(connection) > AT_START_BYTES:
                return
        if shutil.disk_usage(path.parent).free > room_needed(path):
            shrink(path)
            log.info("%s was written anew: from now on it shrinks by itself", path)
    except (StoreError, OSError) as e:
        log.warning("%s was not written anew, and does not shrink by itself: %s", path, e)


def _used(connection: sqlite3.Connection) -> int:
    pages, free, page_bytes = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page_bytes


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with contextlib.ExitStack() as stack:
            checkpoints = Checkpoints(path)
            stack.callback(checkpoints.close)
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            stack.callback(connection.close)
            connection.execute("PRAGMA wal_autocheckpoint = 0").close()
            stack.callback(checkpoints.before_close, connection)
            yield connection
    except SQLITE_ERRORS as e:
        raise StoreError(f"{path} cannot be written anew ({sentence_of(e)}): nothing was changed.") from e


@contextlib.contextmanager
def _temporary_files_in(connection: sqlite3.Connection, folder: Path) -> Iterator[None]:
    """Set where the new file is written first: on the same disk, whose room was looked at, and not in /tmp. An SQLite
    that does not know this any more chooses by itself. For a process whose other threads use no SQLite meanwhile.
    """
    name = str(folder.absolute()).replace("'", "''")
    connection.execute(f"PRAGMA temp_store_directory = '{name}'").fetchall()
    try:
        yield
    finally:
        connection.execute("PRAGMA temp_store_directory = ''").fetchall()
