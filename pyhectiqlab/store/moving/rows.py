"""Rows of a MetaStore, all of them, from one database to another: tables in the order of their references, ids kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
from sqlalchemy import Connection, Table, delete, func, insert, select, text

from ..sql.dialect import on_postgresql, read_slowly
from ..sql.meta_schema import lab, metadata, migrations

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4 << 20  # some rows have megabytes
TABLES = [table for table in metadata.sorted_tables if table not in (lab, migrations)]


def is_empty(conn: Connection) -> bool:
    return all(conn.execute(select(func.count()).select_from(table)).scalar_one() == 0 for table in TABLES)


def copy(source: Connection, target: Connection, progress: Callable[[str], None]) -> None:
    """Replace the target's rows by those of the source, within the given transactions of both."""
    for table in reversed(TABLES):
        target.execute(delete(table))
    for table in TABLES:
        progress(table.name)
        for rows in _chunks(_rows(source, table)):
            target.execute(insert(table), rows)
        if table.primary_key.columns.keys() == ["id"] and table.c.id.type.python_type is int:
            _set_sequence(target, table, _sequence(source, table))


def update_statistics(conn: Connection) -> None:
    """Have PostgreSQL look at all tables, which its planner takes for empty until autovacuum comes, minutes later."""
    if on_postgresql(conn):
        conn.execute(text("ANALYZE"))


def _rows(conn: Connection, table: Table) -> Iterator[dict[str, Any]]:
    with read_slowly(conn, select(table).order_by(*table.primary_key.columns)) as rows:
        for row in rows:
            yield dict(row._mapping)


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(chunk) == ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _sequence(conn: Connection, table: Table) -> int:
    """Return the highest id that the table ever gave, as far as the database knows."""
    highest: int = conn.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    given: int | None
    if on_postgresql(conn):
        name = conn.execute(text(f"SELECT pg_get_serial_sequence('{table.name}', 'id')")).scalar_one()
        last, called = conn.execute(text(f"SELECT last_value, is_called FROM {name}")).one()
        given = last if called else 0
    elif table.dialect_options["sqlite"]["autoincrement"]:
        asked = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        given = conn.execute(asked, {"name": table.name}).scalar_one_or_none()
    else:
        given = None
    return max(highest, given or 0)


def _set_sequence(conn: Connection, table: Table, last: int) -> None:
    if last == 0:
        return
    if on_postgresql(conn):
        conn.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))
    elif table.dialect_options["sqlite"]["autoincrement"]:
        conn.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        conn.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :last)"), {"name": table.name, "last": last})


def digests(conn: Connection) -> dict[str, tuple[int, str]]:
    """Return how many rows each table has, and their SHA-256."""
    result: dict[str, tuple[int, str]] = {}
    for table in TABLES:
        running, count = hashlib.sha256(), 0
        for row in _rows(conn, table):
            running.update(msgpack.packb(list(row.values())))
            count += 1
        result[table.name] = count, running.hexdigest()
    return result
