"""The courier: brings to the lab what the journal of a session holds while the session's own uploader, on a machine
that cannot reach the lab, goes on writing it.

It reads the journal, takes nothing from any queue, and writes one file of its own, `synced.json`, from which that
uploader learns what the lab has. Both may send at once: the lab takes each number once. Files wait for the session's
end, when a sync can have the whole session.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from .. import settings
from ..errors import LabError
from ..journal import Ack, Data, Keys, Location, Lost, Tail
from ..spool import Lab, SessionDir, read_json, write_json
from ..transport.connecting import connect
from . import encode, quarantine
from .deliver import TRIES_MAX
from .lease import Lease
from .redirect import NOWHERE_ELSE, Redirect
from .send import Sender
from .stream import Batch, Stream

LEASE = "sync-lease"  # one courier a session
SYNCED = "synced.json"


@dataclass(frozen=True)
class Synced:
    """How far a courier brought a writer, and the lab's answer to its attach where it was the courier's."""

    acked: int
    run: dict[str, Any] | None


def read_synced(session: SessionDir) -> dict[str, Synced]:
    told = read_json(session.path / SYNCED) or {}
    found = {}
    for writer, fields in told.items():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found[writer] = Synced(int(fields["acked"]), fields.get("run"))
    return found


class Courier:
    """Follows one session. Not to be used by two threads. Close it.

    Args: changes, redirect: to which lab its writers go, and where what that does not take as it is (aim.py).
    """

    def __init__(
        self,
        session: SessionDir,
        log: Callable[[str], None] = lambda line: None,
        changes: Mapping[str, dict[str, str]] = MappingProxyType({}),
        redirect: Redirect = NOWHERE_ELSE,
    ) -> None:
        self.session = session
        self._log = log
        self._changes, self._redirect = changes, redirect
        self._tail = Tail(session.path / "journal")
        self._lease = Lease(session.path, LEASE)
        self._streams: dict[str, Stream] = {}
        self._unannounced: dict[str, Stream] = {}
        self._senders: dict[Lab, Sender] = {}
        self._beaten_at = -settings.HEARTBEAT_INTERVAL_S
        self.sent = 0

    def take(self) -> bool:
        """Whether this process now follows the session; else another does. Raises OSError."""
        return self._lease.renew() or self._lease.acquire()

    def close(self) -> None:
        self._lease.release()
        for sender in self._senders.values():
            sender.close()

    def turn(self) -> bool:
        """Reads what was journaled since, sends one request to each lab. Whether there was anything to do. Blocks as
        long as those requests do. Raises OSError where the journal cannot be read.
        """
        self._read()
        before = self._acked()
        busy = False
        for sender, streams in self._groups():
            busy |= sender.turn(streams)
        after = self._acked()
        if after != before:
            self.sent += sum(after.values()) - sum(before.get(writer, 0) for writer in after)
            self._keep()
        self._heartbeats()
        return busy

    def journaled(self) -> dict[str, int]:
        return {s.id: s.journaled for s in self._streams.values()}

    def is_behind(self, goal: dict[str, int]) -> bool:
        """Whether the lab lacks something up to these numbers, of what may be sent."""
        streams = (s for s in self._streams.values() if not (s.stopped or s.refused) and s.rewind_to is None)
        return any(s.acked < goal.get(s.id, 0) for s in streams)

    def left(self) -> int:
        return sum(s.backlog for s in self._streams.values() if not s.stopped)

    def trouble(self) -> str:
        """Why it cannot go on, in one line; "" when all is well."""
        told = next((s.trouble for s in self._senders.values() if s.trouble), "")
        for stream in self._streams.values():
            if stream.stopped or stream.refused:
                told = told or stream.refused or stream.why_stopped()
            elif stream.rewind_to is not None:
                told = told or f"the lab holds less of writer {stream.id} than it had: its own uploader goes back"
        return told

    def has_failed(self) -> bool:
        """Whether a lab failed so often in a row, or in such a way, that nobody should wait."""
        return any(s.hopeless or s.backoff.failures >= TRIES_MAX for s in self._senders.values())

    def _read(self) -> None:
        synced = read_synced(self.session)
        for info in self.session.writers():
            if info.writer in self._streams or info.done:
                continue
            stream = self._unannounced.pop(info.writer, None) or Stream(info)
            told = synced.get(info.writer)
            info = info.changed(**self._changes.get(info.writer, {}))
            stream.info = info if info.run or told is None else info.changed(run=told.run)
            stream.acknowledge(min(told.acked, stream.journaled) if told else 0)
            self._streams[info.writer] = stream
        for frame, location in self._tail.read():
            stream = self._stream_of(frame.writer)
            told = synced.get(frame.writer)
            if isinstance(frame, Keys):
                stream.learn(frame.table)
            elif isinstance(frame, Ack):
                stream.acknowledge(min(frame.cursor, stream.journaled))
            else:
                _add(stream, frame, location)
                stream.acknowledge(min(told.acked, stream.journaled) if told else 0)

    def _stream_of(self, writer: str) -> Stream:
        """The writer's; one without a `Writer` where that is not seen yet, as on a network file system may be."""
        if writer in self._streams:
            return self._streams[writer]
        return self._unannounced.setdefault(writer, Stream(info=None))  # type: ignore[arg-type]

    def _groups(self) -> list[tuple[Sender, list[Stream]]]:
        groups: dict[Lab, list[Stream]] = {}
        for stream in self._streams.values():
            if not stream.stopped:
                groups.setdefault(stream.info.lab, []).append(stream)
        for lab in groups.keys() - self._senders.keys():
            self._senders[lab] = Sender(
                self.session.name,
                partial(connect, *lab),
                attached=self._attached,
                rejected=self._rejected,
                log=self._log,
                redirect=lambda: self._redirect,
            )
        return [(self._senders[key], streams) for key, streams in groups.items()]

    def _attached(self, stream: Stream, answer: dict[str, Any]) -> None:
        stream.change(run=answer)
        self._keep()

    def _rejected(self, stream: Stream, batch: Batch) -> None:
        try:
            quarantine.keep(self.session, stream, batch, "rejected")
        except OSError as e:
            self._log(f"events {batch.first} to {batch.last} of {stream.id} could not even be put aside: {e}")

    def _acked(self) -> dict[str, int]:
        return {s.id: s.acked for s in self._streams.values()}

    def _keep(self) -> None:
        kept = {s.id: {"acked": s.acked, "run": s.info.run} for s in self._streams.values()}
        told = {writer: {"acked": s.acked, "run": s.run} for writer, s in read_synced(self.session).items()}
        with contextlib.suppress(OSError):  # only a saving: the lab says what it has
            write_json(self.session.path / SYNCED, {**told, **kept})

    def _heartbeats(self) -> None:
        """For the machine that cannot: its runs live, and are not lost."""
        now = time.monotonic()
        if now - self._beaten_at < settings.HEARTBEAT_INTERVAL_S:
            return
        self._beaten_at = now
        for sender, streams in self._groups():
            alive = [s for s in streams if s.run_id is not None and not s.info.drained]
            if not alive or sender.backoff.wait_s() > 0:
                continue
            try:
                for payload in encode.heartbeats(alive, {}, time.time()):
                    sender.transport.heartbeat(self.session.name, payload)
            except LabError as e:
                sender.failed(e)


def _add(stream: Stream, frame: Data | Lost, location: Location | None) -> None:
    """What does not follow on what is known is left to the session's own uploader, who knows why."""
    if frame.last <= stream.journaled:
        return
    if stream.journaled == 0 and frame.first > 1:  # the beginning was released: the lab has it
        stream.journaled = stream.acked = stream.sent = frame.first - 1
    if frame.first > stream.journaled + 1:
        return
    if isinstance(frame, Data):
        size = location.size if location else 0
        stream.pending.append(Batch(frame.first, frame.last, size, location=location))
    else:
        stream.pending.append(Batch(frame.first, frame.last, 0, lost=frame.reason))
    stream.journaled = frame.last
