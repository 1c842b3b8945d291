"""Inserts: how often points of several writers are gathered into one insert, where each costs an engine a part.

Each insert makes a part. ClickHouse merges parts later, and refuses inserts once there are too many. It works best with
one insert of many rows a second. So a lab that keeps points there gathers them, and makes one insert a second on
average. After a quiet time, up to BURST inserts do not wait; and if ROWS rows wait, they are inserted at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 1.0  # between two inserts, on average
BURST = 10  # inserts at once after a quiet time: a call of flush() then takes no longer than the insert
MANY, MANY_S = 10_000, 0.25
ROWS = 50_000


class Inserts:
    """Which inserts a lab has left. Not for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._at = float(BURST), clock()
        self._last = float("-inf")

    def wait_s(self, rows: int) -> float:
        """Return for how long to go on gathering, where so many rows wait; 0: insert them."""
        if rows >= ROWS:
            return 0.0
        wait = (1.0 - self._now()) * EVERY_S
        if rows >= MANY:
            wait = min(wait, self._last + MANY_S - self._clock())
        return max(0.0, wait)

    def take(self) -> None:
        """Note that an insert is made. One of very many rows does not wait, but it counts, so that fewer are left."""
        self._left = max(0.0, self._now() - 1.0)
        self._last = self._clock()

    def _now(self) -> float:
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) / EVERY_S)
        self._at = now
        return self._left
