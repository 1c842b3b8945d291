"""Recovery: streams as an earlier uploader left them, read from the writers' files and the journal.

Also going back in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..journal import Ack, Data, Journal, Keys, Location, Lost
from ..ring import layout
from ..ring.consumer import Consumer
from ..ring.mapping import open_existing
from ..ring.spill import SpillReader
from ..spool import SessionDir, Writer
from .stream import Batch, Stream

JOURNAL_DAMAGED = "journal_damaged"
LAB_RESTORED = "lab_restored"  # the lab had it, was restored from an older backup, and it is kept nowhere any more


def read_journal(journal: Journal, log: Callable[[str], None]) -> dict[str, Stream]:
    """Return what the journal knows, as streams that have no queue, and no `Writer` yet. Call it before anything is
    appended.
    """
    streams: dict[str, Stream] = {}
    holes: list[tuple[Stream, Batch]] = []
    for frame, location in journal.recover(log):
        stream = streams.get(frame.writer)
        if stream is None:
            stream = streams[frame.writer] = Stream(info=None)  # type: ignore[arg-type]
        if isinstance(frame, Keys):
            stream.learn(frame.table)
        elif isinstance(frame, Ack):
            stream.ack_noted = max(stream.ack_noted, frame.cursor)
        elif (hole := add_frame(stream, frame, location)) is not None:
            holes.append((stream, hole))
    for stream in streams.values():
        stream.acknowledge(min(stream.ack_noted, stream.journaled))
    # Only now: most holes are batches that were acked and removed. A later frame of the journal shows that.
    for stream, hole in holes:
        count_hole(stream, hole)
    return streams


def add_frame(
    stream: Stream, frame: Data | Lost, location: Location | None, reason: str = JOURNAL_DAMAGED
) -> Batch | None:
    """Make the frame the next batch. Return the hole before it, which is not counted yet."""
    if frame.last <= stream.journaled:
        return None  # journaled twice, by two uploaders: the same events, as numbers follow from the place in the queue
    hole = _fill(stream, frame.first - 1, stream.ack_noted, reason)
    if isinstance(frame, Data):
        stream.ring_at, stream.spill_at = frame.ring_end, frame.spill_end
        size = location.size if location else 0
        stream.pending.append(Batch(frame.first, frame.last, size, frame.ring_end, frame.spill_end, location))
    else:
        stream.pending.append(Batch(frame.first, frame.last, 0, stream.ring_at, stream.spill_at, lost=frame.reason))
    stream.journaled = frame.last
    return hole


def _fill(stream: Stream, upto: int, acked: int, reason: str) -> Batch | None:
    """Count the sequence numbers from behind `acked` to `upto` as lost. Those up to `acked` the lab has already."""
    held = max(stream.journaled, min(acked, upto))
    stream.journaled = max(stream.journaled, upto)
    if upto <= held:
        return None
    hole = Batch(held + 1, upto, 0, stream.ring_at, stream.spill_at, lost=reason)
    stream.pending.append(hole)
    return hole


def count_hole(stream: Stream, hole: Batch | None) -> None:
    """Count the events of a hole that the lab does not have as lost."""
    if hole is not None and hole.lost is not None and hole.last > stream.acked:
        stream.lose(hole.lost, hole.last - max(stream.acked, hole.first - 1))


def open_queue(session: SessionDir, stream: Stream, log: Callable[[str], None]) -> None:
    """Open the stream's queue, if it still exists, and skip what the journal already holds.

    Raises OSError where the queue is there but cannot be opened now. If it were taken for gone, its events would be
    lost.
    """
    info = stream.info
    try:
        mapping = open_existing(Path(info.queue))
    except FileNotFoundError:
        if (
            not (info.drained or info.closed)
            and info.owner.is_here()
            and (not info.owner.has_ended() or stream.journaled == 0)
        ):
            log(f"the queue {info.queue} of writer {info.writer} is gone (a restart, or another mount namespace)")
        return
    except ValueError as e:
        log(f"the queue of writer {info.writer} cannot be opened: {e}")
        return
    words = mapping.words
    # Drained events that the journal lacks went straight from the queue to the lab, or were damaged. Their numbers are
    # in the header, and must not be given to other events.
    if words[layout.HEAD] > stream.ring_at or words[layout.SPILL] > stream.spill_at:
        hole = _fill(stream, words[layout.JOURNALED], words[layout.ACKED], JOURNAL_DAMAGED)
        stream.acknowledge(min(words[layout.ACKED], stream.journaled))
        count_hole(stream, hole)
    ring_at, spill_at = max(stream.ring_at, words[layout.HEAD]), max(stream.spill_at, words[layout.SPILL])
    stream.consumer = Consumer(mapping, SpillReader(session.spill(info.writer)), ring_at, spill_at)
    stream.publish_journaled()
    stream.consumer.skip_to(ring_at, spill_at)
    stream.ring_at, stream.spill_at = ring_at, spill_at
    stream.learn(stream.consumer.new_interned())
    stream.acked_ring = max(stream.acked_ring, words[layout.ACKED_RING])
    stream.acked_spill = max(stream.acked_spill, words[layout.ACKED_SPILL])


def open_stream(session: SessionDir, info: Writer, known: Stream | None, log: Callable[[str], None]) -> Stream:
    """Return the writer's stream with its queue open. Raises OSError as `open_queue` does; then `known` is
    unchanged.
    """
    stream = known or Stream(info)
    stream.info = info
    if not info.done:
        open_queue(session, stream, log)
    return stream


def rewind(journal: Journal, stream: Stream, cursor: int, log: Callable[[str], None]) -> None:
    """Send again what the journal still has: the lab holds less than it had acknowledged, as it was restored from a
    backup.

    Numbers that are kept nowhere any more become a loss, in the log and at the lab.
    """
    journal.rewind(stream.id, cursor)  # otherwise the journal would remove as acked what is to be sent again
    again = Stream(stream.info, journaled=cursor)
    for frame, location in Journal(journal.folder).recover(log):
        if frame.writer == stream.id and isinstance(frame, Data | Lost):
            count_hole(again, add_frame(again, frame, location, LAB_RESTORED))
    journaled = {(b.first, b.last) for b in again.pending}
    rest = [b for b in stream.pending if b.last > again.journaled and (b.first, b.last) not in journaled]
    count_hole(again, _fill(again, rest[0].first - 1 if rest else stream.journaled, cursor, LAB_RESTORED))
    for reason, count in again.lost.items():
        stream.lose(reason, count)
    stream.pending.clear()
    stream.pending.extend([*again.pending, *rest])
    stream.acked = stream.sent = cursor
    stream.ack_noted = min(stream.ack_noted, cursor)
    stream.rewind_to = None
