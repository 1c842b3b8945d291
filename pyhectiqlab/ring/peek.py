"""Peek: what a queue holds, without taking anything. For any process of the queue's machine."""

from __future__ import annotations

from pathlib import Path

from ..base.lazyclass import dataclass
from . import layout
from .consumer import Consumer
from .mapping import FileWords, open_existing
from .spill import SpillReader

TRIES = 5  # the uploader works meanwhile: look again if it moved


@dataclass(frozen=True)
class Peek:
    """A look at a queue.

    Attributes:
        waiting, waiting_bytes: events, and their bytes, that no uploader has taken yet. While the uploader moves some
            to the journal, they may count as waiting and as journaled; none is ever left out.
        journaled, sent, acked: as the uploader last published them.
        drained_at, acked_at: positions in the ring and spill file up to which events are in the journal, and up to
            which they are at the lab.
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
    drained_at: tuple[int, int] = (0, 0)
    acked_at: tuple[int, int] = (0, 0)
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
        acked = int(words[layout.ACKED])  # read first, then what is never less
        sent = int(words[layout.SENT])
        for _ in range(TRIES):
            start = consumer.ring_at, consumer.spill_at, journaled = _start(words)
            waiting, waiting_bytes = _waiting(consumer)
            if start == _start(words):
                break
        return Peek(
            journaled=journaled,
            sent=sent,
            acked=acked,
            waiting=waiting,
            waiting_bytes=waiting_bytes,
            lost=max(0, int(words[layout.LOST] - words[layout.LOST_TOLD])),
            drained_at=start[:2],
            acked_at=(int(words[layout.ACKED_RING]), int(words[layout.ACKED_SPILL])),
            alive_s=words[layout.ALIVE_MS] / 1e3,
            uploader_pid=int(words[layout.UPLOADER_PID]),
            stopped=int(words[layout.STOPPED]),
        )
    finally:
        consumer.close()


def _start(words: memoryview | FileWords) -> tuple[int, int, int]:
    """Return where the waiting events begin, and how many events are journaled.

    The uploader stores how much is journaled before it moves the positions. So between the two, some events count as
    journaled and as waiting, and none is left out.
    """
    return int(words[layout.HEAD]), int(words[layout.SPILL]), int(words[layout.JOURNALED])


def _waiting(consumer: Consumer) -> tuple[int, int]:
    """Return how many events wait, and their bytes; at least one event where there are bytes that cannot be read."""
    try:
        taken = consumer.take(1 << 40)
    except (OSError, ValueError):  # overwritten while it was read
        return 1, consumer.backlog
    return (taken.count, len(taken.data)) if taken else (0, 0)
