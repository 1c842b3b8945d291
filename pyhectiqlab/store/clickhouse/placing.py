"""Placing: on which shard a run is.

PostgreSQL notes the shard of a run when its first points come. It never changes.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import BigInteger, Column, MetaData, Table

from ...errors import StoreError
from ..sql.column_types import Words, kept
from . import facts
from .facts import Facts

KEPT_MAX = 1_000_000  # runs and writers in memory, some 100 MB
RUNS, WRITERS = "points_placed_runs", "points_placed_writers"

metadata = MetaData()
for _name in (RUNS, WRITERS):
    Table(
        _name,
        metadata,
        Column("name", Words, primary_key=True),
        Column("shard", BigInteger, nullable=False),
    )


class Places:
    """Safe for several threads, and for several labs."""

    def __init__(self, its_facts: Facts) -> None:
        self._facts = its_facts
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, int]] = {RUNS: {}, WRITERS: {}}

    def of_runs(self, names: Collection[str]) -> dict[str, int]:
        """Return the shards of those runs that are on one."""
        return self._of(RUNS, names)

    def of_writer(self, name: str) -> int | None:
        return self._of(WRITERS, [name]).get(name)

    def place(self, writers: Mapping[str, str], runs: Collection[str], shards: Sequence[int]) -> dict[str, int]:
        """Return the shard of each run, and put new runs on one of `shards`. All labs that know the same shards choose
        the same one for a run.

        Args:
            writers: writer → its run. A writer is on the shard of its run.

        Raises StoreError where a writer is of another run, which is on another shard.
        """
        known = self._of(RUNS, runs)
        new = [run for run in runs if run not in known]
        known_writers = self._of(WRITERS, writers)
        if new:
            known |= self._put(RUNS, {run: chosen(run, shards) for run in new})
        if new_writers := {name: known[run] for name, run in writers.items() if name not in known_writers}:
            known_writers |= self._put(WRITERS, new_writers)
        for name, run in writers.items():
            if known_writers[name] != known[run]:
                raise StoreError(f"The writer {name} belongs to another run than {run}.")
        return known

    def _of(self, table: str, names: Collection[str]) -> dict[str, int]:
        with self._lock:
            of_table = self._known[table]
            known = {name: of_table[name] for name in names if name in of_table}
        missing = [name for name in names if name not in known]
        if missing:
            as_kept = {kept(name): name for name in missing}
            query = f"SELECT name, shard FROM {table} WHERE name = ANY(:names)"
            with self._facts.reading() as conn:
                rows = facts.all_of(conn, query, names=list(as_kept))
            known |= self._keep(table, {as_kept[name]: shard for name, shard in rows})
        return known

    def _put(self, table: str, wanted: Mapping[str, int]) -> dict[str, int]:
        """Place those that nobody else has placed meanwhile. Return the shard of each."""
        as_kept = {kept(name): name for name in sorted(wanted)}
        insert = f"""INSERT INTO {table} (name, shard)
            SELECT * FROM unnest(CAST(:names AS text[]), CAST(:shards AS bigint[])) ON CONFLICT DO NOTHING"""
        with self._facts.writing() as conn:
            facts.run(conn, insert, names=list(as_kept), shards=[wanted[name] for name in as_kept.values()])
            query = f"SELECT name, shard FROM {table} WHERE name = ANY(:names)"
            rows = facts.all_of(conn, query, names=list(as_kept))
        return self._keep(table, {as_kept[name]: shard for name, shard in rows})

    def _keep(self, table: str, places: dict[str, int]) -> dict[str, int]:
        with self._lock:
            if len(self._known[table]) + len(places) > KEPT_MAX:
                self._known[table].clear()
            self._known[table] |= places
        return places


def chosen(run: str, shards: Sequence[int]) -> int:
    """Return the shard that a new run is put on: each of them gets about as many."""
    digest = hashlib.sha256(run.encode(errors="replace")).digest()[:8]
    return sorted(shards)[int.from_bytes(digest, "little") % len(shards)]
