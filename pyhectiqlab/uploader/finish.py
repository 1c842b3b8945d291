"""Finishing: a stream whose process will put no more is put away in steps, between which a crash loses nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from ..base import crashpoints
from . import quarantine
from .event_thread import EventThread
from .file_requests import FileRequests
from .stream import Stream
from .streams import Streams


class Finish:
    """Puts streams away. For the main thread.

    Args:
        scan_files: finds the files that processes have asked for.
        sync_journal: puts the journal on disk. It returns whether that went well.
    """

    def __init__(
        self,
        streams: Streams,
        events: EventThread,
        files: FileRequests,
        *,
        scan_files: Callable[[], None],
        sync_journal: Callable[[], bool],
    ) -> None:
        self._streams, self._session, self._log = streams, streams.session, streams.log
        self._events, self._files = events, files
        self._scan_files, self._sync_journal = scan_files, sync_journal

    def turn(self, stream: Stream) -> None:
        """Put away the queue of a stream that was drained and gets no more; mark it done once the lab has it all."""
        closed, ended = stream.is_closed(), self._streams.has_ended(stream)
        if not (closed or ended) or not stream.is_empty():
            return
        if not closed and ended and self._streams.end_of(stream) is None:
            return
        self._scan_files()  # so what the process asked for before its end is seen
        delivered = stream.acked >= stream.journaled or bool(stream.stopped)
        let_go = stream.is_let_go()
        if stream.consumer is not None and (ended or delivered or let_go):
            # The journal must be on disk, not just in the kernel, before the other copy is removed.
            if not self._sync_journal() and not delivered:
                return
            publish(stream)
            # A sync on another machine cannot see the queue go; and while files are left, the queue is no longer there
            # to say that the run was closed.
            if ended or let_go or self._files.any_of(stream.id):
                stream.change(drained=ended or stream.info.drained, closed=closed, journaled=stream.journaled)
                if not self._streams.save(stream) and not delivered:
                    return
            self._remove_queue(stream)
        if self._files.any_of(stream.id):
            return
        if delivered and (closed or stream.stopped or not stream.info.ends_run or self._events.told_end(stream)):
            if stream.stopped:
                try:
                    quarantine.keep_stopped(self._session, stream)
                except OSError as e:
                    self._log(f"what writer {stream.id} did not send could not be put aside: {e}")
            stream.change(done=True, delivered=0 if stream.stopped else stream.acked)
            self._streams.save(stream)

    def _remove_queue(self, stream: Stream) -> None:
        assert stream.consumer is not None
        crashpoints.passing("finish.synced")
        stream.consumer.close()
        stream.consumer = None
        Path(stream.info.queue).unlink(missing_ok=True)
        crashpoints.passing("finish.unlinked")
        self._session.spill(stream.id).unlink(missing_ok=True)


def publish(stream: Stream) -> None:
    """Tell the producer how far things are, and that somebody is at work."""
    stream.publish(int(time.monotonic() * 1000), os.getpid())
