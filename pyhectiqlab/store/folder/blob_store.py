"""The BlobStore in a folder: `ab/cd/<digest>` for blobs, `uploads/<id>` for unfinished uploads.

An upload is one file that grows. At its end it is synced, compared with its digest and renamed. So a name below `ab/cd`
always means a whole blob. The digest is computed while the bytes arrive. The file is read once more only if the process
that received the beginning is gone.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ...base import crashpoints
from ...errors import StoreError
from ..blobs import NoRoomError, UploadBusyError, WrongDigestError, checked

if TYPE_CHECKING:
    from hashlib import _Hash

HASHES_MAX = 1024  # running digests of uploads between two requests, some 200 bytes each
READ_BYTES = 1 << 20
_UPLOAD_ID = re.compile(r"[0-9a-z]{1,64}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderBlobStore:
    """A BlobStore in a folder of a local file system, for one process at a time. Making it makes the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads = folder / "uploads"
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._hashes: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()  # upload → bytes hashed, digest so far
        with _errors_as_store_error(folder):
            self._uploads.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open_upload(self, upload: str) -> FolderUpload:
        path = self._upload_path(upload)
        with self._lock:
            if upload in self._open:
                raise UploadBusyError("Another request sends to this upload at this moment: try again.")
            self._open.add(upload)
            hashed = self._hashes.pop(upload, None)
        try:
            return FolderUpload(self, upload, path, hashed)
        except BaseException:
            self._give_back(upload, None)
            raise

    def received(self, upload: str) -> int:
        try:
            return self._upload_path(upload).stat().st_size
        except FileNotFoundError:
            return 0

    def abort(self, upload: str) -> None:
        path = self._upload_path(upload)
        with self._lock:
            if upload in self._open:
                raise UploadBusyError("Another request sends to this upload at this moment: try again.")
            self._hashes.pop(upload, None)
            with _errors_as_store_error(path):
                path.unlink(missing_ok=True)

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise KeyError(digest) from None

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        path = self._path(digest)
        try:
            with _errors_as_store_error(path):
                file = io.FileIO(path, "rb")  # unbuffered: it is read in large pieces
                file.seek(start)
                return file
        except FileNotFoundError:
            raise KeyError(digest) from None

    def delete(self, digest: str) -> None:
        path = self._path(digest)
        with _errors_as_store_error(path):
            path.unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        for path in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            if path.is_file():
                yield path.name

    def room(self) -> int | None:
        with _errors_as_store_error(self._folder):
            return shutil.disk_usage(self._folder).free

    def largest(self) -> int | None:
        return None

    def address(self, digest: str, disposition: str, media_type: str) -> str | None:
        return None

    def sweep(self, before: float, known: Callable[[str], bool]) -> None:
        """Do nothing: this process alone adds uploads, each of which is known."""

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _path(self, digest: str) -> Path:
        checked(digest)
        return self._folder / digest[:2] / digest[2:4] / digest

    def _upload_path(self, upload: str) -> Path:
        if not _UPLOAD_ID.fullmatch(upload):
            raise ValueError("the id of an upload is 1 to 64 of 0-9 and a-z")
        return self._uploads / upload

    def _place(self, path: Path, digest: str) -> None:
        target = self._path(digest)
        with _errors_as_store_error(target):
            for folder in (target.parent.parent, target.parent):
                with suppress(FileExistsError):
                    folder.mkdir(mode=0o700)
                    _sync_folder(folder.parent)
            crashpoints.passing("lab.blob_placing")
            path.replace(target)
            crashpoints.passing("lab.blob_placed")
            target.chmod(0o400)
            _sync_folder(target.parent)

    def _give_back(self, upload: str, hashed: tuple[int, _Hash] | None) -> None:
        with self._lock:
            self._open.discard(upload)
            if hashed is not None:
                self._hashes[upload] = hashed
                while len(self._hashes) > HASHES_MAX:
                    self._hashes.popitem(last=False)


class FolderUpload:
    """A BlobUpload: a file that grows. By its lock, `close` waits for an append of another thread."""

    def __init__(self, store: FolderBlobStore, upload: str, path: Path, hashed: tuple[int, _Hash] | None) -> None:
        self._store, self._upload, self._path = store, upload, path
        self._lock = threading.Lock()
        self._closed = False
        self._verified: tuple[str, int] | None = None  # digest, bytes
        with _errors_as_store_error(path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._offset = os.fstat(self._fd).st_size
        if self._offset == 0:
            hashed = (0, hashlib.sha256())
        self._hash = hashed[1] if hashed is not None and hashed[0] == self._offset else None

    @property
    def offset(self) -> int:
        return self._offset

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        with self._lock, _errors_as_store_error(self._path):
            if self._closed:
                raise ValueError("the upload is closed")
            while view:
                n = os.write(self._fd, view)  # a disk that becomes full writes a part first
                if self._hash is not None:
                    self._hash.update(view[:n])
                self._offset += n
                view = view[n:]

    def keep(self) -> None:
        """Do nothing: what was appended is in the file."""

    def verify(self, digest: str) -> None:
        checked(digest)
        with self._lock, _errors_as_store_error(self._path):
            os.fsync(self._fd)
            digest_now = self._hash.hexdigest() if self._hash is not None else self._digest_of_file()
            if digest_now != digest:
                self._hash = None
                self._path.unlink()
                raise WrongDigestError(f"the received bytes have the digest {digest_now}, not {digest}")
            self._verified = (digest, self._offset)

    def finish(self, digest: str) -> None:
        if self._verified != (digest, self._offset):
            self.verify(digest)
        with self._lock:
            self._hash = None
            self._store._place(self._path, digest)

    def _digest_of_file(self) -> str:
        running, position = hashlib.sha256(), 0
        while data := os.pread(self._fd, READ_BYTES, position):
            running.update(data)
            position += len(data)
        return running.hexdigest()

    def close(self) -> None:
        """Close the file. What was received is kept. Safe twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.close(self._fd)
            self._store._give_back(self._upload, (self._offset, self._hash) if self._hash is not None else None)

    def __enter__(self) -> FolderUpload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _errors_as_store_error(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as e:
        kind = NoRoomError if e.errno in _FULL else StoreError
        raise kind(f"The lab cannot store files ({os.strerror(e.errno or 0)}): make room on its disk.") from e
