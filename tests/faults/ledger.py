"""The ledger: what each call of a trainer returned, in a mapped file that outlives any kill; and the harness's wishes.

Words of 8 bytes. A trainer writes after each call that returned; the harness reads after the trainer's death. The other
way round the harness asks a living trainer and its uploader (a fork of it) for something: to end, to see another time.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

SLOTS = 160  # streams of one trainer: threads, handlers, forked children
STOP, ENDING, CLOCK_S, NO_DNS, DISK, OPENED, ONLINE, RAISED, SLOWEST_US = range(9)
_FIRST, _PER_SLOT = 16, 4
POINTS, LOGS, FILES, FLAGS = range(_PER_SLOT)
STARTED, ENDED_WELL = 1, 2  # bits of FLAGS


class Ledger:
    """One trainer's. `words` may be indexed by the constants above."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if create:
            path.write_bytes(bytes(8 * (_FIRST + SLOTS * _PER_SLOT)))
        fd = os.open(path, os.O_RDWR)
        try:
            self._memory = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        self.words = memoryview(self._memory).cast("q")

    def place(self, slot: int, what: int) -> int:
        """Return the index of a slot's word."""
        assert 0 <= slot < SLOTS
        return _FIRST + slot * _PER_SLOT + what

    def get(self, slot: int, what: int) -> int:
        return self.words[self.place(slot, what)]

    def slots(self) -> list[int]:
        return [s for s in range(SLOTS) if self.get(s, FLAGS)]
