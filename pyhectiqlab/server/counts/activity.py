"""Activity: which runs have sent the most lately."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

OVER_S = 60.0  # about
RUNS_MAX = 2000  # runs that are remembered; of more, those that send the least are forgotten


@dataclass
class Rate:
    """How much came in a second, lately."""

    points: float = 0.0
    events: float = 0.0
    at: float = 0.0

    def since(self, now: float) -> Rate:
        fade = math.exp(-(now - self.at) / OVER_S)
        return Rate(self.points * fade, self.events * fade, now)


class Activity:
    """Safe for several threads; never blocks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rates: dict[str, Rate] = {}

    def note(self, run: str, points: int, events: int) -> None:
        """Note what a committed batch brought."""
        now = self._clock()
        with self._lock:
            rate = self._rates.get(run, Rate(at=now)).since(now)
            self._rates[run] = Rate(rate.points + points / OVER_S, rate.events + events / OVER_S, now)
            if len(self._rates) > RUNS_MAX:
                self._rates = dict(self._busiest(now, RUNS_MAX // 2))

    def busiest(self, limit: int) -> list[tuple[str, Rate]]:
        """Return run ids with what these runs send, the busiest first."""
        now = self._clock()
        with self._lock:
            return [(run, rate) for run, rate in self._busiest(now, limit) if rate.points + rate.events > 0.01]

    def _busiest(self, now: float, limit: int) -> list[tuple[str, Rate]]:
        rates = [(run, rate.since(now)) for run, rate in self._rates.items()]
        return sorted(rates, key=lambda item: item[1].points + item[1].events, reverse=True)[:limit]
