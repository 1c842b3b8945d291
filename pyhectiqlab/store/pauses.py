"""Pauses: where long work may be interrupted, so that others get their turn.

Code that reads much calls `may_pause` between two items. It does nothing unless the caller that began the work in this
thread asked for it by `pausing`, as the lab does for its requests (server/turns/pace.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_pause: ContextVar[Callable[[], None] | None] = ContextVar("pause", default=None)


def may_pause() -> None:
    """Wait until it is this work's turn; without `pausing` it costs some 0.2 µs. Never call it while holding a lock
    that a reader takes.

    Raises StoreError, which ends the work, when the lab stops.
    """
    function = _pause.get()
    if function is not None:
        function()


@contextmanager
def pausing(function: Callable[[], None]) -> Iterator[None]:
    """Have `may_pause` call the function, in this thread (or task), until the end of the block."""
    token = _pause.set(function)
    try:
        yield
    finally:
        _pause.reset(token)
