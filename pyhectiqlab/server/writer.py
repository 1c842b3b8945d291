"""The writer thread: the only one that changes the stores. It takes all that waits, commits once, answers all.

Between commits it lets the PointStore compact: shortly when there is much to do, longer when there is nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeGuard, TypeVar

from ..base import crashpoints
from ..base.loops import Loop, Trouble
from ..errors import OutcomeUnknownError, StoreError
from ..store.catching_up import tell, untold
from ..store.meta import Changes, MetaStore, MetaTransaction
from ..store.points import PointStore
from ..store.storage import ChangeMark
from . import ingest_plan
from .deferred import Deferred
from .fair import FairQueue
from .inserts import Inserts
from .jobs import BusyError, Ingest, InPieces, Job, Write, WriteFunction
from .refusals import Refusals
from .remembered import Remembered

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")

JOBS_MAX = 4096  # that wait
BYTES_MAX = 128 << 20  # of ingest bodies that wait
GROUP_BYTES_MAX = 8 << 20  # of ingest bodies in one commit, which whoever comes next waits for
GROUP_JOBS_MAX = 512
GROUP_S = 0.025  # what a commit takes, by estimate: pieces.py
LONG_S = 0.006  # a request that takes longer is committed in pieces
GATHERED_S = 0.5  # instead of both, where inserts are few: the time passes in the engine, and pages do not wait for it
REST = 1.0  # of the time that a piece took, behind it, while others are at work
PACE_S = 0.08  # that ingest alone is gathered for, while many sessions send: each commit costs a sync and some pages
LONE_S = 0.1  # what comes so long after the last commit is committed at once: at most ten syncs a second
CROWD = 8  # so many sessions are many, if each sent something within CROWD_S
CROWD_S = 1.0
PACED_BYTES = 1 << 20  # where more waits, a commit is worth it
OTHERS_S = 0.5  # who sent a job that lately is at work
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
        self._inserts = inserts
        self._gathering: FairQueue[Ingest] = FairQueue()  # points that wait for an insert, and what is to come behind
        self._gathering_since = 0.0  # monotonic: when the first of those came
        self._rows = 0  # of those
        self._group_s, self._long_s = (GROUP_S, LONG_S) if inserts is None else (GATHERED_S, GATHERED_S)
        self._refusals, self._is_saving, self._defers = refusals, is_saving, defers
        self._meta, self._points, self._committed = meta, points, committed
        self._waiting: FairQueue[Job] = FairQueue()
        self._long: FairQueue[InPieces] = FairQueue()
        self._rest_until = 0.0  # monotonic: no piece of a long one before
        self._came: list[tuple[str, float]] = []  # the last two callers with other jobs, and when
        self._bytes = 0
        self._urgent = 0  # jobs that wait and are urgent
        self._since = 0.0  # monotonic: when the first of those that wait came
        self._committed_at = float("-inf")  # monotonic: when the last commit ended
        self._senders: OrderedDict[str, float] = OrderedDict()  # session → when it sent last, the oldest first
        self._wake = threading.Condition()
        self._stopping = False
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
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self.loop.hurry()
        self.loop.join()

    def is_crowded(self) -> bool:
        """Return whether many sessions send."""
        with self._wake:
            return self._is_crowd()

    @property
    def waiting(self) -> int:
        """Jobs that nobody has taken yet."""
        return len(self._waiting) + len(self._long) + len(self._gathering)

    def ingest(self, job: ingest_plan.IngestJob, size: int) -> Future[list[ingest_plan.Result]]:
        """Never blocks. Raises BusyError where the queue is full. `size`: bytes that the job keeps in memory."""
        return self._put(Ingest(job, size) if job.cost_s <= self._long_s else InPieces(job, size))

    def write(self, function: WriteFunction[T], urgent: bool = True) -> Future[T]:
        """Run `function` in a transaction; what it returns or raises comes once that is durable. What is not urgent
        waits, while many sessions send, as their ingest does.

        Never blocks. Raises BusyError where the queue is full.
        """
        return self._put(Write(function, urgent))

    def _put(self, job: Job) -> Future[Any]:
        with self._wake:
            if self._stopping:
                raise BusyError("The lab is stopping.")
            if self.waiting >= JOBS_MAX or (job.size and self._bytes + job.size > BYTES_MAX):
                raise BusyError("The lab is busy: try again later.")
            if isinstance(job, InPieces):
                self._long.put(job.who, job)
            else:
                if self._gathers(job):
                    self._gather(job)
                else:
                    self._waiting.put(job.who, job)
                    if len(self._waiting) == 1:
                        self._since = time.monotonic()
                if isinstance(job, Ingest):
                    session = job.job.request.session
                    self._senders[session] = time.monotonic()
                    self._senders.move_to_end(session)
                self._urgent += job.urgent
                if job.who:
                    came = (came for came in self._came if came[0] != job.who)
                    self._came = [(job.who, time.monotonic()), *came][:2]
            self._bytes += job.size
            self._wake.notify()
        return job.future

    def _gathers(self, job: Job) -> TypeGuard[Ingest]:
        """Return whether a job waits for an insert. What else a session sends while points of it wait comes behind
        them.
        """
        if self._inserts is None or not isinstance(job, Ingest):
            return False
        return job.rows > 0 or job.session in {its.session for its in self._gathering.items(job.who)}

    def _gather(self, job: Ingest) -> None:
        if not self._gathering:
            self._gathering_since = time.monotonic()
        self._gathering.put(job.who, job)
        self._rows += job.rows

    def _gathered_s(self) -> float:
        """Return in how many seconds what was gathered is to be stored; infinity: there is nothing."""
        if self._inserts is None or not self._gathering:
            return float("inf")
        return 0.0 if self._stopping or self._bytes >= BYTES_MAX // 2 else self._inserts.wait_s(self._rows)

    def _release(self) -> None:
        """Have what was gathered be stored, if it is time."""
        if self._inserts is None or self._gathered_s() > 0:
            return
        self._inserts.take()
        if not self._waiting:
            self._since = self._gathering_since
        while self._gathering:
            job = self._gathering.take()
            self._waiting.put(job.who, job)
        self._rows = 0

    def _turn(self) -> float | None:
        with self._wake:
            if not self._waiting and not self._stopping and self._gathered_s() > 0:
                self._wake.wait(min(self._pause_s(), self._gathered_s()))
            self._release()
            while (wait := self._pace_s()) > 0:
                self._wake.wait(wait)
            group, long = self._take(), self._take_long()
            ends = not group and long is None and self._stopping and not self._gathering
        self._lull = bool(group or long)
        if group or long:
            began = time.monotonic()
            if group:
                self._commit(group)
            if long is not None:  # a piece of one of them each time, so that nobody waits for more than that
                self._commit_piece(long)
            self._committed_at = time.monotonic()
            # A share of the time even when something always waits, or the unsorted heads would grow for ever.
            self._more = self._compact(min(COMPACT_BUDGET_S, COMPACT_SHARE * (time.monotonic() - began)))
        elif not ends:
            self._more = self._compact(COMPACT_BUDGET_S)
        if not self.deferred.due_s() or ends:
            self._catch_up_soon()
        return None if ends else 0.0

    def _pace_s(self) -> float:
        """Return for how long to gather what comes, while many send a little each and nobody waits for more."""
        if not self._waiting or self._urgent or self._stopping or self._bytes >= PACED_BYTES:
            return 0.0
        if self._since - self._committed_at >= LONE_S:
            return 0.0
        return self._since + PACE_S - time.monotonic() if self._is_crowd() else 0.0

    def _is_crowd(self) -> bool:
        long_ago = time.monotonic() - CROWD_S
        while self._senders and next(iter(self._senders.values())) < long_ago:
            self._senders.popitem(last=False)
        return len(self._senders) >= CROWD

    def _pause_s(self) -> float:
        """Return for how long to wait for a job, where only long ones are there."""
        if self._long:
            return min(max(0.0, self._rest_until - time.monotonic()), self.deferred.due_s())
        # Whoever was acked just now is likely to send more at once: compaction does not jump in at once.
        return LULL_S if self._lull else 0.0 if self._more else min(IDLE_S, self.deferred.due_s())

    def _take(self) -> list[Job]:
        group: list[Job] = []
        size, cost = 0, 0.0
        while (
            self._waiting
            and len(group) < GROUP_JOBS_MAX
            and (not group or size + self._waiting.next().size <= GROUP_BYTES_MAX)
            and (not group or cost + self._waiting.next().cost_s <= self._group_s)
        ):
            job = self._waiting.take()
            size += job.size
            cost += job.cost_s
            self._bytes -= job.size
            self._urgent -= job.urgent
            # From here on nobody can cancel it under our hands.
            if job.future.set_running_or_notify_cancel():
                group.append(job)
        return group

    def _take_long(self) -> InPieces | None:
        """Take a long job of which a piece may be committed now."""
        while self._long and (self._stopping or time.monotonic() >= self._rest_until):
            job = self._long.take()
            self._bytes -= job.size
            if job.future.running() or job.future.set_running_or_notify_cancel():
                return job
        return None

    def _commit_piece(self, job: InPieces) -> None:
        """The next piece of a request, which then waits again, behind other long ones. Whoever was let in once is not
        turned away.
        """
        began = time.monotonic()
        try:
            piece = job.next_piece()
        except BaseException as e:
            _refuse([job], e)
            return
        self._commit([piece])
        now = time.monotonic()
        if any(who != job.who and now - at < OTHERS_S for who, at in self._came):
            self._rest_until = now + REST * (now - began)
        if job.more:
            with self._wake:
                self._long.put(job.who, job)
                self._bytes += job.size

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
        with self._wake:
            return self._is_crowd() and not self._stopping

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
