"""SharedMemoryQueue: the ring as a queue that is used like multiprocessing.Queue."""

from __future__ import annotations

import errno
import os
import queue
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import msgpack

from ..protocol import records
from ..settings import QUEUE_BYTES, QUEUE_BYTES_MIN
from . import layout, mapping
from .consumer import Consumer
from .producer import make_puts
from .spill import SpillReader

Full, Empty = queue.Full, queue.Empty
_READ_BYTES = 1 << 20
_POLL_S = 0.001


class SharedMemoryQueue:
    """A queue of bytes from one producing process (any of its threads) to one consuming process or thread.

    Make it in the producer, and pass it to (or inherit it in) the consumer: it pickles as its path. What was put
    survives the death of the producer, by any signal. Unlike multiprocessing.Queue, it has no feeder thread, no pipe
    and no lock between processes. Its bound is in bytes instead of items, and `put` never waits.

    Args:
        maxbytes: capacity of the ring in bytes, rounded down to a power of two and to what shared memory has to spare;
            at least 64 KiB.
        path: an existing queue's file: opens it for consuming.

    Raises OSError where neither shared memory nor a local temporary folder has room. A forked child may consume what
    its parent puts; its own puts raise ForkedError.
    """

    def __init__(self, maxbytes: int = QUEUE_BYTES, *, path: Path | None = None) -> None:
        self._mapping = mapping.open_existing(path) if path else _create(max(maxbytes, QUEUE_BYTES_MIN))
        self.path = self._mapping.path
        self._puts = None if path else make_puts(self._mapping, _raise_full, set())
        words = self._mapping.words
        self._consumer = Consumer(self._mapping, SpillReader(Path("/dev/null")), words[layout.HEAD], 0)
        self._taken: deque[bytes] = deque()
        if not path:
            _producers.add(self)

    def put_nowait(self, item: bytes) -> None:
        """Accept `item`. Makes no system call. Raises Full where the ring has no room, or where this put interrupted
        another put of its own thread; TypeError for anything but bytes; ValueError on a closed queue or for an item
        over a quarter of the capacity.
        """
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
        """Call `put_nowait`. With `block`, try again until `timeout` seconds have passed (None: for ever). Raises
        Full.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self.put_nowait(item)
            except Full:
                if not block or (deadline is not None and time.monotonic() > deadline):
                    raise
                time.sleep(_POLL_S)

    def get_nowait(self) -> bytes:
        """Return the oldest item. Raises Empty. The producer gets its room once the batch that it came with was handed
        out.
        """
        if not self._taken:
            self._fetch()
        if not self._taken:
            raise Empty
        return self._taken.popleft()

    def get(self, block: bool = True, timeout: float | None = None) -> bytes:
        """Call `get_nowait`. With `block`, try again until `timeout` seconds have passed. Raises Empty."""
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
        """Return how many items wait: exactly at the consumer's end; at the producer's, about how many are not yet
        fetched. This walks over all of them.
        """
        while True:
            self._consumer.ring_at = head = self._mapping.words[layout.HEAD]
            try:
                taken = self._consumer.take(1 << 62)
            except ValueError:  # the other end fetched them meanwhile, and the producer wrote over them
                if head == self._mapping.words[layout.HEAD]:
                    raise
                continue
            return len(self._taken) + (taken.count if taken else 0)

    def empty(self) -> bool:
        """Return whether nothing waits; at the producer's end, whether all items were fetched."""
        words = self._mapping.words
        return not self._taken and bool(words[layout.HEAD] == words[layout.TAIL])

    def close(self) -> None:
        """Close this end; the file stays for the other end. Safe twice."""
        self._puts = None
        self._consumer.close()

    def unlink(self) -> None:
        """Remove the file. Both ends keep what they have mapped until they close."""
        self.path.unlink(missing_ok=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.path,)


def _create(capacity: int) -> mapping.Mapping:
    try:
        return mapping.create(os.urandom(16).hex() + ".q", Path(os.devnull), capacity=capacity)
    except NotADirectoryError:
        raise OSError(errno.ENOSPC, "no shared memory and no local temporary folder has room for a queue") from None


_producers: weakref.WeakSet[SharedMemoryQueue] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for producer in tuple(_producers):
        if producer._puts is not None:
            producer._puts.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _open(path: Path) -> SharedMemoryQueue:
    return SharedMemoryQueue(path=path)


def _raise_full(tail: int, record: bytes) -> None:
    raise Full
