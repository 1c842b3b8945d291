"""Refusals: counts the writes that the stores refuse (the disk is full, or fails), and logs them."""

from __future__ import annotations

import logging
import threading
import time

from ...base.loops import Failing
from ...base.texts import counted

log = logging.getLogger("hectiqlab.server")

NAME = "writes"  # what fails, in lists for people
TOLD_AGAIN_S = 60.0  # between two lines of the log, as a full disk refuses hundreds of writes a minute


class Refusals:
    """Counts refused writes. Call from any thread.

    Attributes:
        count: how many writes were refused since the start.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0
        self._failing: Failing | None = None
        self._untold, self._told_at = 0, float("-inf")

    @property
    def failing(self) -> Failing | None:
        """The last refusal; None if a write was taken since."""
        return self._failing

    def refused(self, error: BaseException, n: int = 1) -> None:
        """Note that `n` writes were refused."""
        now = time.monotonic()
        with self._lock:
            self.count += n
            self._untold += n
            before = self._failing
            since, failures = (before.since, before.failures + n) if before else (time.time(), n)
            self._failing = Failing(NAME, since, failures, str(error)[:500])
            if now - self._told_at < TOLD_AGAIN_S:
                return
            untold, self._untold, self._told_at = self._untold, 0, now
        log.error("%s %s refused: %s", counted(untold, "write"), "was" if untold == 1 else "were", error)

    def refused_in_part(self, n: int) -> None:
        """Note that a part of a store refused `n` writes while others took theirs. That part says by itself why."""
        with self._lock:
            self.count += n

    def taken(self) -> None:
        """Note that the stores took a write: they take writes again."""
        with self._lock:
            over, self._failing = self._failing, None
        if over is not None:
            log.warning("writes are taken again; %d were refused in %.0f s", over.failures, time.time() - over.since)
