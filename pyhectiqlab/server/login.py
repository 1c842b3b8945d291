"""Throttling of logins: after some failures, a name (and an address) waits longer and longer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE_FAILURES = 5  # of one name at one address
FREE_FAILURES_OF_ADDRESS = 50  # whatever the name
WAIT_MIN_S = 2.0
WAIT_MAX_S = 300.0
FORGET_S = 900.0
ENTRIES_MAX = 10_000


class Throttle:
    """Counts failures of whoever is named. Never blocks. In memory: a restart forgives."""

    def __init__(self, free: int = FREE_FAILURES, clock: Callable[[], float] = time.monotonic) -> None:
        self._free, self._clock = free, clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # (count, time of the last)

    def wait_s(self, who: str) -> float:
        """Seconds until `who` may try again; 0: now."""
        now = self._clock()
        with self._lock:
            count, last = self._failures.get(who, (0, 0.0))
        if count < self._free or now - last > FORGET_S:
            return 0.0
        pause: float = min(WAIT_MAX_S, WAIT_MIN_S * 2 ** min(count - self._free, 16))
        return max(0.0, last + pause - now)

    def failed(self, who: str) -> None:
        now = self._clock()
        with self._lock:
            count, last = self._failures.pop(who, (0, now))
            self._failures[who] = (1 if now - last > FORGET_S else count + 1, now)
            while len(self._failures) > ENTRIES_MAX:
                self._failures.popitem(last=False)

    def succeeded(self, who: str) -> None:
        with self._lock:
            self._failures.pop(who, None)
