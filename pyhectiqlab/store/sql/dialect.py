"""The differences between SQLite and PostgreSQL in the SQL of the MetaStore: locks, upserts, long lists of values.

On SQLite, one transaction writes at a time (BEGIN IMMEDIATE), so the locks here do nothing. ../CONTRACT.md says which
fact has which lock, and in which order they are taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, Table, Text, any_, cast, func, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite

from .column_types import kept

ROWS_AHEAD = 16  # rows in memory while rows are read one by one, as each may have megabytes


def on_postgresql(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"


def upsert(conn: Connection, table: Table) -> Any:
    """Return an INSERT that takes on_conflict_…, in the connection's dialect."""
    return (postgresql if on_postgresql(conn) else sqlite).insert(table)


def any_of(conn: Connection, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that the column is one of the values, however many there are. They are one parameter. `in_`
    has a parameter for each value, and a statement takes a bounded number of them.
    """
    if on_postgresql(conn):
        return column == any_(literal([kept(value) for value in values], ARRAY(Text())))
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def read_slowly(conn: Connection, query: Select[Any]) -> AbstractContextManager[Iterable[Any]]:
    """Return the rows of a query, to be read one by one: at most ROWS_AHEAD are in memory. Close it."""
    if on_postgresql(conn):  # by a cursor of the server; else the driver would take all rows at once
        return conn.execute(query, execution_options={"yield_per": ROWS_AHEAD})
    return conn.execute(query)


def lists_of(
    conn: Connection, by: ColumnElement[str], columns: Sequence[ColumnElement[str]], condition: ColumnElement[bool]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each value of `by` with its rows' texts in the columns: a JSON list of each column, in the same order. One
    row for many is several times as fast as the rows.
    """
    listed = func.json_agg if on_postgresql(conn) else func.json_group_array
    query = select(by, *(cast(listed(column), Text) for column in columns)).where(condition).group_by(by)
    for value, *lists in conn.execute(query).cursor.fetchall():  # by the database's own cursor: twice as fast
        yield value, lists


def is_in_transaction(conn: Connection) -> bool:
    """Return whether the transaction that was begun is still open, according to the driver."""
    connection: Any = conn.connection.dbapi_connection
    if on_postgresql(conn):
        return bool(connection.info.transaction_status.name == "INTRANS")
    return bool(connection.in_transaction)


# Locks. Each is held until the transaction ends, or until the `undoable` block in which it was taken is undone. The
# functions return whether what was read before may be out of date, and must be read again.


def hold_rows(conn: Connection, key: ColumnElement[str], values: Collection[str], *, to_remove: bool = False) -> bool:
    """Lock the rows with these keys, in the order of the keys: other transactions that hold or change one of them wait.
    `to_remove`: those that keep one, or refer to one, wait, too.
    """
    return _lock(conn, key, values, key_share=not to_remove)


def keep_rows(conn: Connection, key: ColumnElement[str], values: Collection[str]) -> bool:
    """Keep the rows with these keys from being removed until the transaction ends. Several transactions may keep the
    same row, and one that changes it does not wait.
    """
    return _lock(conn, key, values, read=True, key_share=True)


def _lock(
    conn: Connection, key: ColumnElement[str], values: Collection[str], *, read: bool = False, key_share: bool
) -> bool:
    if not values or not on_postgresql(conn):
        return False
    rows = select(key).where(any_of(conn, key, values)).order_by(key)
    conn.execute(rows.with_for_update(read=read, key_share=key_share)).all()
    return True


def exclude(conn: Connection, *fact: str, for_ever: bool = False) -> bool:
    """Lock a fact that has no row yet, such as the name of a run that is to be made: other transactions that exclude
    the same fact wait. `for_ever`: wait without a bound; otherwise the wait ends with an error after a while.
    """
    if not on_postgresql(conn):
        return False
    if for_ever:
        conn.execute(text("SET LOCAL lock_timeout = 0"))
    digest = hashlib.sha256("\0".join(map(kept, fact)).encode()).digest()
    conn.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], "big", signed=True)))).all()
    return True
