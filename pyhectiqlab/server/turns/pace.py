"""Pace: a caller who reads much is served in pieces, with rests between them while others are at work.

The lab is one process, in which one thread at a time runs Python. Four threads that read large logs take all of it, and
a small request, which needs it some twenty times for a moment, waits that often. So a caller becomes *heavy* by reading
much, and stays heavy until the time that it took is covered. While somebody else is at work, the requests of all heavy
callers are served one at a time, in pieces of some milliseconds; heavy callers take turns, and after each piece all of
them rest for longer than it took. While nobody else is at work, nobody waits.

The time that a caller took is its debt, in seconds. The debt shrinks as fast as the caller's share of a processor
allows. The share for small requests is large, so that a page which asks again and again does not become heavy.

A route that reads runs in a thread, as one piece of `Work`, which begins in `in_pieces` (routes/common.py puts that
around all of them). What is read row by row calls `may_pause` (store/pauses.py) between two items, and SQLite does
within long statements. Whoever waits there holds a thread, a turn of shares.py and perhaps a reader's connection, which
are bounded by those turns; the event loop and the writer never wait for any of it.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

from ... import settings
from ...errors import StoreError
from ...store.pauses import pausing

REST_MAX_S = 0.25  # the longest rest, behind a piece that could not be interrupted
HEAVY_S = 0.2  # a caller with more debt is heavy, until the debt is covered
DEBT_MAX_S = 5.0
OTHERS_S = 0.5  # a caller who sent a request within so long is at work
CALLERS_MAX = 1_000  # callers whose use is remembered, at least
Route = TypeVar("Route", bound=Callable[..., Any])


class Pace:
    """Whose turn it is among the heavy callers of one lab.

    Args:
        charge: called with a caller and the seconds of a processor that reading for them took.
        clock, cpu, sleep: time.monotonic, time.thread_time, time.sleep.
    """

    def __init__(
        self,
        charge: Callable[[str, float], None],
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.charge, self.clock, self.cpu, self.sleep = charge, clock, cpu, sleep
        self._lock = threading.Lock()  # never held while waiting
        self._covered: dict[str, float] = {}  # caller → when their debt is covered
        self._heavy: set[str] = set()
        self._seen: list[tuple[str, float]] = []  # the last two callers who are not heavy, and when they came
        self._holder: Work | None = None
        self._waiting: OrderedDict[str, deque[Work]] = OrderedDict()  # whose turn is next comes first
        self._rest_until = 0.0
        self._stopped = False
        self.waited_s = 0.0  # all that heavy callers waited and rested

    def arrived(self, who: str, counts: bool = False) -> None:
        """Note that a caller is at work. The request of a heavy caller is noted only if it `counts`."""
        now = self.clock()
        with self._lock:
            if counts or not self._is_heavy(who, now):
                self._seen = [(who, now), *(seen for seen in self._seen if seen[0] != who)][:2]

    def work(self, who: str) -> Work:
        return Work(self, who)

    def stop(self) -> None:
        """End the work of heavy callers: each `may_pause` of theirs raises StoreError from now on. Safe twice."""
        with self._lock:
            self._stopped = True
            waiting = [work for queue in self._waiting.values() for work in queue]
            self._waiting.clear()
        for work in waiting:
            work.turn.set()

    def note(self, who: str, small_s: float, long_s: float) -> None:
        """Note what a caller took of a processor: `small_s` within the bound of a small request, `long_s` beyond it."""
        now = self.clock()
        with self._lock:
            share = settings.LAB_READ_LONG_SHARE if self._is_heavy(who, now) else settings.LAB_READ_SMALL_SHARE
            debt = max(0.0, self._covered.get(who, now) - now)
            debt = min(DEBT_MAX_S, debt + small_s / share + long_s / settings.LAB_READ_LONG_SHARE)
            self._covered[who] = now + debt
            if debt > HEAVY_S:
                self._heavy.add(who)
            if len(self._covered) > CALLERS_MAX:
                self._covered = {caller: at for caller, at in self._covered.items() if at > now}
                self._heavy &= self._covered.keys()
        self.charge(who, small_s + long_s)

    def must_wait(self, who: str) -> bool:
        """Return whether the caller is to work in turns: heavy, while somebody else is at work."""
        now = self.clock()
        with self._lock:
            return self._is_heavy(who, now) and (self._stopped or self._others(who, now))

    def holds_up_others(self, who: str) -> bool:
        """Return whether a heavy caller other than this one still has debt."""
        now = self.clock()
        with self._lock:
            return any(other != who and self._covered[other] > now for other in self._heavy)

    def take(self, work: Work) -> None:
        """Block until it is the turn of `work`. Raises StoreError once the lab stops."""
        with self._lock:
            if self._holder is None and not self._stopped:  # then nobody waits
                self._holder = work
            else:
                self._enqueue(work)
        self._await(work)

    def give_back(self, work: Work, took_s: float, again: bool = False) -> None:
        """End the turn in which `work` has done a piece. `again`: it waits for its next turn, as in `take`."""
        now = self.clock()
        with self._lock:
            self._rest_until = now
            if self._others(work.who, now):
                self._rest_until += min(REST_MAX_S, took_s * settings.LAB_READ_REST)
            self._holder = None
            if again:
                self._enqueue(work)
            if self._waiting:
                who, queue = next(iter(self._waiting.items()))
                self._holder = queue.popleft()
                if queue:
                    self._waiting.move_to_end(who)
                else:
                    del self._waiting[who]
                self._holder.turn.set()
        if again:
            self._await(work)

    def _enqueue(self, work: Work) -> None:
        work.turn.clear()
        if self._stopped:
            work.turn.set()
        else:
            self._waiting.setdefault(work.who, deque()).append(work)

    def _await(self, work: Work) -> None:
        began = self.clock()
        if self._holder is not work:
            work.turn.wait()
        if self._holder is not work:
            raise StoreError("The lab stops: try again later.")
        rest = self._rest_until - self.clock()
        if rest > 0:
            self.sleep(rest)
        with self._lock:
            self.waited_s += self.clock() - began

    def _is_heavy(self, who: str, now: float) -> bool:
        if who in self._heavy and self._covered[who] <= now:
            self._heavy.remove(who)
        return who in self._heavy

    def _others(self, who: str, now: float) -> bool:
        return any(other != who and now - at < OTHERS_S for other, at in self._seen)


class Work:
    """What one request does in threads, one thread at a time: `with work: …`, and `may_pause` in between."""

    def __init__(self, pace: Pace, who: str) -> None:
        self.who = who
        self.turn = threading.Event()
        self._pace = pace
        self._in_turn = False
        self._took = 0.0  # of a processor, as far as it was noted
        self._counted = 0.0  # of this thread's time of a processor
        self._look_at = 0.0  # before that, no piece can be done

    def __enter__(self) -> None:
        self._counted = self._pace.cpu()
        self._wait()
        self._pausing = pausing(self.may_pause)
        self._pausing.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pausing.__exit__(kind, error, at)
        used = self._used()
        self._note(used)
        if self._in_turn:
            self._in_turn = False
            self._pace.give_back(self, used)

    def may_pause(self) -> None:
        """See store/pauses.py. A thread cannot use more processor time than has passed, so most calls only read
        the clock.

        Raises StoreError once the lab stops.
        """
        now = self._pace.clock()
        if now < self._look_at:
            return
        used = self._used()
        if used < settings.LAB_READ_PIECE_S:
            self._look_at = now + settings.LAB_READ_PIECE_S - used
            return
        self._note(used)
        if not self._in_turn:
            self._wait()
            return
        self._in_turn = False
        again = self._pace.must_wait(self.who)
        self._pace.give_back(self, used, again)
        self._in_turn = again
        self._look_at = self._pace.clock() + settings.LAB_READ_PIECE_S

    def _wait(self) -> None:
        if self._pace.must_wait(self.who):
            self._pace.take(self)
            self._in_turn = True
        self._look_at = self._pace.clock() + settings.LAB_READ_PIECE_S

    def _note(self, used: float) -> None:
        small = min(used, max(0.0, settings.LAB_READ_SMALL_S - self._took))
        self._took += used
        self._counted += used
        self._pace.note(self.who, small, used - small)

    def _used(self) -> float:
        return self._pace.cpu() - self._counted


_work: ContextVar[Work | None] = ContextVar("work", default=None)


def begin(work: Work) -> None:
    """Begin the work of the request that this task answers: what its routes do `in_pieces` is part of it."""
    _work.set(work)


def current() -> Work | None:
    return _work.get()


def in_pieces(route: Route) -> Route:
    """Make a route in a thread part of the work of its request, if that is a request that reads (admission.py)."""

    @functools.wraps(route)
    def paced(*args: Any, **more: Any) -> Any:
        work = _work.get()
        if work is None:
            return route(*args, **more)
        with work:
            return route(*args, **more)

    # FastAPI looks the names in annotations up in the module of a function, which is not this one.
    paced.__signature__ = inspect.signature(route, eval_str=True)  # type: ignore[attr-defined]
    return paced  # type: ignore[return-value]
