"""Screen: refuses requests of ingest, on a reader, to whose runs the caller may not add anyway.

The writer decides who may add to a run, in the transaction that adds. But a request for runs of somebody else is
refused there as it is here, and there it takes time of the one thread that everybody waits for.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from ..store.meta import MetaStore
from ..store.storage import ChangeMark
from . import ingest_plan
from .accounts import CACHE_S
from .deferred import Deferred
from .ingest import Batch

KNOWN_MAX = 100_000
NEVER = frozenset({403, 404, 410, 422})  # that another look, or waiting, changes nothing about


class Screen:
    """`passes` is for the event loop, `refuses` for threads."""

    def __init__(self, meta: MetaStore, mark: ChangeMark, deferred: Deferred) -> None:
        self._meta, self._mark, self._deferred = meta, mark, deferred
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
        until = time.monotonic() + CACHE_S
        for batch, result in zip(job.request.batches, job.results, strict=True):
            if isinstance(batch, Batch) and result.status not in NEVER:
                self._added[job.user_id, batch.columns.run] = (until, mark)
        while len(self._added) > KNOWN_MAX:
            self._added.popitem(last=False)
        return all(result.status in NEVER for result in job.results)
