"""PipeQueue: multiprocessing.Queue behind SharedMemoryQueue's interface, to compare the two in tests and benchmarks."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext
from typing import Any

__all__ = ["PipeQueue"]


class PipeQueue:
    """A queue of bytes over a pipe, filled by a thread of the producer. Bounded in items. What the thread had not yet
    written when its process was killed is lost, and a kill in the middle of a write blocks the consumer.

    Args:
        maxsize: items.
        context: of multiprocessing; passes to processes of that start method.
    """

    def __init__(self, maxsize: int = 1000, *, context: BaseContext | None = None) -> None:
        self._queue: Any = (context or multiprocessing.get_context()).Queue(maxsize)

    def put_nowait(self, item: bytes) -> None:
        """Raises Full, TypeError for anything but bytes, ValueError on a closed queue."""
        self.put(item, block=False)

    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
        if not isinstance(item, bytes | bytearray | memoryview):
            raise TypeError(f"a PipeQueue holds bytes, not {type(item).__name__}")
        self._queue.put(bytes(item), block, timeout)

    def get_nowait(self) -> bytes:
        """Raises Empty, for a moment also behind a put that returned."""
        return self.get(block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> bytes:
        item: bytes = self._queue.get(block, timeout)
        return item

    def qsize(self) -> int:
        return int(self._queue.qsize())

    def empty(self) -> bool:
        return bool(self._queue.empty())

    def close(self) -> None:
        """Let go of this end, once what was put is written. Safe twice."""
        self._queue.close()
        self._queue.join_thread()

    def unlink(self) -> None:
        """Nothing to remove."""
