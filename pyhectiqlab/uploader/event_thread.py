"""The event thread: sends what is journaled, the ends of processes behind their last event, and heartbeats in between.

send.py decides what one request holds, and what its answer means.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .. import settings
from ..base import crashpoints
from ..base.loops import Loop
from ..errors import LabError
from ..ring import layout
from ..spool import Writer, read_json
from . import quarantine, refill
from .send import Sender, Senders
from .stream import Batch, Stream
from .streams import Streams

IDLE_WAIT_S = 0.1
SURE_S = 0.2  # an ack this fresh needs no check at the end: no lab is restored from a backup in that time


class EventThread:
    """Sends the events of all streams.

    Args:
        flushing: called when a flush begins.
    """

    def __init__(self, streams: Streams, flushing: Callable[[], None], log: Callable[[str], None]) -> None:
        self._streams, self._session = streams, streams.session
        self._flushing, self._log = flushing, log
        self._senders = Senders(
            self._session.name,
            attached=self._attached,
            rejected=self._rejected,
            went_back=self._went_back,
            log=log,
            save=self._save,
            redirect=lambda: streams.redirect,
        )
        self._told_ends: set[str] = set()
        self._wishes: dict[str, int] = {}
        self._heartbeat_at = 0.0
        self._ask_at: float | None = None  # when to ask a lab that went back what it lacks
        self._ending = False  # the lab was asked for the last time
        self.behind: deque[tuple[str, refill.Behind]] = deque()  # what it lacked: the main thread goes back
        self.loop = Loop("events", self._turn, log)

    def start(self) -> None:
        self.loop.start()

    def stop(self, timeout: float = settings.REQUEST_CONNECT_TIMEOUT_S + settings.REQUEST_READ_TIMEOUT_S) -> None:
        """Wait for the request under way, within its bound."""
        self.loop.stop(timeout)

    def wake(self) -> None:
        self.loop.hurry()

    def hurry(self) -> None:
        """Try again at once: somebody waits."""
        for sender in self._senders:
            sender.lab.hurry()
        for stream in self._streams:
            stream.refused_until = 0.0
        self.loop.hurry()

    def told_end(self, stream: Stream) -> bool:
        """Return whether the lab was told how the stream's process ended."""
        return stream.id in self._told_ends

    def has_failed(self) -> bool:
        """Return whether a lab failed so often in a row, or in such a way, that somebody who waits should not wait
        longer.
        """
        return self._senders.has_failed()

    def fails(self) -> int:
        """Requests that failed or were refused, ever."""
        return sum(s.lab.fails for s in self._senders)

    def failure(self) -> str:
        """Return what went wrong last with a lab, "" when all is well."""
        return self._senders.trouble()

    def trouble(self) -> str:
        """Return why not everything gets to the lab, in a line; "" where it does."""
        return self.failure() or self._refused()

    def _refused(self) -> str:
        """Return why the lab takes nothing of some stream, now or for good; "" where it takes all."""
        streams = [s for s in self._streams if self._streams.is_sendable(s) or s.stopped]
        return next((s.refused or s.why_stopped() for s in streams if s.refused or s.stopped), "")

    # A lab that was put back ------------------------------------------------------------------------------------

    def asks_at_the_end(self) -> bool:
        """Have the lab asked a last time, now that all is delivered. Return whether it is. The lab may have been put
        back since it last took events: while files were sent, or while it was away. No later request would show that.
        """
        heard = [s.heard_at for s in self._senders if s.heard_at is not None]
        if self._ending or not heard or time.monotonic() - min(heard) < SURE_S:
            return False
        self._ending, self._ask_at = True, time.monotonic()
        self.loop.hurry()
        return True

    def asks(self) -> bool:
        """Return whether there may be more to send: the lab is still to be asked, or what it lacks is still to be
        opened again.
        """
        return self._ask_at is not None or bool(self.behind)

    def go_back(self, stream: Stream, behind: refill.Behind, info: Writer) -> None:
        """Send a delivered stream again from the lab's cursor, as its file says now. Call only from the main thread."""
        stream.journaled = max(stream.journaled, behind.acked)  # what is kept nowhere any more becomes a loss
        stream.rewind_to = behind.cursor  # first: until it is set, this thread leaves the stream alone
        if self._streams.has_ended(stream):
            self._told_ends.discard(stream.id)  # the lab may lack the end, too
        else:
            self._told_ends.add(stream.id)  # a run that was closed: its end is among its events
        stream.change(done=False, run=info.run)

    def _went_back(self) -> None:
        """Have the lab asked what it lacks: it holds less than it had acknowledged, or it was started again and may."""
        if any(s.info.done for s in self._streams):
            self._ask_at = time.monotonic()

    def _ask(self) -> None:
        """Ask the lab what it lacks of what was delivered. An ended process sends nothing whose answer would show
        it.
        """
        if self._ask_at is None or time.monotonic() < self._ask_at:
            return
        try:
            # status.json is a little late: a lab may go back before that file has an ack.
            acked = {s.id: s.acked for s in self._streams if not s.stopped}
            behind = refill.reopened(self._session, self._log, acked)
        except (LabError, OSError):  # the sender says why
            self._ask_at = None if self._ending else time.monotonic() + settings.HEARTBEAT_INTERVAL_S
            return
        self.behind.extend(behind.items())
        self._ask_at = None

    # The thread -------------------------------------------------------------------------------------------------

    def _turn(self) -> float:
        return 0.0 if self.turn() else IDLE_WAIT_S

    def turn(self) -> bool:
        """Send one request to each lab that something waits for. Return whether anything was done."""
        busy = False
        for sender, streams in self._groups():
            for stream in streams:
                stream.take_synced()
            if any(self._wants_flush(s) for s in streams):
                sender.lab.hurry()
                self._flushing()
            busy |= sender.turn(streams)
            busy |= any(self._tell_end(sender, s) for s in streams)
        self._ask()
        self._heartbeats()
        return busy

    def _groups(self) -> list[tuple[Sender, list[Stream]]]:
        return self._senders.groups(self._streams.sendable())

    def _wants_flush(self, stream: Stream) -> bool:
        """Return whether a flush began since the last look; somebody waiting is worth one more try."""
        words = stream.words()
        wishes = 0 if words is None else words[layout.FLUSH]
        before = self._wishes.get(stream.id, 0)
        self._wishes[stream.id] = wishes
        return bool(wishes > before)

    def _attached(self, stream: Stream, answer: dict[str, Any]) -> None:
        stream.change(run=answer, lab_id=str(answer.get("lab_id", "")) or stream.info.lab_id)
        self._save(stream)

    def _save(self, stream: Stream) -> None:
        """Save the stream's file. If the disk is full, the next uploader attaches again, to the same run, and may fold
        less. Nothing is lost.
        """
        with contextlib.suppress(OSError):
            self._session.save_writer(stream.info, durable=True)

    def _rejected(self, stream: Stream, batch: Batch) -> None:
        quarantine.keep_rejected(self._session, stream, batch, self._log)

    def _tell_end(self, sender: Sender, stream: Stream) -> bool:
        """Tell the lab how the owner of a run ended, once all that it logged is there."""
        if not stream.info.ends_run or stream.id in self._told_ends or stream.rests() or sender.lab.rests():
            return False
        if stream.run_id is None or stream.acked < stream.journaled or stream.is_closed():
            return False
        if not self._streams.has_ended(stream) or not stream.is_empty():
            return False
        if self._streams.holds_end(stream):
            return False
        end = self._streams.end_of(stream)
        if end is None:
            return False
        now = time.time()
        noted = read_json(self._session.end_path(stream.info.owner)) or {}
        where = {"run": stream.run_id, "rank": stream.rank, "attempt": stream.attempt}
        where |= {"time": noted.get("time", self._streams.owners.ended_at(stream)), "clock": now}
        if sender.tell("end", {**where, **end.as_dict()}):
            crashpoints.passing("end.told")
            self._told_ends.add(stream.id)
        return True

    def _heartbeats(self) -> None:
        now = time.monotonic()
        if now - self._heartbeat_at < settings.HEARTBEAT_INTERVAL_S:
            return
        self._heartbeat_at = now
        for sender, streams in self._groups():
            alive = [s for s in streams if s.run_id is not None and not self._streams.has_ended(s)]
            if not alive or sender.lab.rests():
                continue
            losses: dict[str, int] = {}
            for stream in alive:
                for reason, count in tuple(stream.lost.items()):
                    losses[reason] = losses.get(reason, 0) + count
            sender.beat(alive, losses)
