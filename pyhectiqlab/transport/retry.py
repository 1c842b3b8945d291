"""When to try again: a policy that is given results and a clock and does no I/O itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .. import settings

RETRY_AFTER_MAX_S = 3600.0  # a lab that asks for more is asked again after an hour

# Not the module's generator: a script that seeded it for its own numbers would get others, and forked uploaders
# would all wait for the same time.
_uniform = random.SystemRandom().uniform


class Backoff:
    """Delays between tries that grow by two, with full jitter, and obey the lab's Retry-After.

    Jitter spreads the clients of a lab that comes back: without it they all return in the same instant and
    bring it down again. Never blocks; not for several threads at once.
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
        self._asked_until = self._ready_at  # by the lab
        self.failures = 0  # in a row

    def failed(self, retry_after_s: float | None = None, *, at_least_s: float = 0.0) -> float:
        """Note a failure; seconds until the next try.

        The delay is drawn from [min_s, min_s × 2^failures], at most max_s; it is never less than `at_least_s`, nor than
        what the lab asked for, up to RETRY_AFTER_MAX_S, which nobody's hurry shortens either.
        """
        self.failures += 1
        # The exponent is bounded because 2.0 ** 1024 overflows, which a lab that is away for a week would reach.
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
        """Allow a try at once, without forgetting the failures (somebody waits: a flush, an exit, a sync); or as soon
        as the lab said, where it did.
        """
        self._ready_at = min(self._ready_at, max(self._clock(), self._asked_until))

    def wait_s(self) -> float:
        """Return seconds left until the next try is due; 0.0 when it is."""
        return max(0.0, self._ready_at - self._clock())
