"""The consumer's end of a queue.

It takes records in the order of the calls, from ring and spill file, and frees them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from ..base.lazyclass import dataclass
from ..protocol import records
from . import layout
from .mapping import Mapping
from .spill import SpillReader

TORN_AFTER_S = 3.0  # one write to a file takes less


@dataclass(frozen=True)
class Taken:
    """Records copied out of a queue and where they came from. `count`: the sequence numbers they occupy."""

    data: bytes
    count: int
    ring_start: int
    ring_end: int
    spill_start: int
    spill_end: int
    more: bool  # the bound on bytes was reached: there is more to take now


def _barrier() -> Callable[[], None] | None:
    """Return a call that makes the producer's bytes visible before we read them, for weakly ordered Linux machines.

    The producer publishes with a plain store. membarrier(2) has every running thread of the machine execute a barrier,
    so that all that was stored before a tail that we have read is visible. On x86, stores are seen in order: None.
    """
    if sys.platform != "linux" or os.uname().machine in ("x86_64", "AMD64", "i686"):
        return None
    import ctypes

    number = {"aarch64": 283, "riscv64": 283, "ppc64le": 365, "s390x": 356}.get(os.uname().machine)
    if number is None:
        return None
    membarrier = ctypes.CDLL(None).syscall
    command_global = 1
    return lambda: membarrier(number, command_global, 0, 0)


class Consumer:
    """The single consumer of one queue. `take` copies, `advance` frees; in between, the bytes can be made durable.

    Args:
        mapping: the queue file.
        spill: its spill file, which need not exist.
        ring_at, spill_at: where to go on. An earlier consumer took what is before.
    """

    def __init__(self, mapping: Mapping, spill: SpillReader, ring_at: int, spill_at: int) -> None:
        self.mapping = mapping
        self.spill = spill
        self.ring_at = ring_at
        self.spill_at = spill_at
        self._barrier = _barrier()
        self._table_at = 0
        self._torn = 0, 0.0  # an end of the spill file that could not be read, and since when

    @property
    def backlog(self) -> int:
        """Bytes that wait, padding included."""
        return max(0, self.mapping.words[layout.TAIL] - self.ring_at) + max(0, self.spill.size() - self.spill_at)

    def take(self, bytes_max: int, *, final: bool = False) -> Taken | None:
        """Copy the next records, about `bytes_max` at most. Return None where there are none. Never blocks.

        `final`: the producer is gone. If the last frame of the spill file is not whole, it never will be, as its call
        did not return. It is skipped; else the queue would never be empty.

        The tail is read first, then the spill file's size. So all that was spilled before a published record is
        visible, and a spilled record is never seen later than a record of a later call. Then the tail is read again: a
        frame may have been spilled behind records that were published since the first look, and these come before it.
        """
        tail = self.mapping.words[layout.TAIL]
        if self._barrier is not None:
            self._barrier()
        spill_end = self.spill.size()
        if tail <= self.ring_at and spill_end <= self.spill_at:
            return None
        published = tail
        if spill_end > self.spill_at:
            published = self.mapping.words[layout.TAIL]
            if self._barrier is not None:
                self._barrier()
        parts: list[bytes] = []
        count = used = 0
        ring_at, spill_at, more = self.ring_at, self.spill_at, False
        for at_tail, record, behind in self.spill.frames(self.spill_at, spill_end):
            data, n, ring_at, more = self._ring(ring_at, min(at_tail, published), bytes_max - used)
            parts.append(data)
            used, count = used + len(data), count + n
            if more or (used and used + len(record) > bytes_max):
                more = True
                break
            _, n = records.measure(record)
            parts.append(record)
            used, count = used + len(record), count + n
            spill_at = behind
        if not more:
            data, n, ring_at, more = self._ring(ring_at, tail, bytes_max - used)
            parts.append(data)
            count += n
        if final and not more:
            spill_at = spill_end
        if not count and ring_at == self.ring_at and spill_at == self.spill_at:
            if not self._is_torn(spill_end):
                return None
            spill_at = spill_end
        return Taken(b"".join(parts), count, self.ring_at, ring_at, self.spill_at, spill_at, more)

    def _is_torn(self, spill_end: int) -> bool:
        """Return whether a full disk or a kill cut the last write to the spill file short. It is not a write under way,
        because it has not changed for a while. If it were not skipped, the queue would never be empty.
        """
        now = time.monotonic()
        if spill_end != self._torn[0]:
            self._torn = spill_end, now
        return spill_end > self.spill_at and now - self._torn[1] >= TORN_AFTER_S

    def _ring(self, start: int, end: int, bytes_max: int) -> tuple[bytes, int, int, bool]:
        """Return (records, count, position reached, whether the bound stopped it) of the ring from `start` towards
        `end`.
        """
        parts: list[bytes] = []
        count = 0
        mask = self.mapping.capacity - 1
        while start < end:
            lap_end = (start | mask) + 1
            stop = min(end, lap_end)
            offset = start & mask
            # A little more than may be used, so that the last record is whole.
            block = bytes(self.mapping.ring[offset : offset + min(stop - start, max(bytes_max, 0) + (1 << 16))])
            whole = len(block) == stop - start
            used, n = self._measure(block, bytes_max, whole)
            if not used and bytes_max > 0 and not whole and not _is_padding(block):
                block = bytes(self.mapping.ring[offset : offset + stop - start])
                used, n = self._measure(block, bytes_max, True)
                whole = True
            rest = block[used:]
            if used:
                parts.append(block[:used])
            count += n
            bytes_max -= used
            start += used
            if start < stop:
                if (len(rest) < 4 and whole) or _is_padding(rest):
                    start = stop
                    continue
                return b"".join(parts), count, start, True
        return b"".join(parts), count, start, False

    @staticmethod
    def _measure(block: bytes, bytes_max: int, whole: bool) -> tuple[int, int]:
        if bytes_max <= 0:
            return 0, 0
        try:
            return records.measure(block, bytes_max)
        except ValueError:
            if whole:
                raise
            return 0, 0

    def new_interned(self) -> bytes:
        """Return the entries that the intern table gained since the last call. Call it after `take`: an id's entry is
        published before the record that uses it.
        """
        end = self.mapping.words[layout.TABLE]
        data = bytes(self.mapping.table[self._table_at : end])
        self._table_at = end
        return data

    def advance(self, taken: Taken) -> None:
        """Free what was taken: from now on, its bytes may be overwritten."""
        self.ring_at, self.spill_at = taken.ring_end, taken.spill_end
        self.mapping.words[layout.SPILL] = taken.spill_end
        self.mapping.words[layout.HEAD] = taken.ring_end
        self.spill.free(taken.spill_end)

    def skip_to(self, ring_at: int, spill_at: int) -> None:
        """Go on from these positions: an earlier consumer made durable what is before, but may have died before it said
        so.
        """
        self.ring_at, self.spill_at = ring_at, spill_at
        self.mapping.words[layout.SPILL] = spill_at
        self.mapping.words[layout.HEAD] = ring_at

    def close(self) -> None:
        self.spill.close()
        self.mapping.close()


def _is_padding(data: bytes) -> bool:
    return len(data) >= 4 and data[0] == records.TAG_PADDING
