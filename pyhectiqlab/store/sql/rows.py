"""Insert many rows at once into a table of the MetaStore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

ROWS_AT_ONCE = 60


def insert_new(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all have the same columns. A row whose key is there already is left out.

    SQLite's driver lets other threads run after each statement. With a statement for each row, a commit of hundreds of
    rows waited as often for another thread that decoded. So there, a statement has many rows.
    """
    if conn.dialect.name != "sqlite":
        conn.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)
        return
    names = list(rows[0])
    types = [table.c[name].type.dialect_impl(conn.dialect) for name in names]
    bound = [(name, kind.bind_processor(conn.dialect) or _as_it_is) for name, kind in zip(names, types, strict=True)]
    row = f"({', '.join('?' * len(names))})"
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        values = ", ".join([row] * len(some))
        conn.exec_driver_sql(
            f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {values} ON CONFLICT DO NOTHING",
            tuple(bind(one[name]) for one in some for name, bind in bound),
        )


def _as_it_is(value: Any) -> Any:
    return value
