"""SQL of the MetaStore for configs and meta: what each attempt of a run told, and what follows for the run.

An attempt keeps what it told itself, so that the next one hides nothing. The run has all of it, attempt after attempt:
of a value that several told, the newest attempt's counts, however late an older one's arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..protocol.limits import CONFIG_BYTES_MAX
from .meta_runs import unpack
from .meta_schema import attempt_configs, run_meta, runs
from .meta_search import index_config


def upsert(conn: Connection, table: Table) -> Any:
    """An INSERT that takes on_conflict_…, in the connection's dialect."""
    return (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(table)


def merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Deep merge: maps are merged, anything else is replaced by the newer value."""
    for key, value in new.items():
        old = into.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            merge(old, value)
        else:
            into[key] = copied(value)


def copied(value: Any) -> Any:
    """Maps within it are new, too: merging into one of two places that got a value does not change the other."""
    return {key: copied(v) for key, v in value.items()} if isinstance(value, Mapping) else value


class _Config:
    """A config that is merged into, up to CONFIG_BYTES_MAX."""

    def __init__(self, packed: bytes | None) -> None:
        self.values: dict[str, Any] = unpack(packed)
        self._bytes_max = len(packed or b"")  # packed it has at most so many
        self._is_full = False

    def add(self, values: Mapping[str, Any], size: int) -> bool:
        """Merges values of so many bytes; False, and nothing changed, where that would be too large."""
        if self._bytes_max + size <= CONFIG_BYTES_MAX:
            merge(self.values, values)
            self._bytes_max += size
            return True
        if self._is_full:  # a try costs the whole: one a transaction
            return False
        before = msgpack.packb(self.values)
        merge(self.values, values)
        self._bytes_max = len(msgpack.packb(self.values))  # less than the sum, where it replaces what was there
        if self._bytes_max <= CONFIG_BYTES_MAX:
            return True
        self.values, self._bytes_max, self._is_full = unpack(before), len(before), True
        return False


class ArrivingConfigs:
    """What a transaction's batches tell of configs. Written once for all that arrived: a large config comes in many
    parts, and each would cost the whole.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._of_attempts: dict[str, dict[int, _Config]] = {}
        self._of_runs: dict[str, _Config] = {}
        self._newest: dict[str, int] = {}  # the last attempt that told one; 0: none did
        self._late: set[str] = set()  # runs with news of an attempt that is not their newest

    def add(self, run_id: str, attempt: int, values: Mapping[str, Any], size: int) -> bool:
        """Values of so many bytes, packed. False where the attempt's config or the run's has no room for them: what
        exceeds it is still there, among the run's events.
        """
        if run_id not in self._of_runs:
            self._of_runs[run_id] = _Config(self._one(select(runs.c.config).where(runs.c.id == run_id)))
            newest = select(func.max(attempt_configs.c.attempt)).where(attempt_configs.c.run_id == run_id)
            self._newest[run_id] = self._one(newest) or 0
        its = self._of_attempts.setdefault(run_id, {})
        if attempt not in its:
            of_attempt = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt == attempt)
            its[attempt] = _Config(self._one(select(attempt_configs.c.config).where(of_attempt)))
        if not its[attempt].add(values, size):
            return False
        if attempt < self._newest[run_id]:
            self._late.add(run_id)
            return True
        self._newest[run_id] = attempt
        return self._of_runs[run_id].add(values, size)

    def _one(self, query: Any) -> Any:
        return self._conn.execute(query).scalar()

    def store(self) -> None:
        for run_id, its in self._of_attempts.items():
            for attempt, config in its.items():
                self._store_one(run_id, attempt, config.values)
        for run_id, config in self._of_runs.items():
            whole = of_all_attempts(self._conn, run_id) if run_id in self._late else config.values
            packed = msgpack.packb(whole)
            if len(packed) <= CONFIG_BYTES_MAX:
                self._conn.execute(update(runs).where(runs.c.id == run_id).values(config=packed))
                index_config(self._conn, run_id, whole)

    def _store_one(self, run_id: str, attempt: int, config: Mapping[str, Any]) -> None:
        packed = msgpack.packb(config)
        if len(packed) <= CONFIG_BYTES_MAX:
            statement = upsert(self._conn, attempt_configs)
            statement = statement.on_conflict_do_update(
                index_elements=["run_id", "attempt"], set_={"config": statement.excluded.config}
            )
            self._conn.execute(statement, {"run_id": run_id, "attempt": attempt, "config": packed})


def of_all_attempts(conn: Connection, run_id: str) -> dict[str, Any]:
    """The configs of a run's attempts, each merged over those before it."""
    its = select(attempt_configs.c.config).where(attempt_configs.c.run_id == run_id)
    whole: dict[str, Any] = {}
    for config in conn.execute(its.order_by(attempt_configs.c.attempt)).scalars():
        merge(whole, unpack(config))
    return whole


def set_meta(conn: Connection, run_id: str, attempt: int, key: str, value: Any) -> None:
    its = (run_meta.c.run_id == run_id) & (run_meta.c.attempt == attempt) & (run_meta.c.key == key)
    conn.execute(delete(run_meta).where(its))
    conn.execute(insert(run_meta).values(run_id=run_id, attempt=attempt, key=key, value=msgpack.packb(value)))


class ConfigsSql:
    """The share of configs and meta of a MetaTransaction over one connection."""

    conn: Connection

    def config(self, run_id: str) -> dict[str, Any]:
        return unpack(self.conn.execute(select(runs.c.config).where(runs.c.id == run_id)).scalar())

    def attempt_config(self, run_id: str, attempt: int) -> tuple[int, dict[str, Any]] | None:
        its = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt <= attempt)
        newest = select(attempt_configs).where(its).order_by(attempt_configs.c.attempt.desc()).limit(1)
        row = self.conn.execute(newest).first()
        return None if row is None else (row.attempt, unpack(row.config))

    def config_attempts(self, run_id: str, limit: int) -> list[int]:
        return self._newest(select(attempt_configs.c.attempt).where(attempt_configs.c.run_id == run_id), limit)

    def meta(self, run_id: str, attempt: int | None = None) -> dict[str, Any]:
        its = select(run_meta.c.key, run_meta.c.value).where(run_meta.c.run_id == run_id)
        if attempt is not None:
            its = its.where(run_meta.c.attempt == attempt)
        rows = self.conn.execute(its.order_by(run_meta.c.key, run_meta.c.attempt))
        return {row.key: msgpack.unpackb(row.value, strict_map_key=False) for row in rows}

    def meta_attempts(self, run_id: str, limit: int) -> list[int]:
        return self._newest(select(run_meta.c.attempt).where(run_meta.c.run_id == run_id).distinct(), limit)

    def _newest(self, attempts: Any, limit: int) -> list[int]:
        """The last of them, upwards."""
        found = self.conn.execute(attempts.order_by(attempts.selected_columns.attempt.desc()).limit(limit))
        return sorted(found.scalars())
