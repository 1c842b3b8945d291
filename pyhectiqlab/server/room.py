"""Room: what of the disk files may take. What is under way has room put aside, and none is written without a look.

Put aside is what the transfers under way have announced, not what uploads that nobody sends have: those may rest for
days. And of one user at most half of the room counts against others, so that nobody keeps it all by a word.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import settings
from ..store.blobs import NoRoomError

FULL = "The lab's disk is full: ask who runs it to make room."


class Room:
    """For several threads.

    Args:
        free: bytes that the disk still has; None where nobody knows.
    """

    def __init__(self, free: Callable[[], int | None]) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._aside: Counter[str] = Counter()  # user → bytes

    def check(self, user_id: str, n: int) -> None:
        """Raises NoRoomError where so much more does not fit beside what is under way."""
        with self._lock:
            self._check(user_id, n)

    @contextmanager
    def put_aside(self, user_id: str, n: int) -> Iterator[None]:
        """While the block runs. Raises NoRoomError."""
        with self._lock:
            self._check(user_id, n)
            self._aside[user_id] += n
        try:
            yield
        finally:
            with self._lock:
                self._aside[user_id] -= n
                if not self._aside[user_id]:
                    del self._aside[user_id]

    def look(self, n: int) -> None:
        """Before n bytes are written. Raises NoRoomError."""
        free = self._free()
        if free is not None and n > free - settings.LAB_ROOM_KEPT_BYTES:
            raise NoRoomError(FULL)

    def _check(self, user_id: str, n: int) -> None:
        free = self._free()
        if free is None:
            return
        room = free - settings.LAB_ROOM_KEPT_BYTES
        others = sum(min(aside, room // 2) for user, aside in self._aside.items() if user != user_id)
        if n + self._aside[user_id] + others > room:
            raise NoRoomError(FULL)
