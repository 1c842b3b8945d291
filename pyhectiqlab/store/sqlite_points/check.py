"""Checks of points.db, beside a lab or without one: what of it cannot be read, and how far each writer is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ...errors import StoreError
from .arrivals import unpack
from .damage import check_chunks

FIRST_WITH_CHECKSUMS = 3  # schema


def cursors(connection: sqlite3.Connection) -> dict[str, int]:
    """Return, by writer, the last sequence number that the file holds."""
    known: dict[str, int] = dict(connection.execute("SELECT name, cursor FROM writer").fetchall())
    if _has_arrived(connection):
        newest = "SELECT w.name, max(a.last) FROM arrived a JOIN writer w ON w.id = a.writer GROUP BY a.writer"
        for name, last in connection.execute(newest):
            known[name] = max(known[name], last)
    return known


def damage(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield a sentence for each thing that is not as it was written. Reads everything: blocks for as long as that
    takes.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= FIRST_WITH_CHECKSUMS:
        yield from check_chunks(connection)
    if not _has_arrived(connection):
        return
    for number, run, data in connection.execute(
        "SELECT a.id, r.name, a.data FROM arrived a JOIN run r ON r.id = a.run"
    ):
        try:
            unpack(number, run, "", 0, data)
        except StoreError as e:
            yield str(e)


def _has_arrived(connection: sqlite3.Connection) -> bool:
    """Return whether there is such a table. Schema 2 had none."""
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'arrived'").fetchone() is not None
