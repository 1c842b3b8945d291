"""Files from the lab. An interrupted download goes on where it was; a file gets its name only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..base.fds import lock_alone
from ..errors import InvalidRequestError, LabRequestError, LabUnreachableError
from ..protocol.names import artifact_name
from .answers import not_a_lab
from .files import BLOCK_BYTES, CHECKSUM_MISMATCH, TRIES, Progress, hash_file, no_progress, retried
from .http import LabClient, quoted
from .retry import Backoff


def place_for(path: str | os.PathLike[str], name: str) -> Path:
    """Return the file that `path` means: the path itself or, if it is a folder, the file `name` in it. A path with a
    slash at its end is a folder, which is made if needed. Raises OSError.
    """
    place = Path(path)
    if isinstance(path, str) and path.endswith(os.sep):  # a Path drops the slash at its end
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
    """Bring an artifact to `path`: a file, or a folder, in which it keeps its name. Return the file.

    A path with a slash at its end is a folder, which is made if needed; and so is a folder that is there already.

    The bytes arrive beside the file, in `.NAME.DIGEST.part`, with which a later call goes on. They are compared with
    the digest, and at last get their name in one step. A file that has these very bytes already is left as it is.

    Args:
        artifact: as the lab describes it: `uuid`, `name`, `digest`, `bytes`.
        overwrite: replace another file of that name.

    Raises FileExistsError, OSError (disk full …), LabRequestError; NotALabError where the file's name at the lab leads
    out of the folder. Blocks until the file is here.
    """
    try:
        uuid, digest, size = artifact["uuid"], artifact["digest"], artifact["bytes"]
        target = place_for(path, artifact_name(artifact["name"]))
        if not (isinstance(uuid, str) and isinstance(digest, str) and digest.isalnum() and isinstance(size, int)):
            raise ValueError
    except (LookupError, TypeError, ValueError):
        raise not_a_lab(client.url, "it describes a file in another way") from None
    if target.exists() or target.is_symlink():
        if _has_digest(target, digest, size):
            progress(size)
            return target
        if not overwrite:
            raise FileExistsError(
                errno.EEXIST, "another file is there: choose another place, or overwrite it", str(target)
            )
    # File systems take names of up to 255 bytes.
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
    """Bring the bytes at the path `content` of the API to the open file `part`, behind those that it has already.
    Compare the digest, and remove the file if it differs. The bytes are durable on return.

    Raises OSError, LabRequestError. Blocks until the file is here.
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
        there = os.fstat(fd).st_size
        if 0 < there <= size:
            while self._at < there:
                block = os.pread(fd, min(BLOCK_BYTES, there - self._at), self._at)
                self._hash.update(block)
                self._at += len(block)

    def _start_over(self) -> None:
        self._hash, self._at = hashlib.sha256(), 0

    def go_on(self, backoff: Backoff) -> None:
        headers = {"Accept": "*/*"}
        if self._at:
            headers |= {"Range": f"bytes={self._at}-", "If-Range": f'"{self._digest}"'}
        if self._at < self._size:
            with self._client.opened_file(self._path, headers) as body:
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
                "The file did not arrive as it was announced (another SHA-256): download it again. If that does "
                "not help, the lab's copy is damaged: tell whoever runs it.",
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
    """Open the file that a download grows in, and lock it for this process."""
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        claim(part, fd, "file")
        yield fd
    finally:
        os.close(fd)


def claim(part: Path, fd: int, what: str) -> None:
    """Lock the open `part`, in which a download grows, for this process. Raises FileExistsError if another process
    downloads the same `what` there. Without locks, the digests at the end show whether two downloads mixed.
    """
    # The name is gone, or another file's, if another process finished the download between our two calls.
    if not (lock_alone(fd) and part.exists() and part.stat().st_ino == os.fstat(fd).st_ino):
        raise FileExistsError(errno.EEXIST, f"another process downloads the same {what} there", str(part))


def _name(part: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    try:
        os.link(part, target)  # unlike a rename, a link fails where somebody else was faster
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "another file is there by now: choose another place", str(target)) from None
    except OSError:  # a file system without hard links
        part.replace(target)
    else:
        part.unlink()
