"""What of a database is not as it was written, found by reading its files: for a lab that starts, a backup, a check.

All of it is looked at before SQLite opens the database: SQLite takes a damaged log away as it opens it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from . import wal
from .sums import Sums

_NAMED_MAX = 5


def look(database: Path, complete: bool = True) -> list[str]:
    """Return a sentence for each thing that is damaged. Reads everything, and blocks for as long as that takes. Call it
    while this process has no connection to the database. Raises OSError.

    Args:
        complete: note the sums of pages that have none, so that they are checked the next time.
    """
    if not database.exists():
        return []
    wrong = [f"{database.name}: {what}" for what in (wal.damage(database),) if what]
    for copy in sorted(database.parent.glob(f"{wal.log_of(database).name}.damaged-*")):
        wrong.append(
            f"{database.name}: its log was damaged when the lab started, and some of the newest changes are gone:"
            f" {copy.name} is that log; remove it to hear no more of this"
        )
    sums = Sums(database)
    try:
        pages = sums.wrong()
        if complete:
            sums.complete()
    finally:
        sums.close()
    return wrong + named(database, pages)


def named(database: Path, pages: Sequence[int]) -> list[str]:
    """Return a sentence for the pages that hold other bytes than were written; none where there are none."""
    if not pages:
        return []
    names = ", ".join(map(str, pages[:_NAMED_MAX])) + ", …" * (len(pages) > _NAMED_MAX)
    what = f"pages {names} hold" if len(pages) > 1 else f"page {names} holds"
    return [f"{database.name}: {what} other bytes than were written"]


def keep_damaged_log(database: Path) -> Path:
    """Copy the log, because SQLite is about to remove it. Raises OSError."""
    log = wal.log_of(database)
    copy = log.with_name(f"{log.name}.damaged-{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}")
    shutil.copyfile(log, copy)
    return copy
