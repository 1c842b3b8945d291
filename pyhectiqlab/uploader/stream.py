"""Stream: the uploader's side of one writer. Its queue, its numbers, its batches on the way, in one place.

One number line per writer: acked ≤ sent ≤ journaled ≤ produced. The drain thread moves `journaled` and appends to
`pending`; the send thread moves `sent` and `acked` and takes from the left of `pending`. They share nothing else, so a
deque is enough.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from .. import settings
from ..journal import Location
from ..protocol import records
from ..ring import layout
from ..ring.consumer import Consumer, Taken
from ..spool import Writer
from .cache import KEEP_ALL, CacheSettings

CACHE_KEPT = 64  # settings of the metrics cache that hold for what the lab has
_changing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive events that are sent together. Its range never changes, whatever crashes.

    Exactly one of `location`, `data` and `lost` says what it holds: records in the journal, records in memory (the
    journal cannot be written), or nothing any more, for the reason `lost`.
    """

    first: int
    last: int
    size: int
    ring_end: int = 0
    spill_end: int = 0
    location: Location | None = None
    data: bytes | None = None
    lost: str | None = None
    frame: tuple[int, int] | None = None  # first and last of its records, where it is a part of them

    def halves(self) -> tuple[Batch, Batch]:
        """Return the same numbers as two batches; `first < last`. Records are cut when they are encoded."""
        middle = (self.first + self.last) // 2
        frame = self.frame or (self.first, self.last)
        part = replace(self, frame=frame, size=self.size // 2)
        # Its bytes in the queue are free only when the second half is acknowledged.
        return replace(part, last=middle, ring_end=0, spill_end=0), replace(part, first=middle + 1)

    def read(self) -> bytes:
        """Return its records. Raises OSError where the journal can no longer be read."""
        if self.location is not None:
            return self.location.read()
        return self.data or b""


@dataclass
class Stream:
    info: Writer
    consumer: Consumer | None = None
    keys: records.Keys = field(default_factory=dict)
    journaled: int = 0
    sent: int = 0
    acked: int = 0
    ack_noted: int = 0  # acked, as the journal knows it
    pending: deque[Batch] = field(default_factory=deque)
    direct: tuple[Batch, Taken] | None = None  # sent straight from the queue, which keeps it until the ack
    rewind_to: int | None = None  # the send thread's wish: go back to behind this cursor
    stopped: str = ""  # why this writer is not sent again: "deleted"
    refused: str = ""  # the lab's reason why it takes nothing of this writer now, and what to do; "" where it does
    refused_until: float = 0.0  # by the monotonic clock: when it is asked again
    lost: dict[str, int] = field(default_factory=dict)  # events given up, by reason
    flush_seen: int = 0
    cut_at: float = 0.0
    ring_at: int = 0
    spill_at: int = 0
    acked_ring: int = 0
    acked_spill: int = 0
    said_end: dict[str, Any] | None = None  # what its process said of its own end, by an event
    unsaved: bool = False  # `info` knows of a setting that its file does not
    synced: int = 0  # a cursor that a sync on another machine brought the lab to
    splits: tuple[int, int] = (0, 0)  # the last batch cut because the lab refused it: its first number, how often
    behind_since: float | None = None  # wall time since when what the lab lacks is journaled, within two looks
    looked: tuple[int, float] = (0, 0.0)  # how far the journal was at a look, and the wall time of it

    @property
    def id(self) -> str:
        return self.info.writer

    @property
    def run_id(self) -> str | None:
        return self.info.run["run"]["id"] if self.info.run else None

    @property
    def rank(self) -> int:
        return int(self.info.attach.get("rank", 0))

    @property
    def attempt(self) -> int:
        return int(self.info.run["attempt"]) if self.info.run else 1

    def change(self, **changes: Any) -> None:
        """Change fields of `info`; both threads do."""
        with _changing:
            self.info = self.info.changed(**changes)

    def refuse(self, why: str) -> bool:
        """Note that the lab takes nothing of it now. That may change: it stays here, and is sent again later. Return
        whether that is news.
        """
        news = self.refused != why
        self.refused, self.refused_until = why, time.monotonic() + settings.RETRY_DELAY_MAX_S
        return news

    def why_stopped(self) -> str:
        """Return why nothing more of it is sent, and what to do, in a line; "" where it is sent."""
        if not self.stopped:
            return ""
        name = str(self.info.attach.get("name", ""))
        if self.stopped != "deleted":
            return f"what is left of the run {name!r} was {self.stopped} at the lab: see `hectiqlab quarantine`"
        return (
            f"the run {name!r} was deleted at the lab: `hectiqlab restore {self.run_id}` brings it back, and then "
            "`hectiqlab quarantine restore` what is left of it here"
        )

    def rests(self) -> bool:
        """Return whether the lab refused it so lately that it need not be asked again."""
        return bool(self.refused) and time.monotonic() < self.refused_until

    def lose(self, reason: str, count: int) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + count

    def may_split(self, batch: Batch, most: int) -> bool:
        """Return whether a batch that was refused may be cut once more; counts it."""
        first = batch.frame[0] if batch.frame else batch.first
        cut = self.splits[1] if self.splits[0] == first else 0
        self.splits = first, cut + 1
        return cut < most

    def cache_at(self, number: int) -> CacheSettings:
        """Return the settings of the metrics cache that hold where this sequence number begins."""
        known = [raw for at, raw in self.info.cache if at < number]
        return CacheSettings.from_dict(known[-1]) if known else KEEP_ALL

    def learn_cache(self, number: int, raw: dict[str, Any]) -> None:
        """Note settings of the metrics cache that hold behind this number. Save them before the batch is sent: when a
        later batch is encoded again, the event may be gone from the journal.
        """
        if all(at != number for at, _ in self.info.cache):
            entries = sorted([*self.info.cache, [number, raw]], key=lambda entry: entry[0])
            old = [entry for entry in entries if entry[0] <= self.acked]
            # The old ones are for what is sent again to a lab that was restored, and for `hectiqlab verify`.
            self.change(cache=[*old[-CACHE_KEPT:], *entries[len(old) :]])
            self.unsaved = True

    def learn(self, table: bytes) -> None:
        """Add entries of the intern table, from the queue or the journal."""
        self.keys.update(records.read_interned(table))

    def table(self) -> bytes:
        """Return the whole intern table as known here."""
        return b"".join(records.intern_entry(ident, key) for ident, key in self.keys.items())

    def heed(self, end: dict[str, Any] | None, settings: list[tuple[int, dict[str, Any]]]) -> None:
        """Note what the events of a batch say to the uploader itself; see encode.Encoded. Safe twice."""
        if end is not None:
            self.said_end = end
        for number, raw in settings:
            self.learn_cache(number, raw)

    def take_synced(self) -> None:
        """Note how far a sync on another machine brought the lab. If a thread sends the stream, call it only from that
        thread.
        """
        if self.synced > self.acked and self.rewind_to is None:
            self.acknowledge(min(self.synced, self.journaled))

    def acknowledge(self, cursor: int) -> None:
        """Note that the lab holds everything up to `cursor`: forget what is pending of that."""
        if cursor > self.acked:
            self.refused = ""
        self.acked = max(self.acked, cursor)
        self.sent = max(self.sent, self.acked)
        while self.pending and self.pending[0].last <= self.acked:
            done = self.pending.popleft()
            self.acked_ring = max(self.acked_ring, done.ring_end)
            self.acked_spill = max(self.acked_spill, done.spill_end)

    def publish_journaled(self) -> None:
        """Tell how much is journaled. Call it before the head moves past these events: who counts what is journaled and
        what waits in the queue then counts none too few, whatever crashes.
        """
        if self.consumer is not None:
            self.consumer.mapping.words[layout.JOURNALED] = self.journaled

    def publish(self, alive_ms: int, pid: int) -> None:
        """Tell the producer how far things are, through the queue's header."""
        if self.consumer is None:
            return
        # Past bytes that hold no event, too: an empty dict, a write that a full disk cut short.
        if self.acked >= self.journaled:
            self.acked_ring, self.acked_spill = self.ring_at, self.spill_at
        words = self.consumer.mapping.words
        words[layout.ALIVE_MS] = alive_ms
        words[layout.UPLOADER_PID] = pid
        self.publish_journaled()
        words[layout.SENT] = self.sent
        words[layout.ACKED] = self.acked
        words[layout.ACKED_RING] = self.acked_ring
        words[layout.ACKED_SPILL] = self.acked_spill
        words[layout.STOPPED] = layout.IS_DELETED if self.stopped else layout.IS_REFUSED if self.refused else 0
        words[layout.UPLOADER_LOST] = sum(self.lost.values())

    def words(self) -> Any:
        return self.consumer.mapping.words if self.consumer else None

    def is_closed(self) -> bool:
        """Return whether its run was closed: its process, which may live on, puts no more."""
        words = self.words()
        return self.info.closed or (words is not None and bool(words[layout.CLOSED]))

    def is_let_go(self) -> bool:
        """Return whether its process, which may live on, looks at the queue no more."""
        words = self.words()
        return words is not None and words[layout.CLOSED] == layout.LET_GO

    def is_empty(self) -> bool:
        """Return whether its queue was drained, and what came straight from it is at the lab."""
        return self.consumer is None or (self.consumer.backlog == 0 and self.direct is None)

    @property
    def backlog(self) -> int:
        """Events not yet at the lab, those still in the queue not counted."""
        return self.journaled - self.acked

    def look(self, now: float, since: float | None = None) -> None:
        """Note since when the lab lacks something. `since`: what an earlier uploader noted."""
        if self.backlog <= 0:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since, self.looked = since or now, (self.journaled, now)
        elif self.acked >= self.looked[0]:  # what it lacks now came behind that look
            self.behind_since, self.looked = self.looked[1], (self.journaled, now)
