"""Shares: what each caller has of the lab at this moment, and whose turn it is. Bookkeeping alone: no requests, no I/O.

A caller is a text: a user's id, or the address of somebody unknown. All but `Costs.charge` is called on the event loop.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ... import settings
from .pace import Pace

CALLERS_MAX = 10_000  # who are remembered
KNOWN_S = 600.0
PASSWORDS_RETRY_S = 5.0
STREAMS_RETRY_S = 5.0  # they last: none ends in a second for another to begin
_LATE_S = 0.03
_LITTLE, _WANTED = 0.15, 0.005  # shares of all the time: who took less is never refused; what others want at least


class OverShareError(Exception):
    """The caller has as much as they may, or all have. `retry_s`: when to ask again."""

    def __init__(self, message: str, retry_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class Turns:
    """So many at once, so many of them of one caller. Whoever comes later waits, and callers take turns.

    Args:
        at_once: how many turns there are; of_one: of one caller.
        waiting: how many may wait; waiting_of_one: of one caller.
        retry_s: when somebody who may not wait should come again.
        is_heavy: says of a caller whether they are heavy: of all heavy callers together, at most of_heavy are at once.
    """

    def __init__(
        self,
        at_once: int,
        of_one: int,
        waiting: int,
        waiting_of_one: int,
        retry_s: float = 1.0,
        is_heavy: Callable[[str], bool] = lambda who: False,
        of_heavy: int = 0,
    ) -> None:
        self._free, self._of_one, self._retry_s = at_once, of_one, retry_s
        self._is_heavy, self._of_heavy = is_heavy, of_heavy
        self._waiting_max, self._waiting_of_one = waiting, waiting_of_one
        self._has: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # whose turn is next comes first
        self.waiting = 0

    async def take(self, who: str) -> None:
        """Wait for a turn; `give_back` ends it. Raises OverShareError at once if too many wait."""
        if self._free > 0 and self._may(who) and who not in self._queues:
            self._begin(who)
            return
        queue = self._queues.get(who, deque())
        if self.waiting >= self._waiting_max or len(queue) >= self._waiting_of_one:
            raise OverShareError("Too many requests of this kind are under way already", self._retry_s)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._queues[who] = queue
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(who)
            else:
                self._forget(who, turn)
            raise

    def give_back(self, who: str) -> None:
        self._free += 1
        self._has[who] -= 1
        if not self._has[who]:
            del self._has[who]
        self._next()

    def _may(self, who: str) -> bool:
        if self._has[who] >= self._of_one:
            return False
        return not self._is_heavy(who) or sum(n for w, n in self._has.items() if self._is_heavy(w)) < self._of_heavy

    def _begin(self, who: str) -> None:
        self._free -= 1
        self._has[who] += 1

    def _next(self) -> None:
        while self._free > 0:
            who = next((w for w in self._queues if self._may(w)), None)
            if who is None:
                return
            turn = self._queues[who][0]
            self._forget(who, turn)
            if who in self._queues:
                self._queues.move_to_end(who)
            self._begin(who)
            turn.set_result(None)

    def _forget(self, who: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues[who]
        queue.remove(turn)
        self.waiting -= 1
        if not queue:
            del self._queues[who]


class Bytes:
    """Bytes in memory, of each caller and of all."""

    def __init__(self, of_all: int) -> None:
        self._of_all, self.held = of_all, 0
        self._of: Counter[str] = Counter()

    def take(self, who: str, n: int, of_one: int) -> None:
        """Raises OverShareError; then nothing is taken."""
        if self._of[who] + n > of_one:
            raise OverShareError("Your requests under way have too many bytes")
        if self.held + n > self._of_all:
            raise OverShareError("Too much arrives at once")
        self._of[who] += n
        self.held += n

    def give_back(self, who: str, n: int) -> None:
        self.held -= n
        self._of[who] -= n
        if not self._of[who]:
            del self._of[who]


class Rate:
    """So many a second for each caller, after some that are free (a token bucket)."""

    def __init__(self, per_s: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._at_once, self._clock = per_s, at_once, clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # (how much, when)

    def take(self, who: str, n: float = 1.0) -> None:
        """Raises OverShareError; then nothing is taken."""
        now = self._clock()
        spent, at = self._spent.pop(who, (0.0, now))
        spent = max(0.0, spent - (now - at) * self._per_s)
        over = spent + n - self._at_once
        self._spent[who] = (spent if over > 0 else spent + n, now)
        while len(self._spent) > CALLERS_MAX:
            self._spent.popitem(last=False)
        if over > 0:
            raise OverShareError("Too many requests", over / self._per_s)


class Costs:
    """Seconds of a processor that the lab spent on callers lately: `over_s` ago counts about a third, later nothing.
    Not by the clock, or whoever waits for others would pay for them.

    While the lab has time to spare, or nobody else wants any, everybody may take what there is. It has none where what
    is to happen at a time happens later (`late`), whatever else the machine does, or where one takes `share` of all the
    time there is.
    """

    def __init__(self, share: float, over_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._over_s, self._clock = share, over_s, clock
        self._lock = threading.Lock()
        self._took: dict[str, float] = {}
        self._read: dict[str, float] = {}
        self._late_s = 0.0
        self._at = clock()

    def late(self, seconds: float) -> None:
        """Note how much later than planned something happened on the event loop. A mean over some of these counts."""
        self._late_s += (seconds - self._late_s) / 5

    def charge(self, who: str, seconds: float) -> None:
        """Add to what a caller costs. Call it from any thread."""
        self._charge(self._took, who, seconds)

    def charge_read(self, who: str, seconds: float) -> None:
        """Charge what the pace (pace.py) holds back. Nobody is refused for it as well, but the lab cannot spare that
        time for others.
        """
        self._charge(self._read, who, seconds)

    def check(self, who: str, held_up: bool = False) -> None:
        """Raise OverShareError for a caller who took most of a lab that has no time to spare.

        Args:
            held_up: somebody else would take more than they are given; then it does not count that the lab is late.
        """
        with self._lock:
            most = self._over_s * (_LITTLE if self._late_s > _LATE_S and not held_up else self._share)
            if self._took.get(who, 0.0) <= most:
                return
            self._fade()
            mine = self._took.get(who, 0.0)
            others = self._others(who)
        if mine > most and mine > self._share * (mine + others) and others > _WANTED * self._over_s:
            raise OverShareError("You take most of the lab's time, and others wait for some of it")

    def wanted(self, who: str) -> bool:
        """Return whether others than the caller want some of the lab's time."""
        with self._lock:
            self._fade()
            return self._others(who) > _WANTED * self._over_s

    def _charge(self, took: dict[str, float], who: str, seconds: float) -> None:
        with self._lock:
            self._fade()
            took[who] = took.get(who, 0.0) + seconds

    def _others(self, who: str) -> float:
        return sum(seconds for took in (self._took, self._read) for its, seconds in took.items() if its != who)

    def _fade(self) -> None:
        now = self._clock()
        if now - self._at < 0.1:
            return
        factor = math.exp((self._at - now) / self._over_s)
        self._at = now
        for took in (self._took, self._read):
            left = {who: seconds * factor for who, seconds in took.items() if seconds * factor > 1e-4}
            took.clear()
            took.update(left)


class Callers:
    """Whose keys and cookies were right lately, so that their requests count as theirs."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()  # proof → (user's id, until)

    def learned(self, proof: str, user_id: str) -> None:
        self._known[proof] = (user_id, time.monotonic() + KNOWN_S)
        self._known.move_to_end(proof)
        while len(self._known) > CALLERS_MAX:
            self._known.popitem(last=False)

    def user_of(self, proof: str) -> str | None:
        user_id, until = self._known.get(proof, ("", 0.0))
        return user_id if until > time.monotonic() else None


class Shares:
    """What the callers of one lab have of it. Made where settings are read, once."""

    def __init__(self) -> None:
        waiting, waiting_of_user = settings.LAB_WAITING_MAX, settings.LAB_WAITING_OF_USER
        self.callers = Callers()
        self.costs = Costs(settings.LAB_COST_SHARE, settings.LAB_COST_OVER_S)
        self.pace = Pace(self.costs.charge_read)
        self.reads = Turns(
            settings.LAB_READS_AT_ONCE,
            settings.LAB_READS_OF_USER,
            waiting,
            waiting_of_user,
            is_heavy=self.pace.must_wait,
            of_heavy=settings.LAB_READS_OF_HEAVY,
        )
        self.writes = Turns(settings.LAB_WRITES_AT_ONCE, settings.LAB_WRITES_OF_USER, waiting, waiting_of_user)
        self.passwords = Turns(
            settings.LAB_PASSWORDS_AT_ONCE,
            settings.LAB_PASSWORDS_OF_ADDRESS,
            settings.LAB_PASSWORDS_WAITING_MAX,
            settings.LAB_PASSWORDS_WAITING_OF_ADDRESS,
            PASSWORDS_RETRY_S,
        )
        self.sso = Turns(
            settings.LAB_SSO_AT_ONCE,
            settings.LAB_SSO_OF_ADDRESS,
            settings.LAB_SSO_WAITING_MAX,
            settings.LAB_SSO_WAITING_OF_ADDRESS,
        )
        self.uploads = Turns(settings.LAB_UPLOADS_AT_ONCE, settings.LAB_UPLOADS_OF_USER, waiting, waiting_of_user)
        self.streams = Turns(settings.LAB_STREAMS_MAX, settings.LAB_STREAMS_OF_USER, 0, 0, STREAMS_RETRY_S)
        self.announced = Bytes(1 << 62)
        self.bodies = Bytes(settings.LAB_BODIES_BYTES_MAX)
        self.strangers = Rate(settings.LAB_STRANGERS_PER_S, settings.LAB_STRANGERS_AT_ONCE)
        self.ingests = Turns(settings.LAB_INGESTS_AT_ONCE, settings.LAB_INGESTS_OF_USER, 0, 0)
        self.decodes = Turns(settings.LAB_DECODES_AT_ONCE, 1, waiting, waiting_of_user)
        self.decoded = Bytes(settings.LAB_DECODED_BYTES_ALL)
        self.decoders = ThreadPoolExecutor(settings.LAB_DECODES_AT_ONCE, "hectiqlab-decode")
        self.bodies_read = Turns(1, 1, waiting, waiting_of_user)
        self.body_reader = ThreadPoolExecutor(1, "hectiqlab-bodies")
        self.packers = ThreadPoolExecutor(1, "hectiqlab-pack")  # of answers, a block at a time
        self.refused = 0  # how many wait for that answer

    def check(self, who: str) -> None:
        """Raise OverShareError for a caller who took most of a lab that has no time to spare."""
        self.costs.check(who, self.pace.holds_up_others(who))
