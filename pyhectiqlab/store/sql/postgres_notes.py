"""Notes in PostgreSQL, for several labs.

The table has no write-ahead log: a crash of the server empties it, as a restart does for a lab that is alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from ..notes import Value
from .dialect import exclude
from .engines import Engines, prove_whole

_MAKE = """
CREATE UNLOGGED TABLE IF NOT EXISTS notes (
    kind text NOT NULL, key text NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
    place text NOT NULL, until double precision NOT NULL, value text NOT NULL,
    PRIMARY KEY (kind, key)
)
"""


class PostgresNotes:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def make(self) -> None:
        """Make the table, where it is not there. Raises StoreError."""
        with self._engines.writing() as conn:
            exclude(conn, "schema", for_ever=True)
            if conn.execute(text("SELECT to_regclass('notes')")).scalar() is None:
                conn.execute(text(_MAKE))
                conn.execute(text("CREATE INDEX notes_in_order ON notes (kind, n)"))
            prove_whole(conn)

    @contextmanager
    def of(self, kind: str) -> Iterator[_Kind]:
        with self._engines.writing() as conn:
            exclude(conn, "notes", kind)
            yield _Kind(conn, kind)
            prove_whole(conn)


class _Kind:
    def __init__(self, conn: Connection, kind: str) -> None:
        self._conn, self._kind = conn, kind
        self.now: float = conn.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
        self._do("DELETE FROM notes WHERE kind = :kind AND until <= :now", now=self.now)

    def _do(self, statement: str, **values: object) -> Any:
        return self._conn.execute(text(statement), {"kind": self._kind, **values})

    def get(self, key: str) -> Value | None:
        value = self._do("SELECT value FROM notes WHERE kind = :kind AND key = :key", key=key).scalar()
        return None if value is None else json.loads(value)

    def put(self, key: str, value: Value, until: float, place: str = "") -> None:
        self.remove(key)
        self._do(
            "INSERT INTO notes (kind, key, place, until, value) VALUES (:kind, :key, :place, :until, :value)",
            key=key,
            place=place,
            until=until,
            value=json.dumps(value),  # ASCII alone: PostgreSQL's text has no NUL and no halves of characters
        )

    def remove(self, key: str) -> None:
        self._do("DELETE FROM notes WHERE kind = :kind AND key = :key", key=key)

    def oldest(self, place: str | None = None) -> str | None:
        its = "" if place is None else " AND place = :place"
        key: str | None = self._do(
            f"SELECT key FROM notes WHERE kind = :kind{its} ORDER BY n LIMIT 1", place=place
        ).scalar()
        return key

    def count(self, place: str | None = None) -> int:
        its = "" if place is None else " AND place = :place"
        return int(self._do(f"SELECT count(*) FROM notes WHERE kind = :kind{its}", place=place).scalar_one())

    def items(self) -> list[tuple[str, Value]]:
        rows = self._do("SELECT key, value FROM notes WHERE kind = :kind ORDER BY n")
        return [(row.key, json.loads(row.value)) for row in rows]
