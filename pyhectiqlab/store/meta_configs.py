"""SQL of the MetaStore for configs and meta: what each attempt of a run told, and what follows for the run.

An attempt keeps what it told itself, so that the next one hides nothing. The run has all of it, attempt after attempt:
of a value that several told, the newest attempt's counts, however late an older one's arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgpack
from sqlalchemy import Connection, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..protocol import limits
from ..protocol.events import count_values
from .meta import Event, MetaBatch
from .meta_runs import unpack, unpack_shown
from .meta_schema import attempt_configs, run_meta, runs
from .meta_search import index_config

LATE_BYTES_MAX = 1 << 20  # of all attempts' configs, where an earlier attempt tells more: they are merged anew
META_TOLD_BYTES_MAX = 2 * limits.META_BYTES_MAX  # of a run that is older than that bound


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


def merge_some(into: dict[str, Any], new: Mapping[str, Any], room: int) -> tuple[int, bool]:
    """As `merge`, in order, up to the first value that there is no room for. `room`: for how many values there is.

    Returns how much of it is left, and whether all was merged.
    """
    for key, value in new.items():
        inner = into.get(key)
        if isinstance(value, Mapping) and value:
            if not isinstance(inner, dict):
                if room < 1:
                    return room, False
                inner, room = {}, room - 1
            into[key] = inner
            room, whole = merge_some(inner, value, room)
            if not whole:
                return room, False
        else:
            size = count_values(value) - (count_values(inner) if key in into else 0)
            if size > room:
                return room, False
            into[key], room = value, room - size
    return room, True


def replaced_bytes(config: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """How many bytes of a config go when `new` is merged into it."""
    size = 0
    for key in new.keys() & config.keys():
        old, value = config[key], new[key]
        inside = isinstance(old, dict) and isinstance(value, Mapping)
        size += len(msgpack.packb(key)) + (replaced_bytes(old, value) if inside else len(msgpack.packb(old)))
    return size


class _Kept:
    """A config while values are merged into it, within its bounds."""

    def __init__(self, packed: bytes | None) -> None:
        self.config = unpack(packed)
        # At most so many: a value takes a byte, and may replace another. Looked at once more when that is too much.
        self._bytes = self._values = len(packed or b"")
        self._measured = self._counted = self.changed = False

    def add(self, new: Mapping[str, Any], values: int, size: int) -> int:
        """How many of the values it has no room for. `size`: bytes that all of them take."""
        if self._bytes + size > limits.CONFIG_BYTES_MAX and not self._measured:
            self._bytes, self._measured = len(msgpack.packb(self.config)), True
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            size -= replaced_bytes(self.config, new)
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            return values
        if self._values + values > limits.CONFIG_VALUES_MAX and not self._counted:
            self._values, self._counted = count_values(self.config), True
        self._bytes += size
        self.changed = True
        if not self._counted:
            merge(self.config, new)
            self._values += values
            return 0
        room = max(0, limits.CONFIG_VALUES_MAX - self._values)
        left, whole = merge_some(self.config, new, room)
        self._values = limits.CONFIG_VALUES_MAX - left
        return 0 if whole else max(1, values - (room - left))


class ArrivingConfigs:
    """What a transaction's batches tell of configs. Written once for all that arrived: a large config comes in many
    parts, and each would cost the whole.

    Attributes:
        lost: how many values there was no room for, by writer.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.lost: Counter[str] = Counter()
        self._of_attempts: dict[str, dict[int, _Kept]] = {}
        self._writers: dict[tuple[str, int], str] = {}  # the last one that told of an attempt
        self._of_runs: dict[str, _Kept] = {}
        self._newest: dict[str, int] = {}  # the last attempt that told one; 0: none did
        self._late: dict[str, str] = {}  # runs with news of an attempt that is not their newest → by which writer

    def add(self, batch: MetaBatch, event: Event) -> None:
        run_id, attempt, values = batch.run, batch.attempt, event.fields["values"]
        n = event.values or count_values(values) - 1
        if run_id not in self._of_runs:
            self._of_runs[run_id] = _Kept(self._one(select(runs.c.config).where(runs.c.id == run_id)))
            newest = select(func.max(attempt_configs.c.attempt)).where(attempt_configs.c.run_id == run_id)
            self._newest[run_id] = self._one(newest) or 0
        its = self._of_attempts.setdefault(run_id, {})
        if attempt not in its:
            of_attempt = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt == attempt)
            its[attempt] = _Kept(self._one(select(attempt_configs.c.config).where(of_attempt)))
        self._writers[run_id, attempt] = batch.writer
        lost = its[attempt].add(values, n, len(event.packed))
        if attempt >= self._newest[run_id]:
            self._newest[run_id] = attempt
            lost = max(lost, self._of_runs[run_id].add(values, n, len(event.packed)))
        else:
            self._late[run_id] = batch.writer
        if lost:
            self.lost[batch.writer] += lost

    def _one(self, query: Any) -> Any:
        return self._conn.execute(query).scalar()

    def store(self) -> None:
        for run_id, its in self._of_attempts.items():
            for attempt, kept in its.items():
                if kept.changed and not self._store_one(run_id, attempt, kept.config):
                    self.lost[self._writers[run_id, attempt]] += 1
        for run_id, kept in self._of_runs.items():
            whole = self._with_late(run_id) if run_id in self._late else kept.config
            if run_id not in self._late and not kept.changed:
                continue
            if whole is None:
                self.lost[self._late[run_id]] += 1
            else:
                self._conn.execute(update(runs).where(runs.c.id == run_id).values(config=msgpack.packb(whole)))
                index_config(self._conn, run_id, whole)

    def _with_late(self, run_id: str) -> dict[str, Any] | None:
        """What the run has of all its attempts; None where that is too much to be put together again."""
        size = func.sum(func.length(attempt_configs.c.config))
        if (self._one(select(size).where(attempt_configs.c.run_id == run_id)) or 0) > LATE_BYTES_MAX:
            return None
        return of_all_attempts(self._conn, run_id)

    def _store_one(self, run_id: str, attempt: int, config: Mapping[str, Any]) -> bool:
        """False where there is no room for it among those of the other attempts."""
        packed = msgpack.packb(config)
        others = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt != attempt)
        taken = self._one(select(func.sum(func.length(attempt_configs.c.config))).where(others)) or 0
        if taken + len(packed) > limits.CONFIGS_BYTES_MAX:
            return False
        statement = upsert(self._conn, attempt_configs)
        statement = statement.on_conflict_do_update(
            index_elements=["run_id", "attempt"], set_={"config": statement.excluded.config}
        )
        self._conn.execute(statement, {"run_id": run_id, "attempt": attempt, "config": packed})
        return True


def of_all_attempts(conn: Connection, run_id: str) -> dict[str, Any]:
    """The configs of a run's attempts, each merged over those before it."""
    its = select(attempt_configs.c.config).where(attempt_configs.c.run_id == run_id)
    whole: dict[str, Any] = {}
    for config in conn.execute(its.order_by(attempt_configs.c.attempt)).scalars():
        merge(whole, unpack(config))
    return whole


class ConfigsSql:
    """The share of configs and meta of a MetaTransaction over one connection."""

    conn: Connection

    def config(self, run_id: str) -> dict[str, Any]:
        return unpack_shown(self.conn.execute(select(runs.c.config).where(runs.c.id == run_id)).scalar())

    def attempt_config(self, run_id: str, attempt: int) -> tuple[int, dict[str, Any]] | None:
        its = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt <= attempt)
        newest = select(attempt_configs).where(its).order_by(attempt_configs.c.attempt.desc()).limit(1)
        row = self.conn.execute(newest).first()
        return None if row is None else (row.attempt, unpack_shown(row.config))

    def config_attempts(self, run_id: str, limit: int) -> list[int]:
        return self._newest(select(attempt_configs.c.attempt).where(attempt_configs.c.run_id == run_id), limit)

    def meta(self, run_id: str, attempt: int | None = None) -> dict[str, Any]:
        its = select(run_meta.c.key, run_meta.c.value).where(run_meta.c.run_id == run_id)
        if attempt is not None:
            its = its.where(run_meta.c.attempt == attempt)
        found: dict[str, Any] = {}
        size = 0
        with self.conn.execute(its.order_by(run_meta.c.key, run_meta.c.attempt)) as rows:
            for row in rows:
                size += len(row.key) + len(row.value)
                if size > META_TOLD_BYTES_MAX:
                    found["…"] = "The run has more than can be shown."
                    break
                found[row.key] = msgpack.unpackb(row.value, strict_map_key=False)
        return found

    def meta_attempts(self, run_id: str, limit: int) -> list[int]:
        return self._newest(select(run_meta.c.attempt).where(run_meta.c.run_id == run_id).distinct(), limit)

    def _newest(self, attempts: Any, limit: int) -> list[int]:
        """The last of them, upwards."""
        found = self.conn.execute(attempts.order_by(attempts.selected_columns.attempt.desc()).limit(limit))
        return sorted(found.scalars())
