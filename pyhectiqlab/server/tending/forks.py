"""Forks: the points that a run begins with are copied from the run that it is forked of, by the lab's watch.

They are points of the fork's attempt 0, so the fork's own attempts hide those at steps that they report again. They are
copied, not linked, so that every search, chart and export deals with one run, and the fork keeps them when its parent
is deleted. Each page is a batch of a writer of its own, and ingested like any other. Then it is noted how far the
parent was read. After a kill in between, the same page comes again, and is known by its numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...base import crashpoints
from ...protocol import limits
from ...store.meta import ForkLeft, MetaStore
from ...store.points import Column, PointBatch, PointStore
from ..transacts import Transacts
from ..writing.ingest import Batch, Request
from ..writing.ingest_plan import IngestJob, Result

ATTEMPT = 0  # the attempt of the points that a fork began with
PAGE = 20_000  # points in a batch
SECONDS_MAX = 0.5  # of one turn of the lab's watch
FORKS_MAX = 100  # forks that are looked at in a turn
WAIT_S = 30.0
GONE = (403, 404, 410, 422)  # statuses that say that the fork takes no more points

Ingest = Callable[[IngestJob, int], "Future[list[Result]]"]


@dataclass(frozen=True)
class Place:
    """How far a fork's parent was read.

    Attributes:
        key, rank, attempt: the series that is read; "", before the first one.
        after: the cursor in it; "": at its beginning.
        sent: how many points each rank has got.
    """

    key: str = ""
    rank: int = -1
    attempt: int = -1
    after: str = ""
    sent: Mapping[int, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "sent": dict(self.sent)}


class Forks:
    """For the thread of the watch.

    Args:
        ingest: takes batches, as the writer does.
    """

    def __init__(self, meta: MetaStore, points: PointStore, ingest: Ingest, write: Transacts) -> None:
        self._meta, self._points, self._ingest, self._write = meta, points, ingest, write

    def turn(self, seconds_max: float = SECONDS_MAX) -> bool:
        """Copy points for about so long. Return whether some are left. Block on the stores; raise StoreError,
        BusyError.
        """
        deadline = time.monotonic() + seconds_max
        with self._meta.reading() as view:
            left = view.forks_left(FORKS_MAX)
        waiting = {fork.run for fork in left}
        for fork in left:
            if fork.parent in waiting:  # a fork of a fork: the first one is copied first
                continue
            if not self._copy(fork, deadline):
                return True
            waiting.discard(fork.run)
        return bool(waiting)

    def _copy(self, fork: ForkLeft, deadline: float) -> bool:
        """Return whether all of it is copied."""
        place = Place(**fork.progress)
        for batch, after in self._pages(fork, place):
            if batch is not None and not self._send(fork, batch):
                break
            crashpoints.passing("fork.sent")
            progress = after.as_dict()
            self._write(lambda tx, progress=progress: tx.note_fork(fork.run, progress))  # type: ignore[misc]
            if time.monotonic() >= deadline:
                return False
        self._write(lambda tx: tx.note_fork(fork.run, None))
        return True

    def _pages(self, fork: ForkLeft, place: Place) -> Iterator[tuple[PointBatch | None, Place]]:
        """Yield each page of what is to be copied, and the place behind it. No batch: nothing of the page is."""
        for key, rank, attempt, most in self._series(fork, place):
            if (key, rank, attempt) != (place.key, place.rank, place.attempt):
                place = replace(place, key=key, rank=rank, attempt=attempt, after="")
            while len((page := self._points.points(fork.parent, key, rank, attempt, place.after, PAGE)).step):
                its = page.step <= most
                n, first = int(its.sum()), place.sent.get(rank, 0) + 1
                place = replace(place, after=page.cursor, sent={**place.sent, rank: first + n - 1})
                if not n:
                    yield None, place
                    continue
                column = Column(key, np.arange(first, first + n), page.step[its], page.value[its], page.time[its])
                writer = f"fork-{fork.run}-{rank}"
                yield PointBatch(fork.run, rank, ATTEMPT, writer, first, first + n - 1, [column]), place

    def _series(self, fork: ForkLeft, place: Place) -> Iterator[tuple[str, int, int, int]]:
        """Yield (key, rank, attempt, the last step to copy) from the place on. What newer attempts of the parent hide
        is not copied.
        """
        last = limits.STEP_MAX if fork.step is None else fork.step
        names = [place.key] if place.key else []
        while names := names or [info.key for info in self._points.keys(fork.parent, after=place.key)]:
            for key in names:
                series = sorted(self._points.series(fork.parent, key), key=lambda s: (s.rank or 0, s.attempt or 0))
                for one in series:
                    newer = [s.step_min for s in series if s.rank == one.rank and (s.attempt or 0) > (one.attempt or 0)]
                    most = min([last, *(step - 1 for step in newer)])
                    here = key, one.rank or 0, one.attempt or 0
                    if one.step_min <= most and here >= (place.key, place.rank, place.attempt):
                        yield *here, most
            place, names = Place(key=names[-1]), []

    def _send(self, fork: ForkLeft, batch: PointBatch) -> bool:
        """Return whether the fork takes more."""
        now = time.time()
        events = Batch(batch.writer, batch.first, batch.last, batch, [], batch.last - batch.first + 1)
        job = IngestJob(Request("fork", now, [events]), fork.author_id, now)
        (result,) = self._ingest(job, 40 * (batch.last - batch.first + 1)).result(WAIT_S)
        if result.status == 409 and batch.first <= result.cursor < batch.last:
            # The parent has got more points since the page was sent, and the lab was killed in between.
            (column,) = batch.columns
            new = column.seq > result.cursor
            rest = Column(column.key, column.seq[new], column.step[new], column.value[new], column.time[new])
            return self._send(fork, replace(batch, first=result.cursor + 1, columns=[rest]))
        if result.status not in (200, *GONE):
            raise RuntimeError(f"The fork {fork.run} got {result.status}: {result.error}")
        return result.status == 200
