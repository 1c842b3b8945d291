"""Throttling of logins: after some failures, a name (and an address) waits longer and longer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from .. import settings
from .proxies import place_of

FREE_FAILURES = 5  # of one name at one address
FREE_FAILURES_OF_ADDRESS = 50  # whatever the name
FREE_FAILURES_OF_NAME = 100  # wherever from
WAIT_MIN_S = 2.0
WAIT_MAX_S = 300.0
FORGET_S = 900.0
ENTRIES_MAX = 10_000


class Throttle:
    """Counts failures of whoever is named. Never blocks. In memory: a restart forgets them."""

    def __init__(self, free: int = FREE_FAILURES, clock: Callable[[], float] = time.monotonic) -> None:
        self._free, self._clock = free, clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # (count, time of the last)

    def wait_s(self, who: str) -> float:
        """Return the seconds until `who` may try again; 0: now."""
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

    def forgive(self, who: str) -> None:
        """Take one failure back."""
        with self._lock:
            count, last = self._failures.get(who, (0, 0.0))
            if count > 1:
                self._failures[who] = (count - 1, last)
            else:
                self._failures.pop(who, None)


class Logins:
    """Who may try a password now. Three counts, each bounded: of a name at an address, so that a stranger who guesses
    does not lock its owner out elsewhere; of an address, whatever the names; and of a name wherever from, for guesses
    from many addresses. The last does not hold at an address where that name has logged in before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._both = Throttle(clock=clock)
        self._addresses = Throttle(FREE_FAILURES_OF_ADDRESS, clock)
        self._names = Throttle(FREE_FAILURES_OF_NAME, clock)
        self._lock = threading.RLock()
        self._clock = clock
        self._notes, self._noted_at = float(settings.LAB_FAILED_LOGINS_NOTED), clock()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, name: str, address: str) -> float:
        """Return the seconds until they may try; 0: now. A try counts as a failure from now on, until it `succeeded`:
        so many at once get no more tries than one after the other.
        """
        address = place_of(address)
        with self._lock:
            wait = self.wait_s(name, address)
            if wait == 0:
                self.failed(name, address)
            return wait

    def takes_note(self) -> bool:
        """Return whether a failure that was just told has a place in the audit log."""
        with self._lock:
            now = self._clock()
            more = (now - self._noted_at) / 3600 * settings.LAB_FAILED_LOGINS_NOTED_PER_H
            self._notes = min(settings.LAB_FAILED_LOGINS_NOTED, self._notes + more)
            self._noted_at = now
            if self._notes < 1:
                return False
            self._notes -= 1
            return True

    def wait_of_address_s(self, address: str) -> float:
        """Return the seconds until an address may try any name."""
        return self._addresses.wait_s(place_of(address))

    def wait_s(self, name: str, address: str) -> float:
        address = place_of(address)
        wait = max(self._both.wait_s(f"{name}@{address}"), self._addresses.wait_s(address))
        with self._lock:
            known = (name, address) in self._known
        return wait if known else max(wait, self._names.wait_s(name))

    def failed(self, name: str, address: str) -> None:
        address = place_of(address)
        self._both.failed(f"{name}@{address}")
        self._addresses.failed(address)
        self._names.failed(name)

    def failed_at(self, address: str) -> None:
        """Note a failure of an address, of no name."""
        self._addresses.failed(place_of(address))

    def succeeded(self, name: str, address: str) -> None:
        """Note that a try which had begun was right."""
        address = place_of(address)
        self._both.succeeded(f"{name}@{address}")
        self._addresses.forgive(address)
        self._names.forgive(name)
        with self._lock:
            self._known[name, address] = None
            self._known.move_to_end((name, address))
            while len(self._known) > ENTRIES_MAX:
                self._known.popitem(last=False)
