"""Recovery: streams as an earlier uploader left them, from the writers' files and the journal; and going back in it."""

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


def read_journal(journal: Journal, log: Callable[[str], None]) -> dict[str, Stream]:
    """What the journal knows, as streams without queue and (yet) without a `Writer`; call it before anything is
    appended.
    """
    streams: dict[str, Stream] = {}
    for frame, location in journal.recover(log):
        stream = streams.get(frame.writer)
        if stream is None:
            stream = streams[frame.writer] = Stream(info=None)  # type: ignore[arg-type]
        if isinstance(frame, Keys):
            stream.learn(frame.table)
        elif isinstance(frame, Ack):
            stream.ack_noted = max(stream.ack_noted, frame.cursor)
        else:
            _add(stream, frame, location)
    for stream in streams.values():
        stream.acknowledge(min(stream.ack_noted, stream.journaled))
    return streams


def _add(stream: Stream, frame: Data | Lost, location: Location | None, reason: str = "journal_damaged") -> None:
    if frame.last <= stream.journaled:
        return  # journaled twice, by two uploaders: the same events, for numbers follow from the place in the queue
    _fill(stream, frame.first - 1, stream.ack_noted, reason)
    if isinstance(frame, Data):
        stream.ring_at, stream.spill_at = frame.ring_end, frame.spill_end
        size = location.size if location else 0
        stream.pending.append(Batch(frame.first, frame.last, size, frame.ring_end, frame.spill_end, location))
    else:
        stream.pending.append(Batch(frame.first, frame.last, 0, stream.ring_at, stream.spill_at, lost=frame.reason))
    stream.journaled = frame.last


def _fill(stream: Stream, upto: int, acked: int, reason: str = "journal_damaged") -> None:
    """Numbers up to `upto` are given up, but for those up to `acked`: they went straight from the queue to the lab."""
    held = max(stream.journaled, min(acked, upto))
    if upto > held:
        stream.pending.append(Batch(held + 1, upto, 0, stream.ring_at, stream.spill_at, lost=reason))
        stream.lose(reason, upto - held)
    stream.journaled = max(stream.journaled, upto)


def open_queue(session: SessionDir, stream: Stream, log: Callable[[str], None]) -> None:
    """Opens the stream's queue, where there still is one, behind what the journal holds of it.

    Raises OSError where it cannot be opened now though it is there: taken for gone, what it holds would be lost.
    """
    info = stream.info
    try:
        mapping = open_existing(Path(info.queue))
    except FileNotFoundError:
        if not info.drained and info.owner.is_here() and (not info.owner.has_ended() or stream.journaled == 0):
            log(f"the queue {info.queue} of writer {info.writer} is gone (a restart, or another mount namespace)")
        return
    except ValueError as e:
        log(f"the queue of writer {info.writer} cannot be opened: {e}")
        return
    words = mapping.words
    # What the journal lacks of what was drained went straight from the queue to the lab, or was damaged. The header
    # has the numbers: they must not be given to other events.
    if words[layout.HEAD] > stream.ring_at or words[layout.SPILL] > stream.spill_at:
        _fill(stream, words[layout.JOURNALED], words[layout.ACKED])
        stream.acknowledge(min(words[layout.ACKED], stream.journaled))
    ring_at, spill_at = max(stream.ring_at, words[layout.HEAD]), max(stream.spill_at, words[layout.SPILL])
    stream.consumer = Consumer(mapping, SpillReader(session.spill(info.writer)), ring_at, spill_at)
    stream.consumer.skip_to(ring_at, spill_at)
    stream.ring_at, stream.spill_at = ring_at, spill_at
    stream.learn(stream.consumer.new_interned())
    stream.acked_ring = max(stream.acked_ring, words[layout.ACKED_RING])
    stream.acked_spill = max(stream.acked_spill, words[layout.ACKED_SPILL])


def open_stream(session: SessionDir, info: Writer, known: Stream | None, log: Callable[[str], None]) -> Stream:
    """Raises OSError as `open_queue` does; `known` is then as it was."""
    stream = known or Stream(info)
    stream.info = info
    if not info.done:
        open_queue(session, stream, log)
    return stream


LAB_RESTORED = "lab_restored"  # the lab had it, was restored from an older backup, and it is kept nowhere any more


def rewind(journal_folder: Path, stream: Stream, cursor: int, log: Callable[[str], None]) -> None:
    """The lab holds less than it had acknowledged (a restored backup): send again from the journal what it still has.

    Numbers that are nowhere any more become a loss, said in the log and at the lab.
    """
    journal = Journal(journal_folder)
    again = Stream(stream.info, journaled=cursor)
    for frame, location in journal.recover(log):
        if frame.writer == stream.id and isinstance(frame, Data | Lost):
            _add(again, frame, location, LAB_RESTORED)
    journaled = {(b.first, b.last) for b in again.pending}
    rest = [b for b in stream.pending if b.last > again.journaled and (b.first, b.last) not in journaled]
    _fill(again, rest[0].first - 1 if rest else stream.journaled, cursor, LAB_RESTORED)
    for reason, count in again.lost.items():
        stream.lose(reason, count)
    stream.pending.clear()
    stream.pending.extend([*again.pending, *rest])
    stream.acked = stream.sent = cursor
    stream.ack_noted = min(stream.ack_noted, cursor)
    stream.rewind_to = None
