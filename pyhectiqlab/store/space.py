"""Giving space back: free pages of an SQLite database return to the file system, some at a time.

Some free pages are kept: rows come and go all the time, and a file that shrinks and grows again is written twice. A
database of an earlier version cannot shrink in steps: it must be written anew as a whole (shrinking.py).
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

KEPT_PAGES = 2048  # at least: 8 MiB
KEPT_SHARE = 4  # … or a fourth of the file
STEP_PAGES = 256  # 1 MiB: a step costs a sync of the disk, however few it gives back
CUT_BYTES = 1 << 20  # a file may be this much longer than its content
CUT_EVERY_S = 1.0  # between two tries to cut a file, which fail while somebody reads an earlier state
_INCREMENTAL = 2


def prepare(connection: sqlite3.Connection) -> None:
    """Prepare a database without tables so that it can shrink in steps. For any other it takes effect at its next
    VACUUM.
    """
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL").close()


def can_shrink(connection: sqlite3.Connection) -> bool:
    """Return whether free pages can be given back in steps."""
    return _ask(connection, "auto_vacuum") == _INCREMENTAL


def surplus(connection: sqlite3.Connection, whole: bool = False) -> int:
    """Return how many pages are to be given back. `whole`: keep no free pages, as the disk is full."""
    if not can_shrink(connection):
        return 0
    free, pages = _ask(connection, "freelist_count"), _ask(connection, "page_count")
    return free if whole else max(0, free - max(KEPT_PAGES, pages // KEPT_SHARE))


def give_back(connection: sqlite3.Connection, whole: bool = False) -> None:
    """Give some pages back, inside an open transaction. `whole`: as for `surplus`."""
    for _ in range(min(STEP_PAGES, surplus(connection, whole))):
        # One by one: Python takes only the first step of a PRAGMA without columns, and each step gives back one page.
        connection.execute("PRAGMA incremental_vacuum(1)").close()


def is_to_be_cut(connection: sqlite3.Connection, database: Path) -> bool:
    """Return whether the file is much longer than its content. A checkpoint cuts it, unless somebody reads an earlier
    state. Raises OSError.
    """
    content = _ask(connection, "page_count") * _ask(connection, "page_size")
    return os.stat(database).st_size > content + CUT_BYTES


def _ask(connection: sqlite3.Connection, pragma: str) -> int:
    cursor = connection.execute(f"PRAGMA {pragma}")
    try:
        return int(cursor.fetchone()[0])
    finally:
        cursor.close()
