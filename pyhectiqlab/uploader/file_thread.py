"""The file thread: brings files to the lab, one at a time, beside the events and never before them.

file_requests.py knows which files there are. The lab is asked how far an upload came. The thread starts with the first
file. Versions of one name keep their order; else small files go before large ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .. import settings
from ..base import crashpoints
from ..base.loops import Loop
from ..capture import snapshot
from ..capture.snapshot import ChangedError
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    GoneError,
    LabError,
    LabRequestError,
    NotALabError,
    PermissionDeniedError,
)
from ..spool import FileRequest, Lab
from ..transport.connecting import connect
from ..transport.file_upload import register, send_file
from ..transport.files import CHECKSUM_MISMATCH, hash_file
from ..transport.http import LabClient
from ..transport.retry import Backoff
from .file_requests import FileRequests
from .lab_connection import LabConnection
from .redirect import to_do
from .stream import Stream
from .streams import Streams

IDLE_WAIT_S = 0.1
ELSEWHERE = {"upload_busy", "wrong_offset"}  # another process sends the same bytes, as when 64 ranks save a checkpoint
ELSEWHERE_WAIT_MAX_S = 5.0
TRY_AGAIN = {404, 408, 409, 423, CHECKSUM_MISMATCH}  # the connection before this one is not closed yet, and the like


class _Stop(Exception):
    """Raised inside an upload that must end now. The next upload goes on from there."""


class FileThread:
    """Sends the files of all streams.

    Attributes:
        listener: called in the thread with how many bytes of a file are at the lab.
    """

    def __init__(self, streams: Streams, requests: FileRequests, log: Callable[[str], None]) -> None:
        self._streams, self._session = streams, streams.session
        self._requests = requests
        self._log = log
        self._elsewhere: dict[str, Backoff] = {}  # those that another process sends as well, by id
        self._labs: dict[Lab, LabConnection[LabClient]] = {}
        self.loop = Loop("files", self._turn, log)
        self.listener: Callable[[FileRequest, int], None] = lambda request, sent: None

    def start(self) -> None:
        """Start, or go on. Safe twice. Does nothing after `stop`."""
        if not self.loop.stopping:
            self.loop.start()
            self.loop.hurry()

    def stop(self, timeout: float = settings.REQUEST_CONNECT_TIMEOUT_S) -> None:
        """End the upload under way. The lab keeps what it has of it."""
        self.loop.stop(timeout)

    def hurry(self) -> None:
        """Try again at once: somebody waits."""
        for lab in tuple(self._labs.values()):
            lab.hurry()
        for backoff in tuple(self._elsewhere.values()):
            backoff.hurry()
        self.loop.hurry()

    def trouble(self) -> str:
        """Return why not every file gets to the lab, in a line; "" where it does."""
        return self._requests.unsafe or next((lab.trouble for lab in tuple(self._labs.values()) if lab.trouble), "")

    def fails(self) -> int:
        """Requests that failed, ever."""
        return sum(lab.fails for lab in tuple(self._labs.values()))

    def has_failed(self) -> bool:
        """Return whether a lab failed so often in a row, or in such a way, that somebody who waits should not wait
        longer.
        """
        return any(lab.has_failed() for lab in tuple(self._labs.values()))

    # The thread -------------------------------------------------------------------------------------------------

    def _turn(self) -> float | None:
        try:
            return 0.0 if self.turn() else IDLE_WAIT_S
        except _Stop:
            return None

    def turn(self) -> bool:
        """Bring one file to the lab, or find out that it cannot be sent. Return whether there was one to try."""
        for request in self._requests.due():
            stream = self._streams.by_writer[request.writer]
            if stream.stopped:
                self._give_up(request, stream.stopped, f"the run was {stream.stopped} at the lab")
                return True
            lab = self._lab(stream)
            elsewhere = self._elsewhere.get(request.id)
            if stream.run_id is None or stream.rests():
                continue
            if lab.rests() or (elsewhere and elsewhere.wait_s() > 0):
                continue
            self._requests.now = request.id
            try:
                self._try(request, stream, lab)
            finally:
                self._requests.now = ""
            return True
        return False

    def _lab(self, stream: Stream) -> LabConnection[LabClient]:
        where = stream.info.lab
        if where not in self._labs:
            self._labs[where] = LabConnection(partial(connect, *where))
        return self._labs[where]

    def _try(self, request: FileRequest, stream: Stream, lab: LabConnection[LabClient]) -> None:
        try:
            answer = self._upload(request, stream, lab)
        except ChangedError as e:
            self._give_up(request, "file_changed", str(e))
        except (LabRequestError, ConfigurationError) as e:
            if isinstance(e, PermissionDeniedError):  # a role may be given again
                if stream.refuse(to_do(stream.info, str(e), e.code)):
                    self._log(f"{request.name!r} stays here: {e}")
            elif reason := _is_final(e):
                self._give_up(request, reason, str(e))
            elif getattr(e, "code", "") in ELSEWHERE:  # the lab is well; other files need not wait for this one
                lab.succeeded()
                wait = self._elsewhere.setdefault(request.id, Backoff(max_s=ELSEWHERE_WAIT_MAX_S))
                wait.failed()
            elif lab.failed(e):
                self._log(f"uploading {request.name!r}: {e}")
        except OSError as e:
            self._give_up(request, "file_unreadable", f"it cannot be read: {os.strerror(e.errno or 5)}")
        else:
            lab.succeeded()
            stream.refused = ""
            crashpoints.passing("files.registered")
            self._requests.finish(request, answer)
            self._elsewhere.pop(request.id, None)
            self.listener(request, request.size)

    def _give_up(self, request: FileRequest, reason: str, detail: str) -> None:
        self._requests.give_up(request, reason, detail)
        self._elsewhere.pop(request.id, None)

    def _upload(self, request: FileRequest, stream: Stream, lab: LabConnection[LabClient]) -> dict[str, Any]:
        """Hash the file (once in its life), send what the lab lacks, register it. Return the lab's answer."""
        if request.held == snapshot.FOLDER:
            return self._upload_version(request, stream, lab)
        with snapshot.reopened(self._source(request), request.size, request.identity, request.held) as fd:
            request = self._with_digest(request, fd)
            client = lab.client
            crashpoints.passing("files.opened")
            self._send(request, stream, fd, lab)
        crashpoints.passing("files.sent")
        assert stream.info.run is not None
        run = stream.info.run["run"]
        body = {
            "id": request.id,
            "name": request.name,
            "digest": request.digest,
            "bytes": request.size,
            "step": request.step,
            "kind": request.kind,
            "meta": request.meta,
            "created": request.created,
        }
        if request.target == "project":
            return register(client, body, project=run["project"]["id"])
        return register(client, body, run=run["id"])

    def _upload_version(self, request: FileRequest, stream: Stream, lab: LabConnection[LabClient]) -> dict[str, Any]:
        from .versions import send_version  # few scripts need it, and its threads

        assert stream.info.run is not None
        run, folder = stream.info.run["run"], self._session.file_path(request.id, "data")
        return send_version(
            lab.client, request, folder, run, lambda _: self._check_stop(), self._progress(request, lab)
        )

    def _source(self, request: FileRequest) -> Path:
        """Return the file with its bytes: the snapshot of its id, or the user's own file. Raises ChangedError for any
        other.
        """
        ours = self._session.file_path(request.id, "data")
        if request.source == ours.name:
            return ours
        if request.held == snapshot.REFERENCE and os.path.isabs(request.source):
            return Path(request.source)
        raise ChangedError("the request for it names a file that this call cannot have kept")

    def _with_digest(self, request: FileRequest, fd: int) -> FileRequest:
        if request.digest:
            return request

        def hashed(done: int) -> None:
            self._requests.note_hashed(request, done)
            self._check_stop()

        digest, _ = hash_file(fd, hashed)
        crashpoints.passing("files.hashed")
        snapshot.check(fd, request.size, request.identity, request.held)  # else what was hashed may be a mixture
        return self._requests.keep(request.changed(digest=digest))

    def _send(self, request: FileRequest, stream: Stream, fd: int, lab: LabConnection[LabClient]) -> None:
        assert stream.info.run is not None
        project, progress = stream.info.run["run"]["project"]["id"], self._progress(request, lab)
        try:
            send_file(lab.client, fd, request.size, request.digest, project=project, progress=progress, tries=1)
        except LabRequestError as e:
            if e.status == CHECKSUM_MISMATCH:
                snapshot.check(fd, request.size, request.identity, request.held)
                self._requests.keep(request.changed(digest=""))  # written to without a trace: hashed again
            raise

    def _progress(self, request: FileRequest, lab: LabConnection[LabClient]) -> Callable[[int], None]:
        def progress(sent: int) -> None:
            if self._requests.note_sent(request, sent):
                lab.succeeded()
            self.listener(request, sent)
            self._check_stop()

        return progress

    def _check_stop(self) -> None:
        if self.loop.stopping:
            raise _Stop


def _is_final(error: LabError) -> str:
    """Return why the same request will never be accepted; "" where it may be later."""
    if isinstance(error, GoneError) or getattr(error, "code", "") in {"run_not_found", "project_not_found"}:
        return "deleted"
    if getattr(error, "code", "") == "quota_exceeded":
        return "quota_exceeded"
    if not isinstance(error, LabRequestError) or error.retry or isinstance(error, AuthenticationError | NotALabError):
        return ""
    if error.status is None or (error.status in TRY_AGAIN and error.code != "id_taken"):
        return ""
    return "refused"
