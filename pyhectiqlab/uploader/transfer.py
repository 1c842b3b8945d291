"""Transfer: the thread that brings files to the lab, one at a time, beside the events and never before them.

What is to be done lies in the session's folder `files` (spool/session_dir.py), so any later uploader, adoption or sync
goes on with it; how far an upload came is asked of the lab. The thread starts with the first file. The main thread
finds requests and tells the lab of those given up; the thread takes them from the left and puts them away.

Versions of one name keep their order; else small files go before large ones.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import settings
from ..base import crashpoints
from ..base.loops import Loop
from ..capture import ownership, snapshot
from ..capture.snapshot import ChangedError
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    GoneError,
    LabError,
    LabRequestError,
    LabUnreachableError,
    NotALabError,
    PermissionDeniedError,
)
from ..spool import FileRequest, Lab, write_json
from ..transport.connecting import connect
from ..transport.files import CHECKSUM_MISMATCH, hash_file, register, send_file
from ..transport.http import LabClient
from ..transport.retry import Backoff
from . import quarantine
from .redirect import to_do
from .stream import Stream

if TYPE_CHECKING:
    from .uploader import Uploader

IDLE_WAIT_S = 0.1
TRIES_MAX = 3
SMALL_BYTES_MAX = 64 << 20
SHOWN_MAX = 100  # files in status.json with their progress
ELSEWHERE = {"upload_busy", "wrong_offset"}  # another process sends the same bytes: 64 ranks save one checkpoint
ELSEWHERE_WAIT_MAX_S = 5.0
TRY_AGAIN = {404, 408, 409, 423, CHECKSUM_MISMATCH}  # the connection before this one is not closed yet, and the like


class _Stop(Exception):
    """Raised inside an upload that shall end now; the next one goes on where it was."""


@dataclass
class _Lab:
    """One lab and profile. `trouble`: the last thing that went wrong, "" when all is well."""

    client: LabClient | None = None
    backoff: Backoff = field(default_factory=Backoff)
    trouble: str = ""
    hopeless: bool = False
    fails: int = 0  # ever

    def succeeded(self) -> None:
        self.trouble, self.hopeless = "", False
        self.backoff.succeeded()

    def failed(self, error: LabError) -> None:
        self.fails += 1
        self.hopeless = isinstance(error, AuthenticationError | ConfigurationError | NotALabError)
        if self.hopeless or isinstance(error, LabUnreachableError):
            self.close()  # the profile may have been corrected meanwhile, or the lab be at another address
        least = settings.RETRY_DELAY_MAX_S if self.hopeless else 0.0
        self.backoff.failed(getattr(error, "retry_after_s", None), at_least_s=least)
        self.trouble = str(error)

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        self.client = None


class Transfer:
    def __init__(self, uploader: Uploader) -> None:
        self._uploader = uploader
        self._session = uploader.session
        self._requests: dict[str, FileRequest] = {}
        self._failed: list[FileRequest] = []  # not yet told to the lab
        self._hashed: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._now = ""  # id of the one under way
        self._elsewhere: dict[str, Backoff] = {}  # those that another process sends as well, by id
        self._labs: dict[Lab, _Lab] = {}
        self._lock = threading.Lock()  # between finding a request and putting one away
        self._scanned: tuple[int, float] = (0, 0.0)
        self._unsafe = ""  # why somebody else may have asked for files here
        self.loop = Loop("files", self._turn, uploader.log)
        self.listener: Callable[[FileRequest, int], None] = lambda request, sent: None  # called in the thread
        self.delivered = 0  # files, by this uploader

    # The main thread's side -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Reads what an earlier uploader left. Call it once, when the streams are known."""
        for ident in self._session.file_ids("done"):
            self._remove(ident)
        for ident in self._session.file_ids("failed.json"):
            request = self._session.file_request(ident, "failed.json")
            if request is not None:
                self._count(request)
                self._remove(ident, but_the_word=True)
        self.scan()

    def scan(self, *, now: bool = False) -> None:
        """Finds files that were asked for since the last look; costs a system call where there are none. `now`: look
        even where nothing seems to have changed.
        """
        try:
            changed = self._session.files_dir.stat().st_mtime_ns
        except OSError:
            return
        clock = time.monotonic()
        # The clock of a file system ticks coarsely: look again a moment after any change, and once in a while.
        if not now and changed == self._scanned[0] and clock < self._scanned[1]:
            return
        self._scanned = changed, clock + (5 if changed == self._scanned[0] else 0.2)
        unsafe = next(filter(None, map(ownership.folder_problem, (self._session.path, self._session.files_dir))), "")
        if unsafe != self._unsafe:
            self._uploader.log(f"files wait: {unsafe}" if unsafe else "files wait no longer")
            self._unsafe = unsafe
        if unsafe:
            return
        with self._lock:
            new = [r for i in self._session.file_ids() if i not in self._requests and (r := self._read(i))]
            for request in sorted(new, key=lambda r: (r.created, r.id)):
                self._requests[request.id] = request
        if new and not self.loop.stopping:
            self._start()

    def _read(self, ident: str) -> FileRequest | None:
        return self._session.file_request(ident)

    def tell_losses(self) -> None:
        """Lets the lab know of files that were given up, by an event in their run's stream."""
        for request in tuple(self._failed):
            stream = self._uploader.streams.get(request.writer)
            if stream is not None and not stream.stopped:
                fields = {"reason": request.reason, "count": 1, "name": request.name, "step": request.step}
                if not self._uploader.drain.tell_loss(stream, {**fields, "detail": request.detail}):
                    continue
            self._failed.remove(request)
            with contextlib.suppress(OSError):
                write_json(self._session.file_path(request.id, "failed.json"), request.changed(told=True).as_dict())

    def waits(self, writer: str) -> bool:
        """Whether a file of this writer is still to be sent, or the lab is still to be told that it will not be."""
        return any(r.writer == writer for r in (*tuple(self._requests.values()), *self._failed))

    def left(self) -> list[tuple[FileRequest, int]]:
        """(file, bytes sent) of each that may be sent now."""
        found = []
        for request in tuple(self._requests.values()):
            stream = self._uploader.streams.get(request.writer)
            if stream is not None and self._uploader.is_sendable(stream):
                found.append((request, self._sent.get(request.id, 0)))
        return found

    def status(self) -> dict[str, dict[str, Any]]:
        """Progress by id, of those that have made any."""
        shown = {}
        for ident in [*self._hashed][-SHOWN_MAX:]:
            state = ("sending" if ident in self._sent else "hashing") if ident == self._now else "waiting"
            shown[ident] = {"hashed": self._hashed.get(ident, 0), "sent": self._sent.get(ident, 0), "state": state}
        return shown

    def trouble(self) -> str:
        return self._unsafe or next((lab.trouble for lab in tuple(self._labs.values()) if lab.trouble), "")

    def fails(self) -> int:
        """Requests that failed, ever."""
        return sum(lab.fails for lab in tuple(self._labs.values()))

    def has_failed(self) -> bool:
        """Whether a lab failed so often in a row, or in such a way, that somebody who waits should not wait longer."""
        return any(lab.hopeless or lab.backoff.failures >= TRIES_MAX for lab in tuple(self._labs.values()))

    def hurry(self) -> None:
        """Somebody waits: try again at once."""
        for lab in tuple(self._labs.values()):
            lab.backoff.hurry()
        for backoff in tuple(self._elsewhere.values()):
            backoff.hurry()
        self.loop.hurry()

    def _start(self) -> None:
        self.loop.start()
        self.loop.hurry()

    def stop(self, timeout: float = settings.REQUEST_CONNECT_TIMEOUT_S) -> None:
        """Ends the upload under way; what the lab has of it stays there."""
        self.loop.stop(timeout)

    # The thread -------------------------------------------------------------------------------------------------

    def _turn(self) -> float | None:
        try:
            return 0.0 if self.turn() else IDLE_WAIT_S
        except _Stop:
            return None

    def turn(self) -> bool:
        """Brings one file to the lab, or finds out that it cannot be. Whether there was one to try."""
        for request in self._due():
            stream = self._uploader.streams[request.writer]
            if stream.stopped:
                self._give_up(request, stream.stopped, f"the run was {stream.stopped} at the lab")
                return True
            lab = self._lab(stream)
            elsewhere = self._elsewhere.get(request.id)
            if stream.run_id is None or stream.rests():
                continue
            if lab.backoff.wait_s() > 0 or (elsewhere and elsewhere.wait_s() > 0):
                continue
            self._now = request.id
            try:
                self._try(request, stream, lab)
            finally:
                self._now = ""
            return True
        return False

    def _due(self) -> list[FileRequest]:
        """The oldest of each name that may be sent; small ones first."""
        heads: dict[tuple[Any, ...], FileRequest] = {}
        for request in tuple(self._requests.values()):
            stream = self._uploader.streams.get(request.writer)
            if stream is not None and (stream.stopped or self._uploader.is_sendable(stream)):
                where = stream.run_id if request.target == "run" else request.target
                heads.setdefault((where, request.name, request.step), request)
        return sorted(heads.values(), key=lambda r: r.size > SMALL_BYTES_MAX)

    def _lab(self, stream: Stream) -> _Lab:
        return self._labs.setdefault(stream.info.lab, _Lab())

    def _try(self, request: FileRequest, stream: Stream, lab: _Lab) -> None:
        try:
            answer = self._deliver(request, stream, lab)
        except ChangedError as e:
            self._give_up(request, "file_changed", str(e))
        except (LabRequestError, ConfigurationError) as e:
            if isinstance(e, PermissionDeniedError):  # a role may be given again
                if stream.refuse(to_do(stream.info, str(e), e.code)):
                    self._uploader.log(f"{request.name!r} stays here: {e}")
            elif reason := _is_final(e):
                self._give_up(request, reason, str(e))
            elif getattr(e, "code", "") in ELSEWHERE:  # the lab is well; other files need not wait for this one
                lab.succeeded()
                wait = self._elsewhere.setdefault(request.id, Backoff(max_s=ELSEWHERE_WAIT_MAX_S))
                wait.failed()
            else:
                if lab.trouble != str(e):
                    self._uploader.log(f"uploading {request.name!r}: {e}")
                lab.failed(e)
        except OSError as e:
            self._give_up(request, "file_unreadable", f"it cannot be read: {os.strerror(e.errno or 5)}")
        else:
            lab.succeeded()
            stream.refused = ""
            self._finish(request, answer)

    def _deliver(self, request: FileRequest, stream: Stream, lab: _Lab) -> dict[str, Any]:
        """Hashes it (once in its life), sends what the lab lacks, registers it. The lab's answer."""
        with snapshot.reopened(self._source(request), request.size, request.identity, request.held) as fd:
            request = self._with_digest(request, fd)
            if lab.client is None:
                lab.client = connect(*stream.info.lab)
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
            return register(lab.client, body, project=run["project"]["id"])
        return register(lab.client, body, run=run["id"])

    def _source(self, request: FileRequest) -> Path:
        """Where its bytes are: the snapshot of its id, or the user's own file. Raises ChangedError otherwise."""
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
            self._hashed[request.id] = done
            self._check_stop()

        digest, _ = hash_file(fd, hashed)
        crashpoints.passing("files.hashed")
        snapshot.check(fd, request.size, request.identity, request.held)  # else what was hashed may be a mixture
        return self._keep(request.changed(digest=digest))

    def _keep(self, request: FileRequest) -> FileRequest:
        self._requests[request.id] = request
        with contextlib.suppress(OSError):  # a full disk: the next uploader hashes again
            write_json(self._session.file_path(request.id), request.as_dict())
        return request

    def _send(self, request: FileRequest, stream: Stream, fd: int, lab: _Lab) -> None:
        assert lab.client is not None and stream.info.run is not None
        project = stream.info.run["run"]["project"]["id"]

        def progress(sent: int) -> None:
            if sent > self._sent.get(request.id, 0):
                lab.succeeded()
            self._progress(request, sent)

        try:
            send_file(lab.client, fd, request.size, request.digest, project=project, progress=progress, tries=1)
        except LabRequestError as e:
            if e.status == CHECKSUM_MISMATCH:
                snapshot.check(fd, request.size, request.identity, request.held)
                self._keep(request.changed(digest=""))  # written to without a trace: what is there now is hashed again
            raise

    def _progress(self, request: FileRequest, sent: int) -> None:
        self._sent[request.id] = sent
        self.listener(request, sent)
        self._check_stop()

    def _check_stop(self) -> None:
        if self.loop.stopping:
            raise _Stop

    # Putting away -----------------------------------------------------------------------------------------------

    def _finish(self, request: FileRequest, answer: dict[str, Any]) -> None:
        crashpoints.passing("files.registered")
        self._answer(request, answer)
        self._session.note_delivered(self._requests.get(request.id, request))  # with its digest
        self.delivered += 1
        self.listener(request, request.size)
        with self._lock:
            with contextlib.suppress(OSError):
                os.replace(self._session.file_path(request.id), self._session.file_path(request.id, "done"))
            self._forget(request)
        crashpoints.passing("files.done")
        self._remove(request.id)

    def _give_up(self, request: FileRequest, reason: str, detail: str) -> None:
        """Says so in the log, at the lab and to who waits; what was held of it goes, unless its run may come back."""
        self._uploader.log(f"{request.name!r} is not stored: {detail}")
        self._answer(request, {"uuid": None, "error": detail})
        request = request.changed(reason=reason, detail=detail)
        stream = self._uploader.streams.get(request.writer)
        if reason == "deleted" and stream is not None:  # the run may be restored
            try:
                quarantine.keep_file(self._session, stream, request)
            except OSError as e:
                self._uploader.log(f"{request.name!r} could not be put aside: {e}")
        with self._lock:
            with contextlib.suppress(OSError):
                write_json(self._session.file_path(request.id, "failed.json"), request.as_dict())
            self._remove(request.id, but_the_word=True)
            self._count(request)  # before it is forgotten: its writer must not look finished in between
            self._forget(request)

    def _count(self, request: FileRequest) -> None:
        stream = self._uploader.streams.get(request.writer)
        if stream is not None:
            stream.lose(request.reason, 1)
        if not request.told:
            self._failed.append(request)

    def _forget(self, request: FileRequest) -> None:
        self._requests.pop(request.id, None)
        self._hashed.pop(request.id, None)
        self._sent.pop(request.id, None)
        self._elsewhere.pop(request.id, None)

    def _answer(self, request: FileRequest, answer: dict[str, Any]) -> None:
        if request.answer:
            with contextlib.suppress(OSError):
                write_json(self._session.file_path(request.id, "answer.json"), answer)

    def _remove(self, ident: str, *, but_the_word: bool = False) -> None:
        """Snapshot first: no crash leaves a request without one."""
        for what in ("data", "json") if but_the_word else ("data", "json", "done"):
            with contextlib.suppress(OSError):
                self._session.file_path(ident, what).unlink(missing_ok=True)


def _is_final(error: LabError) -> str:
    """Why the same request will never be accepted; "" where it may be later."""
    if isinstance(error, GoneError) or getattr(error, "code", "") in {"run_not_found", "project_not_found"}:
        return "deleted"
    if getattr(error, "code", "") == "quota_exceeded":
        return "quota_exceeded"
    if not isinstance(error, LabRequestError) or error.retry or isinstance(error, AuthenticationError | NotALabError):
        return ""
    if error.status is None or (error.status in TRY_AGAIN and error.code != "id_taken"):
        return ""
    return "refused"
