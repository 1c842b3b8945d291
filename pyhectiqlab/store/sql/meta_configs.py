"""SQL of the MetaStore for configs and meta: what each attempt of a run logged, and what follows for the run.

An attempt keeps what it logged itself, so that the next attempt hides nothing. The run has the values of all attempts.
If several logged a value, that of the newest attempt counts, however late an older one arrives.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import msgpack
from sqlalchemy import Connection, delete, func, select

from ...protocol import limits
from ...protocol.events import count_values
from ...protocol.searchable import searchable
from ..meta import Event, MetaBatch
from .dialect import read_slowly, upsert
from .merging import copied, merge, merge_some, replaced_bytes
from .meta_config_rows import (
    RUN,
    StoredConfig,
    add_part,
    attempts_bytes,
    config_of_attempt,
    configs_of_run,
    configs_of_runs,
    of_all_attempts,
    write_config,
)
from .meta_schema import attempt_configs, config_values, run_meta
from .share import Share

LATE_BYTES_MAX = 1 << 20  # if an earlier attempt logs more, configs are merged again up to so many bytes in all
PATHS_AT_ONCE = 500
RECENT_MAX = 4  # runs whose config stays unpacked …
RECENT_BYTES_MAX = 16 << 20  # … together up to this many bytes packed, and two to ten times as many unpacked
META_TOLD_BYTES_MAX = 2 * limits.META_BYTES_MAX  # of a run that is older than that bound


Searchable = Mapping[str, tuple[float | None, str]]  # what `searchable` returns


class _Kept:
    """A config while values are merged into it, within its bounds. `stored`: what the database has; None: nothing."""

    def __init__(self, stored: StoredConfig | None) -> None:
        self.config: dict[str, Any] = {} if stored is None else stored.config()
        self._counted = False
        self._begin(stored)

    def _begin(self, stored: StoredConfig | None) -> None:
        self.stored = stored
        self.merged: list[Mapping[str, Any]] = []  # what was merged, in order
        # Upper bounds: a value takes at least a byte, and may replace another. They are counted exactly when too large.
        self._bytes, self._measured = 0 if stored is None else stored.size, False
        if not self._counted:
            self._values = self._bytes

    def add(self, new: Mapping[str, Any], values: int, size: int) -> int:
        """Merge values. Return for how many of them there is no room. `size`: bytes that all of them take."""
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            self._measure()
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            size -= replaced_bytes(self.config, new)
        if self._bytes + size > limits.CONFIG_BYTES_MAX:
            return values
        if self._values + values > limits.CONFIG_VALUES_MAX and not self._counted:
            self._values, self._counted = count_values(self.config) - 1, True
        self._bytes += size
        if not self._counted:
            merge(self.config, new)
            self.merged.append(new)
            self._values += values
            return 0
        room = max(0, limits.CONFIG_VALUES_MAX - self._values)
        left, merged = merge_some(self.config, new, room)
        self.merged.append(merged)
        self._values += room - left
        return 0 if merged is new else max(1, values - (room - left))

    def _measure(self) -> None:
        if not self._measured:
            self._bytes, self._measured = len(msgpack.packb(self.config)), True

    def bytes_within(self, most: int) -> bool:
        """Return whether it takes at most so many bytes."""
        if self._bytes > most:
            self._measure()
        return self._bytes <= most

    def copy(self, stored: StoredConfig | None) -> _Kept:
        """Return a copy that goes on from here."""
        other = copy(self)
        other.stored, other.config, other.merged = stored, copied(self.config), list(self.merged)
        return other

    def write(self, conn: Connection, run_id: str, attempt: int) -> bool:
        """Write what is new in it. `attempt`: whose config it is, or RUN. Return whether anything is new."""
        before, new_values = self.stored, [some for some in self.merged if some]
        if before is not None and new_values and before.takes(part := msgpack.packb(new_values)):
            add_part(conn, run_id, attempt, part)
            now = before.with_part(part)
        elif before is None or new_values:
            now = StoredConfig(msgpack.packb(self.config))
            if now != before:
                write_config(conn, run_id, attempt, now.whole, before)
        else:
            now = before
        self._begin(now)
        return now != before


class _Recent:
    """The unpacked configs of the runs that logged a config last, and the values by which these are searched. An entry
    is used again if it is still what the database has, even if the transaction that left it here was rolled back.
    """

    def __init__(self) -> None:
        self._of_runs: OrderedDict[str, tuple[_Kept, Searchable]] = OrderedDict()

    @classmethod
    def of(cls, conn: Connection) -> _Recent:
        if cls not in conn.info:
            conn.info[cls] = cls()
        recent: _Recent = conn.info[cls]
        return recent

    def take(self, run_id: str, stored: StoredConfig | None) -> tuple[_Kept, Searchable]:
        recent = self._of_runs.pop(run_id, None)
        if recent is not None and stored is not None and recent[0].stored == stored:
            return recent
        kept = _Kept(stored)
        return kept, searchable(kept.config)

    def keep(self, run_id: str, kept: _Kept, found_by: Searchable) -> None:
        self._of_runs[run_id] = kept, found_by
        sizes = [kept.stored.size for kept, _ in self._of_runs.values() if kept.stored is not None]
        while len(sizes) > RECENT_MAX or sum(sizes) > RECENT_BYTES_MAX:
            self._of_runs.popitem(last=False)
            del sizes[0]


class _OfRun:
    """The configs of a run into which a transaction merges.

    Attributes:
        own: the run's own config as it was. None: it has that of its newest attempt.
        kept: the run's config as it becomes.
        newest: the last attempt that logged a config; 0: none did.
        attempts: the configs of its attempts.
        writers: the last writer that reported for an attempt.
        same: the attempt whose config is also the run's so far, as one object. None: there is none.
        late: the writer of values for an attempt that is not the newest; None: there were none.
        found_by: the values in `config_values` by which the run is searched.
    """

    def __init__(self, conn: Connection, run_id: str) -> None:
        self.id, self._conn = run_id, conn
        self.attempts: dict[int, _Kept] = {}
        self.writers: dict[int, str] = {}
        self.same: int | None = None
        self.late: str | None = None
        stored = configs_of_run(conn, run_id)
        self.own, self.newest = stored.own, stored.newest
        self.kept, self.found_by = _Recent.of(conn).take(run_id, stored.of_run)
        if stored.of_newest is not None and stored.of_newest == stored.of_run:
            self.attempts[self.newest], self.same = self.kept, self.newest
        self._attempts_before, self._attempts_now = stored.attempts, set[int]()

    def add(self, attempt: int, writer: str, event: Event) -> int:
        """Merge an event of an attempt. Return for how many of its values there is no room."""
        if not self.newest and self.own is None:
            self.attempts[attempt], self.same = self.kept, attempt
        elif attempt not in self.attempts:
            self.attempts[attempt] = _Kept(config_of_attempt(self._conn, self.id, attempt))
        self._attempts_now.add(attempt)
        self.writers[attempt] = writer
        new, size = event.fields["values"], len(event.packed)
        values = event.values or count_values(new) - 1
        lost = self.attempts[attempt].add(new, values, size)
        if attempt < self.newest:
            self.late = writer
        elif attempt != self.same:
            self.set_apart()
            lost = max(lost, self.kept.add(new, values, size))
        self.newest = max(self.newest, attempt)
        return lost

    def is_alone(self, attempt: int) -> bool:
        """Return whether no other attempt logged a config, now or before."""
        return self._attempts_now <= {attempt} and self._attempts_before == (self.attempts[attempt].stored is not None)

    def set_apart(self) -> None:
        """Give the run a config of its own from here on."""
        if self.same is not None:
            self.kept, self.same = self.kept.copy(self.own), None


class ArrivingConfigs:
    """The config events of a transaction's batches. They are written once, together: a large config comes in many
    parts.

    Attributes:
        lost: how many values there was no room for, by writer.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.lost: Counter[str] = Counter()
        self._runs: dict[str, _OfRun] = {}

    def add(self, batch: MetaBatch, event: Event) -> None:
        run = self._runs.get(batch.run)
        if run is None:
            run = self._runs[batch.run] = _OfRun(self._conn, batch.run)
        lost = run.add(batch.attempt, batch.writer, event)
        if lost:
            self.lost[batch.writer] += lost

    def store(self) -> None:
        for run in self._runs.values():
            changed = False
            for attempt, kept in run.attempts.items():
                if not kept.merged:
                    continue
                others = 0 if run.is_alone(attempt) else attempts_bytes(self._conn, run.id, attempt)
                if kept.bytes_within(limits.CONFIGS_BYTES_MAX - others):
                    changed |= kept.write(self._conn, run.id, attempt)
                else:
                    self.lost[run.writers[attempt]] += 1
                    if attempt == run.same:
                        run.set_apart()
            whole = self._with_late(run)
            if whole is not None:
                write_config(self._conn, run.id, RUN, msgpack.packb(whole), run.own)
                self._make_findable(run, whole)
                continue
            if run.same is None:
                changed |= run.kept.write(self._conn, run.id, RUN)
            elif run.own is not None:
                write_config(self._conn, run.id, RUN, None, run.own)
            found_by = self._make_findable(run, run.kept.config) if changed else run.found_by
            if not run.kept.merged:  # else some of it is not stored
                _Recent.of(self._conn).keep(run.id, run.kept, found_by)

    def _with_late(self, run: _OfRun) -> dict[str, Any] | None:
        """Return the config of all attempts of the run, merged, if an event came late. None: no event came late, or the
        configs are too large to be merged again.
        """
        if run.late is None:
            return None
        if attempts_bytes(self._conn, run.id) <= LATE_BYTES_MAX:
            return of_all_attempts(self._conn, run.id)
        self.lost[run.late] += 1
        return None

    def _make_findable(self, run: _OfRun, config: Mapping[str, Any]) -> Searchable:
        """Replace the values by which the run is searched. Return them."""
        before, now = run.found_by, searchable(config)
        of_run = config_values.c.run_id == run.id
        gone = list(before.keys() - now.keys())
        for start in range(0, len(gone), PATHS_AT_ONCE):
            some = config_values.c.path.in_(gone[start : start + PATHS_AT_ONCE])
            self._conn.execute(delete(config_values).where(of_run, some))
        new = [
            {"run_id": run.id, "path": path, "number": number, "text": text}
            for path, (number, text) in now.items()
            if before.get(path) != (number, text)
        ]
        if new:
            statement = upsert(self._conn, config_values)
            values = {"number": statement.excluded.number, "text": statement.excluded.text}
            self._conn.execute(statement.on_conflict_do_update(index_elements=["run_id", "path"], set_=values), new)
        return now


class ConfigsSql(Share):
    """The topic configs and meta of SqlMeta."""

    def config(self, run_id: str) -> dict[str, Any]:
        stored = configs_of_run(self.conn, run_id).of_run
        return {} if stored is None else stored.shown()

    def configs(self, ids: Sequence[str], bytes_max: int) -> dict[str, dict[str, Any]]:
        return configs_of_runs(self.conn, ids, bytes_max)

    def attempt_config(self, run_id: str, attempt: int) -> tuple[int, dict[str, Any]] | None:
        its = (attempt_configs.c.run_id == run_id) & (attempt_configs.c.attempt <= attempt)
        newest = self.conn.execute(select(func.max(attempt_configs.c.attempt)).where(its)).scalar()
        stored = None if newest is None else config_of_attempt(self.conn, run_id, newest)
        return None if newest is None or stored is None else (newest, stored.shown())

    def config_attempts(self, run_id: str, limit: int) -> list[int]:
        return self._newest(select(attempt_configs.c.attempt).where(attempt_configs.c.run_id == run_id), limit)

    def meta(self, run_id: str, attempt: int | None = None) -> dict[str, Any]:
        its = select(run_meta.c.key, run_meta.c.value).where(run_meta.c.run_id == run_id)
        if attempt is not None:
            its = its.where(run_meta.c.attempt == attempt)
        by_key: dict[str, Any] = {}
        size = 0
        with read_slowly(self.conn, its.order_by(run_meta.c.key, run_meta.c.attempt)) as rows:
            for row in rows:
                size += len(row.key) + len(row.value)
                if size > META_TOLD_BYTES_MAX:
                    by_key["…"] = "The run has more than can be shown."
                    break
                by_key[row.key] = msgpack.unpackb(row.value, strict_map_key=False)
        return by_key

    def meta_of_key(self, ids: Sequence[str], key: str) -> dict[str, Any]:
        its = select(run_meta.c.run_id, run_meta.c.value).where(run_meta.c.run_id.in_(ids), run_meta.c.key == key)
        rows = self.conn.execute(its.order_by(run_meta.c.attempt))
        return {row.run_id: msgpack.unpackb(row.value, strict_map_key=False) for row in rows}

    def meta_attempts(self, run_id: str, limit: int) -> list[int]:
        return self._newest(select(run_meta.c.attempt).where(run_meta.c.run_id == run_id).distinct(), limit)

    def _newest(self, attempts: Any, limit: int) -> list[int]:
        """Return the last attempts, in ascending order."""
        newest = self.conn.execute(attempts.order_by(attempts.selected_columns.attempt.desc()).limit(limit))
        return sorted(newest.scalars())
