"""Totals: what costs a look at every run and every file, looked up again only now and then."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from ...store.storage import Storage
from ...store.totals import ProjectTotals

SHARE = 0.02  # of the time goes into looking, at most


@dataclass(frozen=True)
class Totals:
    """Of one moment. Bytes by name; `unused`: of databases."""

    projects: list[ProjectTotals]
    runs_by_state: dict[str, int]
    deleted_runs: int
    sizes: dict[str, int]
    unused: dict[str, int]
    files: int


class TotalsCache:
    """Safe for several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._known: Totals | None = None
        self._good_until = 0.0  # monotonic

    def get(self) -> Totals:
        """Blocks on the databases: milliseconds for a thousand runs. Raises StoreError."""
        with self._lock:
            began = time.monotonic()
            if self._known is None or began >= self._good_until:
                self._known = totals_of(self._storage)
                now = time.monotonic()
                self._good_until = now + (now - began) / SHARE
            return self._known


def totals_of(storage: Storage) -> Totals:
    """Blocks as `TotalsCache.get`."""
    with storage.meta.reading() as view:
        return Totals(
            view.project_totals(),
            dict(view.runs_by_state()),
            view.deleted_runs(),
            dict(storage.sizes()),
            dict(storage.unused()),
            view.stored_bytes(),
        )
