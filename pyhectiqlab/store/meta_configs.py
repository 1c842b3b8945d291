"""SQL of the MetaStore for configs and meta: what each attempt of a run told, and what follows for the run.

An attempt keeps what it told itself, so that the next one hides nothing. The run has all of it, attempt after attempt:
of a value that several told, the newest attempt's counts, however late an older one's arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import copy
from typing import Any

import msgpack
from sqlalchemy import Connection, delete, func, select, update

from ..protocol import limits
from ..protocol.events import SINGLE_TYPES, count_values
from ..protocol.search import searchable
from .meta import Event, MetaBatch
from .meta_runs import unpack, unpack_shown
from .meta_schema import attempt_configs, config_values, run_meta, runs
from .sql_dialect import upsert

LATE_BYTES_MAX = 1 << 20  # of all attempts' configs, where an earlier attempt tells more: they are merged anew
PATHS_AT_ONCE = 500
META_TOLD_BYTES_MAX = 2 * limits.META_BYTES_MAX  # of a run that is older than that bound


Searchable = Mapping[str, tuple[float | None, str]]  # what `searchable` returns


def merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Deep merge: maps are merged, anything else is replaced by the newer value."""
    for key, value in new.items():
        if isinstance(value, dict):
            old = into.get(key)
            if isinstance(old, dict):
                merge(old, value)
            else:
                into[key] = copied(value)
        else:
            into[key] = value


def copied(config: Mapping[str, Any]) -> dict[str, Any]:
    """Maps within it are new, too: merging into one of two places that got a value does not change the other."""
    found = dict(config)
    for key, value in config.items():
        if isinstance(value, dict):
            found[key] = copied(value)
    return found


def merge_some(into: dict[str, Any], new: Mapping[str, Any], room: int) -> tuple[int, bool]:
    """As `merge`, in order, up to the first value that there is no room for. `room`: for how many values there is.

    Returns how much of it is left, and whether all was merged.
    """
    for key, value in new.items():
        old = into.get(key, _ABSENT)
        if type(value) in SINGLE_TYPES and type(old) in SINGLE_TYPES:
            into[key] = value
            continue
        is_map = isinstance(value, dict)
        if is_map and isinstance(old, dict):
            room, whole = merge_some(old, value, room)
            if not whole:
                return room, False
            continue
        free = room if old is _ABSENT else room + count_values(old)  # without the old value
        size = count_values(value, free)
        if size <= free:
            into[key], room = copied(value) if is_map else value, free - size
        elif is_map and free > 0:
            into[key] = some = dict[str, Any]()
            return merge_some(some, value, free - 1)
        else:
            return room, False
    return room, True


_ABSENT = object()


def replaced_bytes(config: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """How many bytes of a config go when `new` is merged into it, or up to 4 fewer."""
    gone: list[Any] = []
    _add_replaced(gone, config, new)
    return max(0, len(msgpack.packb(gone)) - 5)


def _add_replaced(gone: list[Any], config: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Adds the keys and values that go."""
    for key, value in new.items():
        if key in config:
            gone.append(key)
            old = config[key]
            if isinstance(old, dict) and isinstance(value, dict):
                _add_replaced(gone, old, value)
            else:
                gone.append(old)


class _Kept:
    """A config while values are merged into it, within its bounds. `stored`: what the database has; None: nothing."""

    def __init__(self, stored: bytes | None) -> None:
        self.stored = stored
        self.config = unpack(stored)
        # At most so many: a value takes a byte, and may replace another. Looked at once more when that is too much.
        self._bytes = self._values = len(stored or b"")
        self._measured = self._counted = self._told = False
        self._packed: bytes | None = None  # as it is now; None: not known

    def add(self, new: Mapping[str, Any], values: int, size: int) -> int:
        """How many of the values it has no room for. `size`: bytes that all of them take."""
        if self._bytes + size > limits.CONFIG_BYTES_MAX and not self._measured:
            self._bytes, self._measured = len(msgpack.packb(self.config)), True
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            size -= replaced_bytes(self.config, new)
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            return values
        if self._values + values > limits.CONFIG_VALUES_MAX and not self._counted:
            self._values, self._counted = count_values(self.config) - 1, True
        self._bytes += size
        self._told, self._packed = True, None
        if not self._counted:
            merge(self.config, new)
            self._values += values
            return 0
        room = max(0, limits.CONFIG_VALUES_MAX - self._values)
        left, whole = merge_some(self.config, new, room)
        self._values += room - left
        return 0 if whole else max(1, values - (room - left))

    def copy(self) -> _Kept:
        """Another one that goes on from here."""
        other = copy(self)
        other.config = copied(self.config)
        return other

    def packed(self) -> bytes:
        if self._packed is None:
            self._packed = msgpack.packb(self.config)
        return self._packed

    @property
    def changed(self) -> bool:
        """Whether there is anything to be written."""
        return self._told and self.packed() != self.stored


class _OfRun:
    """The configs of a run that are merged into.

    Attributes:
        kept: the run's own.
        newest: the last attempt that told one; 0: none did.
        found_by: how `config_values` has the run's config.
        attempts: those of its attempts.
        writers: the last one that told of an attempt.
        same: the attempt whose config is the run's so far: both are one object. None: there is none.
        late: by which writer came news of an attempt that is not the newest.
    """

    def __init__(self, kept: _Kept, newest: int) -> None:
        self.kept, self.newest = kept, newest
        self.found_by = searchable(kept.config)
        self.attempts: dict[int, _Kept] = {}
        self.writers: dict[int, str] = {}
        self.same: int | None = None
        self.late: str | None = None

    def add(self, attempt: int, event: Event, values: int) -> int:
        """Merges an event of an attempt in `attempts`. Returns for how many of its values there is no room."""
        its, new, size = self.attempts[attempt], event.fields["values"], len(event.packed)
        lost = its.add(new, values, size)
        if self.same == attempt:
            return lost
        if attempt < self.newest:
            self.late = self.writers[attempt]
            return lost
        if self.same is not None:
            self.kept, self.same = self.kept.copy(), None
        return max(lost, self.kept.add(new, values, size))


class ArrivingConfigs:
    """What a transaction's batches tell of configs. Written once for all that arrived: a large config comes in many
    parts, and each would cost the whole.

    Attributes:
        lost: how many values there was no room for, by writer.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.lost: Counter[str] = Counter()
        self._runs: dict[str, _OfRun] = {}

    def add(self, batch: MetaBatch, event: Event) -> None:
        run = self._runs.get(batch.run) or self._load(batch.run)
        if batch.attempt not in run.attempts:
            self._load_attempt(batch.run, run, batch.attempt)
        run.writers[batch.attempt] = batch.writer
        lost = run.add(batch.attempt, event, event.values or count_values(event.fields["values"]) - 1)
        run.newest = max(run.newest, batch.attempt)
        if lost:
            self.lost[batch.writer] += lost

    def _load(self, run_id: str) -> _OfRun:
        newest = select(func.max(attempt_configs.c.attempt)).where(attempt_configs.c.run_id == run_id)
        kept = _Kept(self._one(select(runs.c.config).where(runs.c.id == run_id)))
        self._runs[run_id] = run = _OfRun(kept, self._one(newest) or 0)
        return run

    def _load_attempt(self, run_id: str, run: _OfRun, attempt: int) -> None:
        of_attempt = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt == attempt)
        stored = self._one(select(attempt_configs.c.config).where(of_attempt))
        if not run.attempts and attempt >= run.newest and stored == run.kept.stored:
            run.attempts[attempt], run.same = run.kept, attempt  # as it is where a run has one attempt
        else:
            run.attempts[attempt] = _Kept(stored)

    def _one(self, query: Any) -> Any:
        return self._conn.execute(query).scalar()

    def store(self) -> None:
        for run_id, run in self._runs.items():
            for attempt, kept in run.attempts.items():
                if kept.changed and not self._store_one(run_id, attempt, kept.packed()):
                    self.lost[run.writers[attempt]] += 1
            kept = run.kept
            if run.late is None:
                if kept.changed:
                    self._store_whole(run_id, run, kept.config, kept.packed())
                continue
            whole = self._with_late(run_id)
            if whole is None:
                self.lost[run.late] += 1
            else:
                self._store_whole(run_id, run, whole, msgpack.packb(whole))

    def _store_whole(self, run_id: str, run: _OfRun, config: dict[str, Any], packed: bytes) -> None:
        self._conn.execute(update(runs).where(runs.c.id == run_id).values(config=packed))
        self._make_findable(run_id, run.found_by, searchable(config))

    def _make_findable(self, run_id: str, before: Searchable, now: Searchable) -> None:
        """Replaces the values of a run's config by which it is found."""
        of_run = config_values.c.run_id == run_id
        gone = list(before.keys() - now.keys())
        for start in range(0, len(gone), PATHS_AT_ONCE):
            some = config_values.c.path.in_(gone[start : start + PATHS_AT_ONCE])
            self._conn.execute(delete(config_values).where(of_run, some))
        new = [
            {"run_id": run_id, "path": path, "number": number, "text": text}
            for path, (number, text) in now.items()
            if before.get(path) != (number, text)
        ]
        if new:
            statement = upsert(self._conn, config_values)
            values = {"number": statement.excluded.number, "text": statement.excluded.text}
            self._conn.execute(statement.on_conflict_do_update(index_elements=["run_id", "path"], set_=values), new)

    def _with_late(self, run_id: str) -> dict[str, Any] | None:
        """What the run has of all its attempts; None where that is too much to be put together again."""
        size = func.sum(func.length(attempt_configs.c.config))
        if (self._one(select(size).where(attempt_configs.c.run_id == run_id)) or 0) > LATE_BYTES_MAX:
            return None
        return of_all_attempts(self._conn, run_id)

    def _store_one(self, run_id: str, attempt: int, packed: bytes) -> bool:
        """False where there is no room for it among those of the other attempts."""
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
