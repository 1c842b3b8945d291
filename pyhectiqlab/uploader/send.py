"""Sending events: journal → lab. A turn of a `Sender` sends the next request to its lab and acts on the answer.
`Senders` holds one for each lab of a session.

What each answer means: the table in FORMAT.md, and `_settle` here. When to try again: transport/retry.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import msgpack

from .. import settings
from ..base import crashpoints
from ..errors import (
    ConfigurationError,
    GoneError,
    InvalidRequestError,
    LabError,
    LabRequestError,
    LabUnavailableError,
    NotALabError,
    NotFoundError,
    PermissionDeniedError,
)
from ..protocol.limits import ARRAY_LENGTH_MAX, BATCHES_PER_REQUEST_MAX, INGEST_BYTES_MAX
from ..spool import Lab
from ..transport import Transport
from ..transport.connecting import connect
from . import encode, redirect
from .lab_connection import LabConnection
from .recover import JOURNAL_DAMAGED
from .redirect import NOWHERE_ELSE, Redirect
from .stream import Batch, Stream

REQUEST_RECORD_BYTES = 2 << 20  # bounds the memory of an encoding, some three times as much
TOO_LARGE = 413
INVALID = 422
NEVER_TOO_LARGE_BYTES = 64 << 10  # halving ends here; a loss in the place of a batch is smaller still
SPLITS_MAX = 200  # of one batch of the journal, to find the events that the lab refuses
WHOLE_REFUSED = {400, TOO_LARGE, INVALID}  # something in the request can never be accepted


class Sender:
    """Sends the streams of one lab and profile. For one thread.

    Args:
        connect: makes the transport. It may raise ConfigurationError (the profile is gone); then it is called again
            later.
        attached: called with a stream that got its run.
        rejected: called with a batch that the lab can never accept, before it is replaced by a loss.
        went_back: called when the lab holds less than it had acknowledged, or may do so because it was started again.
        redirect: where to send what the lab does not take as it is.
        save: called with a stream whose `info` must be on disk before what was encoded with it is sent.

    Attributes:
        lab: the connection, and whether it works.
        heard_at: when the lab last answered what was sent, by the monotonic clock.
    """

    def __init__(
        self,
        session: str,
        connect: Callable[[], Transport],
        *,
        attached: Callable[[Stream, dict[str, Any]], None],
        rejected: Callable[[Stream, Batch], None],
        log: Callable[[str], None],
        went_back: Callable[[], None] = lambda: None,
        save: Callable[[Stream], None] = lambda stream: None,
        redirect: Callable[[], Redirect] = lambda: NOWHERE_ELSE,
    ) -> None:
        self._session = session
        self._save = save
        self._redirect = redirect
        self._attached, self._rejected, self._log = attached, rejected, log
        self._went_back = went_back
        self._lab_start = ""
        self.lab: LabConnection[Transport] = LabConnection(connect)
        self.heard_at: float | None = None
        self._turns = 0
        self._room = REQUEST_RECORD_BYTES
        self._body_max = INGEST_BYTES_MAX  # a proxy on the way may take less

    def turn(self, streams: list[Stream]) -> bool:
        """Send one request if anything waits. Return whether it did something. Blocks as long as the transport does."""
        if self.lab.rests():
            return False
        try:
            for stream in streams:
                if stream.run_id is None and not stream.stopped and not stream.rests():
                    self._attach(stream)
                    return True
            chosen = self._choose(streams)
            if not chosen:
                return False
            self._send(chosen)
        except (LabRequestError, ConfigurationError) as e:
            self._failed(e)
        else:
            self._succeeded()
        return True

    def tell(self, what: str, payload: dict[str, Any]) -> bool:
        """Send a heartbeat or the end of a process (`what`: "heartbeat", "end"). Return whether the lab need not be
        told again. Blocks as long as the transport does.
        """
        try:
            getattr(self.lab.client, what)(self._session, payload)
        except (NotFoundError, GoneError):
            return True
        except LabError as e:
            if isinstance(e, LabRequestError) and not e.retry and e.status in (400, 403, 409, INVALID):
                self._log(f"the lab refuses the {what} of the session: {e}")
                return True
            self._failed(e)
            return False
        self._succeeded()
        return True

    def beat(self, alive: list[Stream], losses: dict[str, int]) -> None:
        """Send a sign of life of these streams, at least one, each of a run that the lab knows. Blocks as `tell`."""
        for payload in encode.heartbeats(alive, losses, time.time()):
            if not self.tell("heartbeat", payload):
                break

    def _succeeded(self) -> None:
        if self.lab.succeeded():
            self._log("the lab answers again")

    def _failed(self, error: LabError) -> None:
        if self.lab.failed(error):
            self._log(str(error))

    def _attach(self, stream: Stream) -> None:
        """Attach a run that was opened without the lab. That may be days ago, so the request has the clock of now
        beside the start.
        """
        ended = stream.info.owner.has_ended()
        for attach in (stream.info.attach, self._redirect().applied_to(stream.info.attach)):
            if attach is None:
                break
            try:
                answer = self.lab.client.attach(
                    {**attach, "client_time": time.time(), "ended": ended}, timeout_s=settings.ATTACH_TIMEOUT_S
                )
            except LabRequestError as e:
                if not isinstance(e, PermissionDeniedError | NotFoundError | GoneError) and e.status != INVALID:
                    raise
                why = redirect.to_do(stream.info, str(e), e.code)
                continue
            if answer["mode"] == "read-only":
                author = str(answer["run"]["author"])
                said = f"The run {attach['name']!r} belongs to {author}."
                why = redirect.to_do(stream.info, said, redirect.NOT_YOURS)
                continue
            crashpoints.passing("send.attached")
            if attach is not stream.info.attach:
                stream.change(attach=attach)
            stream.refused = ""
            self._attached(stream, answer)
            return
        self._refuse(stream, why)

    def _choose(self, streams: list[Stream]) -> list[tuple[Stream, Batch]]:
        """Return the oldest batches of every stream, in order, up to a bound. Streams take turns in being the first:
        one that logs flat out would leave no room for the others.
        """
        chosen: list[tuple[Stream, Batch]] = []
        room = self._room
        self._turns += 1
        first = self._turns % max(1, len(streams))
        for stream in streams[first:] + streams[:first]:
            if stream.stopped or stream.rests() or stream.run_id is None or stream.rewind_to is not None:
                continue
            for batch in tuple(stream.pending):
                if chosen and (batch.size > room or len(chosen) >= BATCHES_PER_REQUEST_MAX):
                    break
                if batch.last > stream.acked:
                    chosen.append((stream, batch))
                    room -= batch.size
        return chosen

    def _send(self, chosen: list[tuple[Stream, Batch]]) -> None:
        wire: list[dict[str, Any]] = []
        sent: list[tuple[Stream, Batch]] = []
        for stream, batch in chosen:
            try:
                encoded = encode.encoded(stream, batch, stream.acked)
            except (encode.UndecodableError, OSError) as e:
                self._log(f"events {batch.first} to {batch.last} of writer {stream.id} cannot be read back: {e}")
                self._replace(stream, batch, JOURNAL_DAMAGED)
                continue
            stream.heed(encoded.end, encoded.settings)
            wire.append(encoded.wire)
            sent.append((stream, batch))
            if stream.unsaved:
                self._save(stream)
                stream.unsaved = False
        if not sent:
            return
        self._post(wire, sent)

    def _post(self, wire: list[dict[str, Any]], sent: list[tuple[Stream, Batch]]) -> bool:
        """Send one request. Return whether the lab took all of it. Raises errors that say nothing about the batches
        themselves.
        """
        body = msgpack.packb(encode.request(self._session, time.time(), wire), unicode_errors="surrogatepass")
        parts = len(sent) > 1 or _has_halves(sent[0][1])
        if parts and (len(body) > self._body_max or any(len(one["series"]) > ARRAY_LENGTH_MAX for one in wire)):
            self._isolate(wire, sent, InvalidRequestError("The request is too large.", status=TOO_LARGE))
            return False
        for stream, batch in sent:
            stream.sent = max(stream.sent, batch.last)
        try:
            crashpoints.passing("send.posting")
            answer = self.lab.client.ingest(body)
            crashpoints.passing("send.answered")
        except LabRequestError as e:
            if e.status not in WHOLE_REFUSED or e.code == "protocol_unsupported" or isinstance(e, NotALabError):
                raise
            if e.status == TOO_LARGE and len(body) <= NEVER_TOO_LARGE_BYTES:  # then the size is not the reason
                why = "something before it refuses even small requests as too large: see its limits"
                raise LabUnavailableError(f"The lab cannot be reached: {why}.", status=TOO_LARGE) from None
            if e.status == TOO_LARGE and parts:
                self._body_max = min(self._body_max, len(body) - 1)
            self._isolate(wire, sent, e)
            return False
        start = str(answer.get("start", ""))
        if self._lab_start not in ("", start):
            self._went_back()
        self._lab_start, self.heard_at = start, time.monotonic()
        refused: set[str] = set()
        later: LabUnavailableError | None = None
        for (stream, batch), result in zip(sent, answer["results"], strict=True):
            if stream.id in refused:  # what follows in this request had no chance
                continue
            try:
                settled = self._settle(stream, batch, result)
            except LabUnavailableError as e:  # concerns one writer: the others of the request are settled all the same
                later, settled = later or e, False
            if not settled:
                refused.add(stream.id)
        crashpoints.passing("send.settled")
        if later is not None:
            raise later
        return not refused

    def _isolate(self, wire: list[dict[str, Any]], sent: list[tuple[Stream, Batch]], error: LabRequestError) -> None:
        """Find out which batch is at fault: the whole request was refused."""
        if error.status == TOO_LARGE:
            self._room = max(self._room // 2, REQUEST_RECORD_BYTES >> 6)
        if len(sent) == 1:
            stream, batch = sent[0]
            if error.status == TOO_LARGE and _has_halves(batch):
                self._halve(stream, batch)
                return
            self._refused(stream, batch, str(error))
            return
        refused: set[str] = set()
        for one, (stream, batch) in zip(wire, sent, strict=True):
            if stream.id not in refused and not self._post([one], [(stream, batch)]):
                refused.add(stream.id)  # its next batch would leave a gap until the loss is sent

    def _halve(self, stream: Stream, batch: Batch) -> None:
        """Cut a batch that is too large for one request in two, which are sent in order. The numbers stay the same. If
        this uploader ends in between, the lab tells the next one how far it is, and that one sends the rest.
        """
        at = next((i for i, pending in enumerate(tuple(stream.pending)) if pending is batch), None)
        if at is not None:
            stream.pending[at], second = batch.halves()
            stream.pending.insert(at + 1, second)

    def _settle(self, stream: Stream, batch: Batch, result: dict[str, Any]) -> bool:
        """Act on the result of one batch. Return whether the stream's next batch of the same request counts."""
        status, cursor, error = int(result["status"]), int(result["cursor"]), str(result.get("error", ""))
        if status == 200:
            stream.acknowledge(cursor)
            return True
        if status == 409:
            # Unless the lab went back, what comes next is still here. The next turn cuts off an overlap. A gap behind a
            # batch that could not be sent closes with the loss in its place.
            waiting = next((b for b in tuple(stream.pending) if b.last > cursor), batch)
            if cursor >= stream.acked and cursor + 1 >= waiting.first:
                stream.acknowledge(cursor)
            else:
                self._log(
                    f"the lab holds events up to {cursor} of writer {stream.id}, not {batch.first - 1}: going back"
                )
                stream.rewind_to = cursor
                self._went_back()
        elif status == 404:  # a lab that was restored from a backup older than the run: attaching makes the run again
            stream.change(run=None)
            stream.rewind_to = 0
            self._went_back()
            raise LabUnavailableError(error or "the lab does not know the run; it is attached again", status=503)
        elif status == 410:
            self._stop(stream, "deleted", "the run was deleted at the lab")
        elif status == 403:
            self._refuse(stream, redirect.to_do(stream.info, error or "The run belongs to somebody else.", ""))
        elif status == 503:
            raise LabUnavailableError(error or "the lab cannot store events now; they are sent again", status=503)
        else:
            self._refused(stream, batch, error)
        return False

    def _refused(self, stream: Stream, batch: Batch, why: str) -> None:
        """Handle a batch that the lab can never take. One event that the lab refuses must not cost the events beside
        it. So the batch is sent in halves until that event is alone, which takes some 20 requests. Where parts are
        refused again and again, the rest is given up whole.
        """
        if _has_halves(batch) and stream.may_split(batch, SPLITS_MAX):
            self._halve(stream, batch)
            return
        self._log(f"the lab refuses events {batch.first} to {batch.last} of writer {stream.id}: {why}")
        self._reject(stream, batch)

    def _reject(self, stream: Stream, batch: Batch) -> None:
        self._rejected(stream, batch)
        self._replace(stream, batch, "rejected")

    def _replace(self, stream: Stream, batch: Batch, reason: str) -> None:
        """Put a loss in the place of a batch, so that its numbers are occupied and the writer goes on."""
        for i, pending in enumerate(tuple(stream.pending)):
            if pending is batch:
                first = max(batch.first, stream.acked + 1)
                if batch.lost is not None:  # the lab refuses even the loss: give up on this writer
                    self._stop(stream, "denied", "the lab refuses even the event of a loss")
                    return
                stream.pending[i] = Batch(first, batch.last, 0, batch.ring_end, batch.spill_end, lost=reason)
                stream.lose(reason, batch.last - first + 1)
                return

    def _refuse(self, stream: Stream, why: str) -> None:
        """Keep the stream here. This is not final: somebody may make the project, give a role, or free the name."""
        self.lab.fails += 1
        if stream.refuse(why):
            self._log(f"writer {stream.id} stays here: {why}")

    def _stop(self, stream: Stream, why: str, message: str) -> None:
        stream.stopped = why
        stream.lose(why, max(0, stream.journaled - stream.acked))
        self._log(f"writer {stream.id} is not sent any more: {message}")


def _has_halves(batch: Batch) -> bool:
    return batch.lost is None and batch.first < batch.last


class Senders:
    """One Sender for each lab and profile that streams of a session go to. The arguments are those of `Sender`."""

    def __init__(
        self,
        session: str,
        *,
        attached: Callable[[Stream, dict[str, Any]], None],
        rejected: Callable[[Stream, Batch], None],
        log: Callable[[str], None],
        went_back: Callable[[], None] = lambda: None,
        save: Callable[[Stream], None] = lambda stream: None,
        redirect: Callable[[], Redirect] = lambda: NOWHERE_ELSE,
    ) -> None:
        self._make = partial(
            Sender,
            session,
            attached=attached,
            rejected=rejected,
            log=log,
            went_back=went_back,
            save=save,
            redirect=redirect,
        )
        self._senders: dict[Lab, Sender] = {}

    def __iter__(self) -> Iterator[Sender]:
        """Yield the senders of now. Call it from any thread."""
        return iter(tuple(self._senders.values()))

    def groups(self, streams: Iterable[Stream]) -> list[tuple[Sender, list[Stream]]]:
        """Return the streams, grouped by their senders."""
        groups: dict[Lab, list[Stream]] = {}
        for stream in streams:
            groups.setdefault(stream.info.lab, []).append(stream)
        for lab in groups.keys() - self._senders.keys():
            self._senders[lab] = self._make(partial(connect, *lab))
        return [(self._senders[lab], its) for lab, its in groups.items()]

    def trouble(self) -> str:
        """Return what went wrong last with a lab, "" when all is well. From any thread."""
        return next((s.lab.trouble for s in self if s.lab.trouble), "")

    def has_failed(self) -> bool:
        """Return whether a lab failed so often in a row, or in such a way, that somebody who waits should not wait
        longer.
        """
        return any(s.lab.has_failed() for s in self)

    def close(self) -> None:
        """Let go of the connections. Safe twice."""
        for sender in self:
            sender.lab.close()
