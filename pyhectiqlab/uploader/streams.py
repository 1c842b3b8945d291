"""The streams of a session: which there are, who feeds them, and which may be sent.

The uploader's threads share this object (README.md).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..spool import SessionDir, Writer, places, read_json
from . import recover
from .console import Consoles
from .owners import Owners
from .redirect import Redirect
from .stream import Stream
from .synced import read_synced
from .watch import End

AIMED = {"url", "profile", "lab_id"}  # fields of a writer that a sync may set


class Streams:
    """The main thread adds streams and opens their queues; the other threads ask.

    Args:
        known: what the journal knows, by writer.
        deliver_kept: what was kept in dry or offline mode may be sent, too.
        redirect: where to send what the lab does not take as it is.

    Attributes:
        by_writer: all streams, also those that are done.
        unopened: writers whose queue is there but cannot be opened now → why.
        status_before: what the uploader before this one wrote of each writer in `status.json`.
    """

    def __init__(
        self,
        session: SessionDir,
        owners: Owners,
        consoles: Consoles,
        known: dict[str, Stream],
        log: Callable[[str], None],
        *,
        deliver_kept: bool,
        redirect: Redirect,
    ) -> None:
        self.session = session
        self.owners = owners
        self.deliver_kept = deliver_kept
        self.redirect = redirect
        self.by_writer: dict[str, Stream] = {}
        self.unopened: dict[str, str] = {}
        status = read_json(session.path / "status.json") or {}
        self.status_before: dict[str, dict[str, Any]] = status.get("writers", {})
        self.log = log
        self._consoles = consoles
        self._known = known
        self._scanned: tuple[int, float] = (0, 0.0)

    def __iter__(self) -> Iterator[Stream]:
        """Yield all, as they are now: the main thread may add more meanwhile."""
        return iter(tuple(self.by_writer.values()))

    def get(self, writer: str) -> Stream | None:
        return self.by_writer.get(writer)

    # Which there are, by the main thread ------------------------------------------------------------------------

    def scan(self) -> None:
        """Find writers that announced themselves since the last look."""
        try:
            changed = self.session.writers_dir.stat().st_mtime_ns
        except OSError:
            return
        now = time.monotonic()
        # The clock of a file system ticks coarsely: look again a moment after any change, and once in a while.
        if changed == self._scanned[0] and now < self._scanned[1]:
            return
        self._scanned = changed, now + (5 if changed == self._scanned[0] else 0.2)
        new = [info.writer for info in self.session.writers() if info.writer not in self.by_writer and self._open(info)]
        if new:
            self.session.sync_writers(new)

    def _open(self, info: Writer) -> bool:
        """Return whether it was opened, and is not done."""
        try:
            stream = recover.open_stream(self.session, info, self._known.get(info.writer), self.log)
        except OSError as e:  # tried again at the next look
            why = f"the queue {info.queue} of writer {info.writer} cannot be opened: {e.strerror}"
            if self.unopened.get(info.writer) != why:
                self.unopened[info.writer] = why
                self.log(why)
            return False
        self.unopened.pop(info.writer, None)
        self._known.pop(info.writer, None)
        self.by_writer[info.writer] = stream
        if info.done:  # as the last uploader left it: the journal may lack the last ack
            before = self.status_before.get(info.writer, {})
            stream.acknowledge(stream.journaled)
            stream.lost, stream.stopped = dict(before.get("lost", {})), str(before.get("stopped", ""))
        return not info.done

    def take_in(self) -> None:
        """Move into the spool what announced itself beside the queues, once the spool can be written."""
        folders = {*(Path(s.info.queue).parent for s in self), *places.queue_folders()}
        for path, info in self.session.announced_beside(folders):
            stream = self.get(info.writer)
            with contextlib.suppress(OSError):  # tried again at the next look; until then it is read where it is
                self.session.save_writer(stream.info if stream else info, durable=True)
                path.unlink(missing_ok=True)

    def read_synced(self) -> None:
        """Note what a sync on another machine brought to the lab from this session's journal."""
        for writer, synced in read_synced(self.session).items():
            stream = self.get(writer)
            if stream is None:
                continue
            if stream.info.run is None and synced.run is not None:
                stream.change(run=synced.run)
                self.save(stream)
            stream.synced = max(stream.synced, synced.acked)
            if not self.is_sendable(stream):  # else the thread that sends it does that
                stream.take_synced()

    def obey(self, order: dict[str, Any]) -> None:
        """Take over a sync's order: to which lab and project to send what was kept."""
        with contextlib.suppress(TypeError):
            self.redirect = Redirect(**order.get("redirect", {}))
        for writer, changes in order.get("aim", {}).items():
            if (stream := self.get(writer)) is not None and changes.keys() <= AIMED:
                stream.change(**changes)
                self.save(stream)
        self.deliver_kept = True

    def save(self, stream: Stream) -> bool:
        """Write the stream's file. Return whether that went well; else it is logged. From any thread."""
        try:
            self.session.save_writer(stream.info, durable=True)
        except OSError as e:
            self.log(f"the file of writer {stream.id} cannot be written: {e}")
            return False
        return True

    # Who feeds them ---------------------------------------------------------------------------------------------

    def has_ended(self, stream: Stream) -> bool:
        """Return whether nothing more is put into its queue, as the process that fed it is gone."""
        return self.owners.of(stream.info).has_ended() and not self._consoles.feeds(stream)

    def end_of(self, stream: Stream) -> End | None:
        """Return how the stream's process ended, once that is known."""
        return self.owners.end_of(stream)

    def holds_end(self, stream: Stream) -> bool:
        """Return whether to wait with the end of its run: what was printed before it is still on its way."""
        return self.owners.are_seen() and self._consoles.holds_end(stream, self.by_writer)

    # What may be sent -------------------------------------------------------------------------------------------

    def is_sendable(self, stream: Stream) -> bool:
        return not stream.stopped and (stream.info.mode == "online" or self.deliver_kept)

    def sendable(self) -> list[Stream]:
        """Return the streams that are not done and may be sent."""
        return [s for s in self if not s.info.done and self.is_sendable(s)]

    def backlog(self) -> int:
        """Return how many events are not at the lab, of the streams that may be sent."""
        return sum(s.backlog for s in self.sendable())

    # Queues of other machines -----------------------------------------------------------------------------------

    def is_out_of_reach(self, stream: Stream) -> bool:
        """Return whether its queue is in the memory of another machine, or was there at that machine's last sign of
        life.
        """
        return self._is_elsewhere(stream) and stream.info.owner.host not in self.owners.hosts_gone

    def queued_bytes(self, stream: Stream) -> int:
        """Return how many bytes are in its queue, or were there at the last sign of life of the queue's machine."""
        if stream.consumer is not None:
            return stream.consumer.backlog
        if not self._is_elsewhere(stream):
            return 0
        return int(self.status_before.get(stream.id, {}).get("queued_bytes", 0))

    @staticmethod
    def _is_elsewhere(stream: Stream) -> bool:
        info = stream.info
        return not (stream.consumer or info.done or info.drained or info.closed or info.owner.is_here())
