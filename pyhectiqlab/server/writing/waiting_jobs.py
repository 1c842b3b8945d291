"""WaitingJobs: what waits for the writer, whose turn is next, and how long to gather before a commit.

Each commit costs a sync and some pages, so while many sessions send a little each, what comes is gathered. Callers take
turns, and a request that takes long is committed in pieces, between which others have their turn.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any, TypeGuard

from ..transacts import BusyError
from ..turns.fair import FairQueue
from .inserts import Inserts
from .jobs import Ingest, InPieces, Job

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


class WaitingJobs:
    """Any thread may call `put`, `close`, `is_crowded` and `len`; everything else is for the writer's thread.

    Args:
        inserts: how often points are stored; None: with each commit.

    Attributes:
        long_s: a request of ingest that takes longer is put as InPieces.
        closing: whether `close` was called. What waits is still to be taken.
    """

    def __init__(self, inserts: Inserts | None = None) -> None:
        self._inserts = inserts
        self._gathering: FairQueue[Ingest] = FairQueue()  # points that wait for an insert, and what is to come behind
        self._gathering_since = 0.0  # monotonic: when the first of those came
        self._rows = 0  # of those
        self._group_s, self.long_s = (GROUP_S, LONG_S) if inserts is None else (GATHERED_S, GATHERED_S)
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
        self.closing = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._long) + len(self._gathering)

    def put(self, job: Job) -> Future[Any]:
        """Never blocks. Raises BusyError where too much waits, or after `close`."""
        with self._wake:
            if self.closing:
                raise BusyError("The lab is stopping.")
            if len(self) >= JOBS_MAX or (job.size and self._bytes + job.size > BYTES_MAX):
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

    def close(self) -> None:
        """Refuse what comes later, and gather no longer. Safe twice."""
        with self._wake:
            self.closing = True
            self._wake.notify()

    def is_crowded(self) -> bool:
        """Return whether many sessions send."""
        with self._wake:
            return self._is_crowd()

    def take(self, idle_s: float, long_idle_s: float) -> tuple[list[Job], InPieces | None]:
        """Return the jobs of the next commit, and a long job of which a piece may be committed. Blocks while many send
        a little each, and until something waits, but for this at most `idle_s`; `long_idle_s` where only long jobs do.
        """
        with self._wake:
            if not self._waiting and not self.closing and self._gathered_s() > 0:
                pause = min(max(0.0, self._rest_until - time.monotonic()), long_idle_s) if self._long else idle_s
                self._wake.wait(min(pause, self._gathered_s()))
            self._release()
            while (wait := self._pace_s()) > 0:
                self._wake.wait(wait)
            return self._take(), self._take_long()

    def note_commit(self) -> None:
        """Note that a commit ended just now."""
        self._committed_at = time.monotonic()

    def put_back(self, job: InPieces, took_s: float) -> None:
        """Have a long job wait again, behind other long ones, if it has more pieces. After a piece others have their
        turn: `took_s` says how long it took. Whoever was let in once is not turned away.
        """
        now = time.monotonic()
        with self._wake:
            if any(who != job.who and now - at < OTHERS_S for who, at in self._came):
                self._rest_until = now + REST * took_s
            if job.more:
                self._long.put(job.who, job)
                self._bytes += job.size

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
        return 0.0 if self.closing or self._bytes >= BYTES_MAX // 2 else self._inserts.wait_s(self._rows)

    def _release(self) -> None:
        """Move what was gathered to the jobs that wait, if it is time."""
        if self._inserts is None or self._gathered_s() > 0:
            return
        self._inserts.take()
        if not self._waiting:
            self._since = self._gathering_since
        while self._gathering:
            job = self._gathering.take()
            self._waiting.put(job.who, job)
        self._rows = 0

    def _pace_s(self) -> float:
        """Return for how long to gather what comes, while many send a little each and nobody waits for more."""
        if not self._waiting or self._urgent or self.closing or self._bytes >= PACED_BYTES:
            return 0.0
        if self._since - self._committed_at >= LONE_S:
            return 0.0
        return self._since + PACE_S - time.monotonic() if self._is_crowd() else 0.0

    def _is_crowd(self) -> bool:
        long_ago = time.monotonic() - CROWD_S
        while self._senders and next(iter(self._senders.values())) < long_ago:
            self._senders.popitem(last=False)
        return len(self._senders) >= CROWD

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
            if job.future.set_running_or_notify_cancel():  # from here on nobody can cancel it
                group.append(job)
        return group

    def _take_long(self) -> InPieces | None:
        """Take a long job of which a piece may be committed now."""
        while self._long and (self.closing or time.monotonic() >= self._rest_until):
            job = self._long.take()
            self._bytes -= job.size
            if job.future.running() or job.future.set_running_or_notify_cancel():
                return job
        return None
