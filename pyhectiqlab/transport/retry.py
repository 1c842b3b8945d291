"""When to try again: a policy that gets results and a clock, and does no I/O."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .. import settings

RETRY_AFTER_MAX_S = 3600.0  # where a lab asks for more, the next try still comes after an hour

# Not the generator of the module `random`: a script that seeded it would get other numbers, and forked uploaders would
# all wait for the same time.
_uniform = random.SystemRandom().uniform


class Backoff:
    """Delays between tries that grow by two, with full jitter, and obey the lab's Retry-After.

    Jitter spreads the clients of a lab that comes back. Without it they all return in the same instant and bring it
    down again. It never blocks. It is not for several threads at once.
    """

    def __init__(
        self,
        *,
        min_s: float = settings.RETRY_DELAY_MIN_S,
        max_s: float = settings.RETRY_DELAY_MAX_S,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = _uniform,
    ) -> None:
        if not 0 < min_s <= max_s:
            raise ValueError("Backoff takes 0 < min_s <= max_s.")
        self._min_s = min_s
        self._max_s = max_s
        self._clock = clock
        self._uniform = uniform
        self._ready_at = clock()
        self._asked_until = self._ready_at  # until when the lab asked to wait
        self.failures = 0  # in a row

    def failed(self, retry_after_s: float | None = None, *, at_least_s: float = 0.0) -> float:
        """Note a failure. Return the seconds until the next try.

        The delay is drawn from [min_s, min_s × 2^failures], at most max_s; it is never less than `at_least_s`, nor than
        what the lab asked for, up to RETRY_AFTER_MAX_S. `hurry` does not shorten what the lab asked for.
        """
        self.failures += 1
        # The exponent is bounded: 2.0 ** 1024 overflows, and a lab that is away for a week would reach that.
        ceiling = min(self._max_s, self._min_s * 2.0 ** min(self.failures, 62))
        delay = max(self._uniform(self._min_s, ceiling), at_least_s)
        now = self._clock()
        if retry_after_s is not None:
            asked = min(retry_after_s, RETRY_AFTER_MAX_S)
            delay = max(delay, asked)
            self._asked_until = now + asked
        self._ready_at = now + delay
        return delay

    def succeeded(self) -> None:
        """Note a success: the next try may come at once, the next failure starts from the shortest delay."""
        self.failures = 0
        self._ready_at = self._asked_until = self._clock()

    def hurry(self) -> None:
        """Allow a try at once, or as soon as the lab said: somebody waits (a flush, an exit, a sync). The failures
        still count.
        """
        self._ready_at = min(self._ready_at, max(self._clock(), self._asked_until))

    def wait_s(self) -> float:
        """Return seconds left until the next try is due; 0.0 when it is."""
        return max(0.0, self._ready_at - self._clock())
