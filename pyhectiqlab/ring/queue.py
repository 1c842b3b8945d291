"""SharedMemoryQueue: the ring as a queue of its own, in the manner of multiprocessing.Queue."""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgpack

from ..protocol import records
from ..settings import QUEUE_BYTES
from . import layout, mapping
from .consumer import Consumer
from .producer import make_puts
from .spill import SpillReader

Full, Empty = queue.Full, queue.Empty
_READ_BYTES = 1 << 20
_POLL_S = 0.001


class SharedMemoryQueue:
    """A queue of bytes from one producing process (any of its threads) to one consuming process or thread.

    Make it in the producer, pass it to (or inherit it in) the consumer: it pickles as its path. What was put survives
    the death of the producer,
    by any signal. Compared with multiprocessing.Queue: no feeder thread, no pipe, no lock between processes, a bound
    in bytes
    instead of items; `put` never waits.

    Args:
        maxbytes: capacity of the ring in bytes, rounded down to a power of two and to what shared memory has to spare.
        path: an existing queue's file: opens it for consuming.
    """

    def __init__(self, maxbytes: int = QUEUE_BYTES, *, path: Path | None = None, fallback: Path = Path(".")) -> None:
        self._mapping = (
            mapping.open_existing(path)
            if path
            else mapping.create(os.urandom(16).hex() + ".q", fallback, capacity=maxbytes)
        )
        self.path = self._mapping.path
        self._puts = None if path else make_puts(self._mapping, _raise_full, set())
        words = self._mapping.words
        self._consumer = Consumer(self._mapping, SpillReader(Path("/dev/null")), words[layout.HEAD], 0)
        self._taken: deque[bytes] = deque()

    def put_nowait(self, item: bytes) -> None:
        """Accepts `item`. Raises Full where the ring has no room or another put of this thread was interrupted by
        this one,
        TypeError for anything but bytes, ValueError on a closed queue or for an item over a quarter of the capacity.
        Makes no system call."""
        if not isinstance(item, bytes | bytearray | memoryview):
            raise TypeError(f"a SharedMemoryQueue holds bytes, not {type(item).__name__}")
        if self._puts is None:
            raise ValueError("this end of the queue is the consumer's, or it is closed")
        data = records.record(records.TAG_EVENT, msgpack.packb([records.TAG_EVENT, "", 0.0, {"": bytes(item)}]))
        if len(data) > self._mapping.capacity >> 2:
            raise ValueError(
                f"an item of {len(data):,} bytes is over a quarter of the queue's {self._mapping.capacity:,}"
            )
        self._puts.record(data)

    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
        """`put_nowait`, trying again until `timeout` seconds passed (None: for ever) where `block`. Raises Full."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self.put_nowait(item)
            except Full:
                if not block or (deadline is not None and time.monotonic() > deadline):
                    raise
                time.sleep(_POLL_S)

    def get_nowait(self) -> bytes:
        """The oldest item. Raises Empty. Its room is free for the producer once the batch it came with was handed
        out.
        """
        if not self._taken:
            self._fetch()
        if not self._taken:
            raise Empty
        return self._taken.popleft()

    def get(self, block: bool = True, timeout: float | None = None) -> bytes:
        """`get_nowait`, trying again until `timeout` seconds passed where `block`. Raises Empty."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self.get_nowait()
            except Empty:
                if not block or (deadline is not None and time.monotonic() > deadline):
                    raise
                time.sleep(_POLL_S)

    def _fetch(self) -> None:
        taken = self._consumer.take(_READ_BYTES)
        if taken is None:
            return
        for _, at, size, n in records.runs(taken.data):
            for start in range(at, at + n * size, size):
                fields: dict[str, Any] = msgpack.unpackb(taken.data[start + 4 : start + size])[3]
                self._taken.append(fields[""])
        self._consumer.advance(taken)

    def qsize(self) -> int:
        """Items that wait, exactly, as seen by the consumer. Costs a walk over them."""
        taken = self._consumer.take(1 << 62)
        return len(self._taken) + (taken.count if taken else 0)

    def empty(self) -> bool:
        return not self._taken and self._consumer.backlog == 0

    def close(self) -> None:
        """Lets go of this end; the file stays, for the other. Safe twice."""
        self._puts = None
        self._consumer.close()

    def unlink(self) -> None:
        """Removes the file. What both ends have mapped stays theirs until they close."""
        self.path.unlink(missing_ok=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.path,)


def _open(path: Path) -> SharedMemoryQueue:
    return SharedMemoryQueue(path=path)


def _raise_full(tail: int, record: bytes) -> None:
    raise Full
