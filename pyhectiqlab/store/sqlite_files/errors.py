"""What SQLite raises, and what it says then.

SQLite's sentence quotes a damaged name of a table or an index as it is. Where the bytes are not UTF-8, Python cannot
make an error of that sentence, and raises UnicodeDecodeError in its place.
"""

from __future__ import annotations

import sqlite3

SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)


def sentence_of(error: BaseException) -> str:
    """Return what SQLite says, with signs of replacement for what is not UTF-8."""
    if isinstance(error, UnicodeDecodeError):
        return bytes(error.object).decode("utf-8", "replace")
    return str(error)
