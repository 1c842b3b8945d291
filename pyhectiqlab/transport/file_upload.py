"""Files to the lab: uploads that go on where they were (tus 1.0).

A file is named by its SHA-256. The lab is first asked for it, so bytes that it has are not sent again. At the end the
lab compares the digest. An upload needs PIECE_BYTES of memory, whatever the file's size.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRequestError, NotFoundError
from .answers import Answer, not_a_lab, number
from .files import CHECKSUM_MISMATCH, TRIES, Progress, hash_file, no_progress, retried
from .http import LabClient, quoted
from .projects import project_path
from .retry import Backoff

PIECE_BYTES = 8 << 20  # of a file in one request
_TUS = {"Tus-Resumable": "1.0.0"}
_OFFSET_BYTES = "application/offset+octet-stream"


@dataclass(frozen=True)
class Sent:
    """A file that the lab has. `there`: whether the lab had it before, so that nothing was sent."""

    digest: str
    bytes: int
    there: bool


def upload_file(
    client: LabClient,
    path: str | os.PathLike[str],
    *,
    project: str = "",
    hashed: Progress = no_progress,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> Sent:
    """Make sure that the lab has the bytes of a file, so that `register` can name them. Blocks until they are durable
    there.

    Raises OSError where the file cannot be read, and what `send_file` raises.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        digest, size = hash_file(fd, hashed)
        return send_file(client, fd, size, digest, project=project, progress=progress, tries=tries, sleep=sleep)
    finally:
        os.close(fd)


def send_file(
    client: LabClient,
    fd: int,
    size: int,
    digest: str,
    *,
    project: str = "",
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> Sent:
    """Like `upload_file`, for an open file of known size and digest (lower-case hex). `project`: id of the project that
    it is for; with it, the lab checks the quota before anything is sent.

    Raises LabRequestError: after `tries` failures in a row, and at once where the lab refuses. The status
    CHECKSUM_MISMATCH says that the file changed after it was hashed; the lab kept nothing of it.
    """
    if has_blob(client, digest, tries=tries, sleep=sleep):
        progress(size)
        return Sent(digest, size, there=True)
    sending = _Sending(client, fd, size, digest, project, progress)
    retried(sending.go_on, tries, sleep)
    return Sent(digest, size, there=False)


def has_blob(client: LabClient, digest: str, *, tries: int = 1, sleep: Callable[[float], object] = time.sleep) -> bool:
    """Return whether the lab has these bytes and tells this user so. Raises LabRequestError."""

    def ask(_: Backoff) -> bool:
        answer = client.request("HEAD", f"/blobs/{quoted(digest)}")
        if answer.status == 429 or answer.status >= 500:
            raise answer.failure()
        return answer.status == 200  # an answer to HEAD has no body: the next request brings the error's text

    return retried(ask, tries, sleep)


def register(
    client: LabClient,
    body: Mapping[str, Any],
    *,
    run: str | None = None,
    project: str | None = None,
) -> dict[str, Any]:
    """Name an uploaded file in a run, or in a project alone. Return the lab's answer. Idempotent by the `id` in `body`,
    see FORMAT.md.

    Raises LabRequestError. A ConflictError of code "blob_missing" means: upload the file (again).
    """
    where = project_path(client, project or "") if run is None else f"/runs/{quoted(run)}"
    answer = client.post(f"{where}/artifacts", dict(body))
    if not isinstance(answer, dict) or not isinstance(answer.get("uuid"), str):
        raise not_a_lab(client.url, "its answer to a file has another shape")
    return answer


class _Sending:
    """One upload, over any number of connections."""

    def __init__(self, client: LabClient, fd: int, size: int, digest: str, project: str, progress: Progress) -> None:
        self._client, self._fd, self._size, self._digest = client, fd, size, digest
        self._project, self._progress = project, progress
        self._where = ""

    def go_on(self, backoff: Backoff) -> None:
        """Send what the lab lacks. Raises LabRequestError where it is interrupted."""
        if not self._where:
            self._where = self._create()
        offset = self._offset()
        while True:
            self._progress(offset)
            piece = os.pread(self._fd, min(PIECE_BYTES, self._size - offset), offset)
            if not piece and offset < self._size:
                raise InvalidRequestError("The file became shorter while it was sent.", status=CHECKSUM_MISMATCH)
            answer = self._ask("PATCH", piece, {"Upload-Offset": str(offset), "Content-Type": _OFFSET_BYTES})
            offset += len(piece)
            del piece  # else two pieces are in memory while the next one is read
            if _header_number(self._client, answer, "upload-offset") != offset:
                raise not_a_lab(self._client.url, "it counts the bytes of a file in another way")
            backoff.succeeded()
            if offset == self._size:
                self._progress(offset)
                return

    def _create(self) -> str:
        fields = {"digest": self._digest, **({"project": self._project} if self._project else {})}
        metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())
        answer = self._client.request(
            "POST",
            "/uploads",
            headers={**_TUS, "Upload-Length": str(self._size), "Upload-Metadata": metadata},
        )
        if not 200 <= answer.status < 300:
            raise answer.failure()
        upload = (answer.headers.get("location") or "").rpartition("/uploads/")[2]
        if not upload.isalnum():
            raise not_a_lab(self._client.url, "it takes no files")
        return f"/uploads/{upload}"

    def _offset(self) -> int:
        offset = _header_number(self._client, self._ask("HEAD"), "upload-offset")
        if offset > self._size:
            raise not_a_lab(self._client.url, "it has more of a file than there is")
        return offset

    def _ask(self, method: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        answer = self._client.request(method, self._where, body=body, headers={**_TUS, **(headers or {})})
        if 200 <= answer.status < 300:
            return answer
        if answer.status in {404, 410}:  # it expired, or another process ended it: the next try starts a new upload
            self._where = ""
            raise NotFoundError("The upload is gone from the lab.", status=answer.status, code="upload_not_found")
        raise answer.failure()


def _header_number(client: LabClient, answer: Answer, name: str) -> int:
    value = number(answer.headers.get(name) or "")
    if value is None:
        raise not_a_lab(client.url, "it does not say how much of a file it has")
    return value
