"""Waiting for the uploader, while looking after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Protocol

from ..settings import LOOK_AFTER_S
from .session import Feeder, Session

FLUSH_POLL_S = 0.002
FLUSH_POLL_MAX_S = 0.02


class Awaited(Feeder, Protocol):
    """What a wait asks of an outbox."""

    def is_stopped(self) -> bool:
        """Return whether the uploader will not send what is left: not now, or not any more."""


def wait_until(done: Callable[[], bool], timeout: float, session: Session, outboxes: Collection[Awaited]) -> bool:
    """Wait until `done()`, looking after the uploader meanwhile. Block at most `timeout` seconds. Return False if the
    time ran out, or as soon as `done()` cannot come true any more.
    """
    deadline = time.monotonic() + timeout
    pause = FLUSH_POLL_S
    while not done():
        now = time.monotonic()
        if now >= deadline or all(o.is_stopped() for o in outboxes):
            return False
        if now - max(o.alive_at() for o in outboxes) > LOOK_AFTER_S:
            session.look_after_uploader()
        time.sleep(min(pause, max(0.0, deadline - now)))
        pause = min(pause * 1.5, FLUSH_POLL_MAX_S)
    return True
