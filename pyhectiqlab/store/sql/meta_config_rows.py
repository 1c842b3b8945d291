"""SQL of the MetaStore for the rows of configs.

Each row is one map. Values that are added to a large config are parts that follow it.

To write a config takes some 4 ms for each MiB. So new values of a large config are put behind it as parts, and merged
when it is read. Once the parts are large, the config is written whole again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from .dialect import upsert
from .merging import merge
from .meta_runs import unpack, unpack_shown
from .meta_schema import attempt_configs, config_parts, runs

LARGE_BYTES = 256 << 10  # a config of so many bytes gets parts
PARTS_MAX = 1000
RUN = 0  # stands in place of an attempt for the run's own config


@dataclass(frozen=True)
class StoredConfig:
    """A config as the database has it. `whole`: a msgpack map; `parts`: msgpack lists of maps, to be merged into it."""

    whole: bytes
    parts: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        return len(self.whole) + sum(map(len, self.parts))

    def takes(self, part: bytes) -> bool:
        """Return whether to put the part behind the others. The time to read grows with the number of values in parts;
        the time to write all anew grows with the config's bytes.
        """
        size = sum(map(len, self.parts)) + len(part)
        return len(self.whole) >= LARGE_BYTES and len(self.parts) < PARTS_MAX and size <= len(self.whole) // 2

    def with_part(self, part: bytes) -> StoredConfig:
        return StoredConfig(self.whole, (*self.parts, part))

    def config(self) -> dict[str, Any]:
        return self._with_parts(unpack(self.whole))

    def shown(self) -> dict[str, Any]:
        """Like `unpack_shown`."""
        return self._with_parts(unpack_shown(self.whole))

    def _with_parts(self, config: dict[str, Any]) -> dict[str, Any]:
        for part in self.parts:
            for values in msgpack.unpackb(part, strict_map_key=False):
                merge(config, values)
        return config


@dataclass(frozen=True)
class ConfigsOfRun:
    """What the database has of a run's configs.

    Attributes:
        own: the run's own config. None: the run has that of its newest attempt.
        newest: the last attempt that logged a config; 0: none did.
        of_newest: the config of that attempt.
        attempts: how many attempts logged one.
    """

    own: StoredConfig | None
    newest: int
    of_newest: StoredConfig | None
    attempts: int

    @property
    def of_run(self) -> StoredConfig | None:
        return self.of_newest if self.own is None else self.own


def configs_of_run(conn: Connection, run_id: str) -> ConfigsOfRun:
    its = attempt_configs.c.run_id == run_id
    last = select(func.max(attempt_configs.c.attempt)).where(its).scalar_subquery()
    count = select(func.count()).select_from(attempt_configs).where(its).scalar_subquery()
    query = select(runs.c.config, attempt_configs.c.attempt, attempt_configs.c.config, count).select_from(
        runs.outerjoin(attempt_configs, its & (attempt_configs.c.attempt == last))
    )
    row = conn.execute(query.where(runs.c.id == run_id)).one_or_none()
    own, newest, of_newest, attempts = row or (None, None, None, 0)
    return ConfigsOfRun(
        _with_parts(conn, run_id, RUN, own), newest or 0, _with_parts(conn, run_id, newest or 0, of_newest), attempts
    )


def config_of_attempt(conn: Connection, run_id: str, attempt: int) -> StoredConfig | None:
    of_attempt = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt == attempt)
    whole = conn.execute(select(attempt_configs.c.config).where(of_attempt)).scalar()
    return _with_parts(conn, run_id, attempt, whole)


def _with_parts(conn: Connection, run_id: str, attempt: int, whole: bytes | None) -> StoredConfig | None:
    if whole is None:
        return None
    if len(whole) < LARGE_BYTES:
        return StoredConfig(whole)
    parts = select(config_parts.c.told).where(_parts(run_id, attempt)).order_by(config_parts.c.part)
    return StoredConfig(whole, tuple(conn.execute(parts).scalars()))


def configs_of_runs(conn: Connection, ids: Sequence[str], bytes_max: int) -> dict[str, dict[str, Any]]:
    """Return the configs of those runs whose config takes at most `bytes_max`, and less than LARGE_BYTES."""

    def of_newest(value: Any) -> Any:
        its = select(value).where(attempt_configs.c.run_id == runs.c.id)
        return its.order_by(attempt_configs.c.attempt.desc()).limit(1).scalar_subquery()

    config = func.coalesce(runs.c.config, of_newest(attempt_configs.c.config))
    size = func.coalesce(func.length(runs.c.config), of_newest(func.length(attempt_configs.c.config)), 0)
    small = size <= min(bytes_max, LARGE_BYTES - 1)  # and so it has no parts
    rows = conn.execute(select(runs.c.id, config).where(runs.c.id.in_(ids), small))
    return {run_id: unpack(whole) for run_id, whole in rows}


def of_all_attempts(conn: Connection, run_id: str) -> dict[str, Any]:
    """Return the configs of a run's attempts, each merged over those before it."""
    its = select(attempt_configs.c.attempt).where(attempt_configs.c.run_id == run_id)
    whole: dict[str, Any] = {}
    for attempt in conn.execute(its.order_by(attempt_configs.c.attempt)).scalars().all():
        stored = config_of_attempt(conn, run_id, attempt)
        if stored is not None:
            merge(whole, stored.config())
    return whole


def attempts_bytes(conn: Connection, run_id: str, but: int | None = None) -> int:
    """Return how many bytes the configs of all attempts of a run take, without the attempt `but`."""
    size = 0
    for table, blob in ((attempt_configs, attempt_configs.c.config), (config_parts, config_parts.c.told)):
        others = (table.c.run_id == run_id) & (table.c.attempt != RUN) & (table.c.attempt != but)
        size += conn.execute(select(func.sum(func.length(blob))).where(others)).scalar() or 0
    return size


def write_config(
    conn: Connection, run_id: str, attempt: int, whole: bytes | None, before: StoredConfig | None = None
) -> None:
    """Write a config, instead of the one before. `whole`: None if the run is to have no config of its own."""
    if attempt == RUN:
        conn.execute(update(runs).where(runs.c.id == run_id).values(config=whole))
    else:
        statement = upsert(conn, attempt_configs)
        statement = statement.on_conflict_do_update(
            index_elements=["run_id", "attempt"], set_={"config": statement.excluded.config}
        )
        conn.execute(statement, {"run_id": run_id, "attempt": attempt, "config": whole})
    if before is not None and before.parts:
        conn.execute(delete(config_parts).where(_parts(run_id, attempt)))


def add_part(conn: Connection, run_id: str, attempt: int, part: bytes) -> None:
    """Put new values behind a config."""
    last = conn.execute(select(func.max(config_parts.c.part)).where(_parts(run_id, attempt))).scalar() or 0
    conn.execute(insert(config_parts), {"run_id": run_id, "attempt": attempt, "part": last + 1, "told": part})


def _parts(run_id: str, attempt: int) -> ColumnElement[bool]:
    return (config_parts.c.run_id == run_id) & (config_parts.c.attempt == attempt)
