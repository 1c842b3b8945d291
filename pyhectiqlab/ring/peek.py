"""Peek: what a queue holds, without taking anything. For any process of the queue's machine."""

from __future__ import annotations

from pathlib import Path

from ..base.lazyclass import dataclass
from . import layout
from .consumer import Consumer
from .mapping import open_existing
from .spill import SpillReader

TRIES = 5  # the consumer works meanwhile: look again if it moved


@dataclass(frozen=True)
class Peek:
    """A look at a queue.

    Attributes:
        waiting, waiting_bytes: events, and their bytes, that no uploader has taken yet.
        journaled, sent, acked: as the uploader last published them.
        lost: events that found no place and were not reported yet.
        alive_s: the uploader's last sign of life, by the monotonic clock; 0.0: none.
        stopped: why what waits is not sent, a word of layout.py; 0: it is sent.
    """

    journaled: int
    sent: int
    acked: int
    waiting: int
    waiting_bytes: int
    lost: int
    alive_s: float = 0.0
    uploader_pid: int = 0
    stopped: int = 0


def peek(queue: Path, spill: Path) -> Peek | None:
    """Look at a queue. Return None where there is no such queue here (any more)."""
    try:
        mapping = open_existing(queue)
    except (OSError, ValueError):
        return None
    words = mapping.words
    consumer = Consumer(mapping, SpillReader(spill), words[layout.HEAD], words[layout.SPILL])
    try:
        waiting = waiting_bytes = 0
        for _ in range(TRIES):
            start = words[layout.HEAD], words[layout.SPILL]
            consumer.ring_at, consumer.spill_at = start
            try:
                taken = consumer.take(1 << 40)
            except (OSError, ValueError):  # overwritten while it was read
                continue
            if start == (words[layout.HEAD], words[layout.SPILL]):
                waiting, waiting_bytes = (taken.count, len(taken.data)) if taken else (0, 0)
                break
        return Peek(
            int(words[layout.JOURNALED]),
            int(words[layout.SENT]),
            int(words[layout.ACKED]),
            waiting,
            waiting_bytes,
            max(0, int(words[layout.LOST] - words[layout.LOST_TOLD])),
            words[layout.ALIVE_MS] / 1e3,
            int(words[layout.UPLOADER_PID]),
            int(words[layout.STOPPED]),
        )
    finally:
        consumer.close()
