"""Delivery: the thread that sends. One `Sender` per lab and profile, the ends of runs behind their last event,
heartbeats in between.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import settings
from ..base import crashpoints
from ..base.loops import Loop
from ..errors import GoneError, LabError, LabRequestError, NotFoundError
from ..ring import layout
from ..spool import Lab, Writer, read_json
from ..transport.connecting import connect
from . import encode, quarantine, refill
from .send import Sender
from .stream import Batch, Stream

if TYPE_CHECKING:
    from .uploader import Uploader

IDLE_WAIT_S = 0.1
TRIES_MAX = 3
SURE_S = 0.2  # what was acknowledged so lately is there when the uploader ends: no lab is put back in that time


class Delivery:
    def __init__(self, uploader: Uploader) -> None:
        self._uploader = uploader
        self._senders: dict[Lab, Sender] = {}
        self._told_ends: set[str] = set()
        self._wishes: dict[str, int] = {}
        self._heartbeat_at = 0.0
        self._ask_at: float | None = None  # when to ask what a lab that went back lacks of what was delivered
        self._ending = False  # it was asked for the last time
        self.behind: deque[tuple[str, refill.Behind]] = deque()  # what it lacked, for the drain thread to go back
        self.loop = Loop("delivery", self._turn, uploader.log)

    def start(self) -> None:
        self.loop.start()

    def stop(self, timeout: float = settings.REQUEST_CONNECT_TIMEOUT_S + settings.REQUEST_READ_TIMEOUT_S) -> None:
        """Waits for the request under way, within its bound."""
        self.loop.stop(timeout)

    def wake(self) -> None:
        self.loop.hurry()

    def hurry(self) -> None:
        """Somebody waits: try again at once."""
        for sender in tuple(self._senders.values()):
            sender.backoff.hurry()
        for stream in tuple(self._uploader.streams.values()):
            stream.refused_until = 0.0
        self.loop.hurry()

    def told_end(self, stream: Stream) -> bool:
        return stream.id in self._told_ends

    def has_failed(self) -> bool:
        """Whether a lab failed so often in a row, or in such a way, that somebody who waits should not wait longer."""
        return any(s.hopeless or s.backoff.failures >= TRIES_MAX for s in tuple(self._senders.values()))

    def fails(self) -> int:
        """Requests that failed or were refused, ever."""
        return sum(s.fails for s in tuple(self._senders.values()))

    def failure(self) -> str:
        """What went wrong last with a lab, "" when all is well."""
        return next((s.trouble for s in tuple(self._senders.values()) if s.trouble), "")

    def trouble(self) -> str:
        """Why not everything gets to the lab, in a line; "" where it does."""
        return self.failure() or self.refused()

    def refused(self) -> str:
        """What the lab does not take now of what is to be sent, or not any more; "" where it takes all."""
        streams = [s for s in tuple(self._uploader.streams.values()) if self._uploader.is_sendable(s) or s.stopped]
        return next((s.refused or s.why_stopped() for s in streams if s.refused or s.stopped), "")

    def _turn(self) -> float:
        return 0.0 if self.turn() else IDLE_WAIT_S

    def turn(self) -> bool:
        """One request to each lab that something waits for. Whether anything was done."""
        busy = False
        for sender, streams in self._groups():
            for stream in streams:
                stream.take_synced()
            if any(self._wants_flush(s) for s in streams):
                sender.backoff.hurry()
                self._uploader.transfer.hurry()
            busy |= sender.turn(streams)
            busy |= any(self._tell_end(sender, s) for s in streams)
        self._ask()
        self._heartbeats()
        return busy

    def _went_back(self) -> None:
        """Perhaps."""
        if any(s.info.done for s in tuple(self._uploader.streams.values())):
            self._ask_at = time.monotonic()

    def _ask(self) -> None:
        """Nothing more comes from a process that has ended, by which the lab could tell that it lacks what it had."""
        if self._ask_at is None or time.monotonic() < self._ask_at:
            return
        try:
            found = refill.reopened(self._uploader.session, self._uploader.log)
        except (LabError, OSError):  # why is said by whoever sends
            self._ask_at = None if self._ending else time.monotonic() + settings.HEARTBEAT_INTERVAL_S
            return
        self.behind.extend(found.items())
        self._ask_at = None

    def asks_at_the_end(self) -> bool:
        """Whether the lab is asked for the last time, now that all is delivered: it may have been put back since it
        last took events, while files were sent or it was away, and nothing more comes by which it could tell.
        """
        heard = [s.heard_at for s in tuple(self._senders.values()) if s.heard_at is not None]
        if self._ending or not heard or time.monotonic() - min(heard) < SURE_S:
            return False
        self._ending, self._ask_at = True, time.monotonic()
        self.loop.hurry()
        return True

    def asks(self) -> bool:
        """Whether more may come to be sent: the lab is still to be asked, or what it lacks to be opened again."""
        return self._ask_at is not None or bool(self.behind)

    def go_back(self, stream: Stream, behind: refill.Behind, info: Writer) -> None:
        """By the drain thread: a delivered stream is to be sent again from there, as its file says now."""
        stream.journaled = max(stream.journaled, behind.acked)  # what is kept nowhere any more is to be told, too
        stream.rewind_to = behind.cursor  # first: until then, the send thread has nothing to do with it
        if self._uploader.has_ended(stream):
            self._told_ends.discard(stream.id)  # the lab may lack that, too
        else:
            self._told_ends.add(stream.id)  # a run that was closed: its end is among its events
        stream.change(done=False, run=info.run)

    def _groups(self) -> list[tuple[Sender, list[Stream]]]:
        groups: dict[Lab, list[Stream]] = {}
        for stream in self._uploader.sendable():
            groups.setdefault(stream.info.lab, []).append(stream)
        for lab in groups.keys() - self._senders.keys():
            self._senders[lab] = Sender(
                self._uploader.session.name,
                partial(connect, *lab),
                attached=self._attached,
                rejected=self._rejected,
                went_back=self._went_back,
                log=self._uploader.log,
                save=self._save,
                redirect=lambda: self._uploader.redirect,
            )
        return [(self._senders[key], streams) for key, streams in groups.items()]

    def _wants_flush(self, stream: Stream) -> bool:
        """Whether a flush began since the last look; somebody waiting is worth one more try."""
        words = stream.words()
        wishes = 0 if words is None else words[layout.FLUSH]
        before = self._wishes.get(stream.id, 0)
        self._wishes[stream.id] = wishes
        return bool(wishes > before)

    def _attached(self, stream: Stream, answer: dict[str, Any]) -> None:
        stream.change(run=answer, lab_id=str(answer.get("lab_id", "")) or stream.info.lab_id)
        with contextlib.suppress(OSError):  # a full disk: the next uploader attaches again, to the same run
            self._uploader.session.save_writer(stream.info, durable=True)

    def _save(self, stream: Stream) -> None:
        with contextlib.suppress(OSError):  # a full disk: an uploader after this one may fold less, and loses nothing
            self._uploader.session.save_writer(stream.info, durable=True)

    def _rejected(self, stream: Stream, batch: Batch) -> None:
        try:
            quarantine.keep(self._uploader.session, stream, batch, "rejected")
        except OSError as e:
            self._uploader.log(f"events {batch.first} to {batch.last} of {stream.id} could not even be put aside: {e}")

    def _tell_end(self, sender: Sender, stream: Stream) -> bool:
        """Tells the lab how the owner of a run ended, once all that it logged is there."""
        if not stream.info.ends_run or stream.id in self._told_ends or stream.rests() or sender.backoff.wait_s() > 0:
            return False
        if stream.run_id is None or stream.acked < stream.journaled or self._uploader.is_closed(stream):
            return False
        if not self._uploader.has_ended(stream) or not self._uploader.is_empty(stream):
            return False
        if self._uploader.console.holds_end(stream, self._uploader.streams):
            return False
        end = self._uploader.end_of(stream)
        if end is None:
            return False
        now = time.time()
        told = read_json(self._uploader.session.end_path(stream.info.owner)) or {}
        where = {"run": stream.run_id, "rank": stream.rank, "attempt": stream.attempt}
        where |= {"time": told.get("time", self._uploader.ended_at(stream)), "clock": now}
        if self._tell(sender, "end", {**where, **end.as_dict()}):
            crashpoints.passing("end.told")
            self._told_ends.add(stream.id)
        return True

    def _heartbeats(self) -> None:
        now = time.monotonic()
        if now - self._heartbeat_at < settings.HEARTBEAT_INTERVAL_S:
            return
        self._heartbeat_at = now
        for sender, streams in self._groups():
            alive = [s for s in streams if s.run_id is not None and not self._uploader.has_ended(s)]
            if not alive or sender.backoff.wait_s() > 0:
                continue
            losses: dict[str, int] = {}
            for stream in alive:
                for reason, count in tuple(stream.lost.items()):
                    losses[reason] = losses.get(reason, 0) + count
            for payload in encode.heartbeats(alive, losses, time.time()):
                if not self._tell(sender, "heartbeat", payload):
                    break

    def _tell(self, sender: Sender, what: str, payload: dict[str, Any]) -> bool:
        """Whether the lab need not be told again."""
        try:
            getattr(sender.transport, what)(self._uploader.session.name, payload)
        except (NotFoundError, GoneError):
            return True
        except LabError as e:
            if isinstance(e, LabRequestError) and not e.retry and e.status in (400, 403, 409, 422):
                self._uploader.log(f"the lab refuses the {what} of the session: {e}")
                return True
            sender.failed(e)
            return False
        sender.succeeded()
        return True
