"""Giving space back: pages of points.db that nothing is in return to the file system, some at a time.

SQLite keeps such pages for later. Some are kept here, too, since batches come and go all the time, and a file that
shrinks and grows again is written twice. A database made before schema 4 cannot shrink in steps: it would have to be
written anew as a whole.
"""

from __future__ import annotations

import sqlite3

KEPT_PAGES = 2048  # at least: 8 MiB
KEPT_SHARE = 4  # … or a fourth of the file
STEP_PAGES = 64
_INCREMENTAL = 2


def prepare(connection: sqlite3.Connection) -> None:
    """Before a database has tables."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def surplus(connection: sqlite3.Connection) -> int:
    """How many pages are to be given back."""
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return max(0, free - max(KEPT_PAGES, pages // KEPT_SHARE)) if mode == _INCREMENTAL else 0


def give_back(connection: sqlite3.Connection) -> None:
    """Some pages, inside an open transaction."""
    connection.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
