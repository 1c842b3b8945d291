"""Room: how much of the disk files may take.

Room is put aside for transfers under way, as much as they have announced, and nothing is written before a look at the
room. Uploads that nobody sends at the moment count nothing, because they may rest for days. What one user has announced
counts against others up to half of the room, so that nobody keeps all of it by an announcement.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ... import settings
from ...store.blobs import NoRoomError

FULL = "The lab's disk is full: ask who runs it to make room."


class Room:
    """Safe for several threads.

    Args:
        free: bytes that the disk still has; None where nobody knows.
    """

    def __init__(self, free: Callable[[], int | None]) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._aside: Counter[str] = Counter()  # user → bytes

    def check(self, user_id: str, n: int) -> None:
        """Raise NoRoomError if so much more does not fit beside what is under way."""
        with self._lock:
            self._check(user_id, n)

    @contextmanager
    def put_aside(self, user_id: str, n: int) -> Iterator[None]:
        """Put room aside while the block runs. Raises NoRoomError."""
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
        """Look before n bytes are written. Raises NoRoomError."""
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
