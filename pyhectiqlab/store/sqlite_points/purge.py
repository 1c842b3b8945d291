"""Purge of points.db: what deleted runs leave behind, removed in bounded steps."""

from __future__ import annotations

import sqlite3

from .trees import remove_chunks

ROWS_MAX = 256  # rows with blobs that one step removes
SERIES_MAX = 1000

_DELETED_SERIES = "SELECT s.id FROM run JOIN series s ON s.run = run.id WHERE run.deleted LIMIT ?"


def purge_step(connection: sqlite3.Connection) -> tuple[list[int], bool]:
    """Remove some rows of deleted runs, inside an open transaction. Return (the series of these rows, whether there are
    more rows).
    """
    left = ROWS_MAX
    touched: list[int] = []
    for (series,) in connection.execute(_DELETED_SERIES, (SERIES_MAX,)).fetchall():
        touched.append(series)
        left -= _remove_heads(connection, series, left)
        if left > 0:
            left -= _remove_chunks(connection, series, left)
        if left <= 0:
            break
        connection.execute("DELETE FROM series WHERE id = ?", (series,))
    return touched, is_left(connection)


def _remove_heads(connection: sqlite3.Connection, series: int, limit: int) -> int:
    rows = connection.execute("SELECT id FROM head WHERE series = ? LIMIT ?", (series, limit)).fetchall()
    connection.executemany("DELETE FROM head WHERE id = ?", rows)
    return len(rows)


def _remove_chunks(connection: sqlite3.Connection, series: int, limit: int) -> int:
    rows = connection.execute("SELECT id FROM chunk WHERE series = ? LIMIT ?", (series, limit)).fetchall()
    remove_chunks(connection, [row[0] for row in rows])
    return len(rows)


def is_left(connection: sqlite3.Connection) -> bool:
    """Return whether deleted runs still have rows. Recent points do not count."""
    return connection.execute(_DELETED_SERIES, (1,)).fetchone() is not None
