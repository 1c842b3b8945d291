"""Plan of ingest: what a group of requests does to the stores, checked against cursors; the writer commits it.

Order: the PointStore first (idempotent, durable), then the MetaStore's events, effects and cursors in one transaction.
A crash between the two leaves the MetaStore's cursor behind: the client, never acked, sends the batch again, the
PointStore knows it, and the MetaStore applies its share. So the MetaStore's cursor is the one that is answered, with
what is deferred of it (deferred.py).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ...protocol import limits
from ...store.meta import IngestRun, MetaBatch, MetaTransaction, Writer
from ...store.points import Column, PointBatch, PointStore
from .deferred import Deferred
from .ingest import Batch, Refused, Request

GONE = "The run was deleted."
FULL = f"{limits.WRITERS_MAX:,} processes have written to the run, and it takes no more: use another run."
UNKNOWN = "The lab does not know the run: attach to it again."
MAY_NOT_ADD = "You may no longer add to the project of this run: ask an admin of it."
NOT_YOURS = "The run belongs to somebody else."
MOVED = "The lab's cursor of this writer moved meanwhile"
LOST_POINTS = "The lab lost points of this writer: send them again."
OTHER_STREAM = "The writer belongs to another run, rank or attempt."


@dataclass
class Result:
    writer: str
    status: int
    cursor: int
    error: str = ""

    def answer(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"writer": self.writer, "status": self.status, "cursor": self.cursor}
        return {**fields, "error": self.error} if self.error else fields


@dataclass
class IngestJob:
    """A request of ingest on its way through the writer's thread."""

    request: Request
    user_id: str
    received: float
    cost_s: float = 0.0  # of the writer's time, see pieces.py
    results: list[Result] = field(default_factory=list)
    accepted: list[Batch] = field(default_factory=list)

    def refuse(self, status: int, error: str) -> None:
        """Answer that nothing of it was kept. The answer has no cursors: whoever sends it again gets them."""
        self.accepted = []
        self.results = [Result(batch.writer, status, 0, error) for batch in self.request.batches]

    def part(self, request: Request) -> IngestJob:
        """Return a job for some of its batches."""
        return IngestJob(request, self.user_id, self.received)


@dataclass
class Plan:
    """What a group would do: jobs with their results so far, and the writers' cursors before it.

    `refused`: why a part of the PointStore refused batches, by their writers.
    """

    jobs: Sequence[IngestJob]
    committed: dict[str, int]
    runs: dict[str, IngestRun]
    known: Collection[str] = ()  # writers that the MetaStore knows
    refused: dict[str, str] = field(default_factory=dict)

    def accepted(self) -> Iterable[tuple[IngestJob, Batch]]:
        for job in self.jobs:
            for batch in job.accepted:
                yield job, batch

    def take_back(self, writer: str, cursor: int, status: int, error: str) -> None:
        """Set the writer's cursor back to this one: undo what was decided in the hope that it would be further."""
        for job in self.jobs:
            job.accepted = [batch for batch in job.accepted if batch.writer != writer]
            for index, result in enumerate(job.results):
                if result.writer != writer or result.cursor <= cursor:
                    continue
                if result.status in {200, 409}:
                    job.results[index] = Result(writer, status, cursor, error)
                else:
                    result.cursor = cursor


class Facts(Protocol):
    """What a plan asks the MetaStore: methods of a MetaView."""

    def writers(self, ids: Sequence[str], /) -> dict[str, Writer]: ...
    def run_ids(self, ids: Sequence[str], /) -> dict[str, IngestRun]: ...
    def full_of_writers(self, run_ids: Sequence[str], /) -> set[str]: ...
    def role_in(self, project_id: str, user_id: str, /) -> str | None: ...


def plan(view: Facts, jobs: Sequence[IngestJob], deferred: Deferred) -> Plan:
    """Decide each batch of the group by its run and its writer's cursor. Changes nothing in the store."""
    batches = [b for job in jobs for b in job.request.batches]
    writers = view.writers(sorted({b.writer for b in batches})) if batches else {}
    named = {b.columns.run for b in batches if isinstance(b, Batch)}
    runs = view.run_ids(sorted(named | {row.run for row in writers.values()})) if batches else {}
    streams = {w: (row.run, row.rank, row.attempt) for w, row in writers.items()}
    committed = dict.fromkeys((b.writer for b in batches), 0)
    committed |= {name: deferred.cursor(name, row.cursor) for name, row in writers.items()}
    cursors = dict(committed)
    gets_writers = {b.columns.run for b in batches if isinstance(b, Batch) and b.writer not in streams}
    full = view.full_of_writers(sorted(gets_writers)) if gets_writers else set()
    role_in = functools.cache(view.role_in)  # a request may name hundreds of runs of somebody else's project
    for job in jobs:
        job.results, job.accepted = [], []
        for batch in job.request.batches:
            cursor = cursors[batch.writer]
            status, error = _decide(batch, job.user_id, runs, streams, cursor, role_in)
            if status == 200 and isinstance(batch, Batch) and batch.last > cursor:
                points = batch.columns
                if batch.writer not in streams and points.run in full:
                    job.results.append(Result(batch.writer, 422, 0, FULL))
                    continue
                streams.setdefault(batch.writer, (points.run, points.rank, points.attempt))
                cursor = cursors[batch.writer] = batch.last
                job.accepted.append(batch)
            if status in {403, 404, 410} or not _own(batch.writer, job.user_id, streams, runs):
                cursor = 0  # not theirs to know
            job.results.append(Result(batch.writer, status, cursor, error))
    return Plan(jobs, committed, runs, writers.keys())


def _own(writer: str, user_id: str, streams: dict[str, tuple[str, int, int]], runs: dict[str, IngestRun]) -> bool:
    """Return whether a writer is the user's own, or nobody's yet. Another user's writer is answered like an unknown
    one, so that nobody learns that it exists.
    """
    stream = streams.get(writer)
    if stream is None:
        return True
    run = runs.get(stream[0])
    return run is not None and run.author_id == user_id


def _decide(
    batch: Batch | Refused,
    user_id: str,
    runs: dict[str, IngestRun],
    streams: dict[str, tuple[str, int, int]],
    cursor: int,
    role_in: Callable[[str, str], str | None],
) -> tuple[int, str]:
    if isinstance(batch, Refused):
        return 422, f"The batch cannot be accepted: {batch.reason}."
    points = batch.columns
    run = runs.get(points.run)
    if run is None or (run.author_id != user_id and role_in(run.project_id, user_id) is None):
        return 404, UNKNOWN
    if run.author_id != user_id:
        return 403, NOT_YOURS
    if not run.writable:
        return 403, MAY_NOT_ADD
    if run.deleted:
        return 410, GONE
    if streams.get(batch.writer, (points.run, points.rank, points.attempt)) != (
        points.run,
        points.rank,
        points.attempt,
    ):
        return 422, OTHER_STREAM
    if batch.last <= cursor or batch.first == cursor + 1:
        return 200, ""
    return 409, f"first is {batch.first}, the lab is at {cursor}."


def append_points(points: PointStore, its_plan: Plan) -> dict[str, int]:
    """Make the plan's points durable. Return the writers whose points the PointStore has lost: writer → the cursor it
    has.

    Batches that a part of the store refuses leave the plan, and are answered so.

    Raises StoreError; then nothing of the plan is kept, or everything that the PointStore knows already.
    """
    todo = list(its_plan.accepted())
    if not todo:
        return {}
    behind: dict[str, int] = {}
    results = points.append([batch.columns for _, batch in todo])
    for (_, batch), result in zip(todo, results, strict=True):
        if result.status == "refused":
            its_plan.refused.setdefault(batch.writer, result.why)
        if result.status != "conflict" or batch.writer in behind:
            continue
        # It holds the beginning of this batch, or of the one before it in this group, from before a crash, when the
        # cut was another: the rest is new.
        cursor = points.cursor(batch.writer)
        rest = _behind(batch.columns, cursor) if batch.first <= cursor < batch.last else batch.columns
        again = points.append([rest])[0]
        if again.status == "conflict":
            behind[batch.writer] = again.cursor
    for writer, why in its_plan.refused.items():
        its_plan.take_back(writer, its_plan.committed[writer], 503, why)
    for writer, cursor in behind.items():
        its_plan.take_back(writer, cursor, 409, LOST_POINTS)
    return behind


def _behind(batch: PointBatch, cursor: int) -> PointBatch:
    """Return the part of a batch that comes after `cursor`."""
    columns = []
    for column in batch.columns:
        start = int(np.searchsorted(column.seq, cursor, side="right"))
        if start < len(column.seq):
            columns.append(
                Column(column.key, column.seq[start:], column.step[start:], column.value[start:], column.time[start:])
            )
    return replace(batch, first=cursor + 1, columns=columns)


def _meta_batch(job: IngestJob, batch: Batch) -> MetaBatch:
    return MetaBatch(
        batch.writer,
        batch.columns.run,
        batch.columns.rank,
        batch.columns.attempt,
        job.request.session,
        batch.first,
        batch.last,
        batch.points,
        job.request.clock - job.received,
        batch.events,
    )


def deferrable(its_plan: Plan) -> list[MetaBatch] | None:
    """Return the MetaStore's share where it may be told of it later: every batch is points alone, of a writer that it
    knows.
    """
    batches = [_meta_batch(job, batch) for job, batch in its_plan.accepted()]
    if all(b.points == b.last - b.first + 1 and not b.events and b.writer in its_plan.known for b in batches):
        return batches
    return None


def apply_meta(tx: MetaTransaction, its_plan: Plan, behind: dict[str, int]) -> None:
    """Apply the MetaStore's share: events and their effects, counters, cursors."""
    for writer, cursor in behind.items():
        if cursor < its_plan.committed[writer]:
            tx.set_cursor(writer, cursor)
    moved = tx.apply([_meta_batch(job, batch) for job, batch in its_plan.accepted()], time.time())
    for writer, cursor in moved.items():
        its_plan.take_back(writer, cursor, 409, f"{MOVED}: it is at {cursor}.")
