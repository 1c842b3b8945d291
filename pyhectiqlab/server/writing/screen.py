"""Screen: refuses requests of ingest, on a reader, to whose runs the caller may not add anyway.

The writer decides who may add to a run, in the transaction that adds. But a request for runs of somebody else is
refused there as it is here, and there it takes time of the one thread that everybody waits for. What the writer has
just answered says the same, and so does an attach: only what neither has said costs a look at the database.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from ...store.meta import MetaStore
from ...store.storage import ChangeMark
from . import ingest_plan
from .deferred import Deferred
from .ingest import Batch

KNOWN_MAX = 100_000
KNOWN_S = 60.0  # after which it is looked up again who may add to a run, though no permission has changed
NEVER = frozenset({403, 404, 410, 422})  # that another look, or waiting, changes nothing about
MAY_ADD = frozenset({200, 409})


class Screen:
    """`passes` is for the event loop, `refuses` for threads."""

    def __init__(self, meta: MetaStore, mark: ChangeMark, deferred: Deferred) -> None:
        self._meta, self._mark, self._deferred = meta, mark, deferred
        self._lock = threading.Lock()
        self._added: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()  # (user, run) → (until, mark)

    def passes(self, job: ingest_plan.IngestJob) -> bool:
        """Return whether its user could add to each of its runs lately, which is nearly always so. Never blocks."""
        mark, now = self._mark.read(), time.monotonic()
        for batch in job.request.batches:
            if not isinstance(batch, Batch):
                return False
            until, its_mark = self._added.get((job.user_id, batch.columns.run), (0.0, 0))
            if until < now or its_mark != mark:
                return False
        return True

    def refuses(self, job: ingest_plan.IngestJob) -> bool:
        """Return whether nothing of it can be added; `job.results` say why then. Blocks on the database for a few
        queries, however many runs there are. Raises StoreError.
        """
        mark = self._mark.read()
        with self._meta.reading() as view:
            ingest_plan.plan(view, [job], self._deferred)
        self._note_results(job, mark)
        return all(result.status in NEVER for result in job.results)

    def note_answered(self, job: ingest_plan.IngestJob) -> None:
        """Learn from what the writer answered. Never blocks."""
        self._note_results(job, self._mark.read())

    def note_attached(self, user_id: str, run: str) -> None:
        """Learn that the user may add to a run. Never blocks."""
        self._note(user_id, run, self._mark.read())

    def _note_results(self, job: ingest_plan.IngestJob, mark: int) -> None:
        for batch, result in zip(job.request.batches, job.results, strict=False):  # none where the queue was full
            if isinstance(batch, Batch) and result.status in NEVER | MAY_ADD:
                self._note(job.user_id, batch.columns.run, mark if result.status in MAY_ADD else None)

    def _note(self, user_id: str, run: str, mark: int | None) -> None:
        """Note that the user may add to a run, by the permissions of `mark`; None: may not."""
        with self._lock:
            self._added.pop((user_id, run), None)
            if mark is not None:
                self._added[user_id, run] = (time.monotonic() + KNOWN_S, mark)
                if len(self._added) > KNOWN_MAX:
                    self._added.popitem(last=False)
