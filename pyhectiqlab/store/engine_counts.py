"""EngineCounts: how often a lab asked one of its engines, how long that took, and how often it failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class EngineCounts:
    """Safe for several threads.

    Attributes:
        calls: those that have ended, well or not.
        failures: those that could not be answered.
        seconds: of all of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = self.failures = 0
        self.seconds = 0.0

    def add(self, seconds: float, failed: bool = False) -> None:
        with self._lock:
            self.calls += 1
            self.failures += failed
            self.seconds += seconds

    @contextmanager
    def call(self, *answers: type[BaseException]) -> Iterator[None]:
        """Count the block as a call. What it raises is a failure, but for `answers`."""
        began, failed = time.perf_counter(), True
        try:
            yield
            failed = False
        except answers:
            failed = False
            raise
        finally:
            self.add(time.perf_counter() - began, failed)
