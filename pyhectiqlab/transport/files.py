"""Files to and from the lab: uploads that go on where they were (tus 1.0), downloads that look whole once they are.

What is to be sent is named by its SHA-256: the lab is asked for it first, so bytes that it has are not sent again, and
it compares the digest at the end. Memory stays flat: PIECE_BYTES of a file at a time. Failures that may pass are tried
again, in bounds that start anew with every byte that gets through.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InvalidRequestError, LabRequestError, LabUnreachableError, NotFoundError
from ..protocol.names import artifact_name
from .answers import Answer, not_a_lab, number
from .http import LabClient, quoted
from .projects import project_path
from .retry import Backoff

T = TypeVar("T")
PIECE_BYTES = 8 << 20  # of a file in one request
BLOCK_BYTES = 1 << 20  # read or written at once
TRIES = 8  # in a row without a byte of progress; with the delays of Backoff about a minute
PATIENCE_S = 90.0  # how long they may take in all: a lab may ask for an hour's patience, and a caller waits
CHECKSUM_MISMATCH = 460
_TUS = {"Tus-Resumable": "1.0.0"}
_OFFSET_BYTES = "application/offset+octet-stream"
_PASSING = {408, 409, 423}  # of an upload: the connection before this one is not closed yet; its offset is another

Progress = Callable[[int], object]  # bytes so far; what it raises ends the call, which may be repeated later


@dataclass(frozen=True)
class Sent:
    """A file that the lab has. `there`: it had it before, nothing was sent."""

    digest: str
    bytes: int
    there: bool


def no_progress(done: int) -> None:
    pass


def hash_file(fd: int, progress: Progress = no_progress) -> tuple[str, int]:
    """SHA-256 (hex) and size of an open file from its beginning; does not move its position. Raises OSError."""
    digest, block, at = hashlib.sha256(), memoryview(bytearray(BLOCK_BYTES)), 0
    while count := os.preadv(fd, [block], at):
        digest.update(block[:count])
        at += count
        progress(at)
    return digest.hexdigest(), at


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
    """Makes sure that the lab has the bytes of a file, for `register` to name. Blocks until they are durable there.

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
    """As `upload_file`, for an open file of known size and digest (lower-case hex). `project`: id of the one that it is
    for, whose quota the lab then looks at before anything is sent.

    Raises LabRequestError: after `tries` failures in a row, and at once where the lab refuses. One of status
    CHECKSUM_MISMATCH says that the file is not what was hashed: it changed, and nothing of it was kept.
    """
    if has_blob(client, digest, tries=tries, sleep=sleep):
        progress(size)
        return Sent(digest, size, there=True)
    sending = _Sending(client, fd, size, digest, project, progress)
    retried(sending.go_on, tries, sleep)
    return Sent(digest, size, there=False)


def has_blob(client: LabClient, digest: str, *, tries: int = 1, sleep: Callable[[float], object] = time.sleep) -> bool:
    """Whether the lab has these bytes and this user may know. Raises LabRequestError."""

    def ask(_: Backoff) -> bool:
        answer = client.request("HEAD", f"/blobs/{quoted(digest)}")
        if answer.status == 429 or answer.status >= 500:
            raise answer.failure()
        return answer.status == 200  # what else is wrong, the next request tells in words: this one has no body

    return retried(ask, tries, sleep)


def register(
    client: LabClient,
    body: Mapping[str, Any],
    *,
    run: str | None = None,
    project: str | None = None,
) -> dict[str, Any]:
    """Names an uploaded file in a run, or in a project alone. Idempotent by the `id` in `body`, see FORMAT.md.

    Raises LabRequestError; a ConflictError of code "blob_missing": upload it (again).
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
        """Sends what the lab lacks. Raises LabRequestError where it is interrupted."""
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
            del piece  # else two of them are in memory while the next one is read
            if _header_number(self._client, answer, "upload-offset") != offset:
                raise not_a_lab(self._client.url, "it counts the bytes of a file in another way")
            backoff.succeeded()
            if offset == self._size:
                self._progress(offset)
                return

    def _create(self) -> str:
        told = {"digest": self._digest, **({"project": self._project} if self._project else {})}
        metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())
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
        if answer.status in {404, 410}:  # expired, or ended in another process: the next try starts another
            self._where = ""
            raise NotFoundError("The upload is gone from the lab.", status=answer.status, code="upload_not_found")
        raise answer.failure()


def _header_number(client: LabClient, answer: Answer, name: str) -> int:
    found = number(answer.headers.get(name) or "")
    if found is None:
        raise not_a_lab(client.url, "it does not tell how much of a file it has")
    return found


def retried(
    work: Callable[[Backoff], T],
    tries: int,
    sleep: Callable[[float], object] = time.sleep,
    patience_s: float | None = None,
) -> T:
    """Does it until it succeeds; gives up after `tries` failures in a row, and where another would come later than
    `patience_s` (None: PATIENCE_S) behind the first of them. `work` tells the Backoff of any progress.
    """
    patience = PATIENCE_S if patience_s is None else patience_s
    backoff = Backoff()
    began = time.monotonic()
    while True:
        try:
            return work(backoff)
        except LabRequestError as e:
            delay = backoff.failed(e.retry_after_s)
            if backoff.failures == 1:
                began = time.monotonic()
            late = time.monotonic() + delay - began > patience
            if backoff.failures >= tries or late or not (e.retry or _may_pass(e)):
                raise
            sleep(delay)


def _may_pass(error: LabRequestError) -> bool:
    """Whether an upload that was refused so can go on after a look at where it is."""
    return error.status in _PASSING or error.code == "upload_not_found"


# Downloads


def place_for(path: str | os.PathLike[str], name: str) -> Path:
    """The file that `path` means: itself, or in a folder, `name`. What ends with a slash is a folder, and made where it
    is not there. Raises OSError.
    """
    place = Path(path)
    if isinstance(path, str) and path.endswith(os.sep):  # a Path knows no slash at its end
        place.mkdir(parents=True, exist_ok=True)
    return place / name if place.is_dir() else place


def download(
    client: LabClient,
    artifact: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Brings an artifact to `path`: a file, or a folder, in which it keeps its name. Returns the file.

    What ends with a slash is a folder, and made where it is not there; so is what is one already.

    It arrives beside it as `.NAME.DIGEST.part`, which a later call goes on with, is compared with its digest, and takes
    its name at last, in one step. A file that has these very bytes already is left as it is.

    Args:
        artifact: as the lab tells it: `uuid`, `name`, `digest`, `bytes`.
        overwrite: replace another file of that name.

    Raises FileExistsError, OSError (disk full …), LabRequestError; NotALabError where the lab names a file in a way
    that leads out of the folder. Blocks until it is here.
    """
    try:
        uuid, digest, size = artifact["uuid"], artifact["digest"], artifact["bytes"]
        target = place_for(path, artifact_name(artifact["name"]))
        if not (isinstance(uuid, str) and isinstance(digest, str) and digest.isalnum() and isinstance(size, int)):
            raise ValueError
    except (LookupError, TypeError, ValueError):
        raise not_a_lab(client.url, "it tells of a file in another way") from None
    if target.exists() or target.is_symlink():
        if _has_digest(target, digest, size):
            progress(size)
            return target
        if not overwrite:
            raise FileExistsError(
                errno.EEXIST, "another file is there: choose another place, or overwrite it", str(target)
            )
    # A file system takes names of 255 bytes.
    part = target.with_name(f".{target.name[:40]}.{digest[:16]}.part")
    with _opened_part(part) as fd:
        content = f"/artifacts/{quoted(uuid)}/content"
        receive(client, content, part, fd, size, digest, progress=progress, tries=tries, sleep=sleep)
        _name(part, target, overwrite)
    return target


def receive(
    client: LabClient,
    content: str,
    part: Path,
    fd: int,
    size: int,
    digest: str,
    *,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Brings the bytes at the path `content` of the API to the open file `part`, behind those that it has already, and
    compares the digest. What does not have it is removed. Durable on return.

    Raises OSError, LabRequestError. Blocks until it is here.
    """
    receiving = _Receiving(client, content, fd, size, digest, progress)
    try:
        retried(receiving.go_on, tries, sleep)
    except LabRequestError as e:
        if e.status == CHECKSUM_MISMATCH:
            part.unlink(missing_ok=True)
        raise
    os.fsync(fd)


class _Receiving:
    """One download into an open file, over any number of connections."""

    def __init__(self, client: LabClient, path: str, fd: int, size: int, digest: str, progress: Progress) -> None:
        self._client, self._path, self._fd, self._size, self._digest = client, path, fd, size, digest
        self._progress = progress
        self._start_over()
        found = os.fstat(fd).st_size
        if 0 < found <= size:
            while self._at < found:
                block = os.pread(fd, min(BLOCK_BYTES, found - self._at), self._at)
                self._hash.update(block)
                self._at += len(block)

    def _start_over(self) -> None:
        self._hash, self._at = hashlib.sha256(), 0

    def go_on(self, backoff: Backoff) -> None:
        headers = {"Accept": "*/*"}
        if self._at:
            headers |= {"Range": f"bytes={self._at}-", "If-Range": f'"{self._digest}"'}
        if self._at < self._size:
            with self._client.opened(self._path, headers) as body:
                if body.status == 200:
                    self._start_over()
                elif body.status != 206 or not (body.headers.get("content-range") or "").startswith(
                    f"bytes {self._at}-"
                ):
                    raise body.failure()
                os.ftruncate(self._fd, self._at)
                self._progress(self._at)
                while self._at < self._size and (block := body.read(min(BLOCK_BYTES, self._size - self._at))):
                    _write(self._fd, block, self._at)
                    self._hash.update(block)
                    self._at += len(block)
                    backoff.succeeded()
                    self._progress(self._at)
        if self._at < self._size:
            raise LabUnreachableError(f"The lab at {self._client.url} stopped in the middle of a file: try again.")
        if self._hash.hexdigest() != self._digest:
            raise InvalidRequestError(
                "The file did not arrive as it was announced (another SHA-256): download it again.",
                status=CHECKSUM_MISMATCH,
            )


def _write(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        n = os.pwrite(fd, view, at)
        view, at = view[n:], at + n


def _has_digest(path: Path, digest: str, size: int) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return hash_file(fd)[0] == digest
    finally:
        os.close(fd)


@contextmanager
def _opened_part(part: Path) -> Iterator[int]:
    """The file that a download grows in, for this process alone."""
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(part) from None
        except OSError:  # a file system without locks: two downloads there are told apart by their digest at the end
            pass
        if not part.exists() or part.stat().st_ino != os.fstat(fd).st_ino:
            raise _busy(part)  # another process finished it between our two calls
        yield fd
    finally:
        os.close(fd)


def _busy(part: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "another process downloads the same file there", str(part))


def _name(part: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    try:
        os.link(part, target)  # unlike a rename, refuses where somebody else was faster
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "another file is there by now: choose another place", str(target)) from None
    except OSError:  # a file system without hard links
        part.replace(target)
    else:
        part.unlink()
