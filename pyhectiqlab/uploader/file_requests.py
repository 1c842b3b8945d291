"""Requests for files: which files of the session are still to be sent, and which were given up.

The lab is told of a file that was given up.

The requests are on disk (spool/session_dir.py), so any later uploader, adoption or sync goes on with them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from ..base import crashpoints
from ..capture import ownership
from ..capture.snapshot import FOLDER
from ..spool import FileRequest, remove, write_json
from . import quarantine
from .stream import Stream
from .streams import Streams

SMALL_BYTES_MAX = 64 << 20
SHOWN_MAX = 100  # files in status.json with their progress


class FileRequests:
    """The main thread finds requests and reports those that were given up. The file thread takes them, oldest first,
    and puts them away.

    Args:
        tell_loss: puts a loss event into the run's stream. It returns False where that must be tried again later.

    Attributes:
        now: id of the file that is being sent, "" where none is.
        unsafe: why somebody else may have asked for files here; "" where nobody could.
    """

    def __init__(
        self, streams: Streams, tell_loss: Callable[[Stream, dict[str, Any]], bool], log: Callable[[str], None]
    ) -> None:
        self._streams, self._session = streams, streams.session
        self._tell_loss, self._log = tell_loss, log
        self._waiting: dict[str, FileRequest] = {}
        self._failed: list[FileRequest] = []  # not yet told to the lab
        self._hashed: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._lock = threading.Lock()  # between finding a request and putting one away
        self._scanned: tuple[int, float] = (0, 0.0)
        self.now = ""
        self.unsafe = ""

    # The main thread's side -------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Finish what an earlier uploader had begun to put away."""
        for ident in self._session.file_ids("done"):
            self._remove(ident)
        for ident in self._session.file_ids("failed.json"):
            request = self._session.file_request(ident, "failed.json")
            if request is not None:
                self._count(request)
                self._remove(ident, but_the_word=True)

    def scan(self, *, now: bool = False) -> bool:
        """Find files that were asked for since the last look. Return whether there are new ones. Where there are none,
        this costs one system call.

        Args:
            now: look even where nothing seems to have changed.
        """
        try:
            changed = self._session.files_dir.stat().st_mtime_ns
        except OSError:
            return False
        clock = time.monotonic()
        # The clock of a file system ticks coarsely: look again a moment after any change, and once in a while.
        if not now and changed == self._scanned[0] and clock < self._scanned[1]:
            return False
        self._scanned = changed, clock + (5 if changed == self._scanned[0] else 0.2)
        unsafe = next(filter(None, map(ownership.folder_problem, (self._session.path, self._session.files_dir))), "")
        if unsafe != self.unsafe:
            self._log(f"files wait: {unsafe}" if unsafe else "files wait no longer")
            self.unsafe = unsafe
        if unsafe:
            return False
        with self._lock:
            ids = (ident for ident in self._session.file_ids() if ident not in self._waiting)
            new = [request for ident in ids if (request := self._session.file_request(ident))]
            for request in sorted(new, key=lambda r: (r.created, r.id)):
                self._waiting[request.id] = request
        return bool(new)

    def tell_losses(self) -> None:
        """Report files that were given up, by an event in their run's stream."""
        for request in tuple(self._failed):
            stream = self._streams.get(request.writer)
            if stream is not None and not stream.stopped:
                fields = {"reason": request.reason, "count": 1, "name": request.name, "step": request.step}
                if not self._tell_loss(stream, {**fields, "detail": request.detail}):
                    continue
            self._failed.remove(request)
            with contextlib.suppress(OSError):
                write_json(self._session.file_path(request.id, "failed.json"), request.changed(told=True).as_dict())

    def any_of(self, writer: str) -> bool:
        """Return whether a file of this writer is still to be sent, or its loss is still to be reported."""
        return any(r.writer == writer for r in (*tuple(self._waiting.values()), *self._failed))

    def left(self) -> list[tuple[FileRequest, int]]:
        """Return (request, bytes sent) of each file that may be sent now."""
        waiting = []
        for request in tuple(self._waiting.values()):
            stream = self._streams.get(request.writer)
            if stream is not None and self._streams.is_sendable(stream):
                waiting.append((request, self._sent.get(request.id, 0)))
        return waiting

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the progress of files by id, where there is any."""
        shown = {}
        for ident in [*self._hashed][-SHOWN_MAX:]:
            state = ("sending" if ident in self._sent else "hashing") if ident == self.now else "waiting"
            shown[ident] = {"hashed": self._hashed.get(ident, 0), "sent": self._sent.get(ident, 0), "state": state}
        return shown

    # The file thread's side -------------------------------------------------------------------------------------

    def due(self) -> list[FileRequest]:
        """Return the oldest request of each name that may be sent, small ones first."""
        heads: dict[tuple[Any, ...], FileRequest] = {}
        for request in tuple(self._waiting.values()):
            stream = self._streams.get(request.writer)
            if stream is not None and (stream.stopped or self._streams.is_sendable(stream)):
                where = stream.run_id if request.target == "run" else request.target
                heads.setdefault((where, request.name, request.step), request)
        return sorted(heads.values(), key=lambda r: r.size > SMALL_BYTES_MAX)

    def keep(self, request: FileRequest) -> FileRequest:
        """Replace the request by a newer version of it, on disk too. Return it."""
        self._waiting[request.id] = request
        with contextlib.suppress(OSError):  # a full disk: the next uploader hashes again
            write_json(self._session.file_path(request.id), request.as_dict())
        return request

    def note_hashed(self, request: FileRequest, done: int) -> None:
        self._hashed[request.id] = done

    def note_sent(self, request: FileRequest, sent: int) -> bool:
        """Note how many bytes the lab has. Return whether that is more than before."""
        before = self._sent.get(request.id, 0)
        self._sent[request.id] = sent
        return sent > before

    def finish(self, request: FileRequest, answer: dict[str, Any]) -> None:
        """Put a request away whose file the lab has. Whoever waits gets the answer."""
        self._answer(request, answer)
        if request.held != FOLDER:
            self._session.note_delivered(self._waiting.get(request.id, request))  # with its digest
        with self._lock:
            with contextlib.suppress(OSError):
                os.replace(self._session.file_path(request.id), self._session.file_path(request.id, "done"))
            self._forget(request)
        crashpoints.passing("files.done")
        self._remove(request.id)

    def give_up(self, request: FileRequest, reason: str, detail: str) -> None:
        """Give a file up: say so in the log, to the lab and to whoever waits. The copy of it is removed, unless its run
        may come back.
        """
        self._log(f"{request.name!r} is not stored: {detail}")
        self._answer(request, {"uuid": None, "error": detail})
        request = request.changed(reason=reason, detail=detail)
        stream = self._streams.get(request.writer)
        if reason == "deleted" and stream is not None:  # the run may be restored
            try:
                quarantine.keep_file(self._session, stream, request)
            except OSError as e:
                self._log(f"{request.name!r} could not be put aside: {e}")
        with self._lock:
            with contextlib.suppress(OSError):
                write_json(self._session.file_path(request.id, "failed.json"), request.as_dict())
            self._remove(request.id, but_the_word=True)
            self._count(request)  # before it is forgotten: its writer must not look finished in between
            self._forget(request)

    def _count(self, request: FileRequest) -> None:
        stream = self._streams.get(request.writer)
        if stream is not None:
            stream.lose(request.reason, 1)
        if not request.told:
            self._failed.append(request)

    def _forget(self, request: FileRequest) -> None:
        self._waiting.pop(request.id, None)
        self._hashed.pop(request.id, None)
        self._sent.pop(request.id, None)

    def _answer(self, request: FileRequest, answer: dict[str, Any]) -> None:
        if request.answer:
            with contextlib.suppress(OSError):
                write_json(self._session.file_path(request.id, "answer.json"), answer)

    def _remove(self, ident: str, *, but_the_word: bool = False) -> None:
        """Remove its files. The snapshot goes first, so that no crash leaves a snapshot without a request."""
        for what in ("data", "json") if but_the_word else ("data", "json", "done"):
            remove(self._session.file_path(ident, what))
