"""What SQLite and PostgreSQL say differently, for the SQL of the MetaStore: locks, upserts, long lists of values.

On SQLite one transaction writes at a time (BEGIN IMMEDIATE), so what takes a lock here does nothing there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def on_postgresql(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"


def upsert(conn: Connection, table: Table) -> Any:
    """An INSERT that takes on_conflict_…, in the connection's dialect."""
    return (postgresql if on_postgresql(conn) else sqlite).insert(table)


def any_of(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether the column is one of them, however many: as one parameter, where `in_` has one for each, of which a
    database takes only so many in a statement.
    """
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


# Locks. Each is held until the transaction ends, or the `undoable` block in which it was taken is undone.


def hold_rows(conn: Connection, key: ColumnElement[str], values: Collection[str]) -> None:
    """Hold the rows with these keys, in the order of the keys: whoever wants to hold or change one of them waits.
    What was read of them before may be out of date; read it again.
    """
    if values and on_postgresql(conn):
        held = select(key).where(any_of(key, values)).order_by(key).with_for_update(key_share=True)
        conn.execute(held).all()


def exclude(conn: Connection, *fact: str) -> None:
    """Hold a fact that has no row yet, such as the name of a run that is to be made: whoever excludes others from the
    same fact waits.
    """
    if on_postgresql(conn):
        digest = hashlib.sha256("\0".join(fact).encode("utf-8", "replace")).digest()
        conn.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], "big", signed=True)))).all()
