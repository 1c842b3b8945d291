"""Uploads: the producing side of files. When a call returns, its file is in the spool; the uploader does the rest."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import settings
from ..base.lazyclass import dataclass, field
from ..capture import snapshot
from ..capture.snapshot import ChangedError, Held, Source
from ..errors import ConfigurationError
from ..spool import FileRequest, SessionDir, places, read_json, remove, write_json

SCAN_SHARE = 16  # the folder is measured again once a sixteenth of the budget was added


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Upload:
    """What to register. See spool.FileRequest for the fields. `stays`: see capture.snapshot.take."""

    name: str
    step: int | None = None
    kind: str = "file"
    target: str = "run"
    meta: dict[str, Any] = field(default_factory=dict)
    answer: bool = False
    stays: bool = True


class Uploads:
    """The files that one outbox has on their way. For any thread.

    Args:
        lose: called with (upload, reason, why) for a file that is given up at the call.
    """

    def __init__(self, folder: SessionDir, lose: Callable[[Upload, str, str], None]) -> None:
        self._dir = folder
        self._lose = lose
        self._waiting: dict[str, FileRequest] = {}
        self._given_up: dict[str, str] = {}  # id → reason
        self._unreported: set[str] = set()  # ids of `_given_up` that no call has reported
        self._room_left = 0
        self._room_known = False

    def put(self, writer: str, upload: Upload, source: Source) -> str | None:
        """Keep the file as it is now and ask for its upload. Return the request's id; None if it was given up. Blocks
        for some milliseconds. Raises nothing.
        """
        ident = os.urandom(16).hex()
        try:
            self._make_folder()
            room = self._has_room(min(source.stat.st_size, snapshot.COPY_BYTES_MAX))
            held = snapshot.take(source, self._dir.file_path(ident, "data"), may_copy=room, stays=upload.stays)
            return self._ask(ident, writer, upload, held, os.path.abspath(source.path))
        except ChangedError as e:
            self._lose(upload, "file_changed", str(e))
        except OSError as e:
            self._lose(upload, "spool_full", f"the spool cannot take it ({os.strerror(e.errno or 5)})")
        return None

    def put_made(self, writer: str, upload: Upload, make: Callable[[Path], object]) -> str | None:
        """Like `put`, for a file that `make` writes to the path it is given. Blocks for as long as that takes.

        Raises what `make` raises, except OSError and ChangedError, which count as the file's loss.
        """
        ident = os.urandom(16).hex()
        data = self._dir.file_path(ident, "data")
        try:
            self._make_folder()
            make(data)
            held = snapshot.own(snapshot.COPY, data)
            if self._has_room(held.size):
                return self._ask(ident, writer, upload, held)
            self._lose(upload, "spool_full", "the spool is over its budget (HECTIQLAB_SPOOL_MAX_BYTES)")
        except ChangedError as e:
            self._lose(upload, "file_changed", str(e))
        except OSError as e:
            self._lose(upload, "spool_full" if e.errno in _FULL else "file_unreadable", f"it cannot be packed: {e}")
        data.unlink(missing_ok=True)
        return None

    def put_folder(self, writer: str, upload: Upload, source: Path) -> str | None:
        """Like `put`, for all files below a folder into which nobody writes. Return None, and report nothing, if the
        spool has no room for them.
        """
        ident = os.urandom(16).hex()
        data = self._dir.file_path(ident, "data")
        try:
            self._make_folder()
            if self._has_room(_bytes_in(source, alone=False)):
                return self._ask(ident, writer, upload, snapshot.take_folder(source, data))
        except (OSError, ChangedError):
            remove(data)
        return None

    def scratch(self) -> Path:
        """Return a new folder beside the snapshots, for `make`. The caller removes it. Raises OSError."""
        self._make_folder()
        path = self._dir.files_dir / f"{os.urandom(16).hex()}.d"
        path.mkdir(mode=0o700)
        return path

    def _make_folder(self) -> None:
        self._dir.files_dir.mkdir(mode=0o700, exist_ok=True)  # a session of an earlier version has none

    def _ask(self, ident: str, writer: str, upload: Upload, held: Held, origin: str = "") -> str:
        ours = held.path.parent == self._dir.files_dir
        request = FileRequest(
            id=ident,
            writer=writer,
            target=upload.target,
            name=upload.name,
            step=upload.step,
            kind=upload.kind,
            meta=upload.meta,
            source=held.path.name if ours else str(held.path),
            held=held.how,
            size=held.size,
            identity=held.identity,
            created=time.time(),
            answer=upload.answer,
            origin=origin,
        )
        try:
            write_json(self._dir.file_path(ident), request.as_dict())
        except OSError:
            if ours:
                remove(held.path)
            raise
        self._waiting[ident] = request
        return ident

    def _has_room(self, size: int) -> bool:
        """Return whether `size` more bytes fit the spool's budget. What other processes add or remove counts later."""
        if not self._room_known or self._room_left < size:
            try:
                budget: int = settings.get("spool_max_bytes")
            except ConfigurationError:
                budget = 1 << 30
            left = places.budget(self._dir.path, budget) - _bytes_in(self._dir.files_dir)
            self._room_known, self._room_left = True, min(left, max(size, budget // SCAN_SHARE))
        self._room_left -= size
        return self._room_left >= 0

    # What is on its way -----------------------------------------------------------------------------------------

    def left(self) -> dict[str, FileRequest]:
        """Return the requests of this process that are neither at the lab nor given up. Reads one file name each."""
        for ident in tuple(self._waiting):
            if not self._dir.file_path(ident).exists():
                self._put_away(ident)
        return dict(self._waiting)

    def any_left(self, idents: set[str]) -> bool:
        """Return whether any of these still waits. Forgets the others."""
        while idents:
            ident = next(iter(idents))
            if self._dir.file_path(ident).exists():
                return True
            idents.discard(ident)
            self._put_away(ident)
        return False

    def losses(self) -> dict[str, int]:
        """Return how many files the uploader gave up, by reason, of those that `left` and `any_left` saw go."""
        return dict(Counter(self._given_up.values()))

    def take_given_up(self) -> bool:
        """Return whether the uploader gave up any file since the last call."""
        some, self._unreported = bool(self._unreported), set()
        return some

    def _put_away(self, ident: str) -> None:
        """Forget a request whose file is at the lab or given up. The note that it failed is on the disk before the
        request is removed.
        """
        if self._waiting.pop(ident, None) is None:
            return
        failed = self._dir.file_request(ident, "failed.json")
        if failed is not None:
            self._given_up[ident] = failed.reason
            self._unreported.add(ident)

    def answer(self, ident: str) -> dict[str, Any] | None:
        """Return what the lab or the uploader answered to a request with `answer`, and remove it. None: nothing yet."""
        path = self._dir.file_path(ident, "answer.json")
        answer = read_json(path)
        if answer is not None:
            with contextlib.suppress(OSError):
                path.unlink()
        return answer


def progress(folder: SessionDir, requests: dict[str, FileRequest]) -> list[dict[str, Any]]:
    """Return each request with the bytes sent so far, as the uploader last reported them."""
    sending = (read_json(folder.path / "status.json") or {}).get("files", {})
    return [
        {
            "id": r.id,
            "name": r.name,
            "step": r.step,
            "bytes": r.size,
            "hashed": int(sending.get(r.id, {}).get("hashed", 0)),
            "sent": int(sending.get(r.id, {}).get("sent", 0)),
            "state": str(sending.get(r.id, {}).get("state", "waiting")),
        }
        for r in requests.values()
    ]


def _bytes_in(folder: str | Path, *, alone: bool = True) -> int:
    """Return the bytes of the files in a folder and below it. `alone`: only of those that are there because of us: a
    link whose original still exists costs nothing.
    """
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += _bytes_in(entry.path, alone=alone)
                    continue
                stat = entry.stat(follow_symlinks=False)
                total += stat.st_size if stat.st_nlink == 1 or not alone else 0
    return total
