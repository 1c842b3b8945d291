"""SQL of the MetaStore for notes, tags and meta. The events of a transaction's batches are collected and written once.
So thousands of events of one run cost only what they leave behind, and each run keeps to its bounds
(protocol/limits.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgpack
from sqlalchemy import Connection, func, select, update

from ...protocol import limits
from ..meta import MetaBatch
from .column_types import cut_to_bytes, kept
from .dialect import any_of, upsert
from .meta_schema import run_meta, run_tags, runs


def text_of(value: Any, length_max: int = limits.DETAIL_CHARS_MAX) -> str:
    """Return a text, or the text of a number, as it can be kept; "" for anything else."""
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    return kept(text[:length_max])


class ArrivingWords:
    """The notes, tags and meta of a transaction. Call `add_…` for each event, in order, then `store`.

    Attributes:
        lost: how many events had no effect, by (writer, reason).
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.lost: Counter[tuple[str, str]] = Counter()
        self._notes: dict[str, tuple[str, str]] = {}  # run → (text, writer)
        self._tags: dict[str, dict[str, tuple[dict[str, Any], str]]] = {}  # run → name → (row, writer)
        self._meta: dict[str, dict[tuple[int, str], tuple[bytes, str]]] = {}  # run → (attempt, key) → (value, writer)

    def add_note(self, batch: MetaBatch, fields: Mapping[str, Any]) -> None:
        self._notes[batch.run] = text_of(fields.get("text"), 1 << 21), batch.writer

    def add_tag(self, batch: MetaBatch, fields: Mapping[str, Any]) -> None:
        name = text_of(fields["name"], limits.NAME_BYTES_MAX)
        color, description = fields.get("color"), fields.get("description")
        row = {
            "run_id": batch.run,
            "name": name,
            "color": None if color is None else text_of(color, limits.TAG_COLOR_CHARS_MAX),
            "description": None if description is None else text_of(description, limits.TAG_DESCRIPTION_CHARS_MAX),
        }
        self._tags.setdefault(batch.run, {})[name] = row, batch.writer

    def add_meta(self, batch: MetaBatch, fields: Mapping[str, Any]) -> None:
        place = batch.attempt, cut_to_bytes(text_of(fields["key"], limits.KEY_BYTES_MAX))
        self._meta.setdefault(batch.run, {})[place] = msgpack.packb(fields.get("value")), batch.writer

    def store(self) -> None:
        for run_id, (text, writer) in self._notes.items():
            if len(text) > limits.NOTE_CHARS_MAX:
                self.lost[writer, "note_cut"] += 1
            note = text[: limits.NOTE_CHARS_MAX]
            self._conn.execute(update(runs).where(runs.c.id == run_id).values(note=note))
        for run_id, tags in self._tags.items():
            self._store_tags(run_id, tags)
        for run_id, meta in self._meta.items():
            self._store_meta(run_id, meta)

    def _store_tags(self, run_id: str, tags: Mapping[str, tuple[dict[str, Any], str]]) -> None:
        its = run_tags.c.run_id == run_id
        n = self._conn.execute(select(func.count()).where(its)).scalar_one()
        there = set(
            self._conn.execute(select(run_tags.c.name).where(its, any_of(self._conn, run_tags.c.name, tags))).scalars()
        )
        rows = []
        for name, (row, writer) in tags.items():
            if name not in there:
                if n >= limits.TAGS_MAX:
                    self.lost[writer, "tags_full"] += 1
                    continue
                n += 1
            rows.append(row)
        statement = upsert(self._conn, run_tags)
        new = {name: statement.excluded[name] for name in ("color", "description")}
        if rows:
            self._conn.execute(statement.on_conflict_do_update(index_elements=["run_id", "name"], set_=new), rows)

    def _store_meta(self, run_id: str, meta: Mapping[tuple[int, str], tuple[bytes, str]]) -> None:
        its = run_meta.c.run_id == run_id
        size = func.length(run_meta.c.key) + func.length(run_meta.c.value)
        n, taken = self._conn.execute(select(func.count(), func.coalesce(func.sum(size), 0)).where(its)).one()
        named = select(run_meta.c.attempt, run_meta.c.key, size).where(
            its, any_of(self._conn, run_meta.c.key, {key for _, key in meta})
        )
        there = {(attempt, key): int(bytes_) for attempt, key, bytes_ in self._conn.execute(named)}
        rows = []
        for (attempt, key), (value, writer) in meta.items():
            before = there.get((attempt, key))
            more = len(key) + len(value) - (before or 0)
            if (before is None and n >= limits.META_MAX) or (more > 0 and taken + more > limits.META_BYTES_MAX):
                self.lost[writer, "meta_full"] += 1
                continue
            n, taken = n + (before is None), taken + more
            rows.append({"run_id": run_id, "attempt": attempt, "key": key, "value": value})
        statement = upsert(self._conn, run_meta)
        new = {"value": statement.excluded.value}
        if rows:
            self._conn.execute(
                statement.on_conflict_do_update(index_elements=["run_id", "attempt", "key"], set_=new), rows
            )
