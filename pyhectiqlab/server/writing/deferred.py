"""Deferred: what batches of points alone mean for the MetaStore, which is told of it a moment later.

While many sessions send, the MetaStore would have to change a few rows for each batch: a cursor, a count, a sign of
life. If a batch is points and nothing else, all of this follows from the points themselves. So it is enough that the
PointStore has them before the batch is answered. What is deferred for a writer is one batch, which grows. It is written
with the next change of the MetaStore, or DEFER_S after it began. After a kill it is read back from the PointStore
(store/catching_up.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from ...store.meta import MetaBatch

DEFER_S = 1.0


class Deferred:
    """The writer's thread changes it; any thread may ask."""

    def __init__(self) -> None:
        self._of: dict[str, MetaBatch] = {}  # by writer
        self._since = float("inf")  # monotonic
        self.refused = False  # the MetaStore did not take what was deferred; until it does, nothing more is deferred

    def add(self, batches: Iterable[MetaBatch]) -> None:
        """Add batches. Each follows what is deferred for its writer without a gap."""
        for batch in batches:
            before = self._of.get(batch.writer)
            if before is not None and before.last + 1 == batch.first:
                batch = replace(batch, first=before.first, points=before.points + batch.points)
            self._of[batch.writer] = batch
        if self._of:
            self._since = min(self._since, time.monotonic())

    def batches(self) -> list[MetaBatch]:
        return list(self._of.values())

    def clear(self) -> None:
        """Forget all of it: the MetaStore has it."""
        self._of, self._since, self.refused = {}, float("inf"), False

    def cursor(self, writer: str, known: int) -> int:
        """Return a writer's cursor. `known`: its cursor in the MetaStore."""
        its = self._of.get(writer)
        return its.last if its is not None and its.first == known + 1 else known

    def has(self, run: str) -> bool:
        return any(batch.run == run for batch in self.batches())

    def due_s(self) -> float:
        """Return in how many seconds the MetaStore is to be told, not below 0; infinity: there is nothing."""
        return max(0.0, self._since + DEFER_S - time.monotonic())

    def put_off(self) -> None:
        """Try again later: lab.db could not be told."""
        self._since, self.refused = time.monotonic(), True
