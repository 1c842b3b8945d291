"""The writer thread: the only one that changes the stores. It commits all that waits at once, and answers all.

What waits, and how long to gather it, is in waiting_jobs.py. Between commits the writer lets the PointStore compact:
shortly when there is much to do, longer when there is nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from ...base import crashpoints
from ...base.loops import Loop, Trouble
from ...errors import OutcomeUnknownError, StoreError
from ...store.catching_up import tell, untold
from ...store.meta import Changes, MetaStore, MetaTransaction
from ...store.points import PointStore
from ...store.storage import ChangeMark
from ..transacts import WriteFunction
from . import ingest_plan
from .deferred import Deferred
from .inserts import Inserts
from .jobs import Ingest, InPieces, Job, Write
from .refusals import Refusals
from .remembered import Remembered
from .waiting_jobs import WaitingJobs

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")

APART_S = 2.0  # for how long the jobs of a group that failed are tried apart, before those left are refused
COMPACT_BUDGET_S = 0.05
COMPACT_SHARE = 0.5  # of the time that a commit took, after it
LULL_S = 0.02
IDLE_S = 0.5


class Writer:
    """A thread between `start` and `stop`.

    Args:
        committed: called on this thread after each commit with what it changed, the jobs of ingest that it
            answered, and how many seconds it took.
        refusals: noted what the stores refused.
        mark: tells that another process changed who may do what; None: there is none.
        is_saving: see Storage; meanwhile ingest is refused.
        defers: whether the MetaStore may be told of points a moment after they were answered: nobody else writes.
        inserts: how often points are stored; None: with each commit.
    """

    def __init__(
        self,
        meta: MetaStore,
        points: PointStore,
        committed: Callable[[Changes, Sequence[ingest_plan.IngestJob], float], None],
        refusals: Refusals,
        mark: ChangeMark | None = None,
        is_saving: Callable[[], bool] = lambda: False,
        defers: bool = True,
        inserts: Inserts | None = None,
    ) -> None:
        self._jobs = WaitingJobs(inserts)
        self._refusals, self._is_saving, self._defers = refusals, is_saving, defers
        self._meta, self._points, self._committed = meta, points, committed
        self._more, self._lull = True, False
        self._saved = False  # whether it was saving room when it last compacted
        self._compact_at = 0.0  # monotonic: not before, after it failed
        self.deferred, self._remembered = Deferred(), Remembered(meta, mark)
        if defers:
            with meta.reading() as view:
                self.deferred.add(untold(view, points))  # by a lab that was killed
        points.before_forgetting = self._catch_up
        self.loop = Loop("writer", self._turn, log.error, log.warning)
        self.compaction = Trouble("compaction", log.error, log.warning)

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        """Commit what waits, refuse what comes later, and end the thread. Blocks until then. Safe twice."""
        self._jobs.close()
        self.loop.hurry()
        self.loop.join()

    def is_crowded(self) -> bool:
        """Return whether many sessions send."""
        return self._jobs.is_crowded()

    @property
    def waiting(self) -> int:
        """Jobs that nobody has taken yet."""
        return len(self._jobs)

    def ingest(self, job: ingest_plan.IngestJob, size: int) -> Future[list[ingest_plan.Result]]:
        """Never blocks. Raises BusyError where the queue is full. `size`: bytes that the job keeps in memory."""
        return self._jobs.put(Ingest(job, size) if job.cost_s <= self._jobs.long_s else InPieces(job, size))

    def write(self, function: WriteFunction[T], urgent: bool = True) -> Future[T]:
        """Run `function` in a transaction; what it returns or raises comes once that is durable. What is not urgent
        waits, while many sessions send, as their ingest does.

        Never blocks. Raises BusyError where the queue is full.
        """
        return self._jobs.put(Write(function, urgent))

    def _turn(self) -> float | None:
        due_s = self.deferred.due_s()
        # Whoever was acked just now is likely to send more at once: compaction does not jump in at once.
        idle_s = LULL_S if self._lull else 0.0 if self._more else min(IDLE_S, due_s)
        group, long = self._jobs.take(idle_s, due_s)
        ends = not group and long is None and self._jobs.closing and not self._jobs
        self._lull = bool(group or long)
        if group or long:
            began = time.monotonic()
            if group:
                self._commit(group)
            if long is not None:  # a piece of one of them each time, so that nobody waits for more than that
                self._commit_piece(long)
            self._jobs.note_commit()
            # A share of the time even when something always waits, or the unsorted heads would grow for ever.
            self._more = self._compact(min(COMPACT_BUDGET_S, COMPACT_SHARE * (time.monotonic() - began)))
        elif not ends:
            self._more = self._compact(COMPACT_BUDGET_S)
        if not self.deferred.due_s() or ends:
            self._catch_up_soon()
        return None if ends else 0.0

    def _commit_piece(self, job: InPieces) -> None:
        """Commit the next piece of a request, which then waits again."""
        began = time.monotonic()
        try:
            piece = job.next_piece()
        except BaseException as e:
            _refuse([job], e)
            return
        self._commit([piece])
        self._jobs.put_back(job, time.monotonic() - began)

    def _compact(self, budget_s: float) -> bool:
        saving = self._is_saving()
        if time.monotonic() < self._compact_at and saving == self._saved:
            return False
        self._saved = saving
        try:
            more = self._points.maintain(budget_s, saving) or self._meta.maintain(budget_s, saving)
        except BaseException as e:  # whatever it is, writing goes on
            self.compaction.failed(e)
            self._compact_at = time.monotonic() + self.compaction.pause_s
            return False
        self.compaction.worked()
        return more

    def _commit(self, group: Sequence[Job]) -> None:
        """Commit the group at once. Where anything of it fails in a way that is not its own answer (an error of a
        database, a defect of ours), nothing of the group is kept, and its halves are tried, down to the single batch:
        what cannot be done is refused, and nobody beside it. Where nobody knows whether it was kept, only ingest is
        tried again, which is known when it comes twice.

        Never raises, and answers every job: afterwards, when what it did is durable, or when it is surely undone.
        """
        group = self._refuse_while_saving(group)
        if not group:
            return
        deadline = time.monotonic() + APART_S
        parts: list[Sequence[Job]] = [group]
        while parts:
            some = parts.pop()
            try:
                self._commit_whole(some)
            except BaseException as e:  # also a SystemExit in a job: the writer goes on
                apart = _halves(some) if time.monotonic() < deadline else []
                if isinstance(e, OutcomeUnknownError):
                    _refuse([job for job in some if not isinstance(job, Ingest)], e)
                    some = [job for job in some if isinstance(job, Ingest)]
                    apart = [some] if some and time.monotonic() < deadline else []
                if not apart:
                    if isinstance(e, StoreError):
                        self._refusals.refused(e, max(1, len(some)))
                    _refuse(some, e)
                parts += reversed(apart)

    def _refuse_while_saving(self, group: Sequence[Job]) -> Sequence[Job]:
        """Refuse ingest while room is kept for what makes room. Return what is left of the group."""
        if not self._is_saving():
            return group
        ingest = [job for job in group if isinstance(job, Ingest)]
        if ingest:
            error = StoreError("The lab's disk is full: it takes data again once there is room.")
            self._refusals.refused(error, len(ingest))
            _refuse(ingest, error)
        return [job for job in group if not isinstance(job, Ingest)]

    def _commit_whole(self, group: Sequence[Job]) -> None:
        """Commit all, then answer. Raises whatever went wrong: then nothing of it was kept and nobody answered, but
        points, which the PointStore knows when they come again.
        """
        ingest = [job for job in group if isinstance(job, Ingest)]
        began = time.monotonic()
        answers: list[tuple[Job, Any, Exception | None]] = []
        may_defer = self._may_defer(group)
        if may_defer:
            self._remembered.look()
            its_plan = ingest_plan.plan(self._remembered, [job.job for job in ingest], self.deferred)
        else:
            with self._meta.reading() as view:
                its_plan = ingest_plan.plan(view, [job.job for job in ingest], self.deferred)
        if ingest:
            crashpoints.passing("lab.planned")
        behind = ingest_plan.append_points(self._points, its_plan)
        self._refusals.refused_in_part(len(its_plan.refused))
        if ingest:
            crashpoints.passing("lab.points")
        later = ingest_plan.deferrable(its_plan) if may_defer and not behind else None
        if later is not None:
            self.deferred.add(later)
            changes = Changes()
            crashpoints.passing("lab.deferred")
        else:
            with self._meta.writing() as tx:
                tell(tx, self.deferred.batches())  # first: what follows stands on it
                if ingest:
                    ingest_plan.apply_meta(tx, its_plan, behind)
                for job in group:
                    if isinstance(job, Write):
                        answers.append((job, *_run(tx, job.function)))
            self.deferred.clear()
            self._remembered.forget()
            changes = tx.changes
        if ingest:
            crashpoints.passing("lab.committed")
        for job in ingest:
            job.answer(job.job.results)
        for job, result, error in answers:
            job.answer(result, error)
        try:
            self._committed(changes, [job.job for job in ingest], time.monotonic() - began)
        except Exception:
            log.exception("live updates failed")  # the commit stands; pages see it when they look next

    def _may_defer(self, group: Sequence[Job]) -> bool:
        """Return whether the MetaStore may be told later of what a group brings, if that is points alone."""
        if not self._defers or self.deferred.refused or not all(isinstance(job, Ingest) for job in group):
            return False
        return self._jobs.is_crowded() and not self._jobs.closing

    def _catch_up(self) -> None:
        """Tell the MetaStore what is deferred. Blocks until that is durable. Raises StoreError."""
        batches = self.deferred.batches()
        if not batches:
            return
        with self._meta.writing() as tx:
            all_new = tell(tx, batches)
        self.deferred.clear()
        if all_new:
            self._remembered.follow(batches)
        else:
            self._remembered.forget()

    def _catch_up_soon(self) -> None:
        """The same; where it fails, it is tried again after a while, or when the lab starts the next time."""
        try:
            self._catch_up()
        except Exception as e:
            self.deferred.put_off()
            self._refusals.refused(e)


def _run(tx: MetaTransaction, function: WriteFunction[Any]) -> tuple[Any, Exception | None]:
    """Return the function's result, or the exception that undid what it had changed and is its answer. Raises what is
    no answer: StoreError, and where the transaction is no longer whole.
    """
    try:
        with tx.undoable():
            result, error = function(tx), None
    except StoreError:
        raise
    except Exception as e:
        result, error = None, e
    tx.prove_whole()  # after each: what the next one did would be kept piece by piece
    return result, error


def _halves(group: Sequence[Job]) -> list[Sequence[Job]]:
    """Return what to try apart: halves of the group, then the batches of a request; nothing where there is but one
    thing.
    """
    if len(group) > 1:
        middle = len(group) // 2
        return [group[:middle], group[middle:]]
    job = group[0]
    if isinstance(job, Ingest) and len(job.job.request.batches) > 1:
        return [job.split()]
    return []


def _refuse(group: Sequence[Job], error: BaseException) -> None:
    if not isinstance(error, StoreError):
        log.error("a write failed", exc_info=error)
        error = StoreError(f"The lab failed on this ({type(error).__name__}); its log says more.")
    for job in group:
        job.refuse(error)
