"""The drain loop: queues → journal. A turn takes what is due from a queue, numbers it, and makes it a batch on disk."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any

from .. import settings
from ..base import crashpoints
from ..capture.ending import from_word
from ..journal import Data, Journal, Location, Lost
from ..protocol import records
from ..protocol.limits import BATCH_RECORD_BYTES_MAX
from ..ring import layout
from ..ring.consumer import Taken
from .stream import Batch, Stream


class Drain:
    """Moves events from the queues to the journal.

    Args:
        budget: bytes that the whole spool may take; past it, new events are given up and counted.
    """

    def __init__(self, journal: Journal, budget: int, log: Callable[[str], None]) -> None:
        self._journal = journal
        self._budget = budget
        self._log = log
        self._disk_full = False
        self.cut_interval_s = settings.CUT_INTERVAL_S

    def turn(self, stream: Stream, now: float, *, closing: bool) -> bool:
        """Drain one stream if that is due. Return whether it took anything.

        Args:
            closing: the producer will not put again.
        """
        consumer = stream.consumer
        if consumer is None:
            return False
        self._note_ack(stream)
        if stream.direct is not None:
            return self._finish_direct(stream, now)
        backlog = consumer.backlog
        wishes = consumer.mapping.words[layout.FLUSH]
        if not self._is_due(stream, backlog, wishes, now, closing):
            return False
        took = False
        while (taken := consumer.take(BATCH_RECORD_BYTES_MAX, final=closing)) is not None:
            took = True
            crashpoints.passing("drain.taken")
            self._intern(stream, consumer.new_interned())
            if taken.count and not self._keep(stream, taken):
                break
            crashpoints.passing("drain.appended")
            stream.publish_journaled()
            crashpoints.passing("drain.counted")
            consumer.advance(taken)
            stream.ring_at, stream.spill_at = taken.ring_end, taken.spill_end
            crashpoints.passing("drain.advanced")
            if not taken.more:
                break
        self._tell_losses(stream)
        # Stored last: a flush that sees that it was noticed then sees the new positions, too.
        stream.flush_seen, stream.cut_at = wishes, now
        return took

    def _keep(self, stream: Stream, taken: Taken) -> bool:
        """Make what was taken the next batch. Return False where it must stay in the queue until the lab has it."""
        if stream.stopped:  # kept in the journal, but the lab will never have it
            stream.lose(stream.stopped, taken.count)
        first, last = stream.journaled + 1, stream.journaled + taken.count
        at = taken.ring_end, taken.spill_end
        over = self._journal.bytes() > self._budget and not self._release()
        stream.words()[layout.SPOOL_FULL] = int(over)
        if over:
            end = records.closing(taken.data)  # kept even so: without its end, the run would be shown as lost
            if not end:
                self._give_up(stream, first, last, *at)
                return True
            if taken.count > 1:
                self._give_up(stream, first, last - 1, taken.ring_start, taken.spill_start)
            first, taken = last, Taken(end, 1, at[0], at[0], at[1], at[1], taken.more)
        location = self._append(stream, first, last, taken)
        if location is None:
            batch = Batch(first, last, len(taken.data), *at, data=taken.data)
            stream.direct = batch, taken
            stream.pending.append(batch)
            return False
        stream.journaled = last
        stream.pending.append(Batch(first, last, len(taken.data), *at, location))
        return True

    def _append(self, stream: Stream, first: int, last: int, taken: Taken) -> Location | None:
        """Append it to the journal. Return None where the disk refuses."""
        item = Data(
            stream.id, first, last, taken.ring_start, taken.ring_end, taken.spill_start, taken.spill_end, taken.data
        )
        try:
            try:
                location = self._journal.append(item, stream.table)
            except OSError as e:
                if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self._release()  # frees what the lab has, which is kept for a day if there is room
                location = self._journal.append(item, stream.table)
        except OSError as e:
            self._say_full(e)
            return None
        self._disk_full = False
        return location

    def _say_full(self, error: OSError) -> None:
        if not self._disk_full:
            why = os.strerror(error.errno or errno.EIO)
            self._log(f"the journal cannot be written ({why}): sending straight from the queue")
        self._disk_full = True

    def _intern(self, stream: Stream, table: bytes) -> None:
        if not table:
            return
        stream.learn(table)
        try:
            self._journal.append_keys(stream.id, table)
        except OSError as e:  # the next segment starts with a snapshot
            self._say_full(e)

    def _is_due(self, stream: Stream, backlog: int, wishes: int, now: float, closing: bool) -> bool:
        assert stream.consumer is not None
        words = stream.consumer.mapping.words
        if not backlog and words[layout.LOST] <= words[layout.LOST_TOLD]:
            stream.flush_seen = wishes
            return False
        return (
            closing
            or wishes != stream.flush_seen
            or now - stream.cut_at >= self.cut_interval_s
            or backlog >= max(stream.consumer.mapping.capacity // 4, settings.QUEUE_BYTES_MIN)
        )

    def _finish_direct(self, stream: Stream, now: float) -> bool:
        """Let go of a batch in the queue once the lab has it, or the disk takes it after all."""
        assert stream.direct is not None and stream.consumer is not None
        batch, taken = stream.direct
        if stream.acked < batch.last and not stream.stopped:
            if now - stream.cut_at < settings.CUT_INTERVAL_S:
                return False
            stream.cut_at = now
            if self._append(stream, batch.first, batch.last, taken) is None:
                return False
        stream.journaled = batch.last
        # Before the head moves: recovery takes the numbers from here where the journal has none.
        words = stream.consumer.mapping.words
        words[layout.ACKED], words[layout.JOURNALED] = stream.acked, stream.journaled
        crashpoints.passing("drain.direct")
        stream.consumer.advance(taken)
        stream.ring_at, stream.spill_at = taken.ring_end, taken.spill_end
        stream.direct = None
        return True

    def _note_ack(self, stream: Stream) -> None:
        """Note the ack in the journal. This only saves work: after a crash, what is not noted is sent again, and the
        lab answers that it has it.
        """
        acked = stream.acked
        if acked <= stream.ack_noted or stream.direct is not None:
            return
        try:
            self._journal.append_ack(stream.id, acked)
        except OSError as e:
            self._say_full(e)
        else:
            stream.ack_noted = acked
            crashpoints.passing("drain.acked")

    def _release(self) -> bool:
        self._journal.release(self._budget, keep_s=0)
        return self._journal.bytes() <= self._budget

    def _give_up(self, stream: Stream, first: int, last: int, ring_end: int, spill_end: int) -> None:
        reason = "spool_full"
        if reason not in stream.lost:
            self._log(f"the spool is over its budget of {self._budget:,} bytes: new events are counted as lost")
        stream.lose(reason, last - first + 1)
        try:
            self._journal.append_lost(Lost(stream.id, first, last, reason))
        except OSError as e:
            self._say_full(e)
        stream.journaled = last
        stream.pending.append(Batch(first, last, 0, ring_end, spill_end, lost=reason))

    def _tell_losses(self, stream: Stream) -> None:
        """Report events that the producer could put nowhere. They never got a number, so an event that is made here
        stands for them.
        """
        words = stream.words()
        if words[layout.CLOSED] and (said := from_word(words[layout.END])) is not None:
            if not self._tell(stream, "end", {**said, "cause": "closed"}):
                return
            words[layout.END] = 0
        lost = words[layout.LOST] - words[layout.LOST_TOLD]
        if lost > 0 and self.tell_loss(stream, {"reason": "queue_full", "count": 1, "events": lost}):
            stream.lose("queue_full", lost)
            words[layout.LOST_TOLD] += lost

    def tell_loss(self, stream: Stream, fields: dict[str, Any]) -> bool:
        """Put a loss event of the uploader's own behind what was drained. Return False where that must be tried again
        later.
        """
        return self._tell(stream, "loss", fields)

    def _tell(self, stream: Stream, kind: str, fields: dict[str, Any]) -> bool:
        if stream.direct is not None:
            return False
        at = stream.ring_at, stream.ring_at, stream.spill_at, stream.spill_at
        data = records.event(kind, time.time(), fields)
        first = stream.journaled + 1
        location = self._append(stream, first, first, Taken(data, 1, *at, more=False))
        if location is None:
            return False
        stream.pending.append(Batch(first, first, len(data), at[1], at[3], location))
        stream.journaled = first
        return True
