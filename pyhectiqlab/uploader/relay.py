"""The relay: brings to the lab what the journal of a session holds, while another machine goes on writing it.

The session's own uploader is on that machine, which cannot reach the lab.

It reads the journal, takes nothing from any queue, and writes one file of its own, `synced.json`, from which that
uploader learns what the lab has. Both may send at once: the lab takes each number once. Files wait for the session's
end, when a sync can have the whole session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .. import settings
from ..journal import Ack, Data, Keys, Location, Lost, Tail
from ..spool import SessionDir
from . import quarantine
from .lease import Lease
from .redirect import NOWHERE_ELSE, Redirect
from .send import Sender, Senders
from .stream import Batch, Stream
from .synced import read_synced, write_synced

LEASE = "sync-lease"  # one relay a session


class Relay:
    """Follows one session. For one thread. Close it after use.

    Args:
        changes: to which lab its writers go (aim.py).
        redirect: where to send what that lab does not take as it is.
    """

    def __init__(
        self,
        session: SessionDir,
        log: Callable[[str], None] = lambda line: None,
        changes: Mapping[str, dict[str, str]] = MappingProxyType({}),
        redirect: Redirect = NOWHERE_ELSE,
    ) -> None:
        self.session = session
        self._changes = changes
        self._tail = Tail(session.path / "journal")
        self._lease = Lease(session.path, LEASE)
        self._streams: dict[str, Stream] = {}
        self._unannounced: dict[str, Stream] = {}
        self._senders = Senders(
            session.name,
            attached=self._attached,
            rejected=lambda stream, batch: quarantine.keep_rejected(session, stream, batch, log),
            log=log,
            redirect=lambda: redirect,
        )
        self._beaten_at = -settings.HEARTBEAT_INTERVAL_S
        self.sent = 0

    def take(self) -> bool:
        """Try to follow the session. Return whether this process now does; else another one does. Raises OSError."""
        return self._lease.renew() or self._lease.acquire()

    def close(self) -> None:
        self._lease.release()
        self._senders.close()

    def turn(self) -> bool:
        """Read what was journaled since, and send one request to each lab. Return whether there was anything to do.
        Blocks as long as those requests do. Raises OSError where the journal cannot be read.
        """
        self._read()
        before = self._acked()
        busy = False
        for sender, streams in self._groups():
            busy |= sender.turn(streams)
        after = self._acked()
        if after != before:
            self.sent += sum(after.values()) - sum(before.get(writer, 0) for writer in after)
            write_synced(self.session, self._streams.values())
        self._heartbeats()
        return busy

    def journaled(self) -> dict[str, int]:
        return {s.id: s.journaled for s in self._streams.values()}

    def is_behind(self, goal: dict[str, int]) -> bool:
        """Return whether the lab lacks something up to these numbers of the streams that may be sent."""
        streams = (s for s in self._streams.values() if not (s.stopped or s.refused) and s.rewind_to is None)
        return any(s.acked < goal.get(s.id, 0) for s in streams)

    def left(self) -> int:
        return sum(s.backlog for s in self._streams.values() if not s.stopped)

    def trouble(self) -> str:
        """Return why it cannot go on, in one line; "" when all is well."""
        trouble = self._senders.trouble()
        for stream in self._streams.values():
            if stream.stopped or stream.refused:
                trouble = trouble or stream.refused or stream.why_stopped()
            elif stream.rewind_to is not None:
                trouble = (
                    trouble or f"the lab holds less of writer {stream.id} than it had: its uploader sends it again"
                )
        return trouble

    def has_failed(self) -> bool:
        """Return whether a lab failed so often in a row, or in such a way, that nobody should wait."""
        return self._senders.has_failed()

    def _read(self) -> None:
        synced = read_synced(self.session)
        for info in self.session.writers():
            if info.writer in self._streams or info.done:
                continue
            stream = self._unannounced.pop(info.writer, None) or Stream(info)
            known = synced.get(info.writer)
            info = info.changed(**self._changes.get(info.writer, {}))
            stream.info = info if info.run or known is None else info.changed(run=known.run)
            stream.acknowledge(min(known.acked, stream.journaled) if known else 0)
            self._streams[info.writer] = stream
        for frame, location in self._tail.read():
            stream = self._stream_of(frame.writer)
            known = synced.get(frame.writer)
            if isinstance(frame, Keys):
                stream.learn(frame.table)
            elif isinstance(frame, Ack):
                stream.acknowledge(min(frame.cursor, stream.journaled))
            else:
                _add(stream, frame, location)
                stream.acknowledge(min(known.acked, stream.journaled) if known else 0)

    def _stream_of(self, writer: str) -> Stream:
        """Return the stream of a writer. It has no `Writer` while that file is not seen yet, as may be on a network
        file system.
        """
        if writer in self._streams:
            return self._streams[writer]
        return self._unannounced.setdefault(writer, Stream(info=None))  # type: ignore[arg-type]

    def _groups(self) -> list[tuple[Sender, list[Stream]]]:
        return self._senders.groups(s for s in self._streams.values() if not s.stopped)

    def _attached(self, stream: Stream, answer: dict[str, Any]) -> None:
        stream.change(run=answer)
        write_synced(self.session, self._streams.values())

    def _acked(self) -> dict[str, int]:
        return {s.id: s.acked for s in self._streams.values()}

    def _heartbeats(self) -> None:
        """Send heartbeats for the machine that cannot: its runs live, and must not be shown as lost."""
        now = time.monotonic()
        if now - self._beaten_at < settings.HEARTBEAT_INTERVAL_S:
            return
        self._beaten_at = now
        for sender, streams in self._groups():
            alive = [s for s in streams if s.run_id is not None and not s.info.drained]
            if alive and not sender.lab.rests():
                sender.beat(alive, {})


def _add(stream: Stream, frame: Data | Lost, location: Location | None) -> None:
    """Add a frame to the stream. A frame that does not follow on the last one is left to the session's own uploader,
    which knows why.
    """
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
