"""Remembered: what a plan of ingest asks the MetaStore, kept while nothing changes it.

While many sessions send, the same few writers and runs would be looked up for each commit, which takes longer than all
else that a commit of some points does. What the writer's own transactions change it forgets or follows. What another
process changes (`hectiqlab admin`) counts after KNOWN_S, and as soon as the store's change mark tells of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ...store.meta import IngestRun, MetaBatch, MetaStore, MetaView, Writer
from ...store.storage import ChangeMark
from ..accounts.accounts import CACHE_S

T = TypeVar("T")
KNOWN_S = CACHE_S
KNOWN_MAX = 50_000


class Remembered:
    """For the writer's thread. Its methods are those of a MetaView of the same names; they raise StoreError."""

    def __init__(self, meta: MetaStore, mark: ChangeMark | None) -> None:
        self._meta, self._mark = meta, mark
        self._writers: dict[str, Writer] = {}
        self._runs: dict[str, IngestRun] = {}
        self._until, self._marked = 0.0, 0

    def look(self) -> None:
        """Forget what may have changed. Call it before a plan is made."""
        marked, now = self._mark.read() if self._mark is not None else 0, time.monotonic()
        if now >= self._until or marked != self._marked or len(self._writers) + len(self._runs) > KNOWN_MAX:
            self.forget()
            self._until, self._marked = now + KNOWN_S, marked

    def forget(self) -> None:
        """Forget everything: more was changed than `follow` can tell."""
        self._writers.clear()
        self._runs.clear()

    def follow(self, batches: Iterable[MetaBatch]) -> None:
        """Move the cursors: the MetaStore has these batches now, of writers that it knew."""
        for batch in batches:
            known = self._writers.get(batch.writer)
            if known is not None:
                self._writers[batch.writer] = replace(known, cursor=batch.last)

    def writers(self, ids: Sequence[str]) -> dict[str, Writer]:
        return self._of(self._writers, ids, lambda view, missing: view.writers(missing))

    def run_ids(self, ids: Sequence[str]) -> dict[str, IngestRun]:
        return self._of(self._runs, ids, lambda view, missing: view.run_ids(missing))

    def full_of_writers(self, run_ids: Sequence[str]) -> set[str]:
        with self._meta.reading() as view:
            return view.full_of_writers(run_ids)

    def role_in(self, project_id: str, user_id: str) -> str | None:
        with self._meta.reading() as view:
            return view.role_in(project_id, user_id)

    def _of(
        self, known: dict[str, T], ids: Sequence[str], read: Callable[[MetaView, Sequence[str]], dict[str, T]]
    ) -> dict[str, T]:
        if missing := [name for name in ids if name not in known]:
            with self._meta.reading() as view:
                known.update(read(view, missing))
        return {name: known[name] for name in ids if name in known}
