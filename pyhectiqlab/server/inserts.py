"""Inserts: how often points of several writers are gathered into one insert, where each costs an engine a part.

ClickHouse merges parts behind the inserts, and takes no more once there are too many. It does best with one insert of
many rows a second. So a lab that keeps points there gathers them: on average one insert a second. Who comes after a
quiet time does not wait, up to BURST times; and where ROWS wait, they are worth an insert.
"""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 1.0  # between two inserts, on average
BURST = 10  # inserts at once after a quiet time: a call of flush() then takes no longer than the insert
ROWS = 50_000


class Inserts:
    """Which inserts a lab has left. Not for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._at = float(BURST), clock()

    def wait_s(self, rows: int) -> float:
        """Return for how long to go on gathering, where so many rows wait; 0: insert them."""
        return 0.0 if rows >= ROWS else max(0.0, (1.0 - self._now()) * EVERY_S)

    def take(self) -> None:
        """Note that an insert is made. One of very many rows is not held up, and counts: then there are fewer left."""
        self._left = max(0.0, self._now() - 1.0)

    def _now(self) -> float:
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) / EVERY_S)
        self._at = now
        return self._left
